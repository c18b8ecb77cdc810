"""``deepattn check-model``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from deepattn.cli.options import add_head

if TYPE_CHECKING:
    from deepattn.data import System
    from deepattn.testing import Frame

# Those of `deepattn.testing`, which is slow to import.
_CHECKS = (
    *("forces", "virial", "atom_energies", "translation", "rotation", "permutation", "supercell"),
    *("extensivity", "virtual_atoms", "continuity", "training_gradient"),
)


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the arguments of the sub-command."""
    parser = subparsers.add_parser(
        "check-model",
        help="check that a model obeys the laws of a potential",
        description="Check that a model is a potential: forces and virial by finite differences, "
        "symmetries, extensivity, smoothness, and the gradient that training follows. The exit "
        "status is 1 if a check fails.",
        epilog="example: deepattn check-model frozen_model.pb",
    )
    parser.add_argument(
        "model", metavar="MODEL", help="a frozen model, a .dp or .yaml file, or a checkpoint"
    )
    parser.add_argument(
        "-s",
        "--system",
        metavar="PATH",
        help="check on the first frame of this system, not on random atoms",
    )
    for name, text in (
        ("--fparam", "frame parameters, if the model has them"),
        ("--aparam", "atomic parameters of every atom"),
    ):
        parser.add_argument(name, metavar="X", nargs="+", type=float, default=[], help=text)
    parser.add_argument(
        "--skip",
        metavar="CHECK",
        nargs="+",
        choices=_CHECKS,
        default=[],
        help=f"leave these out: {', '.join(_CHECKS)}",
    )
    add_head(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Check."""
    from deepattn.data import System
    from deepattn.models import open_model_file

    file = open_model_file(args.model, args.head)
    system = None
    if args.system is not None:
        system = System(args.system, type_map=file.type_map())

    from deepattn.testing import check_model

    report = check_model(
        file,
        frames=None if system is None else [_first_frame(system)],
        fparam=args.fparam,
        aparam=args.aparam,
        skip=args.skip,
    )
    print(report)
    return int(not report.passed)


def _first_frame(system: System) -> Frame:
    """The first frame of a system as the checks take it."""
    from deepattn.errors import DataError
    from deepattn.testing import Frame

    if system.nframes == 0:
        raise DataError(f"{system.path}: has no frames to check on")
    atype = system.atype([0])[0]
    coord = system.load("coord", [0]).reshape(-1, 3)
    box = system.load("box", [0]).reshape(3, 3) if system.periodic else None
    real = atype >= 0
    return Frame(coord[real], atype[real], box, Path(system.path).name)
