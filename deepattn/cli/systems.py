"""Systems that the options or an input file name."""

import argparse
import os
from pathlib import Path


def systems_of(args: argparse.Namespace, *, labeled: bool = True) -> list[str]:
    """Paths of the systems of ``-s`` or ``-f``; ``labeled`` as of `deepattn.data.System`."""
    from deepattn.data import find_systems, read_list

    if args.datafile is not None:
        return read_list(args.datafile, labeled=labeled)
    return find_systems(args.system, labeled=labeled)


def systems_of_input(file: str, kind: str, *, head: str | None = None) -> list[str]:
    """Paths of the systems of an input's ``training_data`` or ``validation_data``.

    Args:
        file: the input; paths in it are relative to its folder.
        kind: name of the section.
        head: of an input of several tasks the branch.

    Raises:
        DeepattnError: the file is missing or no input, or names no systems.
    """
    from deepattn.config import load_input, upgrade
    from deepattn.data import find_systems
    from deepattn.errors import DataError

    training = upgrade(load_input(file)).get("training", {})
    branches = training.get("data_dict") or {}
    if branches and head not in branches:
        raise DataError(f"{file}: is of several tasks; give --head, one of {', '.join(branches)}")
    section = (branches[head] if branches else training).get(kind) or {}
    listed = section.get("systems") or []
    listed = [listed] if isinstance(listed, str) else listed
    if not listed:
        raise DataError(f"{file}: has no training.{kind}.systems")
    base = Path(file).resolve().parent
    resolved = [os.path.normpath(base / entry) for entry in listed]
    return find_systems(resolved, rglob_patterns=section.get("rglob_patterns"))
