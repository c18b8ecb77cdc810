"""Parts of the reference implementations of whole potentials."""

from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

from deepattn.ops.reference.pair_embedding import residual_layer
from deepattn.ops.reference.switch import switch_of_distance, switch_of_inverse


def split(number: int, *lists: Sequence[tf.Tensor]) -> Iterator[tuple[Sequence[tf.Tensor], ...]]:
    """The parts of lists that belong to each of ``number`` nets."""
    for k in range(number):
        yield tuple(x[k * len(x) // number : (k + 1) * len(x) // number] for x in lists)


def fitting_energies(
    x: tf.Tensor,
    center: tf.Tensor,
    nloc: tf.Tensor,
    offsets: tuple[tf.Tensor, tf.Tensor, tf.Tensor],
    nets: tuple[Sequence[tf.Tensor], ...],
    *,
    copies: Sequence[int],
) -> tf.Tensor:
    """Output of the fitting nets, ``[n, 1]``.

    Args:
        x: descriptors ``[n, width]``.
        center: int32 ``[n]``, types.
        nloc: number of atoms in a frame.
        offsets: what the first layer adds for types, frames and atoms; the last two may have no
            rows.
        nets: matrices, biases and time steps of all hidden layers, then matrices and biases of the
            last layers.
        copies: how many copies of its input each hidden layer adds.
    """
    of_type, of_frame, of_atom = offsets
    offset = tf.gather(of_type, center)
    if of_frame.shape[0] != 0:
        offset += tf.repeat(of_frame, nloc, axis=0)
    if of_atom.shape[0] != 0:
        offset += of_atom
    number = len(nets[-1])
    energies = [_fitting_net(x, offset, *net, copies=copies) for net in split(number, *nets)]
    energy = energies[0]
    for net, of_net in enumerate(energies[1:], start=1):
        energy = tf.where(center[:, tf.newaxis] == net, of_net, energy)
    return energy


def factor_weights(
    kind: str, span: tf.Tensor, inverse: tf.Tensor, vectors: tf.Tensor, mask: tf.Tensor
) -> Any:
    """Weights of the factors of pairs of types, functions of the inverse distances."""
    if kind == "none":
        return tf.ones_like(inverse)
    begin, end = tf.unstack(span)
    if kind == "inverse":
        return switch_of_inverse(inverse, rcut_smth=begin)
    weight = switch_of_distance(inverse, vectors, rcut=end, rcut_smth=begin)
    return tf.where(mask, weight, tf.zeros_like(weight))


def _fitting_net(
    x: tf.Tensor,
    offset: tf.Tensor,
    matrices: Sequence[tf.Tensor],
    biases: Sequence[tf.Tensor],
    steps: Sequence[tf.Tensor],
    last_matrix: Sequence[tf.Tensor],
    last_bias: Sequence[tf.Tensor],
    *,
    copies: Sequence[int],
) -> tf.Tensor:
    """Output of one net ``[n, 1]``."""
    x = tf.tanh(tf.matmul(x, matrices[0]) + offset)
    if steps[0].shape[0]:
        x *= steps[0]
    others = zip(matrices[1:], biases[1:], steps[1:], copies[1:], strict=True)
    for matrix, bias, step, times in others:
        step = step if step.shape[0] else None
        x = residual_layer(x, matrix, bias, step, function=tf.tanh, copies=times)
    return tf.matmul(x, last_matrix[0]) + last_bias[0]
