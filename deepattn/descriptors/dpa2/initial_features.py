"""Base of the blocks that compute DPA-2's first features of atoms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from deepattn.descriptors.dpa2.environment_matrix import EnvironmentMatrix
from deepattn.descriptors.dpa2.tree_names import network_variables
from deepattn.layers.embedding_net import EmbeddingNet
from deepattn.layers.seeds import seeds_from


class InitialFeatures(keras.layers.Layer):
    """An environment matrix and the nets that embed its numbers and the types of atoms.

    Args:
        ntypes: Number of types.
        tebd_dim: Width of the type embedding.
        nnei: Slots of an atom.
        rcut: Cutoff radius, Å.
        rcut_smth: Where switching to zero begins, Å.
        protection: See `EnvironmentMatrix`.
        neuron: Widths of the embedding net.
        tebd_input_mode: ``"concat"``: types enter the net together with the number; ``"strip"``: a
            net of their own scales the number's.
        type_one_side: Whether the net depends on the type of only one of two atoms.
        smooth: Whether the scale of types fades out at the cutoff (strip only).
        activation: Name of the nets' activation.
        resnet_dt: Whether the nets have time steps.
        seed: Seed of the weights.
        interface_dtype: Precision of distances and statistics; ``dtype`` is the nets'.
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
        tebd_input_mode: str = "concat",
        type_one_side: bool = False,
        smooth: bool = True,
        activation: str = "tanh",
        resnet_dt: bool = False,
        seed: int | None = None,
        interface_dtype: str = "float64",
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        if tebd_input_mode not in ("concat", "strip"):
            raise ValueError(f"tebd_input_mode must be concat or strip, not {tebd_input_mode!r}")
        self.ntypes = ntypes
        self.tebd_dim = tebd_dim
        self.neuron = tuple(neuron)
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
        self._make_nets()

    def sees_types_of_padding(self) -> bool:
        """Whether empty slots, which have the type of a frame's first atom, contribute by it."""
        fades_out = self.tebd_input_mode == "strip" and self.smooth
        return not fades_out and bool(np.any(self.matrix.davg.numpy()))

    def build(self, *_: object) -> None:
        for layer in (self.matrix, self.embedding_net, self.type_net):
            if layer is not None:
                layer.build()

    def named_variables(self) -> dict[str, keras.Variable]:
        """Weights and statistics by their paths below the block in a ``.dp`` file."""
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
            "type_one_side": self.type_one_side,
            "smooth": self.smooth,
            "activation": self.activation,
            "resnet_dt": self.resnet_dt,
            "seed": self.seed,
            "interface_dtype": self.interface_dtype,
        }

    def _make_nets(self) -> None:
        strip = self.tebd_input_mode == "strip"
        types = (1 if self.type_one_side else 2) * self.tebd_dim
        seeds = seeds_from(self.seed)
        net = {
            "neuron": self.neuron,
            "activation": self.activation,
            "resnet_dt": self.resnet_dt,
            "time_step": 0.1,
            "dtype": self.dtype_policy,
            "trainable": self.trainable,
        }
        width = 1 if strip else 1 + types
        self.embedding_net = EmbeddingNet(width, seed=next(seeds), name="embedding_net", **net)
        self.type_net = None
        if strip:
            self.type_net = EmbeddingNet(types, seed=next(seeds), name="type_net", **net)
