"""Frames of atoms as DeePMD-kit's operations take them: counts of atoms, boundaries."""

from __future__ import annotations

import tensorflow as tf

from deepattn.formats.mesh import MESH_OPEN_MIXED, MESH_PERIODIC_MIXED


def natoms_of(atype: tf.Tensor, ntypes: int) -> tf.Tensor:
    """``natoms`` int32 ``[2 + ntypes]`` of frames all of whose atoms are local.

    The operations look at the first two numbers only, those of local and of all atoms; the counts
    of types behind them are not right.
    """
    count = tf.shape(atype)[1]
    return tf.stack([count, count, count, *[0] * (ntypes - 1)])


def mesh_of_box(box: tf.Tensor) -> tf.Tensor:
    """``mesh`` for cells that repeat, or for open boundaries where all boxes are zero."""
    periodic = tf.reduce_any(box != 0)
    return tf.zeros([tf.where(periodic, MESH_PERIODIC_MIXED, MESH_OPEN_MIXED)], tf.int32)
