"""Attention of an atom to its neighbors."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from deepattn.descriptors.dpa2.repformer.neighbor_weights import NeighborWeights
from deepattn.descriptors.dpa2.repformer.options import RepformerOptions
from deepattn.descriptors.dpa2.tree_names import dense_variables, under
from deepattn.layers.residual_dense import linear
from deepattn.layers.seeds import seeds_from
from deepattn.ops.reference import neighbor_softmax


@keras.saving.register_keras_serializable(package="deepattn")
class LocalAttention(keras.layers.Layer):
    """Multi-head attention of g1 to the neighbors' g1, queries from the center.

    Reference: D. Zhang et al., arXiv:2312.15492, "localized self-attention".

    Args:
        options: `RepformerOptions`.
        seed: Seed of the weights.

    Call arguments:
        g1: ``[n, g1_dim]``.
        neighbors: A `NeighborWeights`.
        sources: Features ``[nall, g1_dim]`` that the indices of neighbors are rows of; ``g1``
            itself by default.

    Output shape: that of ``g1``.
    """

    def __init__(self, options: RepformerOptions, *, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.options = options = RepformerOptions.of(options)
        self.seed = seed
        hidden, heads, width = options.attn1_hidden, options.attn1_nhead, options.g1_dim
        seeds = seeds_from(seed)
        policy = {"dtype": self.dtype_policy, "trainable": self.trainable}
        self.mapq = linear(hidden * heads, use_bias=False, seed=next(seeds), **policy)
        self.mapkv = linear((hidden + width) * heads, use_bias=False, seed=next(seeds), **policy)
        self.head_map = linear(width, use_bias=True, seed=next(seeds), **policy)

    def build(self, *_: object) -> None:
        width = self.options.g1_dim
        self.mapq.build((None, width))
        self.mapkv.build((None, width))
        self.head_map.build((None, width * self.options.attn1_nhead))

    def call(
        self, g1: tf.Tensor, neighbors: NeighborWeights, sources: tf.Tensor | None = None
    ) -> tf.Tensor:
        options = self.options
        hidden, heads, width = options.attn1_hidden, options.attn1_nhead, options.g1_dim
        query = _by_head(self.mapq(g1), hidden, heads)
        # The maps are linear: mapped once per atom, then looked up for every neighbor.
        mapped = self.mapkv(g1 if sources is None else sources)
        keys, values = tf.split(_by_head(mapped, hidden, heads, width), [hidden, width], 2)
        logits = tf.einsum("nhd,nkhd->nhk", query, tf.gather(keys, neighbors.index)) * hidden**-0.5
        weight = neighbors.weight[:, tf.newaxis]
        attention = neighbor_softmax(logits, weight, neighbors.cut, smooth=options.smooth)
        context = tf.einsum("nhk,nkhc->nhc", attention, tf.gather(values, neighbors.index))
        return self.head_map(tf.reshape(context, [-1, heads * width]))

    def named_variables(self) -> dict[str, keras.Variable]:
        """Weights by their paths below ``loc_attn``."""
        return {
            **under("mapq", dense_variables(self.mapq)),
            **under("mapkv", dense_variables(self.mapkv)),
            **under("head_map", dense_variables(self.head_map)),
        }

    def get_config(self) -> dict:
        return {**super().get_config(), "options": self.options.to_dict(), "seed": self.seed}


def _by_head(mapped: tf.Tensor, hidden: int, heads: int, width: int = 0) -> tf.Tensor:
    """``[n, heads, hidden + width]`` of maps whose fastest index is the head."""
    return tf.transpose(tf.reshape(mapped, [-1, hidden + width, heads]), [0, 2, 1])
