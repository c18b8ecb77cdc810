"""What the descriptors of compressed models share: tables instead of embedding nets."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepattn import ops
from deepattn.descriptors.smooth_edition.compressible import NOT_AGAIN
from deepattn.descriptors.smooth_edition.layer import SmoothEdition
from deepattn.errors import ConfigError
from deepattn.layers.descriptor import Descriptor
from deepattn.layers.embedding_net import EmbeddingNet

# Tables leave little to keep in the cache but the fitting net's weights, which large blocks share;
# DeePMD-kit's operations for tables need memory for the factors of every pair.
_WITH_STOCK_TABLES, _WITH_TABLES = 192, 768


class Tabulated(SmoothEdition, abc.ABC):
    """A descriptor whose embedding is made of tables of polynomials.

    It comes before the descriptor that it compresses among the bases of a class, which defines
    `table_shape` and `nfactors` and contracts the tables with the environment matrix.

    Reference: D. Lu et al., J. Chem. Theory Comput. 18, 5559 (2022), arXiv:2107.02103.

    Args:
        nintervals: Number of intervals of a table.
        stock: Whether the tables are laid out for the operations that DeePMD-kit has, which makes
            the graph portable.
        *args, **kwargs: Of the compressed descriptor; of the arguments of nets only the widths
            matter.
    """

    compressed = True

    def __init__(self, *args: Any, nintervals: int, stock: bool, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.nintervals = nintervals
        self.stock = stock

    @property
    @abc.abstractmethod
    def ntables(self) -> int:
        """Number of tables."""

    @property
    def nfactors(self) -> int:
        """Number of rows of factors that scale the functions, one for each pair of types."""
        return 0

    @property
    def block(self) -> int:
        return _WITH_STOCK_TABLES if self.stock else _WITH_TABLES

    @property
    def stride(self) -> int:
        """Length of a row of a table, and of factors."""
        width = self.neuron[-1]
        return width if self.stock else ops.table_stride(width)

    def build(self, *_: object) -> None:
        layout = (self.nintervals, 6 * self.stride) if self.stock else self._own_layout()
        stock = layout if self.ntables == 1 else (self.ntables, *layout)
        self.table = self._add_table("table", stock if self.stock else layout)
        # Until tables are set, intervals are one wide.
        info = np.array([0, self.nintervals, self.nintervals, 1, 1, -1])
        self.table_info = self._add_table("table_info", (6,), lambda shape, dtype=None: info)
        self.factors = self._add_table("factors", (self.nfactors, self.stride))
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

    def _own_layout(self) -> tuple[int, ...]:
        return (self.ntables, self.nintervals, 6, self.stride)

    def _add_table(
        self,
        name: str,
        shape: tuple[int, ...],
        initializer: str | Callable[..., np.ndarray] = "zeros",
    ) -> keras.Variable:
        return self.add_weight(name=name, shape=shape, initializer=initializer, trainable=False)

    def _tables(self) -> ops.Tables:
        variables = (self.table, self.table_info, self.factors)
        return ops.Tables(*(tf.convert_to_tensor(variable) for variable in variables))

    def _described(
        self, *, sees_center: bool, switch: str, excluded_is_average: bool
    ) -> ops.TabulatedDescriptor | None:
        """For `tabulated`; None if the order of the slots matters."""
        if not self.has_equal_slots():
            return None
        keep = None
        if self._pairs is not None:
            keep = tf.constant(self._pairs.reshape(self.ntypes, -1), self.interface_dtype)
        count = tf.reduce_sum(tf.convert_to_tensor(self.original_sel))
        return ops.TabulatedDescriptor(
            davg=tf.convert_to_tensor(self.davg),
            dstd=tf.convert_to_tensor(self.dstd),
            keep=keep,
            tables=self._tables(),
            count=tf.cast(count, self.compute_dtype),
            rcut=self.rcut,
            rcut_smth=self.rcut_smth,
            sel=self.sel if isinstance(self.sel, list) else [self.sel],
            width=self.neuron[-1],
            axis=self.axis_neuron,
            sees_center=sees_center,
            switch=switch,
            excluded_is_average=excluded_is_average,
        )
