"""Attention of pairs of neighbors to each other, gated by the angles between them."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from deepattn.descriptors.dpa2.repformer.neighbor_weights import NeighborWeights
from deepattn.descriptors.dpa2.repformer.options import RepformerOptions
from deepattn.descriptors.dpa2.tree_names import dense_variables, under
from deepattn.layers.layer_normalization import LayerNormalization
from deepattn.layers.residual_dense import ResidualDense, linear
from deepattn.layers.seeds import seeds_from


@keras.saving.register_keras_serializable(package="deepattn")
class PairAttention(keras.layers.Layer):
    """Gated self-attention of g2 over the neighbors of an atom, for g2, for h2, or for both.

    With queries and keys of g2 and the gate ``G = h2 h2^T`` the attention is
    ``A = softmax(Q K^T / sqrt(d) [* G]) * G / sqrt(3)``. The terms are
    ``LayerNorm(head_map(A V))`` for g2 and ``head_map(A h2)`` for h2.

    Reference: D. Zhang et al., arXiv:2312.15492, "gated self-attention".

    Args:
        options: `RepformerOptions`; ``update_g2_has_attn`` and ``update_h2`` select which terms
            there are.
        seed: Seed of the weights.

    Call arguments:
        g2: ``[n, stored, g2_dim]``.
        h2: ``[n, stored, 3]``.
        neighbors: A `NeighborWeights`.

    Output: the terms for g2 ``[n, stored, g2_dim]`` and h2 ``[n, stored, 3]``, ``None`` for one
    that is disabled.
    """

    def __init__(self, options: RepformerOptions, *, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.options = options = RepformerOptions.of(options)
        self.seed = seed
        heads, width = options.attn2_nhead, options.g2_dim
        seeds = seeds_from(seed)
        policy = {"dtype": self.dtype_policy, "trainable": self.trainable}
        units = 2 * options.attn2_hidden * heads
        self.mapqk = linear(units, use_bias=False, seed=next(seeds), **policy)
        self.mapv = self.head_map = self.norm = self.vector_map = None
        if options.update_g2_has_attn:
            self.mapv = linear(width * heads, use_bias=False, seed=next(seeds), **policy)
            self.head_map = linear(width, use_bias=True, seed=next(seeds), **policy)
            self.norm = LayerNormalization(
                epsilon=options.ln_eps,
                dtype=self.dtype_policy,
                trainable=self.trainable and options.trainable_ln,
            )
        if options.update_h2:
            self.vector_map = linear(1, use_bias=False, seed=next(seeds), **policy)

    @property
    def _of_g2(self) -> tuple[ResidualDense, ResidualDense, LayerNormalization] | None:
        """The layers of the term for g2, in order."""
        if self.mapv is None or self.head_map is None or self.norm is None:
            return None
        return self.mapv, self.head_map, self.norm

    def build(self, *_: object) -> None:
        heads, width = self.options.attn2_nhead, self.options.g2_dim
        self.mapqk.build((None, None, width))
        if self._of_g2 is not None:
            mapv, head_map, norm = self._of_g2
            mapv.build((None, None, width))
            head_map.build((None, None, width * heads))
            norm.build((None, None, width))
        if self.vector_map is not None:
            self.vector_map.build((None, None, 3, heads))

    def call(
        self, g2: tf.Tensor, h2: tf.Tensor, neighbors: NeighborWeights
    ) -> tuple[tf.Tensor | None, tf.Tensor | None]:
        attention = self._attention(g2, h2, neighbors)
        g2_term = h2_term = None
        if self._of_g2 is not None:
            mapv, head_map, norm = self._of_g2
            context = tf.matmul(attention, _by_head(mapv(g2), self.options.attn2_nhead))
            g2_term = norm(head_map(_by_feature(context)))
        if self.vector_map is not None:
            context = tf.matmul(attention, h2)
            shape = tf.concat([tf.shape(h2), [self.options.attn2_nhead]], axis=0)
            h2_term = self.vector_map(tf.reshape(_by_feature(context), shape))[..., 0]
        return g2_term, h2_term

    def named_variables(self) -> dict[str, keras.Variable]:
        """Weights by their paths below a repformer layer, ``attn2g_map/mapqk/w`` …"""
        variables = under("attn2g_map/mapqk", dense_variables(self.mapqk))
        if self._of_g2 is not None:
            mapv, head_map, norm = self._of_g2
            variables.update(under("attn2_mh_apply/mapv", dense_variables(mapv)))
            variables.update(under("attn2_mh_apply/head_map", dense_variables(head_map)))
            variables.update({"attn2_lm/w": norm.gamma, "attn2_lm/b": norm.beta})
        if self.vector_map is not None:
            variables.update(under("attn2_ev_apply/head_map", dense_variables(self.vector_map)))
        return variables

    def get_config(self) -> dict:
        return {**super().get_config(), "options": self.options.to_dict(), "seed": self.seed}

    def _attention(self, g2: tf.Tensor, h2: tf.Tensor, neighbors: NeighborWeights) -> tf.Tensor:
        """The gated attention ``A``, ``[heads, n, stored, stored]``."""
        options = self.options
        mapped = _by_head(self.mapqk(g2), 2 * options.attn2_nhead)
        query, key = tf.split(mapped, 2, axis=0)
        logits = tf.matmul(query * options.attn2_hidden**-0.5, key, transpose_b=True)
        gate = tf.matmul(h2, h2, transpose_b=True)
        if options.attn2_has_gate:
            logits *= gate
        weight = neighbors.weight[:, :, tf.newaxis] * neighbors.weight[:, tf.newaxis]
        return neighbors.softmax(logits, weight, smooth=options.smooth) * (gate * 3**-0.5)


def _by_head(mapped: tf.Tensor, heads: int) -> tf.Tensor:
    """``[heads, n, stored, width]`` of maps ``[n, stored, …]`` whose fastest index is the head.

    A matrix is transposed, which is several times as fast as what `tf.einsum` does.
    """
    shape, width = tf.shape(mapped), mapped.shape[-1] // heads
    return tf.reshape(
        tf.transpose(tf.reshape(mapped, [-1, heads])), [heads, shape[0], shape[1], width]
    )


def _by_feature(context: tf.Tensor) -> tf.Tensor:
    """The inverse of `_by_head`."""
    heads, n, stored, width = tf.unstack(tf.shape(context))
    mapped = tf.reshape(tf.transpose(tf.reshape(context, [heads, -1])), [n, stored, heads * width])
    return tf.ensure_shape(mapped, [None, None, context.shape[0] * context.shape[-1]])
