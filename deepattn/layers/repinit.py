"""The first block of DPA-2: a descriptor without attention, which starts single features."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from deepattn import ops
from deepattn.layers.contraction import square
from deepattn.layers.embedding_net import EmbeddingNet
from deepattn.layers.environment import pair_vectors
from deepattn.layers.environment_matrix import EnvironmentMatrix
from deepattn.layers.seeds import seeds_from
from deepattn.layers.tree_names import network_variables


@keras.saving.register_keras_serializable(package="deepattn")
class RepInit(keras.layers.Layer):
    """Initial features of atoms from distances, directions and types of neighbours.

    With the pair embedding ``G`` of distance and types the features are
    ``B^T B[:, :axis_neuron]``, ``B = R^T G / nnei``.

    Reference: D. Zhang et al., arXiv:2312.15492, "repinit".

    Args:
        ntypes: number of types.
        tebd_dim: width of the type embedding.
        nnei: slots of an atom.
        rcut: cut-off radius, Å.
        rcut_smth: where switching to zero begins, Å.
        protection: as of `EnvironmentMatrix`.
        neuron: widths of the embedding net.
        axis_neuron: columns of ``B`` in the second factor.
        tebd_input_mode: ``"concat"``: types enter the net beside the distance; ``"strip"``: a net
            of their own scales the distance's.
        type_one_side: whether the centre's type is left out.
        smooth: whether the scale of types fades out at the cut-off (strip only).
        activation: name of the nets' activation.
        resnet_dt: whether the nets have time steps.
        seed: seed of the weights.
        interface_dtype: precision of distances and statistics; ``dtype`` is the nets'.

    Call arguments:
        slots: `Slots` within ``rcut``.
        centre: int32 ``[n]``, types of the centres.
        type_embedding: ``[ntypes + 1, tebd_dim]``.

    Output shape: ``[n, neuron[-1] * axis_neuron]``.
    """

    def __init__(
        self,
        ntypes: int,
        tebd_dim: int,
        *,
        nnei: int,
        rcut: float,
        rcut_smth: float,
        protection: float = 0.0,
        neuron: Sequence[int] = (25, 50, 100),
        axis_neuron: int = 16,
        tebd_input_mode: str = "concat",
        type_one_side: bool = False,
        smooth: bool = True,
        activation: str = "tanh",
        resnet_dt: bool = False,
        seed: int | None = None,
        interface_dtype: str = "float64",
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        if tebd_input_mode not in ("concat", "strip"):
            raise ValueError(f"tebd_input_mode must be concat or strip, not {tebd_input_mode!r}")
        if axis_neuron > neuron[-1]:
            raise ValueError(f"axis_neuron {axis_neuron} exceeds the last width of neuron {neuron}")
        self.ntypes = ntypes
        self.tebd_dim = tebd_dim
        self.neuron = tuple(neuron)
        self.axis_neuron = axis_neuron
        self.tebd_input_mode = tebd_input_mode
        self.type_one_side = type_one_side
        self.smooth = smooth
        self.activation = activation
        self.resnet_dt = resnet_dt
        self.seed = seed
        self.interface_dtype = interface_dtype
        self.matrix = EnvironmentMatrix(
            ntypes,
            nnei,
            rcut=rcut,
            rcut_smth=rcut_smth,
            protection=protection,
            dtype=interface_dtype,
            name="matrix",
        )
        seeds = seeds_from(seed)
        net = {"resnet_dt": resnet_dt, "dtype": self.dtype_policy, "trainable": self.trainable}
        strip = tebd_input_mode == "strip"
        types = (1 if type_one_side else 2) * tebd_dim
        self.embedding_net = EmbeddingNet(
            1 if strip else 1 + types,
            neuron,
            activation,
            seed=next(seeds),
            name="embedding_net",
            **net,
        )
        self.type_net = None
        if strip:
            self.type_net = EmbeddingNet(
                types, neuron, activation, seed=next(seeds), name="type_net", **net
            )

    @property
    def width(self) -> int:
        """Width of the features."""
        return self.neuron[-1] * self.axis_neuron

    def build(self, *_) -> None:
        for layer in (self.matrix, self.embedding_net, self.type_net):
            if layer is not None:
                layer.build()

    def call(self, slots, centre, type_embedding):
        matrix, switch = self.matrix(slots, centre)
        matrix = tf.cast(matrix, self.compute_dtype)
        switch = tf.cast(switch, self.compute_dtype)
        type_embedding = tf.cast(type_embedding, self.compute_dtype)
        embedding = self._embed(matrix, switch, slots.ntype, centre, type_embedding)
        matrix *= slots.multiplicity(self.compute_dtype)[:, tf.newaxis]
        contracted = tf.matmul(matrix, embedding, transpose_a=True)
        return square(contracted, tf.constant([self.matrix.nnei]), axis_neuron=self.axis_neuron)

    def named_variables(self) -> dict[str, keras.Variable]:
        """Weights and statistics by their paths below ``repinit_variable``."""
        variables = network_variables("embeddings", self.embedding_net)
        if self.type_net is not None:
            variables.update(network_variables("embeddings_strip", self.type_net))
        return {**variables, **self.matrix.named_variables()}

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "ntypes": self.ntypes,
            "tebd_dim": self.tebd_dim,
            "nnei": self.matrix.nnei,
            "rcut": self.matrix.rcut,
            "rcut_smth": self.matrix.rcut_smth,
            "protection": self.matrix.protection,
            "neuron": list(self.neuron),
            "axis_neuron": self.axis_neuron,
            "tebd_input_mode": self.tebd_input_mode,
            "type_one_side": self.type_one_side,
            "smooth": self.smooth,
            "activation": self.activation,
            "resnet_dt": self.resnet_dt,
            "seed": self.seed,
            "interface_dtype": self.interface_dtype,
        }

    def _embed(self, matrix, switch, ntype, centre, type_embedding):
        """Pair embedding ``G``, ``[n, stored, neuron[-1]]``."""
        stored = tf.shape(ntype)[1]
        rows, scale = tf.reshape(matrix[:, :, 0], [-1, 1]), None
        if self.type_net is None:
            columns = [rows, tf.gather(type_embedding, tf.reshape(ntype, [-1]))]
            if not self.type_one_side:
                columns.append(tf.gather(type_embedding, tf.repeat(centre, stored)))
            rows = tf.concat(columns, axis=1)
        else:
            pair, vectors = ntype, type_embedding
            if not self.type_one_side:
                pair = centre[:, tf.newaxis] * (self.ntypes + 1) + ntype
                vectors = pair_vectors(type_embedding, self.ntypes)
            scale = ops.PairScale(
                tf.reshape(switch, [-1]) if self.smooth else None,
                tf.reshape(pair, [-1]),
                self.type_net(vectors),
            )
        return tf.reshape(self.embedding_net(rows, scale), [-1, stored, self.neuron[-1]])
