"""The repformer block: its input from distances, then its layers."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from deepattn.descriptors.dpa2.environment_matrix import EnvironmentMatrix
from deepattn.descriptors.dpa2.neighbor_vectors import NeighborVectors
from deepattn.descriptors.dpa2.repformer.invariants import moments
from deepattn.descriptors.dpa2.repformer.layer import RepformerLayer
from deepattn.descriptors.dpa2.repformer.neighbor_weights import neighbor_weights
from deepattn.descriptors.dpa2.repformer.options import RepformerOptions
from deepattn.descriptors.dpa2.tree_names import dense_variables, under
from deepattn.layers.activations import get_activation
from deepattn.layers.residual_dense import activated, linear
from deepattn.layers.seeds import seeds_from


@keras.saving.register_keras_serializable(package="deepattn")
class Repformers(keras.layers.Layer):
    """Layers that pass messages between atoms within a cutoff radius.

    Features of pairs start as a layer of the radial column of the environment matrix, their
    vectors as its angular columns; with ``direct_dist`` distance and vector over the cutoff
    radius take their places.

    Reference: D. Zhang et al., arXiv:2312.15492, "repformer".

    Args:
        ntypes: Number of types.
        options: `RepformerOptions`.
        nlayers: Number of layers.
        rcut: Cutoff radius, Å.
        rcut_smth: Where switching to zero begins, Å.
        protection: See `EnvironmentMatrix`.
        direct_dist: See above.
        seed: Seed of the weights.
        interface_dtype: Precision of distances and statistics; ``dtype`` is the weights'.

    Call arguments:
        slots: `NeighborVectors` within ``rcut``.
        center: int32 ``[n]``, types of the centers.
        features: ``[n, g1_dim]``, before the activation.
        shells: int32, ascending: how many atoms, the first ones, are within 0, 1, … messages of
            the atoms whose features are wanted; by default those of all n atoms are.

    Output: Features ``[n, g1_dim]``, or ``[shells[0], g1_dim]``, and of as many atoms the rows
    ``[g2_dim, 3]`` that turn with the frame, the moments of the last features of pairs.
    """

    def __init__(
        self,
        ntypes: int,
        options: RepformerOptions,
        *,
        nlayers: int,
        rcut: float,
        rcut_smth: float,
        protection: float = 0.0,
        direct_dist: bool = False,
        seed: int | None = None,
        interface_dtype: str = "float64",
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        self.ntypes = ntypes
        self.options = options = RepformerOptions.of(options)
        self.direct_dist = direct_dist
        self.seed = seed
        self.interface_dtype = interface_dtype
        self.function = get_activation(options.activation)
        self.matrix = EnvironmentMatrix(
            ntypes,
            options.nnei,
            rcut=rcut,
            rcut_smth=rcut_smth,
            protection=protection,
            dtype=interface_dtype,
            name="matrix",
        )
        seeds = seeds_from(seed)
        policy = {"dtype": self.dtype_policy, "trainable": self.trainable}
        self.g2_embd = linear(options.g2_dim, use_bias=True, seed=next(seeds), **policy)
        self.layers = [
            RepformerLayer(
                options, last=k == nlayers - 1, seed=next(seeds), name=f"layer_{k}", **policy
            )
            for k in range(nlayers)
        ]

    def build(self, *_: object) -> None:
        self.matrix.build()
        self.g2_embd.build((None, None, 1))
        for layer in self.layers:
            layer.build()

    @property
    def message_cutoffs(self) -> tuple[float, ...]:
        """See `Descriptor.message_cutoffs`."""
        return (self.matrix.rcut,) * self._levels()[0]

    def call(
        self,
        slots: NeighborVectors,
        center: tf.Tensor,
        features: tf.Tensor,
        shells: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        rows = self._rows(shells)
        if shells is not None:
            slots, center = slots.first(rows[0]), center[: rows[0]]
        matrix, switch = self.matrix(slots, center)
        radial, h2 = matrix[:, :, :1], matrix[:, :, 1:]
        if self.direct_dist:
            mask = tf.cast(slots.mask, matrix.dtype)[:, :, tf.newaxis] / self.matrix.rcut
            radial, h2 = slots.distance[:, :, tf.newaxis] * mask, slots.vectors * mask
        dtype = self.compute_dtype
        neighbors = neighbor_weights(
            slots,
            tf.cast(switch, dtype),
            nnei=self.options.nnei,
            smooth=self.options.smooth,
            use_sqrt_nnei=self.options.use_sqrt_nnei,
        )
        g1, h2 = self.function(tf.cast(features, dtype)), tf.cast(h2, dtype)
        g2 = activated(self.g2_embd, tf.cast(radial, dtype), self.function)
        for layer, count in zip(self.layers, rows, strict=True):
            g1, g2, h2 = layer(g1, g2, h2, neighbors, count)
        if shells is not None:
            neighbors = neighbors.first(rows[-1], tf.shape(g1)[0])
        return g1, tf.transpose(moments(h2, g2, neighbors), [0, 2, 1])

    def named_variables(self) -> dict[str, keras.Variable]:
        """Weights and statistics by their paths below ``repformers_variable``."""
        variables = under("g2_embd", dense_variables(self.g2_embd))
        for k, layer in enumerate(self.layers):
            variables.update(under(f"repformer_layers/{k}", layer.named_variables()))
        return {**variables, **self.matrix.named_variables()}

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "ntypes": self.ntypes,
            "options": self.options.to_dict(),
            "nlayers": len(self.layers),
            "rcut": self.matrix.rcut,
            "rcut_smth": self.matrix.rcut_smth,
            "protection": self.matrix.protection,
            "direct_dist": self.direct_dist,
            "seed": self.seed,
            "interface_dtype": self.interface_dtype,
        }

    def _levels(self) -> list[int]:
        """How many messages away features must be known before the first layer and after each."""
        g1, g2 = 0, -1
        levels = [0]
        for layer in reversed(self.layers):
            g1, g2 = layer.needs(g1, g2)
            levels.append(max(g1, g2))
        return levels[::-1]

    def _rows(self, shells: tf.Tensor | None) -> list[tf.Tensor | None]:
        """How many atoms each layer updates."""
        if shells is None:
            return [None] * len(self.layers)
        return [shells[level] for level in self._levels()[1:]]
