"""The section of a fitting ``dipole``."""

from __future__ import annotations

from dataclasses import dataclass

from deepattn.config.section import key
from deepattn.fittings.tensor_config import TensorFittingConfig, tensor_lines


@dataclass(frozen=True, kw_only=True)
class DipoleFittingConfig(TensorFittingConfig):
    """Dipole moment: of each atom a vector, which turns with the frame."""

    reader = "DeepDipole"
    layer = "deepattn.fittings.dipole.layer:DipoleFitting"
    name = "dipole"
    components = 3
    test_lines = tensor_lines("Dipole")
    graph_type = "dipole"
    of_graph = "deepattn.fittings.dipole.graph:weights_of_graph"
    statistics = "deepattn.fittings.dipole.statistics:no_weights"
    dpmodel = "deepattn.fittings.dipole.dpmodel:FORMAT"
    torch = "deepattn.fittings.dipole.torch:FORMAT"

    sel_type: tuple[int, ...] | None = key(
        None,
        "Types of the atoms that have a dipole moment; null for all.",
        alias=("dipole_type",),
        dtype=[list[int], int, None],
    )
