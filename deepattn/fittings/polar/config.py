"""The section of a fitting ``polar``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from deepattn.config.constraints import require
from deepattn.config.section import key
from deepattn.fittings.tensor_config import TensorFittingConfig, tensor_lines


@dataclass(frozen=True, kw_only=True)
class PolarFittingConfig(TensorFittingConfig):
    """Polarizability: of each atom a symmetric tensor, which turns with the frame."""

    reader = "DeepPolar"
    layer = "deepattn.fittings.polar.layer:PolarFitting"
    name = "polarizability"
    components = 9
    test_lines = tensor_lines("Polarizability")
    graph_type = "polar"
    of_graph = "deepattn.fittings.polar.graph:weights_of_graph"
    statistics = "deepattn.fittings.polar.statistics:shift_weights"
    dpmodel = "deepattn.fittings.polar.dpmodel:FORMAT"
    torch = "deepattn.fittings.polar.torch:FORMAT"

    fit_diag: bool = key(
        True, "Whether the net gives the diagonal of a matrix alone, not all of the matrix."
    )
    scale: float | tuple[float, ...] = key(
        1.0,
        "Factor of what the net gives: one number, or one per type.",
        dtype=[list[float], float],
    )
    shift_diag: bool = key(
        True, "Whether the mean polarizability of each type in the data is added to the diagonal."
    )
    sel_type: tuple[int, ...] | None = key(
        None,
        "Types of the atoms that have a polarizability; null for all.",
        alias=("pol_type",),
        dtype=[list[int], int, None],
    )

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str, *, ntypes: int) -> None:
        super().check(section, path, ntypes=ntypes)
        scale = section["scale"]
        if isinstance(scale, list):
            require(
                len(scale) == ntypes,
                f"{path}/scale",
                scale,
                f"be one number or have one per type ({ntypes} types)",
            )

    def needs_common(self) -> str | None:
        if not self.fit_diag:
            return "fit_diag"
        # With a net for each type the TensorFlow backend counts the chosen types alone.
        if self.chosen is not None and self.chosen != tuple(range(len(self.chosen))):
            return "sel_type"
        return "scale" if set(np.ravel(self.scale).tolist()) != {1.0} else None

    def scale_of_types(self, ntypes: int) -> tuple[float, ...]:
        """The factor of each type."""
        return self.scale if isinstance(self.scale, tuple) else (float(self.scale),) * ntypes
