"""Frames of atoms as DeePMD-kit's operations take them: counts of atoms, boundaries."""

from __future__ import annotations

import tensorflow as tf

from deepattn.formats.mesh import MESH_HEAD, MESH_OPEN_MIXED, MESH_PERIODIC_MIXED


def natoms_of(nloc: tf.Tensor, nall: tf.Tensor, ntypes: int) -> tf.Tensor:
    """``natoms`` int32 ``[2 + ntypes]``: numbers of local and of all atoms, counts of types.

    The operations read the first two numbers only; the counts are 0.
    """
    return tf.stack([nloc, nall, *[0] * ntypes])


def mesh_of_box(box: tf.Tensor) -> tf.Tensor:
    """``mesh`` for cells that repeat, or for open boundaries where all boxes are zero."""
    periodic = tf.reduce_any(box != 0)
    return tf.zeros([tf.where(periodic, MESH_PERIODIC_MIXED, MESH_OPEN_MIXED)], tf.int32)


def mesh_of_list(nlist: tf.Tensor) -> tf.Tensor:
    """``mesh`` for a frame with a neighbor list.

    Args:
        nlist: int32 ``[nloc, n]``, −1 for nothing.
    """
    real = nlist >= 0
    counts = tf.reduce_sum(tf.cast(real, tf.int32), axis=1)
    head = tf.zeros([MESH_HEAD], tf.int32)
    rows = tf.range(tf.shape(nlist)[0])
    return tf.concat([head, rows, counts, tf.boolean_mask(nlist, real)], axis=0)
