"""Three-body embedding with type embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from deepattn.config import ModelConfig
from deepattn.descriptors.one_matrix.layer import OneMatrix, one_matrix_arguments
from deepattn.descriptors.se_e3_tebd.config import SeE3TebdConfig
from deepattn.layers.angles import angular_features
from deepattn.layers.descriptor import Features
from deepattn.layers.embedding_net import EmbeddingNet, seed_after
from deepattn.layers.environment import Environment, real_types
from deepattn.layers.packing import pack
from deepattn.ops.reference import switch_of_distance

if TYPE_CHECKING:
    from typing_extensions import Self


@keras.saving.register_keras_serializable(package="deepattn")
class SeE3Tebd(OneMatrix):
    """Smooth descriptor from angles between pairs of neighbors and their types, ``se_e3_tebd``.

    ``D = sum_jk θ_jk E(θ_jk, T_j, T_k) / N²`` with ``θ_jk = r_j · r_k``, the product of the angular
    parts of two rows of the environment matrix, the type vectors ``T``, and ``N`` slots.

    Reference: D. Zhang et al., arXiv:2312.15492.

    Args:
        ntypes: Number of types.
        tebd_dim: Width of the type embedding.
        rcut: Cutoff radius, Å.
        rcut_smth: Where switching to zero begins, Å.
        sel: Largest number of neighbors.
        neuron: Widths of the embedding net.
        tebd_input_mode: ``"concat"``: types enter the net together with the angle; ``"strip"``: a
            net of their own scales the angle's.
        smooth: Whether the scale of types fades out at the cutoff (strip only).
        **kwargs: See `OneMatrix`.

    Call arguments: see `Descriptor`.

    Output shape: ``[nframes, nloc, neuron[-1]]``.

    Raises:
        ValueError: ``tebd_input_mode`` is another word.
    """

    fixed_slots = True

    def __init__(
        self,
        ntypes: int,
        tebd_dim: int,
        *,
        rcut: float,
        rcut_smth: float,
        sel: int,
        neuron: Sequence[int] = (2, 4, 8),
        tebd_input_mode: str = "concat",
        smooth: bool = True,
        **kwargs: Any,
    ):
        super().__init__(ntypes, rcut=rcut, rcut_smth=rcut_smth, sel=sel, neuron=neuron, **kwargs)
        if tebd_input_mode not in ("concat", "strip"):
            raise ValueError(f"tebd_input_mode must be concat or strip, not {tebd_input_mode!r}")
        self.tebd_dim = tebd_dim
        self.tebd_input_mode = tebd_input_mode
        self.smooth = smooth
        strip, arguments = tebd_input_mode == "strip", self._net_arguments()
        width = 1 if strip else 1 + 2 * tebd_dim
        self.embedding_net = EmbeddingNet(width, seed=self.seed, name="embedding_net", **arguments)
        self.type_net = None
        if strip:
            seed = seed_after(self.seed, self.neuron)
            self.type_net = EmbeddingNet(2 * tebd_dim, seed=seed, name="type_net", **arguments)

    @classmethod
    def from_section(
        cls, section: SeE3TebdConfig, model: ModelConfig, *, tebd_dim: int, interface_dtype: str
    ) -> Self:
        return cls(
            model.ntypes,
            tebd_dim,
            tebd_input_mode=section.tebd_input_mode,
            smooth=section.smooth,
            **one_matrix_arguments(
                section, common=model.is_common, interface_dtype=interface_dtype
            ),
        )

    @property
    def width(self) -> int:
        return self.neuron[-1]

    def build(self, *_: object) -> None:
        self.embedding_net.build()
        if self.type_net is not None:
            self.type_net.build()
        super().build()

    def features(
        self, environment: Environment, atype: tf.Tensor, type_embedding: tf.Tensor | None = None
    ) -> Features:
        if type_embedding is None:
            raise ValueError("type_embedding must be given, not None")
        environment = self.with_matrix(environment, atype)
        neighbors = pack(environment, self.nnei)
        center = real_types(atype, self.ntypes)
        # Rows of padding have no direction, so that one slot of it stands for any number.
        rows = tf.where(neighbors.mask[:, :, tf.newaxis], neighbors.matrix[:, :, 1:], 0)
        inverse = neighbors.matrix[:, :, 0] * self._of_centers(self.dstd, center)
        inverse += self._of_centers(self.davg, center)
        switch = switch_of_distance(
            *(inverse, neighbors.rij),
            rcut=self.rcut,
            rcut_smth=self.rcut_smth,
            follow=self.protection > 0,
        )
        if self._pairs is not None:
            pair = center[:, tf.newaxis] * (self.ntypes + 1) + neighbors.ntype
            keep = tf.gather(tf.constant(self._pairs, rows.dtype), pair)
            rows, switch = rows * keep[:, :, tf.newaxis], switch * keep
        rows, switch, vectors = (
            tf.cast(array, self.compute_dtype) for array in (rows, switch, type_embedding)
        )
        result = angular_features(
            rows,
            neighbors.ntype,
            vectors,
            net=self.embedding_net,
            type_net=self.type_net,
            switch=switch if self.smooth else None,
        )
        shape = tf.concat([tf.shape(atype), [self.width]], axis=0)
        return Features(tf.cast(tf.reshape(result / self.nnei**2, shape), self.interface_dtype))

    def scoped_nets(self) -> list[tuple[str, str, EmbeddingNet]]:
        nets = [("filter_type_all", "", self.embedding_net)]
        if self.type_net is not None:
            nets.append(("filter_type_all", "_two_side_ebd", self.type_net))
        return nets

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "tebd_dim": self.tebd_dim,
            "tebd_input_mode": self.tebd_input_mode,
            "smooth": self.smooth,
        }

    def _of_centers(self, statistic: keras.Variable, center: tf.Tensor) -> tf.Tensor:
        """The radial entry of a statistic for the types of the centers, ``[n, 1]``."""
        return tf.gather(tf.convert_to_tensor(statistic)[:, :1], center)
