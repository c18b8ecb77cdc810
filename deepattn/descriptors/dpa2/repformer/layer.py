"""One layer of the repformer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from deepattn import ops
from deepattn.descriptors.dpa2.neighbor_vectors import atoms_at_once
from deepattn.descriptors.dpa2.repformer.invariants import invariants, moments
from deepattn.descriptors.dpa2.repformer.local_attention import LocalAttention
from deepattn.descriptors.dpa2.repformer.neighbor_weights import NeighborWeights
from deepattn.descriptors.dpa2.repformer.options import RepformerOptions
from deepattn.descriptors.dpa2.repformer.pair_attention import PairAttention
from deepattn.descriptors.dpa2.repformer.update import Update
from deepattn.descriptors.dpa2.tree_names import dense_variables, under
from deepattn.layers.activations import get_activation
from deepattn.layers.residual_dense import ResidualDense, linear
from deepattn.layers.seeds import seeds_from
from deepattn.ops.blocks import over_rows


@keras.saving.register_keras_serializable(package="deepattn")
class RepformerLayer(keras.layers.Layer):
    """Updates features of atoms (g1) and pairs (g2) and the pairs' vectors (h2).

    All terms are functions of the input features; `Update` adds them.

    Reference: D. Zhang et al., arXiv:2312.15492, "repformer".

    Args:
        options: `RepformerOptions`.
        last: Whether g2 and h2 stay as they are, because they are not used afterwards.
        seed: Seed of the weights.

    Call arguments:
        g1: ``[n, g1_dim]``.
        g2: ``[n, stored, g2_dim]``.
        h2: ``[n, stored, 3]``.
        neighbors: A `NeighborWeights`; its indices are rows of ``g1``.
        rows: How many atoms are updated, the first ones; all by default.

    Output: new g1, g2 and h2 of the updated atoms.
    """

    def __init__(
        self,
        options: RepformerOptions,
        *,
        last: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        options = RepformerOptions.of(options)
        self.options = options.without_pairs() if last else options
        self.last = last
        self.seed = seed
        self.function = get_activation(options.activation)
        seeds = seeds_from(seed)
        policy = {"dtype": self.dtype_policy, "trainable": self.trainable}
        self.dense: dict[str, ResidualDense] = {}
        self._make_dense(seeds, policy)
        self._make_attention(seeds, policy)
        self._make_updates(seeds, policy)

    def needs(self, g1: int, g2: int) -> tuple[int, int]:
        """How many messages away input features must be known, for output features to be.

        Args:
            g1: How far the output g1 must be known; 0 is the atoms themselves.
            g2: How far the output g2 and h2 must be; −1 for not at all.

        Returns:
            Both for the input.
        """
        options = self.options
        messages = options.update_g1_has_conv or options.update_g1_has_drrd
        messages = messages or options.update_g1_has_attn
        of_g2 = g2 + 1 if options.update_g2_has_g1g1 else 0
        return max(g1 + messages, of_g2), max(g1, g2)

    def build(self, *_: object) -> None:
        for name, dense in self.dense.items():
            dense.build((None, self._input_widths()[name]))
        parts = (self.pair_attention, self.attention, *self.updates.values())
        for part in parts:
            if part is not None:
                part.build()

    def call(
        self,
        g1: tf.Tensor,
        g2: tf.Tensor,
        h2: tf.Tensor,
        neighbors: NeighborWeights,
        rows: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, ...]:
        sources = g1
        if rows is not None:
            neighbors = neighbors.first(rows, tf.shape(g1)[0])
            g1, g2, h2 = g1[:rows], g2[:rows], h2[:rows]
        options = self.options
        shapes: list[list[int | None]] = [[options.g1_dim], [None, options.g2_dim], [None, 3]]
        # What stays as it is need not be computed.
        changed = 1 if self.last else 2 + options.update_h2
        found = over_rows(
            lambda rows, shared: self._updated(*rows, *shared)[:changed],
            *((g1, g2, h2, neighbors), [sources]),
            block=atoms_at_once(g2),
            kinds=[(self.compute_dtype, shape) for shape in shapes[:changed]],
        )
        return *found, *(g1, g2, h2)[changed:]

    def named_variables(self) -> dict[str, keras.Variable]:
        """Weights by their paths below a layer, ``linear1/w``, ``g1_residual/0`` …"""
        variables = {}
        for name, layer in self.dense.items():
            variables.update(under(name, dense_variables(layer)))
        if self.pair_attention is not None:
            variables.update(self.pair_attention.named_variables())
        if self.attention is not None:
            variables.update(under("loc_attn", self.attention.named_variables()))
        for name, update in self.updates.items():
            variables.update(under(name, update.named_variables()))
        return variables

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "options": self.options.to_dict(),
            "last": self.last,
            "seed": self.seed,
        }

    def _make_dense(self, seeds: Iterator[int | None], policy: Mapping[str, Any]) -> None:
        """The linear maps by their names in a ``.dp`` file."""
        options = self.options
        units = {"linear1": options.g1_dim}
        if not self.last:
            units["linear2"] = options.g2_dim
        if options.g1_out_mlp:
            units["g1_self_mlp"] = options.g1_dim
        if options.update_g1_has_conv:
            units["proj_g1g2"] = options.g1_dim if options.g1_out_conv else options.g2_dim
        if options.update_g2_has_g1g1:
            units["proj_g1g1g2"] = options.g2_dim
        for name, width in units.items():
            use_bias, seed = not name.startswith("proj"), next(seeds)
            self.dense[name] = linear(width, use_bias=use_bias, seed=seed, name=name, **policy)

    def _input_widths(self) -> dict[str, int]:
        options = self.options
        first = options.axis_neuron * (
            options.update_g1_has_grrg * options.g2_dim
            + options.update_g1_has_drrd * options.g1_dim
        )
        first += 0 if options.g1_out_mlp else options.g1_dim
        if options.update_g1_has_conv and not options.g1_out_conv:
            first += options.g2_dim
        return {
            "linear1": first,
            "linear2": options.g2_dim,
            "g1_self_mlp": options.g1_dim,
            "proj_g1g2": options.g2_dim if options.g1_out_conv else options.g1_dim,
            "proj_g1g1g2": options.g1_dim,
        }

    def _make_attention(self, seeds: Iterator[int | None], policy: Mapping[str, Any]) -> None:
        options = self.options
        self.pair_attention = self.attention = None
        if options.update_g2_has_attn or options.update_h2:
            self.pair_attention = PairAttention(options, seed=next(seeds), **policy)
        if options.update_g1_has_attn:
            self.attention = LocalAttention(options, seed=next(seeds), **policy)

    def _make_updates(self, seeds: Iterator[int | None], policy: Mapping[str, Any]) -> None:
        """The updates of g1, g2 and h2 by their terms, by the names of the weights."""
        options = self.options
        of_g1 = 1 + options.g1_out_mlp + options.update_g1_has_attn
        of_g1 += options.update_g1_has_conv and options.g1_out_conv
        sizes = {"g1_residual": (of_g1, options.g1_dim)}
        if not self.last:
            of_g2 = 1 + options.update_g2_has_g1g1 + options.update_g2_has_attn
            sizes["g2_residual"] = (of_g2, options.g2_dim)
            sizes["h2_residual"] = (int(options.update_h2), 1)
        self.updates = {
            name: Update(*size, options, seed=next(seeds), **policy) for name, size in sizes.items()
        }

    def _updated(
        self,
        g1: tf.Tensor,
        g2: tf.Tensor,
        h2: tf.Tensor,
        neighbors: NeighborWeights,
        sources: tf.Tensor,
    ) -> tuple[tf.Tensor, ...]:
        """New g1, g2 and h2; of the last layer g1."""
        terms = self._terms_g1(g1, g2, h2, sources, neighbors)
        new_g1 = self.updates["g1_residual"](g1, terms)
        if self.last:
            return (new_g1,)
        terms, vector_terms = [], []
        if self.options.update_g2_has_g1g1:
            product = neighbors.weight[:, :, tf.newaxis] * g1[:, tf.newaxis]
            product *= neighbors.gather(sources)
            terms.append(self.dense["proj_g1g1g2"](product))
        if self.pair_attention is not None:
            of_pairs, of_vectors = self.pair_attention(g2, h2, neighbors)
            terms += [] if of_pairs is None else [of_pairs]
            vector_terms += [] if of_vectors is None else [of_vectors]
        new_g2 = self.updates["g2_residual"].with_own_term(
            g2, self.dense["linear2"], self.function, terms
        )
        return new_g1, new_g2, self.updates["h2_residual"](h2, vector_terms)

    def _terms_g1(
        self,
        g1: tf.Tensor,
        g2: tf.Tensor,
        h2: tf.Tensor,
        sources: tf.Tensor,
        neighbors: NeighborWeights,
    ) -> list[tf.Tensor]:
        """Terms added to g1: from the atom itself, the convolution, invariants and attention."""
        options, terms, inputs = self.options, [], []
        if options.g1_out_mlp:
            terms.append(self.function(self.dense["g1_self_mlp"](g1)))
        else:
            inputs.append(g1)
        convolution, moments_of_g1 = self._sums_g1(g2, h2, sources, neighbors)
        if convolution is not None:
            target = terms if options.g1_out_conv else inputs
            target.append(neighbors.mean * convolution)
        if options.update_g1_has_grrg:
            inputs.append(invariants(moments(h2, g2, neighbors), options.axis_neuron))
        if moments_of_g1 is not None:
            inputs.append(invariants(neighbors.scale * moments_of_g1, options.axis_neuron))
        terms.append(self.function(self.dense["linear1"](tf.concat(inputs, axis=1))))
        if self.attention is not None:
            terms.append(self.attention(g1, neighbors, sources))
        return terms

    def _sums_g1(
        self, g2: tf.Tensor, h2: tf.Tensor, sources: tf.Tensor, neighbors: NeighborWeights
    ) -> ops.NeighborSums:
        """Sums over the neighbors' g1: times g2, one of them mapped to the width of the other, and
        with the vectors."""
        options, sums = self.options, partial(ops.neighbor_sums, index=neighbors.index)
        vectors = h2 if options.update_g1_has_drrd else None
        if options.update_g1_has_conv and options.g1_out_conv:
            factors = self.dense["proj_g1g2"](g2)
            return sums(sources, neighbors.weight, factors=factors, vectors=vectors)
        convolution = moments_of_g1 = None
        if options.update_g1_has_conv:
            mapped = self.dense["proj_g1g2"](sources)
            convolution = sums(mapped, neighbors.weight, factors=g2).convolution
        if vectors is not None:
            moments_of_g1 = sums(sources, neighbors.weight, vectors=vectors).moments
        return ops.NeighborSums(convolution, moments_of_g1)
