"""Systems that an input file lists."""

from __future__ import annotations

import os
from pathlib import Path

from deepattn.config import load_input, upgrade
from deepattn.data.search import find_systems
from deepattn.errors import DataError


def systems_of_input(
    file: str | os.PathLike, section: str, *, head: str | None = None
) -> list[str]:
    """Paths of the training or validation systems of an input.

    Args:
        file: The input; paths in it are relative to its folder.
        section: ``training_data`` or ``validation_data``.
        head: The branch of a multi-task input.

    Raises:
        DeepattnError: The file is missing or not an input, or lists no systems.
    """
    training = upgrade(load_input(file)).get("training", {})
    branches = training.get("data_dict") or {}
    if branches and head not in branches:
        raise DataError(
            f"{file}: is a multi-task input; choose a branch with --head: {', '.join(branches)}"
        )
    data = (branches[head] if branches else training).get(section) or {}
    listed = data.get("systems") or []
    listed = [listed] if isinstance(listed, str) else listed
    if not listed:
        raise DataError(f"{file}: has no training.{section}.systems")
    base = Path(file).resolve().parent
    resolved = [os.path.normpath(base / entry) for entry in listed]
    return find_systems(resolved, rglob_patterns=data.get("rglob_patterns"))
