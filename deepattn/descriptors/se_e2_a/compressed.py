"""The DeepPot-SE descriptor of a compressed model: tables instead of embedding nets."""

from __future__ import annotations

import keras
import tensorflow as tf

from deepattn import ops
from deepattn.descriptors.se_e2_a.layer import SeE2A
from deepattn.descriptors.smooth_edition.compressed import Tabulated
from deepattn.layers.environment import real_types


@keras.saving.register_keras_serializable(package="deepattn")
class CompressedSeE2A(Tabulated, SeE2A):
    """`SeE2A` with a table of polynomials in the place of each embedding net.

    Table ``center * (ntypes + 1) + neighbor`` belongs to a pair of types, with ``type_one_side``
    table ``neighbor`` to the neighbor's type; the last of each ``ntypes + 1`` is not used.

    Reference: D. Lu et al., J. Chem. Theory Comput. 18, 5559 (2022), arXiv:2107.02103.

    Args:
        ntypes, …: See `SeE2A`; of the arguments of nets only the widths matter.
        nintervals, stock: See `Tabulated`.

    Call arguments and output: see `SeE2A`.
    """

    @property
    def ntables(self) -> int:
        return (1 if self.type_one_side else self.ntypes) * (self.ntypes + 1)

    def tabulated(self) -> ops.TabulatedDescriptor | None:
        # Empty slots of an excluded type count in other backends, but not in the operation.
        if self.stock or (self.common and self.exclude_types):
            return None
        return self._described(
            sees_center=not self.type_one_side, switch="none", excluded_is_average=False
        )

    def _make_nets(self) -> None:
        self.nets = {}

    def _contracted(self, matrix: tf.Tensor, atype: tf.Tensor) -> tf.Tensor:
        if self.stock:
            return super()._contracted(matrix, atype)
        index = tf.tile(self._slot_types[tf.newaxis], [tf.shape(matrix)[0], 1])
        if not self.type_one_side:
            index += real_types(atype, self.ntypes)[:, tf.newaxis] * (self.ntypes + 1)
        width = self.neuron[-1]
        contracted = ops.tabulated_contraction(
            matrix, matrix[:, :, 0], None, index, self._tables(), width=width
        )
        real = tf.reshape(atype >= 0, [-1, 1, 1])
        return tf.where(real, contracted, tf.zeros_like(contracted))

    def _contract_blocks(self, matrix: tf.Tensor, center: int | str) -> tf.Tensor:
        width = self.neuron[-1]
        tables = tf.convert_to_tensor(self.table)
        first = 0 if center == "all" else int(center) * (self.ntypes + 1)
        contracted = tf.zeros([tf.shape(matrix)[0], 4, width], matrix.dtype)
        for t, block in enumerate(tf.split(matrix, self._sizes, axis=1)):
            if self._sizes[t]:
                contracted += ops.tabulate_fusion_se_a(
                    tables[first + t],
                    tf.convert_to_tensor(self.table_info),
                    tf.reshape(block[:, :, 0], [-1, 1]),
                    block,
                    last_layer_size=width,
                )
        return contracted
