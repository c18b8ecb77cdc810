"""Gated self-attention over the neighbors of an atom."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from deepattn import ops
from deepattn.layers.layer_normalization import LayerNormalization
from deepattn.layers.residual_dense import ResidualDense


@keras.saving.register_keras_serializable(package="deepattn")
class GatedAttention(keras.layers.Layer):
    """One layer of self-attention over neighbors, gated by the angles between them.

    With unit-normalized queries, keys and values of the pair embedding ``G``, the score matrix
    ``S = q k^T`` and the weights ``c`` of the neighbors (a 0/1 mask, or the smooth switch):

    - plain: ``P = softmax(S c_j' - 2^33 (1 - c_j')) c_j``;
    - smooth: ``P = softmax((S + 20) c_j c_j' - 20) c_j c_j'``;

    In the smooth form the denominator of the softmax also counts ``padding`` further neighbors of
    no weight, which are not passed in. Then ``P`` is multiplied by the cosine of the angle between
    neighbors (``dotr``), cleared on its diagonal (``mask``), and ``LayerNorm(G + P v W + b)`` is
    returned.

    As in DeePMD-kit, and other than in the paper, queries, keys and values have unit length, so
    that scores need no ``1/√d``, and the normalization is of the sum. Without the 20 a neighbor
    that fades out would keep a score of 0, as large as that of any other; with it the score goes
    to -20, as that of an empty slot.

    Reference: D. Zhang et al., npj Comput. Mater. (2024), arXiv:2208.08236.

    Args:
        width: Width M of the pair embedding.
        attn: Width of queries, keys and values.
        dotr: Whether the angles gate the attention.
        mask: Whether a neighbor is barred from attending to itself.
        smooth: Whether the neighbor weights enter as a smooth switch.
        ln_eps: Epsilon of the layer normalization.
        temperature: Factor of the scores ``S``.
        normalize: Whether queries, keys and values have unit length.
        trainable_ln: Whether scale and shift of the normalization are trained.
        seed: Seed of the weights: ``seed + k`` for the k-th of query, key, value, out.

    Call arguments:
        embedding: ``[n, nnei, width]``.
        direction: ``[n, nnei, 3]``, unit vectors.
        weight: ``[n, nnei]``, 0 for padding.
        count: int32 ``[n]``; from this slot on the weight is taken to be 0. Default: all may
            count.
        padding: Number of further neighbors without weight that are not given.

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
        temperature: float = 1.0,
        normalize: bool = True,
        trainable_ln: bool = True,
        seed: int | None = None,
        **kwargs: Any,
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
        self.temperature = temperature
        self.normalize = normalize
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

    def build(self, *_: object) -> None:
        for layer in (self.query, self.key, self.value):
            layer.build((None, self.width))
        self.out.build((None, self.attn))
        self.layer_normalization.build((None, None, self.width))

    def call(
        self,
        embedding: tf.Tensor,
        direction: tf.Tensor,
        weight: tf.Tensor,
        count: tf.Tensor | None = None,
        padding: tf.Tensor | int = 0,
    ) -> tf.Tensor:
        projections = [
            tf.cast(variable, self.compute_dtype)
            for layer in (self.query, self.key, self.value, self.out)
            for variable in (layer.matrix, layer.bias)
        ]
        norm = self.layer_normalization
        scale = [tf.cast(variable, self.compute_dtype) for variable in (norm.gamma, norm.beta)]
        return ops.gated_attention(
            embedding,
            direction,
            weight,
            ops.AttentionParameters(*projections, *scale),
            count=count,
            padding=padding,
            dotr=self.dotr,
            mask=self.mask,
            smooth=self.smooth,
            ln_eps=self.ln_eps,
            temperature=self.temperature,
            normalize=self.normalize,
        )

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

    def compute_output_shape(
        self, embedding_shape: tuple[int | None, ...], *_: object
    ) -> tuple[int | None, ...]:
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
            "temperature": self.temperature,
            "normalize": self.normalize,
            "trainable_ln": self.trainable_ln,
            "seed": self.seed,
        }
