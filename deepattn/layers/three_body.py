"""Features of angles between neighbours, ``se_t_tebd``."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from deepattn import ops
from deepattn.layers.embedding_net import EmbeddingNet
from deepattn.layers.environment import pair_vectors
from deepattn.layers.environment_matrix import EnvironmentMatrix
from deepattn.layers.seeds import seeds_from
from deepattn.layers.tree_names import network_variables


@keras.saving.register_keras_serializable(package="deepattn")
class ThreeBody(keras.layers.Layer):
    """Sums over pairs of neighbours of an embedding of their angle and types.

    With the angular columns ``R'`` of the environment matrix and ``c = R' R'^T`` the features are
    ``Σ_kl c_kl E(c_kl, T_k, T_l) / nnei²``, over all slots, a neighbour with itself included.

    Reference: D. Zhang et al., arXiv:2312.15492.

    Args:
        ntypes, tebd_dim, nnei, rcut, rcut_smth, protection: as of `RepInit`.
        neuron: widths of the embedding net.
        tebd_input_mode, smooth, activation, resnet_dt, seed, interface_dtype: as of `RepInit`.

    Call arguments: as of `RepInit`.

    Output shape: ``[n, neuron[-1]]``.
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
        neuron: Sequence[int] = (2, 4, 8),
        tebd_input_mode: str = "concat",
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
        self.ntypes = ntypes
        self.tebd_dim = tebd_dim
        self.neuron = tuple(neuron)
        self.tebd_input_mode = tebd_input_mode
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
        self.embedding_net = EmbeddingNet(
            1 if strip else 1 + 2 * tebd_dim,
            neuron,
            activation,
            seed=next(seeds),
            name="embedding_net",
            **net,
        )
        self.type_net = None
        if strip:
            self.type_net = EmbeddingNet(
                2 * tebd_dim, neuron, activation, seed=next(seeds), name="type_net", **net
            )

    @property
    def width(self) -> int:
        """Width of the features."""
        return self.neuron[-1]

    def build(self, *_) -> None:
        for layer in (self.matrix, self.embedding_net, self.type_net):
            if layer is not None:
                layer.build()

    def call(self, slots, centre, type_embedding):
        matrix, switch = self.matrix(slots, centre)
        directions = tf.cast(matrix[:, :, 1:], self.compute_dtype)
        switch = tf.cast(switch, self.compute_dtype)
        type_embedding = tf.cast(type_embedding, self.compute_dtype)
        product = tf.matmul(directions, directions, transpose_b=True)
        embedding = self._embed(product, switch, slots.ntype, type_embedding)
        times = slots.multiplicity(self.compute_dtype)
        product *= times * times[:, tf.newaxis]
        pairs = tf.size(times) * tf.size(times)
        product = tf.reshape(product, [-1, 1, pairs])
        embedding = tf.reshape(embedding, [-1, pairs, self.width])
        return tf.matmul(product, embedding)[:, 0] / self.matrix.nnei**2

    def named_variables(self) -> dict[str, keras.Variable]:
        """Weights and statistics by their paths below ``repinit_three_body_variable``."""
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
            "tebd_input_mode": self.tebd_input_mode,
            "smooth": self.smooth,
            "activation": self.activation,
            "resnet_dt": self.resnet_dt,
            "seed": self.seed,
            "interface_dtype": self.interface_dtype,
        }

    def _embed(self, product, switch, ntype, type_embedding):
        """Embedding ``E`` of all pairs of slots, ``[n * stored * stored, neuron[-1]]``."""
        rows, scale = tf.reshape(product, [-1, 1]), None
        pair = ntype[:, :, tf.newaxis] * (self.ntypes + 1) + ntype[:, tf.newaxis]
        pair = tf.reshape(pair, [-1])
        vectors = pair_vectors(type_embedding, self.ntypes + 1)
        if self.type_net is None:
            rows = tf.concat([rows, tf.gather(vectors, pair)], axis=1)
        else:
            weight = switch[:, :, tf.newaxis] * switch[:, tf.newaxis]
            scale = ops.PairScale(
                tf.reshape(weight, [-1]) if self.smooth else None, pair, self.type_net(vectors)
            )
        return self.embedding_net(rows, scale)
