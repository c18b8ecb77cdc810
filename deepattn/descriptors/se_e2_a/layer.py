"""The DeepPot-SE descriptor with two-body embedding, the baseline for DPA-1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from deepattn import ops
from deepattn.config import ModelConfig
from deepattn.descriptors.one_matrix.pair_nets import PairNets
from deepattn.descriptors.se_e2_a.config import SeE2AConfig
from deepattn.descriptors.smooth_edition.layer import SmoothEdition, section_arguments
from deepattn.descriptors.smooth_edition.nets import net_weights, smooth_descriptor
from deepattn.layers.descriptor import Descriptor, Features
from deepattn.layers.embedding_net import EmbeddingNet, seed_after
from deepattn.layers.environment import Environment, pair_vectors, real_types

if TYPE_CHECKING:
    from typing_extensions import Self


@keras.saving.register_keras_serializable(package="deepattn")
class SeE2A(PairNets, SmoothEdition):
    """Smooth descriptor from distances and angles, ``se_e2_a``.

    Each pair of types (or each neighbor type, ``type_one_side``) has an embedding net of the
    distance; with a type embedding one net serves all pairs. The descriptor is
    ``D = B^T B[:, :axis_neuron]``, ``B = R^T G / N``.

    Reference: L. Zhang et al., NeurIPS 31 (2018), arXiv:1805.09003.

    Args:
        ntypes: Number of types.
        rcut: Cutoff radius, Å.
        rcut_smth: Where switching to zero begins, Å.
        sel: Largest number of neighbors of each type.
        neuron: Widths of the embedding nets.
        axis_neuron: Columns of ``B`` that form the second factor.
        type_one_side: Whether the center's type plays no role in the embedding.
        activation: Name of the nets' activation.
        resnet_dt: Whether the nets have time steps.
        exclude_types: Pairs of types that do not interact.
        tebd_dim: Width of the type embedding; 0 when there is none.
        tebd_input_mode: ``"concat"``: types enter the net together with the distance; ``"strip"``:
            a net of their own scales the distance's (``se_a_ebd_v2``).
        common: Whether missing neighbors are never excluded, as in DeePMD-kit's backends other
            than TensorFlow.
        seed: Seed of the weights.
        interface_dtype: Precision of coordinates, statistics and result; ``dtype`` is the nets'.

    Call arguments: see `Descriptor`; ``type_embedding`` is ``None`` when ``tebd_dim`` is 0.

    Output shape: ``[nframes, nloc, neuron[-1] * axis_neuron]``.

    Raises:
        ValueError: ``"strip"`` without a type embedding.
    """

    def __init__(
        self,
        ntypes: int,
        *,
        rcut: float,
        rcut_smth: float,
        sel: Sequence[int],
        neuron: Sequence[int] = (10, 20, 40),
        axis_neuron: int = 4,
        type_one_side: bool = False,
        activation: str = "tanh",
        resnet_dt: bool = False,
        exclude_types: Sequence[Sequence[int]] = (),
        tebd_dim: int = 0,
        tebd_input_mode: str = "concat",
        common: bool = False,
        seed: int | None = None,
        interface_dtype: str = "float64",
        **kwargs: Any,
    ):
        super().__init__(
            ntypes,
            rcut=rcut,
            rcut_smth=rcut_smth,
            sel=sel,
            neuron=neuron,
            axis_neuron=axis_neuron,
            type_one_side=type_one_side,
            activation=activation,
            resnet_dt=resnet_dt,
            exclude_types=exclude_types,
            tebd_dim=tebd_dim,
            common=common,
            seed=seed,
            interface_dtype=interface_dtype,
            **kwargs,
        )
        if tebd_input_mode == "strip" and not tebd_dim:
            raise ValueError("tebd_input_mode strip needs a type embedding")
        self.tebd_input_mode = tebd_input_mode
        self.type_net: EmbeddingNet | None = None
        self._make_nets()

    @classmethod
    def from_section(
        cls, section: SeE2AConfig, model: ModelConfig, *, tebd_dim: int, interface_dtype: str
    ) -> Self:
        return cls(
            model.ntypes,
            tebd_input_mode=section.tebd_input_mode,
            **section_arguments(
                section,
                tebd_dim=tebd_dim,
                common=model.is_common,
                interface_dtype=interface_dtype,
            ),
        )

    def build(self, *_: object) -> None:
        if self.type_net is not None:
            self.type_net.build()
        super().build()

    def features(
        self, environment: Environment, atype: tf.Tensor, type_embedding: tf.Tensor | None = None
    ) -> Features:
        environment = self.with_matrix(environment, atype)
        matrix = tf.reshape(environment.descrpt, [-1, self.nnei, 4])
        if self._pairs is not None:
            matrix *= self._kept(environment, atype, matrix.dtype)[:, :, tf.newaxis]
        matrix = tf.cast(matrix, self.compute_dtype)
        if self.tebd_dim:
            vectors = tf.cast(type_embedding, self.compute_dtype)
            embedding = self._embed_types(matrix, environment, atype, vectors)
            contracted = tf.matmul(matrix, embedding, transpose_a=True)
        else:
            contracted = self._contracted(matrix, atype)
        return self._contracted_features(contracted, atype)

    def scoped_nets(self) -> list[tuple[str, str, EmbeddingNet]]:
        nets = super().scoped_nets()
        if self.type_net is not None:
            sides = "one" if self.type_one_side else "two"
            nets.append(("filter_type_all", f"_{sides}_side_ebd", self.type_net))
        return nets

    def embedded(self, type_embedding: tf.Tensor | None) -> ops.SmoothDescriptor | None:
        # In strip mode empty slots have a type of their own here, in the operation that of a block.
        if self.compressed or self.type_net is not None:
            return None
        found = {name: net_weights(net) for name, net in self.nets.items()}
        nets = {name: net for name, net in found.items() if net is not None}
        if len(nets) < len(found) or not nets:
            return None
        blocks, sees_center = [*range(self.ntypes), None], not self.type_one_side
        if self.tebd_dim:
            net = nets["all"]
            vectors = tf.cast(type_embedding, self.compute_dtype)
            if sees_center:
                vectors = pair_vectors(vectors, self.ntypes)
            offset = tf.matmul(vectors, net.types) + net.bias
            net_of_pair = [0] * (len(blocks) * (self.ntypes if sees_center else 1))
        else:
            centers = range(self.ntypes) if sees_center else ["all"]
            names, none = list(nets), tf.zeros([self.neuron[0]], self.compute_dtype)
            of_pairs = [f"{center}_{t}" for center in centers for t in blocks]
            offset = tf.stack([nets[n].bias if n in nets else none for n in of_pairs])
            net_of_pair = [names.index(n) if n in nets else -1 for n in of_pairs]
        return smooth_descriptor(
            self,
            list(nets.values()),
            offset,
            net_of_pair=net_of_pair,
            sees_center=sees_center,
            sel=self._sizes,
            empty_types=range(self.ntypes),
            keeps_empty=self.common,
        )

    def compress(
        self, vectors: tf.Tensor | None, *, min_nbor_dist: float, fast: bool, **options: float
    ) -> Descriptor:
        from deepattn.descriptors.se_e2_a.compress import compressed_descriptor

        return compressed_descriptor(self, min_nbor_dist=min_nbor_dist, fast=fast, **options)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "tebd_input_mode": self.tebd_input_mode}

    def _make_nets(self) -> None:
        if not self.tebd_dim:
            super()._make_nets()
            return
        seed, width = self.seed, (1 if self.type_one_side else 2) * self.tebd_dim
        arguments = self._net_arguments()
        strip = self.tebd_input_mode == "strip"
        if strip:
            self.type_net = EmbeddingNet(width, seed=seed, name="type_net", **arguments)
            seed = seed_after(seed, self.neuron)
        net = EmbeddingNet(1 if strip else 1 + width, seed=seed, name="net_all", **arguments)
        self.nets = {"all": net}

    def _contracted(self, matrix: tf.Tensor, atype: tf.Tensor) -> tf.Tensor:
        """``R^T G`` of all atoms, ``[n, 4, neuron[-1]]``, from R ``[n, nnei, 4]``."""
        width = 4 * self.neuron[-1]

        def of_type(rows: tf.Tensor, center: int | str) -> tf.Tensor:
            return tf.reshape(self._contract_blocks(rows, center), [-1, width])

        contracted = self._of_centers(matrix, atype, of_type, width=width)
        return tf.reshape(contracted, [-1, 4, self.neuron[-1]])

    def _contract_blocks(self, matrix: tf.Tensor, center: int | str) -> tf.Tensor:
        """``R^T G`` with a net for each block of slots, ``[n, 4, neuron[-1]]``."""
        return tf.matmul(matrix, self._embed_blocks(matrix[:, :, 0], center), transpose_a=True)

    def _embed_types(
        self, matrix: tf.Tensor, environment: Environment, atype: tf.Tensor, vectors: tf.Tensor
    ) -> tf.Tensor:
        """Pair embedding of one net for all types, ``[n, nnei, neuron[-1]]``.

        Args:
            matrix: ``[n, nnei, 4]``.
            environment, atype: As of a call.
            vectors: The type embedding.
        """
        rows, scale, further = tf.reshape(matrix[:, :, 0], [-1, 1]), None, None
        center = real_types(atype, self.ntypes)
        # The other net has padding of a type of its own, this one that of its slots.
        index = tf.reshape(environment.ntype, [-1, self.nnei])
        if self.type_net is None:
            index = tf.tile(tf.constant(self._slot_types)[tf.newaxis], [tf.shape(matrix)[0], 1])
        if not self.type_one_side:
            index += center[:, tf.newaxis] * (self.ntypes + 1)
            vectors = pair_vectors(vectors, self.ntypes)
        index = tf.reshape(index, [-1])
        if self.type_net is None:
            further = ops.PairVectors(index, vectors)
        else:
            scale = ops.PairScale(None, index, self.type_net(vectors))
        embedding = self.nets["all"](rows, scale, further)
        return tf.reshape(embedding, [-1, self.nnei, self.neuron[-1]])
