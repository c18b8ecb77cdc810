"""Reference implementation of the potential of a model without attention in one operation."""

from collections.abc import Sequence

import tensorflow as tf

from deepattn.ops.reference.fitting_nets import factor_weights, fitting_energies, split
from deepattn.ops.reference.pair_embedding import residual_layer


def smooth_potential(
    matrix: tf.Tensor,
    rij: tf.Tensor,
    nlist: tf.Tensor,
    ntype: tf.Tensor,
    atype: tf.Tensor,
    davg: tf.Tensor,
    dstd: tf.Tensor,
    keep: tf.Tensor,
    switch_range: tf.Tensor,
    count: tf.Tensor,
    type_energy: tf.Tensor,
    offset: tf.Tensor,
    factors: tf.Tensor,
    scales: Sequence[tf.Tensor],
    matrices: Sequence[tf.Tensor],
    biases: Sequence[tf.Tensor],
    steps: Sequence[tf.Tensor],
    type_offset: tf.Tensor,
    frame_offset: tf.Tensor,
    atom_offset: tf.Tensor,
    fitting_matrices: Sequence[tf.Tensor],
    fitting_biases: Sequence[tf.Tensor],
    fitting_steps: Sequence[tf.Tensor],
    last_matrices: Sequence[tf.Tensor],
    last_biases: Sequence[tf.Tensor],
    *,
    sel: Sequence[int],
    empty_types: Sequence[int],
    net_of_pair: Sequence[int],
    axis: int,
    sees_center: bool,
    switch: str,
    excluded_is_average: bool,
    keeps_empty: bool,
    copies: Sequence[int],
    with_descriptor: bool = False,
) -> tuple[tf.Tensor, ...]:
    """Atomic energies, the derivative of their sum by the environment matrix, and descriptors.

    `deepattn.ops.smooth_potential` explains the arguments; here what is missing has no elements.
    """
    ntypes, nnei, dtype = davg.shape[0], sum(sel), offset.dtype
    center = tf.reshape(tf.clip_by_value(atype, 0, ntypes - 1), [-1])
    mask = tf.reshape(nlist >= 0, [-1, nnei])
    empty = tf.repeat(tf.constant(list(empty_types), tf.int32), list(sel))[tf.newaxis]
    neighbor = tf.where(mask, tf.reshape(ntype, [-1, nnei]), empty)
    pair = center[:, tf.newaxis] * (ntypes + 1) + neighbor
    with tf.GradientTape() as tape:
        tape.watch(matrix)
        rows = tf.reshape(matrix, [-1, nnei, 4])
        rows = tf.where(mask[:, :, tf.newaxis], rows, tf.stop_gradient(rows))
        shift, scale = tf.gather(davg[:, :1], center), tf.gather(dstd[:, :1], center)
        inverse = rows[:, :, 0] * scale + shift
        vectors = tf.reshape(rij, [-1, nnei, 3])
        weight = factor_weights(switch, switch_range, inverse, vectors, mask)
        if keep.shape.num_elements():
            kept = tf.gather(tf.reshape(keep, [-1]), pair)
            if keeps_empty:
                kept = tf.where(mask, kept, tf.ones_like(kept))
            rows *= kept[:, :, tf.newaxis]
            weight *= kept
            if excluded_is_average:
                rows += ((1.0 - kept) * shift)[:, :, tf.newaxis]
        rows = tf.cast(rows, dtype)
        index = pair if sees_center else neighbor
        number = tf.gather(tf.constant(list(net_of_pair), tf.int32), index)[:, :, tf.newaxis]
        nets = split(len(scales), matrices, biases, steps)
        embedding = tf.zeros([], dtype)
        for net, (of_first, layers) in enumerate(zip(scales, nets, strict=True)):
            x = tf.tanh(rows[:, :, :1] * of_first + tf.gather(offset, index))
            for hidden, bias, step in zip(*layers, strict=True):
                width, units = hidden.shape
                x = residual_layer(
                    x,
                    hidden,
                    bias,
                    step if step.shape[0] else None,
                    function=tf.tanh,
                    copies={width: 1, 2 * width: 2}.get(units, 0),
                )
            embedding += tf.where(number == net, x, tf.zeros([], dtype))
        if factors.shape[0] != 0:
            factor = tf.gather(factors, index) * tf.cast(weight, dtype)[:, :, tf.newaxis]
            embedding *= 1.0 + factor
        contracted = tf.matmul(rows, embedding, transpose_a=True) / count
        x = tf.matmul(contracted, contracted[:, :, :axis], transpose_a=True)
        x = tf.reshape(x, [-1, contracted.shape[-1] * axis])
        energy = fitting_energies(
            x,
            center,
            tf.shape(atype)[1],
            (type_offset, frame_offset, atom_offset),
            (fitting_matrices, fitting_biases, fitting_steps, last_matrices, last_biases),
            copies=copies,
        )
        energy = tf.cast(energy[:, 0], matrix.dtype) + tf.gather(type_energy, center)
        energy = tf.reshape(energy, tf.shape(atype))
        energy = tf.where(atype >= 0, energy, tf.zeros_like(energy))
        total = tf.reduce_sum(energy)
    derivative = tape.gradient(total, matrix)
    if not with_descriptor:
        return energy, derivative
    real = tf.reshape(atype >= 0, [-1, 1])
    descriptor = tf.where(real, x, tf.zeros([], dtype))
    size = tf.shape(atype)[1] * x.shape[-1]
    return energy, derivative, tf.reshape(descriptor, [tf.shape(atype)[0], size])
