"""Gated self-attention over the neighbours of an atom."""

from __future__ import annotations

import keras
import tensorflow as tf

from deepattn.layers.layer_normalization import LayerNormalization
from deepattn.layers.residual_dense import ResidualDense

# Raises the scores of smooth attention above zero, so that the switch can pull them down.
_SMOOTH_SHIFT = 20.0
_NORM_FLOOR = 1e-12


@keras.saving.register_keras_serializable(package="deepattn")
class GatedAttention(keras.layers.Layer):
    """One layer of self-attention over neighbours, gated by the angles between them.

    With unit-normalised queries, keys and values of the pair embedding ``G``, the score matrix
    ``S = q k^T`` and the weights ``c`` of the neighbours (a 0/1 mask, or the smooth switch):

    - plain: ``P = softmax(S c_j' - 2^33 (1 - c_j')) c_j``;
    - smooth: ``P = softmax((S + 20) c_j c_j' - 20) c_j c_j'``;

    the softmax of the smooth form includes ``padding`` neighbours of no weight that are not given;
    then ``P`` is multiplied by the cosine of the angle between neighbours (``dotr``), cleared on
    its diagonal (``mask``), and ``LayerNorm(G + P v W + b)`` is returned.

    Reference: D. Zhang et al., npj Comput. Mater. (2024), arXiv:2208.08236, eqs. 9-13.

    Args:
        width: width M of the pair embedding.
        attn: width of queries, keys and values.
        dotr: whether the angles gate the attention.
        mask: whether a neighbour is barred from attending to itself.
        smooth: whether the neighbour weights enter as a smooth switch.
        ln_eps: epsilon of the layer normalisation.
        trainable_ln: whether scale and shift of the normalisation are trained.
        seed: seed of the weights: ``seed + k`` for the k-th of query, key, value, out.

    Call arguments:
        embedding: ``[n, nnei, width]``.
        direction: ``[n, nnei, 3]``, unit vectors.
        weight: ``[n, nnei]``, 0 for padding.
        count: int32 ``[n]``, neighbours from this one on have no weight; saves work at most.
        padding: number of further neighbours without weight that are not given.

    Output shape: ``[n, nnei, width]``.
    """

    def __init__(
        self,
        width: int,
        attn: int = 128,
        *,
        dotr: bool = True,
        mask: bool = False,
        smooth: bool = False,
        ln_eps: float = 1e-3,
        trainable_ln: bool = True,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if attn < 1:
            raise ValueError(f"attn must be at least 1, not {attn!r}")
        self.width = width
        self.attn = attn
        self.dotr = dotr
        self.mask = mask
        self.smooth = smooth
        self.ln_eps = ln_eps
        self.trainable_ln = trainable_ln
        self.seed = seed
        self.query, self.key, self.value, self.out = (
            ResidualDense(
                units,
                "linear",
                residual=False,
                seed=None if seed is None else seed + k,
                dtype=self.dtype_policy,
                trainable=self.trainable,
                name=name,
            )
            for k, (name, units) in enumerate(
                [("c_query", attn), ("c_key", attn), ("c_value", attn), ("c_out", width)]
            )
        )
        self.layer_normalization = LayerNormalization(
            epsilon=ln_eps,
            trainable=self.trainable and trainable_ln,
            dtype=self.dtype_policy,
            name="layer_normalization",
        )

    def build(self, *_) -> None:
        for layer in (self.query, self.key, self.value):
            layer.build((None, self.width))
        self.out.build((None, self.attn))
        self.layer_normalization.build((None, None, self.width))

    def call(self, embedding, direction, weight, count=None, padding=0):
        # One product of matrices is faster than one for each neighbourhood.
        rows = tf.reshape(embedding, [-1, self.width])
        column = tf.expand_dims(weight, 2)
        faded = tf.reshape(weight, [-1, 1])
        query, key = (
            self._by_atom(unit_rows(layer(rows), faded if self.smooth else 1.0), embedding)
            for layer in (self.query, self.key)
        )
        score = tf.matmul(query, key, transpose_b=True)
        # Scores lie between -1 and 1 (smooth: 0 and 21), so exponentials need no maximum.
        if self.smooth:
            shift = column * _SMOOTH_SHIFT**0.5
            attention = tf.exp(score + tf.matmul(shift, shift, transpose_b=True))
            total = tf.reduce_sum(attention, axis=2, keepdims=True)
            total += tf.cast(padding, total.dtype)
        else:
            attention = tf.exp(score)
            # Neighbours see at least themselves; rows of others are cleared below.
            total = tf.maximum(tf.matmul(attention, column), 1e-3)
        if self.dotr:
            attention *= tf.matmul(direction, direction, transpose_b=True)
        if self.mask:
            attention *= 1.0 - tf.eye(tf.shape(embedding)[1], dtype=attention.dtype)
        # Values are multiplied by the output matrix first, as it has fewer columns than rows.
        value = tf.matmul(unit_rows(self.value(rows), faded), tf.convert_to_tensor(self.out.matrix))
        mixed = tf.matmul(attention, self._by_atom(value, embedding)) * (column / total)
        mixed = tf.nn.bias_add(embedding + mixed, tf.convert_to_tensor(self.out.bias))
        # Keras normalises half-precision numbers in float32 and leaves them so.
        return tf.cast(self.layer_normalization(mixed), self.compute_dtype)

    @staticmethod
    def _by_atom(rows, embedding):
        """Rows ``[n * nnei, width]`` as ``[n, nnei, width]``."""
        return tf.reshape(rows, [-1, tf.shape(embedding)[1], rows.shape[1]])

    def named_variables(self) -> dict[str, keras.Variable]:
        """``c_query/matrix`` … ``c_out/bias``, ``layer_normalization/gamma`` and ``/beta``."""
        variables = {
            f"{layer.name}/{name}": variable
            for layer in (self.query, self.key, self.value, self.out)
            for name, variable in layer.named_variables().items()
        }
        variables["layer_normalization/gamma"] = self.layer_normalization.gamma
        variables["layer_normalization/beta"] = self.layer_normalization.beta
        return variables

    def compute_output_shape(self, embedding_shape, *_):
        return embedding_shape

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "width": self.width,
            "attn": self.attn,
            "dotr": self.dotr,
            "mask": self.mask,
            "smooth": self.smooth,
            "ln_eps": self.ln_eps,
            "trainable_ln": self.trainable_ln,
            "seed": self.seed,
        }


def unit_rows(x: tf.Tensor, length: tf.Tensor | float = 1.0) -> tf.Tensor:
    """Rows of ``x`` (last axis) at a given length; a row of zeros stays zero."""
    square = tf.reduce_sum(tf.square(x), axis=-1, keepdims=True)
    return x * (length * tf.math.rsqrt(tf.maximum(square, tf.cast(_NORM_FLOOR, x.dtype))))
