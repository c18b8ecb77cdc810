"""The DPA-1 descriptor of a compressed model: tables instead of embedding nets."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from deepattn import ops
from deepattn.descriptors.se_atten.layer import PairSlots, SeAtten
from deepattn.descriptors.smooth_edition.compressed import Tabulated


@keras.saving.register_keras_serializable(package="deepattn")
class CompressedSeAtten(Tabulated, SeAtten):
    """`SeAtten` with tables of polynomials in the places of its embedding nets.

    In strip mode one table is the net of distances, and factors are the net of types for every
    pair of them. In concat mode, where one net has both, there is a table for every pair (with
    ``type_one_side`` for every type of neighbor). The type embedding is not looked at any more.

    Reference: D. Lu et al., J. Chem. Theory Comput. 18, 5559 (2022), arXiv:2107.02103.

    Args:
        ntypes, tebd_dim, …: See `SeAtten`; of the arguments of nets only the widths matter.
        nintervals, stock: See `Tabulated`; stock tables are for strip mode without attention.

    Call arguments and output: see `SeAtten`.

    Raises:
        ValueError: ``stock`` for a descriptor that DeePMD-kit's op cannot make.
    """

    def __init__(self, ntypes: int, tebd_dim: int, *, nintervals: int, stock: bool, **kwargs: Any):
        super().__init__(ntypes, tebd_dim, nintervals=nintervals, stock=stock, **kwargs)
        if stock and (self.attn_layer or self.tebd_input_mode != "strip"):
            raise ValueError(
                "stock tables are for attn_layer 0 and tebd_input_mode strip, not "
                f"{self.attn_layer!r} and {self.tebd_input_mode!r}"
            )

    @property
    def block(self) -> int:
        # Attention takes nearly all the time, with tables as without.
        return super(Tabulated, self).block if self.attention else super().block

    @property
    def ntables(self) -> int:
        return 1 if self.tebd_input_mode == "strip" else self._npairs

    @property
    def nfactors(self) -> int:
        return self._npairs if self.tebd_input_mode == "strip" else 0

    def build(self, *_: object) -> None:
        for layer in self.attention:
            layer.build()
        super().build()

    def tabulated(self) -> ops.TabulatedDescriptor | None:
        if self.stock or self.attention:
            return None
        switch = "none"
        if self.smooth and self.tebd_input_mode == "strip":
            switch = "distance" if self.common else "inverse"
        return self._described(
            sees_center=self.sees_center,
            switch=switch,
            excluded_is_average=self.smooth and not self.common,
        )

    @property
    def _npairs(self) -> int:
        """Number of pairs of types with tables or factors of their own."""
        return (self.ntypes if self.sees_center else 1) * (self.ntypes + 1)

    def _make_embedding_nets(self, seed: int | None) -> int | None:
        return seed

    def _contracted(self, slots: PairSlots) -> tf.Tensor:
        if self.attention:
            return super()._contracted(slots)
        matrix, neighbors, width = slots.matrix, slots.neighbors, self.neuron[-1]
        rows = matrix[:, :, 0]
        if not self.stock:
            matrix *= neighbors.multiplicity(self.compute_dtype)
            return ops.tabulated_contraction(matrix, rows, *self._scaling(slots), width=width)
        scale = tf.gather(tf.convert_to_tensor(self.factors), tf.reshape(self._index(slots), [-1]))
        if self.smooth:
            scale *= tf.reshape(slots.weight, [-1, 1])
        return ops.tabulate_fusion_se_atten(
            tf.convert_to_tensor(self.table),
            tf.convert_to_tensor(self.table_info),
            tf.reshape(rows, [-1, 1]),
            matrix * neighbors.even_multiplicity(self.compute_dtype),
            scale,
            last_layer_size=width,
            # An excluded neighbor looks like padding, but real ones may follow it.
            is_sorted=self._pairs is None,
        )

    def _embed(self, slots: PairSlots) -> tf.Tensor:
        scaling = self._scaling(slots)
        return ops.tabulated_embedding(slots.matrix[:, :, 0], *scaling, width=self.neuron[-1])

    def _scaling(self, slots: PairSlots) -> tuple[tf.Tensor | None, tf.Tensor, ops.Tables]:
        """Weights and pairs of the slots, and the tables."""
        strip = self.tebd_input_mode == "strip"
        weight = slots.weight if strip and self.smooth else None
        return weight, self._index(slots), self._tables()
