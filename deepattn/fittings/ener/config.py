"""The section of a fitting ``ener``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deepattn.config.constraints import check_per_type, require
from deepattn.config.fitting import LAYER_NAMES, FittingConfig, check_layer_names
from deepattn.config.section import key


@dataclass(frozen=True, kw_only=True)
class EnerFittingConfig(FittingConfig):
    """Atomic energies."""

    layer = "deepattn.fittings.ener.layer:EnergyFitting"
    graph_type = "ener"
    of_graph = "deepattn.fittings.ener.graph:weights_of_graph"
    dpmodel = "deepattn.fittings.ener.dpmodel:FORMAT"
    torch = "deepattn.fittings.ener.torch:FORMAT"

    atom_ener: tuple[float | None, ...] = key(
        [], "Energies of isolated atoms, one per type, eV; null is fitted."
    )

    layer_name: tuple[str | None, ...] | None = key(None, LAYER_NAMES, unset=True)
    use_aparam_as_mask: bool = key(
        False,
        "Whether the atomic parameter is 1 for atoms that are there and 0 for masked ones, and no "
        "input of the net; with the descriptor se_a_mask.",
    )

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str, *, ntypes: int) -> None:
        super().check(section, path, ntypes=ntypes)
        check_layer_names(section, path)
        if section["use_aparam_as_mask"]:
            count = section["numb_aparam"]
            require(count == 1, f"{path}/numb_aparam", count, "be 1 with use_aparam_as_mask")
        check_per_type(section["atom_ener"], f"{path}/atom_ener", ntypes, may_be_empty=True)

    @classmethod
    def graph_nodes(cls) -> dict[str, str]:
        names = ("energy", "atom_energy", "force", "virial", "atom_virial")
        return {name: f"o_{name}" for name in names}

    @property
    def masks_atoms(self) -> bool:
        return self.use_aparam_as_mask

    @property
    def names_of_layers(self) -> tuple[str | None, ...] | None:
        return self.layer_name

    @property
    def isolated(self) -> tuple[float | None, ...]:
        return self.atom_ener
