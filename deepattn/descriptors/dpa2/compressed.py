"""The descriptor of a compressed DPA-2 model: a table instead of the first embedding net."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from deepattn import ops
from deepattn.descriptors.dpa2.layer import DPA2
from deepattn.descriptors.dpa2.neighbor_vectors import NeighborVectors
from deepattn.descriptors.dpa2.repinit import RepInit
from deepattn.descriptors.dpa2.tree_names import under
from deepattn.descriptors.smooth_edition.compressible import NOT_AGAIN
from deepattn.errors import ConfigError
from deepattn.layers.descriptor import Descriptor


@keras.saving.register_keras_serializable(package="deepattn")
class TabulatedRepInit(RepInit):
    """`RepInit` in strip mode, with a table of polynomials in the place of the net of distances.

    Factors are the net of types for every pair of them, so the type embedding is not looked at.

    Reference: D. Lu et al., J. Chem. Theory Comput. 18, 5559 (2022), arXiv:2107.02103.

    Args:
        ntypes, tebd_dim, …: See `RepInit`; of the arguments of nets only the widths matter.
        nintervals: Number of intervals of the table.

    Call arguments and output: see `RepInit`.

    Raises:
        ValueError: ``tebd_input_mode`` is not ``"strip"``.
    """

    def __init__(self, ntypes: int, tebd_dim: int, *, nintervals: int, **kwargs: Any):
        super().__init__(ntypes, tebd_dim, **kwargs)
        if self.tebd_input_mode != "strip":
            raise ValueError(f"a table is for tebd_input_mode strip, not {self.tebd_input_mode!r}")
        self.nintervals = nintervals

    @property
    def stride(self) -> int:
        """Length of a row of the table, and of factors."""
        return ops.table_stride(self.neuron[-1])

    def build(self, *_: object) -> None:
        self.matrix.build()
        npairs = (1 if self.type_one_side else self.ntypes) * (self.ntypes + 1)
        shapes = {
            "table": (1, self.nintervals, 6, self.stride),
            "table_info": (6,),
            "factors": (npairs, self.stride),
        }
        self.tables = {
            name: self.add_weight(name=name, shape=shape, initializer="zeros", trainable=False)
            for name, shape in shapes.items()
        }

    def named_variables(self) -> dict[str, keras.Variable]:
        """Statistics and tables; no reader knows the tables by their names."""
        return {**under("compressed", self.tables), **self.matrix.named_variables()}

    def get_config(self) -> dict:
        return {**super().get_config(), "nintervals": self.nintervals}

    def _make_nets(self) -> None:
        """There are none."""

    def _contracted(
        self,
        slots: NeighborVectors,
        matrix: tf.Tensor,
        switch: tf.Tensor,
        center: tf.Tensor,
        type_embedding: tf.Tensor,
    ) -> tf.Tensor:
        times = slots.multiplicity(self.compute_dtype)
        return ops.tabulated_contraction(
            matrix * times[:, tf.newaxis],
            matrix[:, :, 0],
            switch if self.smooth else None,
            self._pairs(slots, center),
            ops.Tables(**{name: tf.convert_to_tensor(v) for name, v in self.tables.items()}),
            width=self.neuron[-1],
        )


@keras.saving.register_keras_serializable(package="deepattn")
class CompressedDPA2(DPA2):
    """`DPA2` with `TabulatedRepInit`; the three-body block and the layers have their nets.

    Arguments, call arguments and output: see `DPA2`; ``repinit`` are those of `TabulatedRepInit`.
    """

    compressed = True
    first_block = TabulatedRepInit

    def compress(
        self, vectors: tf.Tensor | None, *, min_nbor_dist: float, fast: bool, **options: float
    ) -> Descriptor:
        raise ConfigError(NOT_AGAIN)
