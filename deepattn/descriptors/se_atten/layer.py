"""The DPA-1 descriptor: embedding of neighbors, gated self-attention, contraction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import tensorflow as tf

from deepattn import ops
from deepattn.config import ModelConfig
from deepattn.descriptors.se_atten.config import SeAttenConfig
from deepattn.descriptors.smooth_edition.layer import SmoothEdition, section_arguments
from deepattn.descriptors.smooth_edition.nets import net_weights, smooth_descriptor
from deepattn.layers.descriptor import Descriptor, Features
from deepattn.layers.embedding_net import EmbeddingNet, seed_after
from deepattn.layers.environment import Environment, pair_vectors, real_types
from deepattn.layers.gated_attention import GatedAttention
from deepattn.layers.packing import PackedNeighbors, pack
from deepattn.ops.reference import switch_of_distance, switch_of_inverse, unit_rows

if TYPE_CHECKING:
    from typing_extensions import Self

# Squares of vectors of the environment matrix below which directions fade.
_TENSORFLOW_LEAST = 1e-12
_COMMON_LEAST = 1e-24


class PairSlots(NamedTuple):
    """Neighborhoods of n centers, for the pair embedding and the contraction.

    Shapes:
        matrix: ``[n, stored, 4]``, environment matrix without excluded neighbors.
        weight: ``[n, stored]``, 0 for padding and excluded neighbors.
        pair: int32 ``[n, stored]``, types of both atoms: ``center * (ntypes + 1) + neighbor``.
        center: int32 ``[n]``, types of the centers.
        neighbors: The slots.
        type_embedding: ``[ntypes + 1, tebd_dim]``.
    """

    matrix: tf.Tensor
    weight: tf.Tensor
    pair: tf.Tensor
    center: tf.Tensor
    neighbors: PackedNeighbors
    type_embedding: tf.Tensor


@keras.saving.register_keras_serializable(package="deepattn")
class SeAtten(SmoothEdition):
    """Smooth descriptor with attention: DPA-1's ``se_atten`` and ``se_atten_v2``.

    Each neighbor's distance and types become a pair embedding ``G``; layers of gated attention
    relate the neighbors to each other; with the environment matrix ``R`` the descriptor is
    ``D = B^T B[:, :axis_neuron]``, ``B = R^T G / N``.

    Reference: D. Zhang et al., npj Comput. Mater. (2024), arXiv:2208.08236.

    Args:
        ntypes: Number of types.
        tebd_dim: Width of the type embedding.
        rcut: Cutoff radius, Å.
        rcut_smth: Where switching to zero begins, Å.
        sel: Largest number of neighbors.
        neuron: Widths of the embedding net.
        axis_neuron: Columns of ``B`` that form the second factor.
        attn: Width of the attention; ``attn_layer`` the number of its layers.
        attn_dotr: Whether angles gate the attention.
        attn_mask: Whether a neighbor is barred from attending to itself.
        tebd_input_mode: ``"concat"``: types enter the net together with the distance; ``"strip"``:
            a net of their own scales the distance's.
        smooth: Whether attention and type factors fade out at the cutoff
            (``se_atten_v2`` is ``"strip"`` and smooth).
        type_one_side: Whether the center's type is left out of the embedding (concat only).
        activation: Name of the nets' activation.
        resnet_dt: Whether the nets have time steps.
        exclude_types: Pairs of types that do not interact.
        ln_eps: Epsilon of the layer normalization.
        temperature: Factor of the attention's scores.
        normalize: Whether queries, keys and values of the attention have unit length.
        common: Whether the details are those of DeePMD-kit's backends other than TensorFlow: the
            smooth switch is the environment matrix's own, excluded neighbors are zero, directions
            have length 1 up to the cutoff, and the net of types obeys ``type_one_side``.
        trainable_ln: Whether the layer normalization is trained.
        seed: Seed of the weights.
        interface_dtype: Precision of coordinates, statistics and result; ``dtype`` is the nets'.

    Call arguments:
        environment: An `Environment` of this layer's `environment` method.
        atype: int32 ``[nframes, nloc]``, negative for virtual atoms.
        type_embedding: ``[ntypes + 1, tebd_dim]``.

    Output shape: ``[nframes, nloc, neuron[-1] * axis_neuron]``.
    """

    def __init__(
        self,
        ntypes: int,
        tebd_dim: int,
        *,
        rcut: float,
        rcut_smth: float,
        sel: int,
        neuron: Sequence[int] = (25, 50, 100),
        axis_neuron: int = 16,
        attn: int = 128,
        attn_layer: int = 2,
        attn_dotr: bool = True,
        attn_mask: bool = False,
        tebd_input_mode: str = "concat",
        smooth: bool = False,
        type_one_side: bool = False,
        activation: str = "tanh",
        resnet_dt: bool = False,
        exclude_types: Sequence[Sequence[int]] = (),
        ln_eps: float = 1e-3,
        temperature: float = 1.0,
        normalize: bool = True,
        common: bool = False,
        trainable_ln: bool = True,
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
        if tebd_input_mode not in ("concat", "strip"):
            raise ValueError(f"tebd_input_mode must be concat or strip, not {tebd_input_mode!r}")
        self.attn = attn
        self.attn_layer = attn_layer
        self.attn_dotr = attn_dotr
        self.attn_mask = attn_mask
        self.tebd_input_mode = tebd_input_mode
        self.smooth = smooth
        self.ln_eps = ln_eps
        self.temperature = temperature
        self.normalize = normalize
        self.trainable_ln = trainable_ln
        self._make_nets()

    @classmethod
    def from_section(
        cls, section: SeAttenConfig, model: ModelConfig, *, tebd_dim: int, interface_dtype: str
    ) -> Self:
        return cls(
            model.ntypes,
            attn=section.attn,
            attn_layer=section.attn_layer,
            attn_dotr=section.attn_dotr,
            attn_mask=section.attn_mask,
            tebd_input_mode=section.tebd_input_mode,
            smooth=section.smooth_type_embedding,
            ln_eps=section.ln_eps,
            temperature=1.0 if section.temperature is None else section.temperature,
            normalize=section.normalize,
            trainable_ln=section.trainable_ln,
            **section_arguments(
                section,
                tebd_dim=tebd_dim,
                common=model.is_common,
                interface_dtype=interface_dtype,
            ),
        )

    @property
    def sees_center(self) -> bool:
        """Whether the type of the center enters the embedding."""
        strip = self.tebd_input_mode == "strip"
        return not self.type_one_side or (strip and not self.common)

    def build(self, *_: object) -> None:
        self.embedding_net.build()
        if self.type_net is not None:
            self.type_net.build()
        for layer in self.attention:
            layer.build()
        super().build()

    def features(
        self, environment: Environment, atype: tf.Tensor, type_embedding: tf.Tensor | None = None
    ) -> Features:
        if type_embedding is None:
            raise ValueError("type_embedding must be given, not None")
        environment = self.with_matrix(environment, atype)
        neighbors = pack(environment, self.nnei)
        center = real_types(atype, self.ntypes)
        pair = center[:, tf.newaxis] * (self.ntypes + 1) + neighbors.ntype
        matrix, weight = self._exclude(
            neighbors.matrix, self._weight(neighbors, center), pair, center
        )

        contracted = self._contracted(
            PairSlots(
                matrix=tf.cast(matrix, self.compute_dtype),
                weight=tf.cast(weight, self.compute_dtype),
                pair=pair,
                center=center,
                neighbors=neighbors,
                type_embedding=tf.cast(type_embedding, self.compute_dtype),
            )
        )
        return self._contracted_features(contracted, atype)

    def pair_vectors(self, type_embedding: tf.Tensor) -> tf.Tensor:
        """Type-dependent inputs of a net, one row for each ``pair`` of `call`.

        Row ``center * (ntypes + 1) + neighbor``; if the net does not depend on the center, row
        ``neighbor``.
        """
        if not self.sees_center:
            return type_embedding
        return pair_vectors(type_embedding, self.ntypes)

    def type_factors(self, type_embedding: tf.Tensor) -> tf.Tensor:
        """Output of the type net for every row of `pair_vectors`."""
        if self.type_net is None:
            raise ValueError("there are no factors of types without tebd_input_mode strip")
        return self.type_net(self.pair_vectors(type_embedding))

    def scoped_nets(self) -> list[tuple[str, str, EmbeddingNet]]:
        """Embedding nets with the scope and suffix of their weights' names."""
        nets = [("filter_type_all", "", self.embedding_net)]
        if self.type_net is not None:
            nets.append(("filter_type_all", "_two_side_ebd", self.type_net))
        return nets

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "attn": self.attn,
            "attn_layer": self.attn_layer,
            "attn_dotr": self.attn_dotr,
            "attn_mask": self.attn_mask,
            "tebd_input_mode": self.tebd_input_mode,
            "smooth": self.smooth,
            "ln_eps": self.ln_eps,
            "temperature": self.temperature,
            "normalize": self.normalize,
            "trainable_ln": self.trainable_ln,
        }

    def embedded(self, type_embedding: tf.Tensor | None) -> ops.SmoothDescriptor | None:
        net = None if self.attention or self.compressed else net_weights(self.embedding_net)
        if net is None or type_embedding is None:
            return None
        vectors = tf.cast(type_embedding, self.compute_dtype)
        factors, switch = None, "none"
        pairs = self.pair_vectors(vectors)
        if self.type_net is None:
            offset = tf.matmul(pairs, net.types) + net.bias
        else:
            offset = tf.tile(net.bias[tf.newaxis], [pairs.shape[0], 1])
            factors = self.type_factors(vectors)
            if self.smooth:
                switch = "distance" if self.common else "inverse"
        return smooth_descriptor(
            self,
            [net],
            offset,
            factors=factors,
            net_of_pair=[0] * pairs.shape[0],
            sees_center=self.sees_center,
            sel=[self.nnei],
            empty_types=[self.ntypes],
            switch=switch,
            excluded_is_average=self.smooth and not self.common,
        )

    def compress(
        self, vectors: tf.Tensor | None, *, min_nbor_dist: float, fast: bool, **options: float
    ) -> Descriptor:
        from deepattn.descriptors.se_atten.compress import compressed_descriptor

        return compressed_descriptor(
            self, vectors, min_nbor_dist=min_nbor_dist, fast=fast, **options
        )

    def _net_variables(self) -> dict[str, keras.Variable]:
        variables = super()._net_variables()
        for k, layer in enumerate(self.attention):
            named = layer.named_variables()
            variables.update({f"attention_layer_{k}/{n}": v for n, v in named.items()})
        return variables

    def _make_nets(self) -> None:
        self.attention = self._make_attention(self._make_embedding_nets(self.seed))

    def _make_embedding_nets(self, seed: int | None) -> int | None:
        """Make the nets of the embedding; returns the seed of what comes after them."""
        strip = self.tebd_input_mode == "strip"
        type_width = (2 if self.sees_center else 1) * self.tebd_dim
        net = self._net_arguments()
        self.embedding_net = EmbeddingNet(
            1 if strip else 1 + type_width, seed=seed, name="embedding_net", **net
        )
        seed = seed_after(seed, self.neuron)
        self.type_net = None
        if strip:
            self.type_net = EmbeddingNet(type_width, seed=seed, name="type_net", **net)
            seed = seed_after(seed, self.neuron)
        return seed

    def _make_attention(self, seed: int | None) -> list[GatedAttention]:
        attention = []
        for k in range(self.attn_layer):
            attention.append(
                GatedAttention(
                    self.neuron[-1],
                    self.attn,
                    dotr=self.attn_dotr,
                    mask=self.attn_mask,
                    smooth=self.smooth,
                    ln_eps=self.ln_eps,
                    temperature=self.temperature,
                    normalize=self.normalize,
                    trainable_ln=self.trainable_ln,
                    seed=seed,
                    dtype=self.dtype_policy,
                    trainable=self.trainable,
                    name=f"attention_layer_{k}",
                )
            )
            # Four matrices and the layer normalization take one seed each.
            seed = None if seed is None else seed + 5
        return attention

    def _weight(self, neighbors: PackedNeighbors, center: tf.Tensor) -> tf.Tensor:
        """Weight of each slot: 0 for padding, else 1 or the smooth switch, ``[n, stored]``."""
        if not self.smooth:
            return tf.cast(neighbors.mask, self.interface_dtype)
        scale = tf.gather(tf.convert_to_tensor(self.dstd)[:, :1], center)
        shift = tf.gather(tf.convert_to_tensor(self.davg)[:, :1], center)
        inverse = neighbors.matrix[:, :, 0] * scale + shift
        if not self.common:
            return switch_of_inverse(inverse, rcut_smth=self.rcut_smth)
        weight = switch_of_distance(
            *(inverse, neighbors.rij),
            rcut=self.rcut,
            rcut_smth=self.rcut_smth,
            follow=self.protection > 0,
        )
        return tf.where(neighbors.mask, weight, tf.zeros_like(weight))

    def _exclude(
        self, matrix: tf.Tensor, weight: tf.Tensor, pair: tf.Tensor, center: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Take excluded neighbors out of the environment matrix and the weights."""
        if self._pairs is None:
            return matrix, weight
        keep = tf.gather(tf.constant(self._pairs, matrix.dtype), pair)
        kept = matrix * keep[:, :, tf.newaxis]
        if self.smooth and not self.common:
            shift = tf.gather(tf.convert_to_tensor(self.davg)[:, :1], center)
            kept += ((1.0 - keep) * shift)[:, :, tf.newaxis]
        return kept, weight * keep

    def _index(self, slots: PairSlots) -> tf.Tensor:
        """The row of `pair_vectors` that belongs to each slot, ``[n, stored]``."""
        return slots.pair if self.sees_center else slots.neighbors.ntype

    def _contracted(self, slots: PairSlots) -> tf.Tensor:
        """``R^T G`` with the attention's ``G``, ``[n, 4, neuron[-1]]``."""
        embedding, neighbors = self._embed(slots), slots.neighbors
        least = _COMMON_LEAST if self.common else _TENSORFLOW_LEAST
        direction = unit_rows(slots.matrix[:, :, 1:], least=least)
        for layer in self.attention:
            embedding = layer(embedding, direction, slots.weight, neighbors.count, neighbors.cut)
        matrix = slots.matrix * neighbors.multiplicity(self.compute_dtype)
        return tf.matmul(matrix, embedding, transpose_a=True)

    def _embed(self, slots: PairSlots) -> tf.Tensor:
        """Pair embedding ``G``, ``[n, stored, neuron[-1]]``."""
        rows, scale, further = tf.reshape(slots.matrix[:, :, 0], [-1, 1]), None, None
        index = tf.reshape(self._index(slots), [-1])
        if self.type_net is None:
            further = ops.PairVectors(index, self.pair_vectors(slots.type_embedding))
        else:
            weight = tf.reshape(slots.weight, [-1]) if self.smooth else None
            scale = ops.PairScale(weight, index, self.type_factors(slots.type_embedding))
        embedding = self.embedding_net(rows, scale, further)
        return tf.reshape(embedding, [-1, slots.neighbors.stored, self.neuron[-1]])
