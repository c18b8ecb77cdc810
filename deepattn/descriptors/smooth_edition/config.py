"""Keys shared by the sections of DeepPot-SE and DPA-1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deepattn.config.constraints import check_axis
from deepattn.config.descriptions import AXIS_NEURON, TYPE_ONE_SIDE
from deepattn.config.section import key
from deepattn.descriptors.one_matrix.config import OneMatrixConfig


@dataclass(frozen=True, kw_only=True)
class SmoothEditionConfig(OneMatrixConfig):
    """An embedding net of distances, contracted with one environment matrix."""

    axis_neuron: int = key(4, AXIS_NEURON, alias=("n_axis_neuron",))
    type_one_side: bool = key(False, TYPE_ONE_SIDE)

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str, *, ntypes: int) -> None:
        super().check(section, path, ntypes=ntypes)
        check_axis(section, path, width=section["neuron"][-1], of="the last width of neuron")

    @classmethod
    def gives_vectors(cls, section: Mapping[str, Any]) -> bool:
        return True
