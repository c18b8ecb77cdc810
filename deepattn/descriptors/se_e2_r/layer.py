"""The DeepPot-SE descriptor of distances alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from deepattn.config import ModelConfig
from deepattn.descriptors.one_matrix.layer import one_matrix_arguments
from deepattn.descriptors.one_matrix.pair_nets import PairNets
from deepattn.descriptors.se_e2_r.config import SeE2RConfig
from deepattn.layers.descriptor import Features
from deepattn.layers.environment import Environment

if TYPE_CHECKING:
    from typing_extensions import Self

# What DeePMD-kit divides the mean by.
_SCALE = 5.0


@keras.saving.register_keras_serializable(package="deepattn")
class SeE2R(PairNets):
    """Smooth descriptor from distances, ``se_e2_r``.

    ``D = sum_j G(s(r_ij)) / (5 N)``, with an embedding net ``G`` for each pair of types (or each
    neighbor type, ``type_one_side``), the normalized radial entries ``s`` of the environment
    matrix, and the number ``N`` of neighbor slots. Empty slots count.

    Reference: L. Zhang et al., NeurIPS 31 (2018), arXiv:1805.09003.

    Args:
        ntypes: Number of types.
        rcut: Cutoff radius, Å.
        rcut_smth: Where switching to zero begins, Å.
        sel: Largest number of neighbors of each type.
        neuron: Widths of the embedding nets.
        type_one_side: Whether the center's type plays no role in the embedding.
        **kwargs: See `OneMatrix`; with ``common`` missing neighbors are never excluded.

    Call arguments: see `Descriptor`; ``type_embedding`` is not looked at.

    Output shape: ``[nframes, nloc, neuron[-1]]``.
    """

    columns = 1
    fixed_slots = True

    def __init__(
        self,
        ntypes: int,
        *,
        rcut: float,
        rcut_smth: float,
        sel: Sequence[int],
        neuron: Sequence[int] = (10, 20, 40),
        type_one_side: bool = False,
        **kwargs: Any,
    ):
        super().__init__(ntypes, rcut=rcut, rcut_smth=rcut_smth, sel=sel, neuron=neuron, **kwargs)
        self.type_one_side = type_one_side
        self._make_nets()

    @classmethod
    def from_section(
        cls, section: SeE2RConfig, model: ModelConfig, *, tebd_dim: int, interface_dtype: str
    ) -> Self:
        return cls(
            model.ntypes,
            type_one_side=section.type_one_side,
            **one_matrix_arguments(
                section, common=model.is_common, interface_dtype=interface_dtype
            ),
        )

    @property
    def width(self) -> int:
        return self.neuron[-1]

    def features(
        self, environment: Environment, atype: tf.Tensor, type_embedding: tf.Tensor | None = None
    ) -> Features:
        environment = self.with_matrix(environment, atype)
        radial = tf.reshape(environment.descrpt, [-1, self.nnei, 4])[:, :, 0]
        if self._pairs is not None and self.type_one_side:
            radial *= self._kept(environment, atype, radial.dtype)

        def mean(rows: tf.Tensor, center: int | str) -> tf.Tensor:
            return tf.reduce_sum(self._embed_blocks(rows, center), axis=1) / (_SCALE * self.nnei)

        radial = tf.cast(radial, self.compute_dtype)
        rows = self._of_centers(radial, atype, mean, width=self.width)
        shape = tf.concat([tf.shape(atype), [self.width]], axis=0)
        return Features(tf.cast(tf.reshape(rows, shape), self.interface_dtype))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "type_one_side": self.type_one_side}

    def normalization(self) -> tuple[tf.Tensor, tf.Tensor]:
        # The other columns of the matrix stay as they are.
        average, spread = super().normalization()
        others = [[0, 0], [0, 0], [0, 3]]
        return tuple(
            tf.reshape(
                tf.pad(array[:, :, tf.newaxis], others, constant_values=value), [self.ntypes, -1]
            )
            for array, value in ((average, 0), (spread, 1))
        )
