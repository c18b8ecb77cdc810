"""Second derivatives of the energy by positions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import tensorflow as tf

from deepattn import ops
from deepattn.layers import Environment
from deepattn.ops.reference import moving_vectors

if TYPE_CHECKING:
    from deepattn.models.energy_model import EnergyModel

# Atoms that inference evaluates at a time, copies included.
_ATOMS = 2048


def hessian(
    model: EnergyModel, inputs: Mapping[str, tf.Tensor], *, in_blocks: bool = False
) -> tf.Tensor:
    """The Hessian of the energy of each frame.

    Neighbors are those that the model finds; the rest is evaluated by reference implementations, as
    functions of displacements of the atoms, since the compiled operations have no derivatives of
    this order. A frame is evaluated once for each coordinate.

    Args:
        model: The model.
        inputs: As for a call of the model, or prepared; neighbors must be local atoms.
        in_blocks: Whether memory is bounded; the result cannot be differentiated then.

    Returns:
        ``[nframes, 3 * nloc, 3 * nloc]``, eV/Å².
    """
    if "environment" not in inputs:
        inputs = model.prepare(inputs)
    environment = inputs["environment"]
    local = inputs["atype"][:, : inputs["natoms"][0]]
    parameters = (model.frame_parameters(inputs), inputs.get("aparam"))
    nframes, nloc = tf.unstack(tf.shape(local))
    directions = tf.eye(3 * nloc, dtype=environment.rij.dtype)
    if not in_blocks:
        return _rows(model, environment, local, *parameters, directions)
    block = tf.maximum(_ATOMS // tf.maximum(nframes * nloc, 1), 1)
    blocks = -(-3 * nloc // block)
    directions = tf.pad(directions, [[0, blocks * block - 3 * nloc], [0, 0]])
    rows = tf.map_fn(
        lambda some: _rows(model, environment, local, *parameters, some),
        tf.reshape(directions, [blocks, block, 3 * nloc]),
        fn_output_signature=tf.TensorSpec([None, None, None], directions.dtype),
        parallel_iterations=1,
    )
    rows = tf.transpose(rows, [1, 0, 2, 3])
    return tf.reshape(rows, [nframes, blocks * block, 3 * nloc])[:, : 3 * nloc]


def _rows(
    model: EnergyModel,
    environment: Environment,
    local: tf.Tensor,
    fparam: tf.Tensor | None,
    aparam: tf.Tensor | None,
    directions: tf.Tensor,
) -> tf.Tensor:
    """Products of directions ``[n, 3 * nloc]`` and the Hessian, ``[nframes, n, 3 * nloc]``."""
    nframes, nloc = tf.unstack(tf.shape(local))
    count, nnei = tf.shape(directions)[0], model.descriptor.nnei

    def copies(array: tf.Tensor) -> tf.Tensor:
        return tf.tile(array, [count, *[1] * (array.shape.rank - 1)])

    environment, local = Environment(*map(copies, environment)), copies(local)
    fparam, aparam = (None if x is None else copies(x) for x in (fparam, aparam))
    neighbors = tf.maximum(environment.nlist, 0)
    real = environment.nmask[:, :, tf.newaxis]
    shift = tf.zeros([count * nframes, 3 * nloc], directions.dtype)
    with ops.plain(), moving_vectors(), tf.GradientTape() as outer:
        outer.watch(shift)
        with tf.GradientTape() as inner:
            inner.watch(shift)
            moves = tf.reshape(shift, [count * nframes, nloc, 3])
            change = tf.gather(moves, neighbors, batch_dims=1) - tf.repeat(moves, nnei, axis=1)
            change = tf.where(real, change, tf.zeros([], change.dtype))
            rij = environment.rij + tf.reshape(change, tf.shape(environment.rij))
            moved = model.descriptor.moved(environment, local, rij)
            energy, _ = model.energies(moved, local, model.type_vectors(), fparam, aparam)
            total = tf.reduce_sum(energy)
        gradient = inner.gradient(total, shift)
        projected = tf.reduce_sum(gradient * tf.repeat(directions, nframes, axis=0))
    rows = outer.gradient(projected, shift)
    return tf.transpose(tf.reshape(rows, [count, nframes, 3 * nloc]), [1, 0, 2])
