"""``python -m deepattn.testing MODEL``: all checks of a model file; exit status 1 if one fails."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from deepattn.data import System
from deepattn.errors import DataError, DeepattnError
from deepattn.models import EnergyModel, load_model
from deepattn.testing.frames import Frame
from deepattn.testing.report import CHECKS, check_model


def main(argv: Sequence[str] | None = None) -> int:
    """Run the checks and print the report; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m deepattn.testing",
        description="Check that a model is a potential: forces and virial by finite differences, "
        "symmetries, extensivity, smoothness, and the gradient that training follows.",
    )
    parser.add_argument("model", help="a frozen graph (.pb) or a checkpoint")
    parser.add_argument(
        "-s", "--system", help="check on the first frame of this system, not on random atoms"
    )
    parser.add_argument(
        "--fparam", nargs="+", type=float, default=[], help="frame parameters, if it has them"
    )
    parser.add_argument(
        "--aparam", nargs="+", type=float, default=[], help="atomic parameters of every atom"
    )
    parser.add_argument("--skip", nargs="+", choices=CHECKS, default=[], help="leave these out")
    parser.add_argument("--head", help="of a checkpoint of several tasks the branch to check")
    args = parser.parse_args(argv)
    try:
        model = args.model
        if args.head is not None:
            model, _ = load_model(args.model, head=args.head)
        frames = None if args.system is None else [_first_frame(args.system, model)]
        report = check_model(
            model, frames=frames, fparam=args.fparam, aparam=args.aparam, skip=args.skip
        )
    except DeepattnError as error:
        print(f"deepattn: error: {error}", file=sys.stderr)
        return 1
    print(report)
    return 0 if report.passed else 1


def _first_frame(path: str, model: str | EnergyModel) -> Frame:
    known = load_model(model)[0] if isinstance(model, str) else model
    system = System(path, type_map=known.type_map)
    if system.nframes == 0:
        raise DataError(f"{path}: has no frames to check on")
    atype = system.atype([0])[0]
    coord = system.load("coord", [0]).reshape(-1, 3)
    box = system.load("box", [0]).reshape(3, 3) if system.periodic else None
    real = atype >= 0
    return Frame(coord[real], atype[real], box, path.rstrip("/").rsplit("/", 1)[-1])


if __name__ == "__main__":
    sys.exit(main())
