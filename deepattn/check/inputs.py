"""Checking data by their folders, or by the input file of a training: the work of
``deepattn check``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deepattn.check.finding import Findings
from deepattn.check.run import check_data
from deepattn.config import DescriptorConfig, load_input, upgrade
from deepattn.data import find_systems
from deepattn.errors import ConfigError

_INPUTS = (".json", ".yaml", ".yml")


def check_paths(
    paths: Sequence[str],
    *,
    type_map: Sequence[str] | None = None,
    rcut: float | None = None,
    sel: Sequence[int] | None = None,
) -> tuple[list[str], Findings]:
    """Check the systems below folders and those of input files.

    Args:
        paths: Where to look for systems, at any depth; or an input (``.json``, ``.yaml``), whose
            systems are checked against its types, cutoff radius and neighbor slots.
        type_map: As for `check_data`; by default that of the input.
        rcut: As for `check_data`; by default that of the input.
        sel: As for `check_data`; by default that of the input.

    Returns:
        The systems that were found, and the findings of `check_data`.

    Raises:
        ConfigError: An input cannot be read or lists no systems.
        DataError: There are no systems, or ``sel`` is for another number of types.
    """
    systems: list[str] = []
    settings: dict[str, Any] = {"type_map": type_map, "rcut": rcut, "sel": sel}
    for path in paths:
        if Path(path).suffix in _INPUTS:
            found, model = _from_input(path)
            systems += found
            settings = {
                key: model[key] if given is None else given for key, given in settings.items()
            }
        else:
            systems += find_systems(path)
    known = {key: value for key, value in settings.items() if value is not None}
    return systems, check_data(systems, **known)


def _from_input(path: str) -> tuple[list[str], dict[str, Any]]:
    """The systems of an input, and what its model section says about types and neighbors.

    A model section that fine-tuning will complete from a file may leave these out.
    """
    content = upgrade(load_input(path))
    training, model = content.get("training", {}), content.get("model", {})
    if (model.get("spin") or {}).get("virtual_len") is not None:
        raise ConfigError(
            f"{path}: has model/spin, and data with virtual atoms are not checked; a training "
            "checks that they are complete"
        )
    descriptor = model.get("descriptor", {})
    kind = DescriptorConfig.find(descriptor.get("type")) or DescriptorConfig
    if kind.whole_frames:
        raise ConfigError(
            f"{path}: has the descriptor {descriptor['type']}, and data with masked atoms are not "
            "checked; a training checks that its frames are complete"
        )
    rcut, sel = kind.glance(descriptor)
    systems = []
    for section in (training.get("training_data"), training.get("validation_data")):
        if section and section.get("systems"):
            patterns = section.get("rglob_patterns")
            systems += find_systems(section["systems"], rglob_patterns=patterns)
    if not systems:
        raise ConfigError(f"{path}: names no systems in training/training_data/systems")
    sel = None if isinstance(sel, str | None) else np.ravel(sel).tolist()
    if sel and kind.mixed_types:
        sel = [sum(sel)]
    return systems, {"type_map": model.get("type_map"), "rcut": rcut, "sel": sel}
