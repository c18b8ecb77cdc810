"""Evaluation of many atoms in blocks, so that memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import tensorflow as tf

from deepattn.layers import Environment
from deepattn.layers.environment import SLOT_WIDTHS
from deepattn.models.shells import potential_in_shells
from deepattn.ops.blocks import in_blocks

if TYPE_CHECKING:
    from deepattn.models.atomic_model import AtomicModel


def infer(
    model: AtomicModel, inputs: Mapping[str, tf.Tensor], *, with_descriptor: bool = False
) -> dict[str, tf.Tensor]:
    """The results of `AtomicModel.call` for inference: they cannot be differentiated again.

    Args:
        model: The model.
        inputs: As for `AtomicModel`, with ``natoms`` and ``mesh``, and with ``owner`` if messages
            are passed; with ``shells`` as for `potential_in_shells`.
        with_descriptor: Whether the descriptor is among the results; of models without messages in
            its own precision.
    """
    inputs = model.expanded(inputs)
    environment = model.environment(inputs)
    evaluate: Callable[..., dict[str, tf.Tensor]] = partial(
        evaluate_in_blocks, with_descriptor=with_descriptor
    )
    if model.descriptor.passes_messages:
        # Blocks of atoms would lack the features of neighbors in other blocks.
        environment, evaluate = environment.of_owners(inputs["owner"]), type(model).infer
    if "shells" in inputs:
        evaluate = partial(potential_in_shells, shells=inputs["shells"])
    outputs = evaluate(
        *(model, environment, inputs["atype"], inputs["natoms"]),
        inputs.get("fparam"),
        inputs.get("aparam"),
    )
    return model.complete(outputs, inputs)


def evaluate_in_blocks(
    model: AtomicModel,
    environment: Environment,
    atype: tf.Tensor,
    natoms: tf.Tensor,
    fparam: tf.Tensor | None = None,
    aparam: tf.Tensor | None = None,
    *,
    block: int | None = None,
    with_descriptor: bool = False,
) -> dict[str, tf.Tensor]:
    """The results of `AtomicModel.infer`: they cannot be differentiated again.

    Args:
        model: The model.
        environment, atype, natoms, fparam, aparam: As for `AtomicModel.results`.
        block: Number of atoms evaluated at a time; by default what suits the descriptor.
        with_descriptor: Whether the descriptor is among the results, in its own precision. In a
            frozen graph it costs nothing if it is not fetched.
    """
    local, type_vectors = atype[:, : natoms[0]], model.type_vectors()
    arguments = (environment, local, type_vectors, fparam, aparam)
    # It goes through the atoms in blocks by itself.
    found = model.in_one_operation(*arguments, with_descriptor=with_descriptor)
    if found is None:
        block = block or model.descriptor.block
        found = _results_in_blocks(model, *arguments, block=block, with_descriptor=with_descriptor)
    return model.outputs_of_blocks(environment, local, natoms, *found)


def _results_in_blocks(
    model: AtomicModel,
    environment: Environment,
    local: tf.Tensor,
    type_vectors: tf.Tensor | None,
    fparam: tf.Tensor | None,
    aparam: tf.Tensor | None,
    *,
    block: int,
    with_descriptor: bool,
) -> tuple[tf.Tensor, ...]:
    """The results of `AtomicModel.atoms`.

    Atoms of all frames are ordered by their numbers of neighbors, so that those of a block need
    about as many slots. TensorFlow runs only those nodes of a loop that the fetched results need.
    """
    frames = tf.unstack(tf.shape(local))
    rows = [
        tf.reshape(array, [-1, model.sel * width])
        for array, width in zip(environment, SLOT_WIDTHS, strict=True)
    ]
    kinds = tf.reshape(local, [-1, 1])
    order = tf.argsort(tf.reduce_sum(tf.cast(rows[-1], tf.int32), axis=1))
    of_descriptor = model.descriptor.precision
    of_results = [
        *((model.interface_dtype, shape) for shape in model.atom_shapes),
        (of_descriptor, [model.descriptor.width]),
    ]

    def evaluate(atoms: tf.Tensor) -> Sequence[tf.Tensor]:
        """Results of some atoms, as for frames of one atom each."""
        part = Environment(*(tf.gather(array, atoms) for array in rows))
        of_frames = None if fparam is None else tf.gather(fparam, atoms // frames[1])
        of_atoms = None
        if aparam is not None:
            of_atoms = tf.gather(tf.reshape(aparam, [-1, 1, aparam.shape[-1]]), atoms)
        arguments = (part, tf.gather(kinds, atoms), type_vectors, of_frames, of_atoms)
        *results, descriptor = model.atoms(*arguments)
        results.append(tf.cast(descriptor, of_descriptor))
        return [
            tf.reshape(result, [-1, *shape])
            for result, (_, shape) in zip(results, of_results, strict=True)
        ]

    kept = of_results if with_descriptor else of_results[:-1]
    found = in_blocks(evaluate, order, block, kept)
    back = tf.math.invert_permutation(order)
    return tuple(
        tf.reshape(tf.gather(result, back), [*frames, *result.shape[1:]]) for result in found
    )
