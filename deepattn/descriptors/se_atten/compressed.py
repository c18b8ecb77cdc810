"""The DPA-1 descriptor of a compressed model: tables instead of embedding nets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepattn import ops
from deepattn.descriptors.se_atten.compressible import NOT_AGAIN
from deepattn.descriptors.se_atten.layer import PairSlots, SeAtten
from deepattn.errors import ConfigError
from deepattn.layers.descriptor import Descriptor
from deepattn.layers.embedding_net import EmbeddingNet

# Tables leave little to keep in the cache but the fitting net's weights, which large blocks share;
# DeePMD-kit's op for tables needs memory for the factors of every pair.
_WITH_STOCK_TABLES, _WITH_TABLES = 192, 768


@keras.saving.register_keras_serializable(package="deepattn")
class CompressedSeAtten(SeAtten):
    """`SeAtten` with tables of polynomials in the places of its embedding nets.

    In strip mode one table is the net of distances, and factors are the net of types for every
    pair of them. In concat mode, where one net has both, there is a table for every pair (with
    ``type_one_side`` for every type of neighbor). The type embedding is not looked at any more.

    Reference: D. Lu et al., J. Chem. Theory Comput. 18, 5559 (2022), arXiv:2107.02103.

    Args:
        ntypes, tebd_dim, …: See `SeAtten`; of the arguments of nets only the widths matter.
        nintervals: Number of intervals of a table.
        stock: Whether the tables are laid out for the op that DeePMD-kit has, which makes the
            graph portable. It is for strip mode without attention.

    Call arguments and output: see `SeAtten`.

    Raises:
        ValueError: ``stock`` for a descriptor that DeePMD-kit's op cannot make.
    """

    compressed = True

    def __init__(self, ntypes: int, tebd_dim: int, *, nintervals: int, stock: bool, **kwargs: Any):
        super().__init__(ntypes, tebd_dim, **kwargs)
        self.nintervals = nintervals
        self.stock = stock
        if stock and (self.attn_layer or self.tebd_input_mode != "strip"):
            raise ValueError(
                "stock tables are for attn_layer 0 and tebd_input_mode strip, not "
                f"{self.attn_layer!r} and {self.tebd_input_mode!r}"
            )

    @property
    def block(self) -> int:
        if self.attention:
            return super().block
        return _WITH_STOCK_TABLES if self.stock else _WITH_TABLES

    @property
    def npairs(self) -> int:
        """Number of pairs of types with tables or factors of their own."""
        return (self.ntypes if self.sees_center else 1) * (self.ntypes + 1)

    @property
    def stride(self) -> int:
        """Length of a row of a table, and of factors."""
        width = self.neuron[-1]
        return width if self.stock else -(-width // ops.TABLE_STRIDE) * ops.TABLE_STRIDE

    def build(self, *_: object) -> None:
        for layer in self.attention:
            layer.build()
        strip = self.tebd_input_mode == "strip"
        table = (1 if strip else self.npairs, self.nintervals, 6, self.stride)
        stock = (self.nintervals, 6 * self.stride)
        self.table = self._add_table("table", stock if self.stock else table)
        # Until tables are set, intervals are one wide.
        info = np.array([0, self.nintervals, self.nintervals, 1, 1, -1])
        self.table_info = self._add_table("table_info", (6,), lambda shape, dtype=None: info)
        self.factors = self._add_table("factors", (self.npairs if strip else 0, self.stride))
        Descriptor.build(self)

    def scoped_nets(self) -> list[tuple[str, str, EmbeddingNet]]:
        return []

    def named_variables(self) -> dict[str, keras.Variable]:
        """Weights, statistics and tables; no reader knows the tables by their names."""
        tables = {"table": self.table, "table_info": self.table_info, "factors": self.factors}
        return {
            **super().named_variables(),
            **{f"compressed/{name}": variable for name, variable in tables.items()},
        }

    def get_config(self) -> dict:
        return {**super().get_config(), "nintervals": self.nintervals, "stock": self.stock}

    def compress(
        self, vectors: tf.Tensor | None, *, min_nbor_dist: float, fast: bool, **options: float
    ) -> Descriptor:
        raise ConfigError(NOT_AGAIN)

    def tabulated(self) -> ops.TabulatedDescriptor | None:
        if self.stock or self.attention or not self._has_equal_slots():
            return None
        dtype, keep = self.compute_dtype, None
        if self._pairs is not None:
            keep = tf.constant(self._pairs.reshape(self.ntypes, -1), self.interface_dtype)
        switch = "none"
        if self.smooth and self.tebd_input_mode == "strip":
            switch = "distance" if self.common else "inverse"
        count = tf.cast(tf.reduce_sum(tf.convert_to_tensor(self.original_sel)), dtype)
        return ops.TabulatedDescriptor(
            davg=tf.convert_to_tensor(self.davg),
            dstd=tf.convert_to_tensor(self.dstd),
            keep=keep,
            tables=self._tables(),
            count=count,
            rcut=self.rcut,
            rcut_smth=self.rcut_smth,
            nnei=self.nnei,
            width=self.neuron[-1],
            axis=self.axis_neuron,
            sees_center=self.sees_center,
            switch=switch,
            excluded_is_average=self.smooth and not self.common,
        )

    def _has_equal_slots(self) -> bool:
        """Whether all slots of a type are normalized alike, so that their order does not matter."""
        for variable in (self.davg, self.dstd):
            # In a graph that is being frozen the weights are constants.
            values = tf.get_static_value(tf.convert_to_tensor(variable))
            rows = None if values is None else values.reshape(self.ntypes, self.nnei, 4)
            if rows is None or not np.array_equal(rows, np.broadcast_to(rows[:, :1], rows.shape)):
                return False
        return True

    def _make_embedding_nets(self, seed: int | None) -> int | None:
        return seed

    def _add_table(
        self,
        name: str,
        shape: tuple[int, ...],
        initializer: str | Callable[..., np.ndarray] = "zeros",
    ) -> keras.Variable:
        return self.add_weight(name=name, shape=shape, initializer=initializer, trainable=False)

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

    def _tables(self) -> ops.Tables:
        variables = (self.table, self.table_info, self.factors)
        return ops.Tables(*(tf.convert_to_tensor(variable) for variable in variables))
