"""Frames of atoms as DeePMD-kit's operations take them: counts of atoms, boundaries."""

from __future__ import annotations

import tensorflow as tf

from deepattn.formats.mesh import MESH_OPEN_MIXED, MESH_PERIODIC_MIXED


def natoms_of(nloc: tf.Tensor, nall: tf.Tensor, ntypes: int) -> tf.Tensor:
    """``natoms`` int32 ``[2 + ntypes]``: numbers of local and of all atoms, counts of types.

    The operations read the first two numbers only; the counts are 0.
    """
    return tf.stack([nloc, nall, *[0] * ntypes])


def mesh_of_box(box: tf.Tensor) -> tf.Tensor:
    """``mesh`` for cells that repeat, or for open boundaries where all boxes are zero."""
    periodic = tf.reduce_any(box != 0)
    return tf.zeros([tf.where(periodic, MESH_PERIODIC_MIXED, MESH_OPEN_MIXED)], tf.int32)
