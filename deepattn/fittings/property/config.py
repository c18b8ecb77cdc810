"""The section of a fitting ``property``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from deepattn import limits
from deepattn.config.fitting import FittingConfig
from deepattn.config.observable import Label, Observable
from deepattn.config.ranges import holds, within
from deepattn.config.section import key, required

# Arrays that a frame has besides its labels.
_INPUTS = ("coord", "box", "real_atom_types", "fparam", "aparam", "numb_copy", "timestep")


def _names_a_label(name: str) -> bool:
    plain = re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name) is not None
    return plain and name not in _INPUTS and not name.startswith(("atom_", "find_"))


@dataclass(frozen=True, kw_only=True)
class PropertyFittingConfig(FittingConfig):
    """Any property of a structure, intensive or extensive."""

    reader = "DeepProperty"
    layer = "deepattn.fittings.property.layer:PropertyFitting"
    model = "deepattn.models.observable_model:ObservableModel"
    subject = "properties"
    statistics = "deepattn.fittings.property.statistics:scale_weights"
    dpmodel = "deepattn.fittings.property.dpmodel:FORMAT"
    torch = "deepattn.fittings.property.torch:FORMAT"
    test_lines: ClassVar[Mapping[str, str]] = {
        "mae": "PROPERTY MAE            : {:e} units",
        "rmse": "PROPERTY RMSE           : {:e} units",
        "mae_atom": "Atomic PROPERTY MAE     : {:e} units",
        "rmse_atom": "Atomic PROPERTY RMSE    : {:e} units",
    }
    errors_of_systems = ("mae_atom", "rmse_atom")
    conventions = ("common",)
    fine_tunes = False
    implied: ClassVar[Mapping[str, Any]] = {"rcond": None}

    property_name: str = required(
        "Name of the property: the label of a frame is in <property_name>.npy.",
        check=holds(_names_a_label, "be a name of letters and digits that no input has"),
    )
    task_dim: int = key(1, "Number of components of the property.", check=within(1, limits.WIDTH))
    intensive: bool = key(
        False,
        "Whether the property of a frame is the mean over its atoms, not the sum.",
    )
    distinguish_types: bool = key(
        True,
        "Whether each type has a mean of its own in the data, not all types together one.",
    )

    @property
    def observable(self) -> Observable:
        return Observable(self.property_name, self.task_dim, self.intensive)

    @property
    def statistics_labels(self) -> tuple[Label, ...]:
        return self.observable.label, self.observable.atomic_label
