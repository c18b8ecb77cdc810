"""How many neighbors atoms have, and how close the nearest is."""

import tensorflow as tf

from deepattn.ops.reference import neighbors


def neighbor_stat(
    coord: tf.Tensor, atype: tf.Tensor, box: tf.Tensor, *, rcut: float, ntypes: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Twin of ``DeepattnNeighborStat``; see `deepattn.ops.neighbor_stat`."""
    nloc = tf.shape(atype)[1]
    signature = (
        tf.TensorSpec([None], coord.dtype),
        tf.TensorSpec([None, ntypes], tf.int32),
    )

    def frame(arguments: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, tf.Tensor]:
        r, types, h = arguments
        points = tf.cond(
            tf.reduce_all(h == 0),
            lambda: neighbors.open_points(r),
            lambda: neighbors.periodic_points(r, h, rcut),
        )
        point_type = tf.gather(types, points.owner)

        def block(center: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            pairs = neighbors.pairs_of(center, points, types, rcut)
            r2 = tf.reduce_sum(pairs.vector * pairs.vector, axis=2)
            infinity = tf.constant(float("inf"), r2.dtype)
            nearest = tf.reduce_min(tf.where(pairs.is_neighbor, r2, infinity), axis=1)
            of_type = point_type[:, None] == tf.range(ntypes)
            counted = pairs.is_neighbor[:, :, None] & of_type
            return nearest, tf.reduce_sum(tf.cast(counted, tf.int32), axis=1)

        return neighbors.map_centers(block, nloc, signature)

    return neighbors.map_frames(frame, (coord, atype, box), nloc, signature)
