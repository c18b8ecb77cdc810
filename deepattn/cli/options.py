"""Options that several commands share."""

import argparse
import math
from contextlib import suppress

from deepattn import limits
from deepattn.errors import show


def add_model(parser: argparse.ArgumentParser) -> None:
    """``-m``: the model to evaluate."""
    parser.add_argument(
        "-m",
        "--model",
        metavar="FILE",
        default="frozen_model",
        help="a model file: a frozen graph (.pb may be omitted), a checkpoint, .dp, .yaml, "
        ".pt, .pth, .savedmodeltf or .keras, or the name of a downloaded model (default "
        "frozen_model)",
    )


def add_head(parser: argparse.ArgumentParser) -> None:
    """``--head``: the branch of a multi-task model."""
    parser.add_argument(
        "--head",
        metavar="BRANCH",
        help="branch of a multi-task model, by its name or an alias",
    )


def add_system(parser: argparse._ActionsContainer) -> None:
    """``-s``: where the systems are."""
    parser.add_argument(
        "-s",
        "--system",
        metavar="PATH",
        default=".",
        help="where to look for systems, at any depth, or a file: HDF5, OUTCAR, vasprun.xml, "
        "extended XYZ, a LAMMPS dump, … (default .)",
    )


def add_systems(parser: argparse.ArgumentParser) -> argparse._MutuallyExclusiveGroup:
    """``-s`` or ``-f``, a list of systems; returns their group."""
    group = parser.add_mutually_exclusive_group()
    add_system(group)
    group.add_argument(
        "-f",
        "--datafile",
        metavar="FILE",
        help="a list of systems, or of folders to search, one per line; # begins a comment",
    )
    return group


def add_type_map(parser: argparse.ArgumentParser) -> None:
    """``-t``: names of the types."""
    parser.add_argument(
        "-t",
        "--type-map",
        metavar="NAME",
        nargs="+",
        help="names of the types in their order (default: those of the data, as they occur)",
    )


def require_files(*paths: str | None) -> None:
    """See that files can be opened, before imports that take seconds; None is passed over.

    Raises:
        OSError: one cannot.
    """
    for path in paths:
        if path is not None:
            open(path, "rb").close()


def count(text: str) -> int:
    """A positive whole number, as a type of argument."""
    number = limits.whole_number(text)
    if not number:
        raise argparse.ArgumentTypeError(f"{show(text)} is not a positive number")
    return number


def positive(text: str) -> float:
    """A positive number, as a type of argument."""
    with suppress(ValueError):
        value = float(text)
        if math.isfinite(value) and value > 0:
            return value
    raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
