"""The section of a fitting ``dos``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from deepattn import limits
from deepattn.config.descriptions import PRECISION
from deepattn.config.fitting import LAYER_NAMES, FittingConfig, check_layer_names
from deepattn.config.observable import Label, Observable
from deepattn.config.ranges import within
from deepattn.config.section import key


@dataclass(frozen=True, kw_only=True)
class DosFittingConfig(FittingConfig):
    """Electronic density of states."""

    reader = "DeepDOS"
    layer = "deepattn.fittings.dos.layer:DosFitting"
    model = "deepattn.models.observable_model:ObservableModel"
    subject = "densities of states"
    graph_type = "dos"
    of_graph = "deepattn.fittings.dos.graph:weights_of_graph"
    statistics = "deepattn.fittings.dos.statistics:bias_weights"
    dpmodel = "deepattn.fittings.dos.dpmodel:FORMAT"
    torch = "deepattn.fittings.dos.torch:FORMAT"
    test_lines: ClassVar[Mapping[str, str]] = {
        "mae": "DOS MAE            : {:e} Occupation/eV",
        "rmse": "DOS RMSE           : {:e} Occupation/eV",
        "mae_n": "DOS MAE/Natoms     : {:e} Occupation/eV",
        "rmse_n": "DOS RMSE/Natoms    : {:e} Occupation/eV",
        "mae_atom": "Atomic DOS MAE     : {:e} Occupation/eV",
        "rmse_atom": "Atomic DOS RMSE    : {:e} Occupation/eV",
    }
    errors_of_systems = ("mae_atom", "rmse_atom")
    fine_tunes = False

    numb_dos: int = key(300, "Number of points of the energy grid.", check=within(1, limits.WIDTH))
    precision: str = key("float64", PRECISION)
    layer_name: tuple[str | None, ...] | None = key(None, LAYER_NAMES, unset=True)

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str, *, ntypes: int) -> None:
        super().check(section, path, ntypes=ntypes)
        check_layer_names(section, path)

    @property
    def names_of_layers(self) -> tuple[str | None, ...] | None:
        return self.layer_name

    @property
    def observable(self) -> Observable:
        return Observable("dos", self.numb_dos)

    @classmethod
    def observable_of_graph(cls, constant: Callable[[str], Any]) -> Observable:
        return Observable("dos", int(constant("fitting_attr/numb_dos")))

    @classmethod
    def graph_nodes(cls) -> dict[str, str]:
        return {"dos": "o_dos", "atom_dos": "o_atom_dos"}

    @property
    def statistics_labels(self) -> tuple[Label, ...]:
        return self.observable.label, self.observable.atomic_label
