"""The DeepPot-SE descriptor with two-body embedding, the baseline for DPA-1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from deepattn import ops
from deepattn.config import ModelConfig
from deepattn.descriptors.se_e2_a.config import SeE2AConfig
from deepattn.descriptors.smooth_edition.layer import SmoothEdition, section_arguments
from deepattn.descriptors.smooth_edition.nets import net_weights, smooth_descriptor
from deepattn.layers.by_type import by_type
from deepattn.layers.descriptor import Descriptor, Features
from deepattn.layers.embedding_net import EmbeddingNet, seed_after
from deepattn.layers.environment import Environment, pair_vectors, real_types

if TYPE_CHECKING:
    from typing_extensions import Self


@keras.saving.register_keras_serializable(package="deepattn")
class SeE2A(SmoothEdition):
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
        common: Whether missing neighbors are never excluded, as in DeePMD-kit's backends other
            than TensorFlow.
        seed: Seed of the weights.
        interface_dtype: Precision of coordinates, statistics and result; ``dtype`` is the nets'.

    Call arguments: see `Descriptor`; ``type_embedding`` is ``None`` when ``tebd_dim`` is 0.

    Output shape: ``[nframes, nloc, neuron[-1] * axis_neuron]``.
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
        common: bool = False,
        seed: int | None = None,
        interface_dtype: str = "float64",
        **kwargs: Any,
    ):
        super().__init__(
            ntypes,
            rcut=rcut,
            rcut_smth=rcut_smth,
            sel=list(sel),
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
        if len(sel) != ntypes:
            raise ValueError(f"sel must have one number for each of {ntypes} types, not {sel!r}")
        self._sizes = [int(n) for n in sel]
        self._slot_types = np.repeat(np.arange(ntypes, dtype=np.int32), self._sizes)
        self._make_nets()

    @classmethod
    def from_section(
        cls, section: SeE2AConfig, model: ModelConfig, *, tebd_dim: int, interface_dtype: str
    ) -> Self:
        return cls(
            model.ntypes,
            **section_arguments(
                section,
                tebd_dim=tebd_dim,
                common=model.is_common,
                interface_dtype=interface_dtype,
            ),
        )

    def build(self, *_: object) -> None:
        for net in self.nets.values():
            net.build()
        super().build()

    def search(
        self, coord: tf.Tensor, atype: tf.Tensor, natoms: tf.Tensor, box: tf.Tensor, mesh: tf.Tensor
    ) -> Environment:
        descrpt, descrpt_deriv, rij, nlist = ops.prod_env_mat_a(
            coord,
            atype,
            natoms,
            box,
            mesh,
            tf.convert_to_tensor(self.davg),
            tf.convert_to_tensor(self.dstd),
            rcut=self.rcut,
            rcut_smth=self.rcut_smth,
            sel=self._sizes,
        )
        nmask = nlist >= 0
        slots = tf.shape(nlist)[1] // self.nnei
        ntype = tf.where(nmask, tf.tile(self._slot_types, [slots])[tf.newaxis], self.ntypes)
        return Environment(descrpt, descrpt_deriv, rij, nlist, ntype, nmask)

    def features(
        self, environment: Environment, atype: tf.Tensor, type_embedding: tf.Tensor | None = None
    ) -> Features:
        matrix = tf.reshape(environment.descrpt, [-1, self.nnei, 4])
        center = real_types(atype, self.ntypes)
        if self._pairs is not None:
            slots = self._slot_types[np.newaxis]
            if self.common:
                slots = tf.reshape(environment.ntype, [-1, self.nnei])
            pair = center[:, tf.newaxis] * (self.ntypes + 1) + slots
            keep = tf.gather(tf.constant(self._pairs, matrix.dtype), pair)
            matrix *= keep[:, :, tf.newaxis]
        contracted = self._contracted(tf.cast(matrix, self.compute_dtype), atype, type_embedding)
        return self._contracted_features(contracted, atype)

    def scoped_nets(self) -> list[tuple[str, str, EmbeddingNet]]:
        """Embedding nets with the scope and suffix of their weights' names."""
        scoped = []
        for name, net in self.nets.items():
            center, separator, neighbor = name.partition("_")
            scoped.append((f"filter_type_{center}", separator + neighbor, net))
        return scoped

    def embedded(self, type_embedding: tf.Tensor | None) -> ops.SmoothDescriptor | None:
        if self.compressed:
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

    def _make_nets(self) -> None:
        """Nets by name: ``center_neighbor``, ``all_neighbor``, or ``all`` with type embedding."""
        types = range(self.ntypes)
        width = 1
        if self.tebd_dim:
            width += (1 if self.type_one_side else 2) * self.tebd_dim
            names = ["all"]
        elif self.type_one_side:
            names = [f"all_{t}" for t in types]
        else:
            excluded = {tuple(p) for p in self.exclude_types}
            excluded |= {pair[::-1] for pair in excluded}
            names = [f"{a}_{t}" for a in types for t in types if (a, t) not in excluded]
        seed = self.seed
        self.nets = {}
        for name in names:
            self.nets[name] = EmbeddingNet(
                width, seed=seed, name=f"net_{name}", **self._net_arguments()
            )
            seed = seed_after(seed, self.neuron)

    def _contracted(
        self, matrix: tf.Tensor, atype: tf.Tensor, type_embedding: tf.Tensor | None
    ) -> tf.Tensor:
        """``R^T G`` of all atoms, ``[n, 4, neuron[-1]]``, from R ``[n, nnei, 4]``."""
        if self.tebd_dim:
            center = real_types(atype, self.ntypes)
            vectors = tf.cast(type_embedding, self.compute_dtype)
            embedding = self._embed_types(matrix, center, vectors)
            return tf.matmul(matrix, embedding, transpose_a=True)
        if self.type_one_side:
            return self._contract_blocks(matrix, "all")

        def of_type(center_type: int, index: tf.Tensor) -> tf.Tensor:
            rows = self._contract_blocks(tf.gather(matrix, index), center_type)
            return tf.reshape(rows, [-1, 4 * self.neuron[-1]])

        width = 4 * self.neuron[-1]
        contracted = by_type(tf.reshape(atype, [-1]), self.ntypes, of_type, width=width)
        return tf.reshape(contracted, [-1, 4, self.neuron[-1]])

    def _contract_blocks(self, matrix: tf.Tensor, center: int | str) -> tf.Tensor:
        """``R^T G`` with a net for each block of slots, ``[n, 4, neuron[-1]]``."""
        return tf.matmul(matrix, self._embed_blocks(matrix, center), transpose_a=True)

    def _embed_types(
        self, matrix: tf.Tensor, center: tf.Tensor, type_embedding: tf.Tensor
    ) -> tf.Tensor:
        """Pair embedding with types as inputs of the one net, ``[n, nnei, neuron[-1]]``."""
        atoms = tf.shape(matrix)[0]
        columns = [
            tf.reshape(matrix[:, :, 0], [-1, 1]),
            tf.tile(tf.gather(type_embedding, self._slot_types), [atoms, 1]),
        ]
        if not self.type_one_side:
            columns.append(tf.gather(type_embedding, tf.repeat(center, self.nnei)))
        embedding = self.nets["all"](tf.concat(columns, axis=1))
        return tf.reshape(embedding, [-1, self.nnei, self.neuron[-1]])

    def _embed_blocks(self, matrix: tf.Tensor, center: int | str) -> tf.Tensor:
        """Pair embedding with a net for each block of slots, ``[n, nnei, neuron[-1]]``."""
        blocks = []
        for t, block in enumerate(tf.split(matrix[:, :, 0], self._sizes, axis=1)):
            net = self.nets.get(f"{center}_{t}")
            # Complete, as a type that is never a neighbor has no slots.
            shape = tf.stack([tf.shape(matrix)[0], self._sizes[t], self.neuron[-1]])
            if net is None:
                blocks.append(tf.zeros(shape, matrix.dtype))
            else:
                blocks.append(tf.reshape(net(tf.reshape(block, [-1, 1])), shape))
        return tf.concat(blocks, axis=1)
