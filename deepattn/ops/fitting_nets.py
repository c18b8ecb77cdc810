"""Fitting nets among the inputs of an operation that evaluates a whole potential."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from deepattn.ops.pair_embedding import DenseLayer, spread

MOST_HIDDEN = 16

# Precisions of energies and of nets that such operations are compiled for.
_PRECISIONS = [(tf.float32, tf.float32), (tf.float64, tf.float64), (tf.float64, tf.float32)]


class FittingNets(NamedTuple):
    """A fitting net with tanh, or one for each type of center.

    Attributes:
        layers: hidden layers of each net; of the first matrix the rows of the descriptor, and no
            bias.
        copies: how many copies of its input each layer adds to its result; 0 for the first.
        outputs: of each net the linear layer at the end, ``[width, 1]`` and ``[1]``.
        type_offset: T ``[ntypes, first width]``, which the first layer adds to ``x W``.
        frame_offset: T ``[nframes, first width]``, likewise, or None.
        atom_offset: T ``[nframes * nloc, first width]``, likewise, or None.
    """

    layers: Sequence[Sequence[DenseLayer]]
    copies: Sequence[int]
    outputs: Sequence[DenseLayer]
    type_offset: tf.Tensor
    frame_offset: tf.Tensor | None
    atom_offset: tf.Tensor | None

    def arguments(self) -> list[tf.Tensor | list[tf.Tensor]]:
        """Inputs of the operation in their order; offsets that are missing have no rows."""
        dtype = self.type_offset.dtype
        no_rows = tf.zeros([0, self.type_offset.shape[1]], dtype)
        offsets = [no_rows if x is None else x for x in (self.frame_offset, self.atom_offset)]
        hidden = spread(list(itertools.chain(*self.layers)), dtype)
        matrices, biases, _ = spread(self.outputs, dtype)
        return [self.type_offset, *offsets, *hidden, matrices, biases]


def fits_whole_potentials(interface: tf.DType, nets: tf.DType) -> bool:
    """Whether such operations are for models of these types."""
    return (interface, nets) in _PRECISIONS
