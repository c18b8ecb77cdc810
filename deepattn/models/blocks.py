"""Evaluation of many atoms in blocks, so that memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import tensorflow as tf

from deepattn import ops
from deepattn.layers import Environment
from deepattn.layers.environment import SLOT_WIDTHS
from deepattn.models.shells import potential_in_shells
from deepattn.models.smooth_potential import energies_in_one_operation

if TYPE_CHECKING:
    from deepattn.models.energy_model import EnergyModel


def infer(
    model: EnergyModel, inputs: Mapping[str, tf.Tensor], *, with_descriptor: bool = False
) -> dict[str, tf.Tensor]:
    """The results of `EnergyModel.call` for inference: they cannot be differentiated again.

    Args:
        model: The model.
        inputs: As for `EnergyModel`, with ``natoms`` and ``mesh``, and with ``owner`` if messages
            are passed; with ``shells`` as for `potential_in_shells`.
        with_descriptor: Whether the descriptor is among the results; of models without messages in
            its own precision.
    """
    environment = model.descriptor.environment(
        *(inputs[key] for key in ("coord", "atype", "box")),
        natoms=inputs["natoms"],
        mesh=inputs["mesh"],
    )
    potential: Callable[..., dict[str, tf.Tensor]] = partial(
        potential_in_blocks, with_descriptor=with_descriptor
    )
    if model.descriptor.passes_messages:
        # Blocks of atoms would lack the features of neighbors in other blocks.
        environment, potential = environment.of_owners(inputs["owner"]), type(model).potential
    if "shells" in inputs:
        potential = partial(potential_in_shells, shells=inputs["shells"])
    return potential(
        *(model, environment, inputs["atype"], inputs["natoms"]),
        inputs.get("fparam"),
        inputs.get("aparam"),
    )


def potential_in_blocks(
    model: EnergyModel,
    environment: Environment,
    atype: tf.Tensor,
    natoms: tf.Tensor,
    fparam: tf.Tensor | None = None,
    aparam: tf.Tensor | None = None,
    *,
    block: int | None = None,
    with_descriptor: bool = False,
) -> dict[str, tf.Tensor]:
    """The results of `EnergyModel.potential` for inference: they cannot be differentiated again.

    Args:
        model: The model.
        environment, atype, natoms, fparam, aparam: As for `EnergyModel.potential`.
        block: Number of atoms evaluated at a time; by default what suits the descriptor.
        with_descriptor: Whether the descriptor is among the results, in its own precision. In a
            frozen graph it costs nothing if it is not fetched.
    """
    local, type_vectors = atype[:, : natoms[0]], model.type_vectors()
    arguments = (model, environment, local, type_vectors, fparam, aparam)
    # It goes through the atoms in blocks by itself.
    found = energies_in_one_operation(*arguments, with_descriptor=with_descriptor)
    if found is None:
        block = block or model.descriptor.block
        found = _energies_in_blocks(*arguments, block=block, with_descriptor=with_descriptor)
    atom_energy, net_deriv, *descriptor = found
    outputs = model.outputs(environment, local, natoms, atom_energy, net_deriv, *descriptor)
    # Who asks for no atomic virials runs nothing that makes them.
    virial = ops.total_virial(net_deriv, environment.descrpt_deriv, environment.rij)
    return {**outputs, "virial": virial}


def _energies_in_blocks(
    model: EnergyModel,
    environment: Environment,
    local: tf.Tensor,
    type_vectors: tf.Tensor | None,
    fparam: tf.Tensor | None,
    aparam: tf.Tensor | None,
    *,
    block: int,
    with_descriptor: bool,
) -> tuple[tf.Tensor, ...]:
    """Atomic energies, the derivative of their sum by ``environment.descrpt``, descriptors.

    Atoms of all frames are ordered by their numbers of neighbors, so that those of a block need
    about as many slots. TensorFlow runs only those nodes of a loop that the fetched results need.
    """
    nframes, nloc = tf.unstack(tf.shape(local))
    rows = [
        tf.reshape(array, [-1, model.sel * width])
        for array, width in zip(environment, SLOT_WIDTHS, strict=True)
    ]
    kinds = tf.reshape(local, [-1, 1])
    order = tf.argsort(tf.reduce_sum(tf.cast(rows[-1], tf.int32), axis=1))
    dtype, of_descriptor = model.interface_dtype, model.descriptor.precision

    def evaluate(atoms: tf.Tensor) -> Sequence[tf.Tensor]:
        """Results of some atoms, as for frames of one atom each."""
        part = Environment(*(tf.gather(array, atoms) for array in rows))
        of_frames = None if fparam is None else tf.gather(fparam, atoms // nloc)
        of_atoms = None
        if aparam is not None:
            of_atoms = tf.gather(tf.reshape(aparam, [-1, 1, aparam.shape[-1]]), atoms)
        arguments = (part, tf.gather(kinds, atoms), type_vectors, of_frames, of_atoms)
        *energies, descriptor = model.atoms(*arguments)
        return *energies, tf.cast(descriptor, of_descriptor)

    of_results = [
        (dtype, [1]),
        (dtype, [4 * model.sel]),
        (of_descriptor, [1, model.descriptor.width]),
    ]
    energy, derivative, *descriptor = _in_blocks(
        evaluate, order, block, of_results[: 3 if with_descriptor else 2]
    )
    found = (
        tf.reshape(energy, [nframes, nloc]),
        tf.reshape(derivative, tf.shape(environment.descrpt)),
    )
    shape = [nframes, nloc, model.descriptor.width]
    return *found, *(tf.reshape(rows, shape) for rows in descriptor)


def _in_blocks(
    function: Callable[[tf.Tensor], Sequence[tf.Tensor]],
    order: tf.Tensor,
    block: int,
    kinds: Sequence[tuple[str, Sequence[int]]],
) -> list[tf.Tensor]:
    """Results of ``function`` for all atoms.

    Args:
        function: Takes indices ``[m]`` of atoms and returns arrays ``[m, *shape]``, of which the
            first are kept.
        order: In which order the atoms are taken.
        block: Number of atoms a call.
        kinds: Types of the results, and their shapes for one atom.
    """
    # One block at least, so that of no atoms there are results too.
    count = tf.maximum((tf.size(order) + block - 1) // block, 1)
    # Lists of raw operations keep no state, unlike a tf.TensorArray of a graph without functions.
    results = [
        tf.raw_ops.TensorListReserve(
            element_shape=[-1, *shape], num_elements=count, element_dtype=dtype
        )
        for dtype, shape in kinds
    ]

    def body(k: tf.Tensor, *results: tf.Tensor) -> tuple[tf.Tensor, ...]:
        values = function(order[k * block : (k + 1) * block])[: len(kinds)]
        written = [
            tf.raw_ops.TensorListSetItem(input_handle=result, index=k, item=value)
            for result, value in zip(results, values, strict=True)
        ]
        return k + 1, *written

    _, *results = tf.while_loop(
        lambda k, *_: k < count, body, [tf.constant(0), *results], parallel_iterations=1
    )
    back = tf.math.invert_permutation(order)
    return [
        tf.gather(_concatenated(result, shape, dtype), back)
        for result, (dtype, shape) in zip(results, kinds, strict=True)
    ]


def _concatenated(handle: tf.Tensor, shape: Sequence[int], dtype: str) -> tf.Tensor:
    return tf.raw_ops.TensorListConcatV2(
        input_handle=handle,
        element_shape=[-1, *shape],
        leading_dims=tf.constant([], tf.int64),
        element_dtype=dtype,
    ).tensor
