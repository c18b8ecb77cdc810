"""Force and virial as sums over neighbor pairs, and their transposes.

Throughout, npairs is nloc·nnei, ``net_deriv`` is ``[nframes, npairs*4]``, ``in_deriv``
``[nframes, npairs*12]``, ``rij`` ``[nframes, npairs*3]``, ``nlist`` int32 ``[nframes, npairs]``
(negative: padding), ``natoms`` ``[nloc, nall, …]``.
"""

import tensorflow as tf


def prod_force_se_a(
    net_deriv: tf.Tensor, in_deriv: tf.Tensor, nlist: tf.Tensor, natoms: tf.Tensor, *, nnei: int
) -> tf.Tensor:
    """Forces ``[nframes, nall*3]``: a pair pushes its neighbor and pulls its center."""
    nframes, nloc, nall = tf.shape(net_deriv)[0], natoms[0], natoms[1]
    nlist = _checked(nlist, nall)
    t = pair_derivative(net_deriv, in_deriv)
    own = tf.reduce_sum(tf.reshape(t, [nframes, nloc, nnei, 3]), axis=2)
    own = tf.pad(own, [[0, 0], [0, nall - nloc], [0, 0]])
    return tf.reshape(_scatter(t, nlist, nall) - own, [nframes, 3 * nall])


def prod_force_se_a_grad(
    grad: tf.Tensor,
    net_deriv: tf.Tensor,
    in_deriv: tf.Tensor,
    nlist: tf.Tensor,
    natoms: tf.Tensor,
    *,
    nnei: int,
) -> tf.Tensor:
    """Transpose of `prod_force_se_a`: grad ``[nframes, nall*3]`` -> ``[nframes, nloc*nnei*4]``."""
    differences = force_differences(grad, nlist, natoms, nnei)
    return _contract(differences, in_deriv, tf.shape(net_deriv))


def prod_virial_se_a(
    net_deriv: tf.Tensor,
    in_deriv: tf.Tensor,
    rij: tf.Tensor,
    nlist: tf.Tensor,
    natoms: tf.Tensor,
    *,
    nnei: int,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Virial ``[nframes, 9]`` and each neighbor's share of it ``[nframes, nall*9]``."""
    nframes, nall = tf.shape(net_deriv)[0], natoms[1]
    nlist = _checked(nlist, nall)
    t = pair_derivative(net_deriv, in_deriv)
    npairs = tf.shape(nlist)[1]
    shares = t[..., :, None] * tf.reshape(rij, [nframes, npairs, 1, 3])
    shares = tf.reshape(shares, [nframes, npairs, 9])
    atom_virial = _scatter(shares, nlist, nall)
    virial = tf.reduce_sum(atom_virial, axis=1)
    return virial, tf.reshape(atom_virial, [nframes, 9 * nall])


def prod_virial_se_a_grad(
    grad: tf.Tensor,
    net_deriv: tf.Tensor,
    in_deriv: tf.Tensor,
    rij: tf.Tensor,
    nlist: tf.Tensor,
    natoms: tf.Tensor,
    *,
    nnei: int,
) -> tf.Tensor:
    """Transpose of the virial: grad ``[nframes, 9]`` -> ``[nframes, nloc*nnei*4]``."""
    return contract_virial(spread_virial(grad, nlist), in_deriv, rij)


def pair_derivative(net_deriv: tf.Tensor, in_deriv: tf.Tensor) -> tf.Tensor:
    """Derivative of the energy along each pair, ``[nframes, nloc*nnei, 3]``."""
    nframes = tf.shape(net_deriv)[0]
    npairs = tf.shape(net_deriv)[1] // 4
    weights = tf.reshape(net_deriv, [nframes, npairs, 4, 1])
    return tf.reduce_sum(weights * tf.reshape(in_deriv, [nframes, npairs, 4, 3]), axis=2)


def gather_neighbors(rows: tf.Tensor, nlist: tf.Tensor, *, width: int) -> tf.Tensor:
    """Each pair's row of ``[nframes, natoms*width]``, ``[nframes, npairs, width]``; 0: padding."""
    nframes = tf.shape(nlist)[0]
    rows = tf.reshape(rows, [nframes, tf.shape(rows)[1] // width, width])
    real = nlist >= 0
    # With no atoms at all there is nothing to gather, not even for padding.
    rows = tf.pad(rows, [[0, 0], [0, 1], [0, 0]])
    found = tf.gather(rows, tf.where(real, nlist, tf.shape(rows)[1] - 1), batch_dims=1)
    return tf.where(real[..., None], found, tf.zeros([], rows.dtype))


def force_differences(grad: tf.Tensor, nlist: tf.Tensor, natoms: tf.Tensor, nnei: int) -> tf.Tensor:
    """Cotangent of the neighbor's force less that of the center's, ``[nframes, npairs, 3]``."""
    nframes, nloc = tf.shape(nlist)[0], natoms[0]
    nlist = _checked(nlist, tf.shape(grad)[1] // 3)
    center = tf.reshape(grad[:, : 3 * nloc], [nframes, nloc, 1, 3])
    center = tf.reshape(tf.repeat(center, nnei, axis=2), [nframes, nloc * nnei, 3])
    return gather_neighbors(grad, nlist, width=3) - center


def spread_virial(grad: tf.Tensor, nlist: tf.Tensor) -> tf.Tensor:
    """Cotangent of the virial ``[nframes, 9]`` for each pair, ``[nframes, npairs, 9]``."""
    real = tf.cast(nlist >= 0, grad.dtype)
    return grad[:, None, :] * real[..., None]


def contract_virial(shares: tf.Tensor, in_deriv: tf.Tensor, rij: tf.Tensor) -> tf.Tensor:
    """Cotangent of ``net_deriv`` from that of each pair's virial ``[nframes, npairs, 9]``."""
    size = tf.shape(in_deriv) // [1, 3]
    return _contract(along(shares, rij), in_deriv, size)


def along(shares: tf.Tensor, rij: tf.Tensor) -> tf.Tensor:
    """``Σ_β shares_αβ rij_β``, ``[nframes, npairs, 3]``."""
    shape = tf.concat([tf.shape(shares)[:2], [3, 3]], 0)
    row_of = tf.reshape(rij, tf.concat([tf.shape(shares)[:2], [1, 3]], 0))
    return tf.reduce_sum(tf.reshape(shares, shape) * row_of, axis=3)


def across(shares: tf.Tensor, net_deriv: tf.Tensor, in_deriv: tf.Tensor) -> tf.Tensor:
    """``Σ_α shares_αβ t_α``, the cotangent of ``rij``, ``[nframes, npairs*3]``."""
    shape = tf.concat([tf.shape(shares)[:2], [3, 3]], 0)
    t = pair_derivative(net_deriv, in_deriv)
    sums = tf.reduce_sum(tf.reshape(shares, shape) * t[..., None], axis=2)
    return tf.reshape(sums, [tf.shape(shares)[0], 3 * tf.shape(shares)[1]])


def outer(net_deriv: tf.Tensor, vectors: tf.Tensor) -> tf.Tensor:
    """Cotangent of ``in_deriv`` from that of each pair's ``t`` ``[nframes, npairs, 3]``."""
    nframes, npairs = tf.shape(vectors)[0], tf.shape(vectors)[1]
    weights = tf.reshape(net_deriv, [nframes, npairs, 4, 1])
    return tf.reshape(weights * vectors[:, :, None, :], [nframes, npairs * 12])


def _contract(vectors: tf.Tensor, in_deriv: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    nframes, npairs = tf.shape(vectors)[0], tf.shape(vectors)[1]
    derivs = tf.reshape(in_deriv, [nframes, npairs, 4, 3])
    return tf.reshape(tf.reduce_sum(derivs * vectors[:, :, None, :], axis=3), shape)


def _scatter(values: tf.Tensor, nlist: tf.Tensor, nall: tf.Tensor) -> tf.Tensor:
    """Sums ``[nframes, npairs, width]`` by neighbor, ``[nframes, nall, width]``."""
    nframes, width = tf.shape(values)[0], values.shape[2]
    first_row = tf.range(nframes)[:, None] * (nall + 1)
    # Padding goes to one row more than there are atoms, cut off afterwards.
    rows = first_row + tf.where(nlist >= 0, nlist, nall)
    sums = tf.math.unsorted_segment_sum(
        tf.reshape(values, [-1, width]), tf.reshape(rows, [-1]), nframes * (nall + 1)
    )
    return tf.reshape(sums, [nframes, nall + 1, width])[:, :nall]


def _checked(nlist: tf.Tensor, nall: tf.Tensor) -> tf.Tensor:
    """`nlist` itself, once its entries are known to be atoms."""
    bad = tf.where(nlist >= nall)
    check = tf.debugging.Assert(
        tf.shape(bad)[0] == 0, ["nlist has an entry beyond the last atom at [frame, slot]", bad[:1]]
    )
    with tf.control_dependencies([check] if check is not None else []):
        return tf.identity(nlist)
