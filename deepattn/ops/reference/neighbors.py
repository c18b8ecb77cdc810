"""Which atoms are neighbors, in DeePMD's order: brute force over all atoms and periodic images."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

_BLOCK = 32  # centers handled at once, to bound memory


class Points(NamedTuple):
    """What the centers of one frame see: the atoms, then their periodic images."""

    position: tf.Tensor  # [npoints, 3], in DeePMD's numbering of local and ghost atoms
    owner: tf.Tensor  # int32 [npoints], the atom a point is (an image of)


class Pairs(NamedTuple):
    """All points around some centers."""

    vector: tf.Tensor  # [ncenters, npoints, 3]
    q: tf.Tensor  # float32 [ncenters, npoints], the squared distance used to select
    is_neighbor: tf.Tensor  # bool [ncenters, npoints]


def open_points(coord: tf.Tensor) -> Points:
    """The atoms of a frame ``[natoms, 3]`` without periodicity."""
    return Points(coord, tf.range(tf.shape(coord)[0]))


def periodic_points(coord: tf.Tensor, box: tf.Tensor, rcut: float) -> Points:
    """The atoms ``[natoms, 3]`` wrapped into ``box [9]``, then DeePMD's ghosts.

    Ghosts fill the cells around the box cell by cell; here every cell gets its number and points
    are sorted by it. Sums run left to right, as in the compiled op: equidistant neighbors are
    told apart by the last bit.
    """
    rows = tf.reshape(tf.cast(box, tf.float64), [3, 3])
    cross = tf.stack([_cross(rows[(d + 1) % 3], rows[(d + 2) % 3]) for d in range(3)])
    volume = dot(rows[0], cross[0])
    height = tf.abs(volume) / tf.sqrt(dot(cross, cross))
    check = tf.debugging.Assert(
        tf.abs(volume) > 1e-12 * tf.reduce_max(tf.abs(rows)) ** 3,
        ["the box has no volume, as a periodic frame needs", box],
    )
    with tf.control_dependencies([check] if check is not None else []):
        rcut = tf.cast(np.float32(rcut), tf.float64)
        ncells = tf.cast(tf.maximum(tf.floor(height / rcut), 1.0), tf.int64)
    thickness = height / tf.cast(ncells, tf.float64)
    nghost = tf.cast(tf.floor(rcut / thickness), tf.int64) + 1

    r = tf.cast(coord, tf.float64)
    fraction = tf.stack([dot(r, cross[d] / volume) for d in range(3)], axis=1)
    fraction = tf.math.floormod(fraction, 1.0)
    wrapped = fraction[:, 0:1] * rows[0] + fraction[:, 1:2] * rows[1] + fraction[:, 2:3] * rows[2]
    wrapped = tf.cast(wrapped, coord.dtype)
    cell = tf.cast(fraction * tf.cast(ncells, tf.float64), tf.int64)
    cell = tf.minimum(cell, ncells - 1)

    turns = (nghost + ncells - 1) // ncells
    grids = tf.meshgrid(*[tf.range(-turns[d], turns[d] + 1) for d in range(3)], indexing="ij")
    image = tf.stack([tf.reshape(grid, [-1]) for grid in grids], axis=1)
    image_cell = cell[None] + image[:, None] * ncells
    inside = tf.reduce_all((image_cell >= -nghost) & (image_cell < ncells + nghost), axis=2)
    span = ncells + 2 * nghost
    number = image_cell + nghost
    number = (number[..., 0] * span[1] + number[..., 1]) * span[2] + number[..., 2]
    is_home = tf.reduce_all(image == 0, axis=1)
    number = tf.where(is_home[:, None], tf.constant(-1, tf.int64), number)
    step = tf.cast(image, tf.float64)
    shift = step[:, 0:1] * rows[0] + step[:, 1:2] * rows[1] + step[:, 2:3] * rows[2]
    position = tf.cast(tf.cast(wrapped, tf.float64)[None] + shift[:, None], coord.dtype)

    owner = tf.broadcast_to(tf.range(tf.shape(coord)[0])[None], tf.shape(number))
    order = tf.argsort(tf.boolean_mask(number, inside), stable=True)
    return Points(
        tf.gather(tf.boolean_mask(position, inside), order),
        tf.gather(tf.boolean_mask(owner, inside), order),
    )


def pairs_of(center: tf.Tensor, points: Points, atype: tf.Tensor, rcut: float) -> Pairs:
    """Pairs of the atoms ``center [ncenters]`` with all points; `atype [natoms]` < 0: no atom."""
    here = tf.gather(points.position, center)
    vector = points.position[None] - here[:, None]
    q = _selection_distance(here[:, None], points.position[None])
    rcut2 = np.float32(rcut) * np.float32(rcut)
    exists = (tf.gather(atype, points.owner) >= 0)[None] & (tf.gather(atype, center) >= 0)[:, None]
    # The first points are the atoms themselves: only the center itself has the center's number.
    is_other = tf.range(tf.shape(points.owner)[0])[None] != center[:, None]
    near = (dot(vector, vector) < tf.cast(rcut2, vector.dtype)) & (q <= rcut2)
    return Pairs(vector, q, exists & is_other & near)


def listed_pairs(nlist: tf.Tensor, coord: tf.Tensor, atype: tf.Tensor, rcut: float) -> Pairs:
    """Pairs of the atoms 0 … nloc-1 with their rows of ``nlist [nloc, n]`` (negative: nothing)."""
    here = coord[: tf.shape(nlist)[0]]
    there = tf.gather(coord, tf.maximum(nlist, 0))
    q = _selection_distance(here[:, None], there)
    exists = (nlist >= 0) & (tf.gather(atype, tf.maximum(nlist, 0)) >= 0)
    exists &= (atype[: tf.shape(nlist)[0]] >= 0)[:, None]
    rcut2 = np.float32(rcut) * np.float32(rcut)
    return Pairs(there - here[:, None], q, exists & (q <= rcut2))


def map_frames(
    fn: Callable[[tuple[tf.Tensor, ...]], tuple[tf.Tensor, ...]],
    arrays: tuple[tf.Tensor, ...],
    nloc: tf.Tensor,
    signature: tuple[tf.TensorSpec, ...],
) -> tuple[tf.Tensor, ...]:
    """Maps ``fn(arrays of a frame)``; the results' first axis runs over nloc atoms."""
    nframes = tf.shape(arrays[0])[0]
    # A loop over nothing would not know the shape of its results.
    return tf.cond(
        nframes * nloc > 0,
        lambda: tf.map_fn(fn, arrays, fn_output_signature=signature),
        lambda: tf.nest.map_structure(
            lambda spec: tf.zeros([nframes, nloc, *spec.shape[1:]], spec.dtype), signature
        ),
    )


def map_centers(
    fn: Callable[[tf.Tensor], tuple[tf.Tensor, ...]],
    nloc: tf.Tensor,
    signature: tuple[tf.TensorSpec, ...],
) -> tuple[tf.Tensor, ...]:
    """Maps ``fn(center [b])`` over 0 … nloc-1 in blocks and joins the results' first axes."""
    nblocks = (nloc + _BLOCK - 1) // _BLOCK
    index = tf.minimum(tf.range(nblocks * _BLOCK), tf.maximum(nloc - 1, 0))
    blocks = tf.map_fn(fn, tf.reshape(index, [nblocks, _BLOCK]), fn_output_signature=signature)

    def join(block: tf.Tensor) -> tf.Tensor:
        shape = tf.concat([[nblocks * _BLOCK], tf.shape(block)[2:]], 0)
        joined = tf.reshape(block, shape)[:nloc]
        return tf.ensure_shape(joined, [None, *block.shape[2:]])

    return tf.nest.map_structure(join, blocks)


def _selection_distance(here: tf.Tensor, there: tf.Tensor) -> tf.Tensor:
    """Squared distance in float32 from float32-rounded coordinates, whatever the precision."""
    d = tf.cast(there, tf.float32) - tf.cast(here, tf.float32)
    return dot(d, d)


def dot(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Sum over the last axis of length 3, left to right."""
    p = a * b
    return p[..., 0] + p[..., 1] + p[..., 2]


def _cross(u: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    return tf.stack(
        [u[(k + 1) % 3] * v[(k + 2) % 3] - u[(k + 2) % 3] * v[(k + 1) % 3] for k in range(3)]
    )
