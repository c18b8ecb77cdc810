"""QM/MM corrections by pairs: a model of the QM atoms, and one of them with each residue."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from deepattn.formats.weight_names import of_fragments
from deepattn.layers import Environment
from deepattn.models.blocks import infer
from deepattn.models.energy_model import EnergyModel
from deepattn.pairwise.fragments import (
    Fragments,
    of_frames,
    qm_fragments,
    residue_fragments,
    residues,
)
from deepattn.terms.trained.layer import TrainedTerm

if TYPE_CHECKING:
    from typing_extensions import Self

# Beginning of the names of weights that both models have in common.
_SHARED = "type_embed_net/"


def _of_fragments(
    whole: Mapping[str, tf.Tensor],
    split: Callable[[tf.Tensor, tf.Tensor], Fragments],
    ntypes: int,
) -> dict[str, Any]:
    """The inputs of a model for parts of frames.

    Args:
        whole: ``coord``, ``atype``, ``aparam`` and ``nloc`` of the frames.
        split: Gives the parts, of residues and ``nloc``.
        ntypes: Number of types of the model.
    """
    parts = split(residues(whole["aparam"], whole["atype"]), whole["nloc"])
    return {**parts.inputs(whole, ntypes), "atoms": parts.atoms, "whole": dict(whole)}


def _models_of_terms(config: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The configurations of the models of terms in that of a `PairwiseModel`."""
    for term in config["terms"]:
        yield term["config"]["model"]["config"]


@keras.saving.register_keras_serializable(package="deepattn")
class ResiduesTerm(TrainedTerm):
    """The energies of the QM atoms with one residue, summed over the residues.

    Args:
        model: The model of a pair.
    """

    def potential(self, inputs: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        parts = self._inputs(inputs)
        return of_frames(infer(self.model, parts), parts["atoms"], parts["whole"])

    def trained_potential(self, prepared: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        found = super().trained_potential(prepared)
        return of_frames(found, prepared["atoms"], prepared["whole"])

    def _inputs(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        return _of_fragments(inputs["whole"], residue_fragments, self.model.ntypes)


@keras.saving.register_keras_serializable(package="deepattn")
class PairwiseModel(EnergyModel):
    """A model of the QM atoms, to which those of pairs with residues are added.

    E = E_QM(QM atoms) + Σ_l E_QM/MM(QM atoms, residue l). The atomic parameter ``aparam``
    ``[nframes, nall, 1]``, which ghosts have too, is the residue of an atom: 0 for QM atoms, other
    numbers for MM residues. No part has periodic images: atoms see those that the frame lists.

    Range corrections: J. Zeng, T. J. Giese, S. Ekesan, D. M. York, J. Chem. Theory Comput. 17, 6993
    (2021), doi:10.1021/acs.jctc.1c00201. Equations: docs/theory/pairwise-dprc.md.

    Args:
        *layers: Those of the model of the QM atoms.
        **kwargs: As for `EnergyModel`; the one term is a `ResiduesTerm`.
    """

    special = "of QM/MM by pairs (pairwise_dprc)"
    unchecked = "its frames have residues, and parts of them no images"
    of_residues = True

    @property
    def numb_aparam(self) -> int:
        return 1

    def expanded(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        if "aparam" not in inputs:
            raise ValueError("aparam must be given: it is the residues of the atoms")
        atype = tf.cast(inputs["atype"], tf.int32)
        natoms = inputs.get("natoms")
        whole = {
            "coord": tf.cast(inputs["coord"], self.interface_dtype),
            "atype": atype,
            "aparam": inputs["aparam"],
            "nloc": tf.shape(atype)[1] if natoms is None else natoms[0],
        }
        return _of_fragments(whole, qm_fragments, self.ntypes)

    def complete(
        self, outputs: Mapping[str, tf.Tensor], inputs: Mapping[str, Any]
    ) -> dict[str, tf.Tensor]:
        whole = inputs["whole"]
        mask = self.contributes(whole["atype"][:, : whole["nloc"]])
        found = of_frames(outputs, inputs["atoms"], whole)
        found["atom_mask"] = tf.cast(mask, self.interface_dtype)
        return super().complete(found, inputs)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        # The models have one layer in common, which is stored once.
        for section in _models_of_terms(config):
            section["type_embedding"] = None
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        config = copy.deepcopy(config)
        config["type_embedding"] = keras.saving.deserialize_keras_object(config["type_embedding"])
        for section in _models_of_terms(config):
            section["type_embedding"] = config["type_embedding"]
        return super().from_config(config)

    def graph_descriptors(
        self, outputs: Mapping[str, tf.Tensor], environment: Environment
    ) -> dict[str, tf.Tensor]:
        # An atom has one for each part that it is in.
        return {}

    def graph_attributes(self) -> dict[str, Any]:
        further = {"daparam": np.int32(self.numb_aparam), "aparam_nall": np.bool_(True)}
        named = {f"fitting_attr/{name}": value for name, value in further.items()}
        return {**super().graph_attributes(), **named}

    def name_in_graph(self, name: str, place: int) -> str:
        return name if name.startswith(_SHARED) else of_fragments(name, place)
