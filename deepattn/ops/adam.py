"""A step of Adam on all weights at once: compiled where that is possible."""

from collections.abc import Sequence

import tensorflow as tf

from deepattn.ops import reference
from deepattn.ops.loader import cpu_ops
from deepattn.ops.reference.adam import AdamNumbers


def adam_step(
    weights: Sequence[tf.Variable],
    first: Sequence[tf.Variable],
    second: Sequence[tf.Variable],
    grads: Sequence[tf.Tensor],
    numbers: AdamNumbers,
) -> None:
    """Move weights ``w`` with gradients ``g`` and moments ``m`` and ``v``, all of one type::

        w <- w - decay * w
        g <- g + l2 * w
        m <- m + (g - m) * left_of_beta_1
        v <- v + (g * g - v) * left_of_beta_2
        w <- w - m * rate / (sqrt(v / left) + epsilon)

    Every operation rounds by itself, in the compiled op too, so both give the same bits. Where a
    graph has several hundred small operations for this, most of their time is not arithmetic.

    Args:
        weights, first, second: variables; the compiled op is for float32 and float64, without a
            distribution over several devices, and not for machines with GPUs.
        grads: of their shapes.
        numbers: of their type.
    """
    dtype = weights[0].dtype
    ops = cpu_ops()
    if ops is None or dtype not in (tf.float32, tf.float64) or tf.distribute.has_strategy():
        reference.adam_step(weights, first, second, grads, numbers)
        return
    rate, left_of_beta_1, left_of_beta_2, epsilon, left, *others = numbers
    one, zero = tf.ones([], dtype), tf.zeros([], dtype)
    scalars = [rate, left_of_beta_1, left_of_beta_2, one if left is None else left, epsilon]
    scalars += [zero if x is None else x for x in others]
    handles = [[variable.handle for variable in part] for part in (weights, first, second)]
    ops.deepattn_adam(*handles, [tf.convert_to_tensor(g) for g in grads], tf.stack(scalars))
