"""The DeepPot-SE descriptor with three-body embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from deepattn.config import ModelConfig
from deepattn.descriptors.one_matrix.layer import one_matrix_arguments
from deepattn.descriptors.one_matrix.slots_by_type import SlotsByType
from deepattn.descriptors.se_e3.config import SeE3Config
from deepattn.layers.descriptor import Features
from deepattn.layers.embedding_net import EmbeddingNet, seed_after
from deepattn.layers.environment import Environment

if TYPE_CHECKING:
    from typing_extensions import Self


@keras.saving.register_keras_serializable(package="deepattn")
class SeE3(SlotsByType):
    """Smooth descriptor from the angles between pairs of neighbors, ``se_e3``.

    ``D = sum_(a <= b) sum_(j of a, k of b) θ_jk G_ab(θ_jk) / (N_a N_b)`` with
    ``θ_jk = r_j · r_k``, the product of the angular parts of two rows of the environment matrix,
    an embedding net ``G_ab`` for each pair of types of neighbors, and the numbers of slots ``N``.

    Reference: X. Wang et al., Nucl. Fusion 62, 126013 (2022).

    Args:
        ntypes: Number of types.
        rcut: Cutoff radius, Å.
        rcut_smth: Where switching to zero begins, Å.
        sel: Largest number of neighbors of each type.
        neuron: Widths of the embedding nets.
        **kwargs: See `OneMatrix`.

    Call arguments: see `Descriptor`; ``type_embedding`` is not looked at.

    Output shape: ``[nframes, nloc, neuron[-1]]``.
    """

    fixed_slots = True

    def __init__(
        self,
        ntypes: int,
        *,
        rcut: float,
        rcut_smth: float,
        sel: Sequence[int],
        neuron: Sequence[int] = (10, 20, 40),
        **kwargs: Any,
    ):
        super().__init__(ntypes, rcut=rcut, rcut_smth=rcut_smth, sel=sel, neuron=neuron, **kwargs)
        seed = self.seed
        self.nets: dict[str, EmbeddingNet] = {}
        for name in (f"{a}_{b}" for a in range(ntypes) for b in range(a, ntypes)):
            self.nets[name] = EmbeddingNet(
                1, seed=seed, name=f"net_{name}", **self._net_arguments()
            )
            seed = seed_after(seed, self.neuron)

    @classmethod
    def from_section(
        cls, section: SeE3Config, model: ModelConfig, *, tebd_dim: int, interface_dtype: str
    ) -> Self:
        return cls(
            model.ntypes,
            **one_matrix_arguments(
                section, common=model.is_common, interface_dtype=interface_dtype
            ),
        )

    @property
    def width(self) -> int:
        return self.neuron[-1]

    def build(self, *_: object) -> None:
        for net in self.nets.values():
            net.build()
        super().build()

    def features(
        self, environment: Environment, atype: tf.Tensor, type_embedding: tf.Tensor | None = None
    ) -> Features:
        environment = self.with_matrix(environment, atype)
        rows = tf.reshape(environment.descrpt, [-1, self.nnei, 4])[:, :, 1:]
        if self._pairs is not None:
            rows *= self._kept(environment, atype, rows.dtype)[:, :, tf.newaxis]
        blocks = tf.split(tf.cast(rows, self.compute_dtype), self._sizes, axis=1)
        result = tf.zeros([tf.shape(rows)[0], self.width], self.compute_dtype)
        for name, net in self.nets.items():
            first, second = map(int, name.split("_"))
            # Of a type that is never a neighbor there is nothing to sum.
            if count := self._sizes[first] * self._sizes[second]:
                angles = tf.matmul(blocks[first], blocks[second], transpose_b=True)
                angles = tf.reshape(angles, [-1, count])
                embedding = net(tf.reshape(angles, [-1, 1]))
                embedding = tf.reshape(embedding, [-1, count, self.width])
                result += tf.matmul(angles[:, tf.newaxis], embedding)[:, 0] / count
        shape = tf.concat([tf.shape(atype), [self.width]], axis=0)
        return Features(tf.cast(tf.reshape(result, shape), self.interface_dtype))

    def scoped_nets(self) -> list[tuple[str, str, EmbeddingNet]]:
        return [("filter_type_all", f"_{name}", net) for name, net in self.nets.items()]
