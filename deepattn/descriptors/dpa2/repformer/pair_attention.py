"""Attention of pairs of neighbors to each other, gated by the angles between them."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from deepattn import ops
from deepattn.descriptors.dpa2.repformer.neighbor_weights import NeighborWeights
from deepattn.descriptors.dpa2.repformer.options import RepformerOptions
from deepattn.descriptors.dpa2.tree_names import dense_variables, under
from deepattn.layers.layer_normalization import LayerNormalization
from deepattn.layers.residual_dense import ResidualDense, linear
from deepattn.layers.seeds import seeds_from
from deepattn.ops.reference import pair_attention_weights

# Of products of two vectors.
_GATE_SCALE = 3**-0.5


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
        options = {
            "gate": self.options.attn2_has_gate,
            "smooth": self.options.smooth,
            "padding": neighbors.cut,
        }
        score, g2_term, h2_term = self._score_matrix(), None, None
        if self._of_g2 is not None:
            mapv, head_map, norm = self._of_g2
            message = self._message_matrix(mapv, head_map) * _GATE_SCALE
            mixed = ops.pair_attention(g2, h2, neighbors.weight, score, message, **options)
            g2_term = norm(mixed + tf.convert_to_tensor(head_map.bias))
        if self.vector_map is not None:
            weights = pair_attention_weights(
                g2, h2, neighbors.weight, score_matrix=score, **options
            )
            context = tf.transpose(tf.matmul(weights * _GATE_SCALE, h2), [1, 2, 3, 0])
            h2_term = self.vector_map(context)[..., 0]
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

    def _score_matrix(self) -> tf.Tensor:
        """Maps to queries and to keys as one, ``[heads, g2_dim, g2_dim]``."""
        heads, hidden = self.options.attn2_nhead, self.options.attn2_hidden
        query, key = tf.split(_by_head(self.mapqk.matrix, 2 * heads), 2, axis=0)
        return tf.matmul(query * hidden**-0.5, key, transpose_b=True)

    def _message_matrix(self, mapv: ResidualDense, head_map: ResidualDense) -> tf.Tensor:
        """Maps to values and of all heads to the output as one, ``[heads, g2_dim, g2_dim]``."""
        heads, width = self.options.attn2_nhead, self.options.g2_dim
        output = tf.reshape(tf.convert_to_tensor(head_map.matrix), [width, heads, width])
        return tf.matmul(_by_head(mapv.matrix, heads), tf.transpose(output, [1, 0, 2]))


def _by_head(matrix: keras.Variable, heads: int) -> tf.Tensor:
    """``[heads, inputs, width]`` of a matrix ``[inputs, …]`` whose fastest index is the head."""
    inputs, outputs = matrix.shape
    matrix = tf.reshape(tf.convert_to_tensor(matrix), [inputs, outputs // heads, heads])
    return tf.transpose(matrix, [2, 0, 1])
