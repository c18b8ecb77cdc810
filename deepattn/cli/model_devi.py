"""``deepattn model-devi``."""

from __future__ import annotations

import argparse
import logging
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING

import numpy as np

from deepattn.cli.options import add_head, add_system

if TYPE_CHECKING:
    from deepattn.data import System
    from deepattn.infer import DeepPot

log = logging.getLogger(__name__)

_FRAMES_AT_ONCE = 64


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the arguments of the sub-command."""
    parser = subparsers.add_parser(
        "model-devi",
        help="compute the model deviation of an ensemble",
        description="Tell how far several models are apart on given frames, in the columns of "
        "dp model-devi. The file is written anew.",
        epilog="example: deepattn model-devi -m a.pb b.pb c.pb -s trajectory.lammpstrj -t O H",
    )
    parser.add_argument(
        "-m",
        "--models",
        metavar="FILE",
        nargs="+",
        default=[f"graph.{k:03d}" for k in range(4)],
        help="frozen models or checkpoints of one type map (default graph.000 … graph.003)",
    )
    add_head(parser)
    add_system(parser)
    parser.add_argument(
        "-t",
        "--type-map",
        metavar="NAME",
        nargs="+",
        help="names of the types 1, 2, … of a LAMMPS dump, or of other data that do not name them "
        "(default: those of the models, if there are as many)",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        default="model_devi.out",
        help="default model_devi.out",
    )
    parser.add_argument(
        "-f",
        "--frequency",
        metavar="N",
        type=int,
        default=1,
        help="steps from one frame to the next, where the data do not tell (default 1)",
    )
    parser.add_argument(
        "--real_error",
        action="store_true",
        help="compare with the labels, not with one another; nan where there is no label",
    )
    parser.add_argument("--atomic", action="store_true", help="add a column for every atom's force")
    parser.add_argument(
        "--relative",
        metavar="LEVEL",
        type=float,
        help="divide the deviation of a force by its magnitude plus LEVEL (eV/Å)",
    )
    parser.add_argument(
        "--relative_v",
        metavar="LEVEL",
        type=float,
        help="divide the deviation of a virial by its norm plus LEVEL (eV/atom)",
    )
    return parser


def run(args: argparse.Namespace) -> None:
    """Compare the models."""
    from deepattn.data import System, find_systems
    from deepattn.errors import DataError
    from deepattn.formats.files import check_folder, write_whole
    from deepattn.formats.find import find_model

    for path in args.models:
        find_model(path)
    check_folder(args.output)
    paths = find_systems(args.system, labeled=args.real_error)

    from deepattn.infer import DeepPot

    if len(args.models) == 1 and not args.real_error:
        log.warning(
            "a single model does not deviate from itself: all columns will be zero; give several, "
            "or --real_error to compare it with labels"
        )
    with ExitStack() as stack:
        models = [stack.enter_context(DeepPot(path, head=args.head)) for path in args.models]
        type_map = models[0].get_type_map()
        for path, model in zip(args.models, models, strict=True):
            if model.get_type_map() != type_map:
                raise DataError(
                    f"{path} has the type map {model.get_type_map()}, but {args.models[0]} has "
                    f"{type_map}; models are compared type by type"
                )
        systems = [
            System(path, type_map=type_map, names=args.type_map, labeled=args.real_error)
            for path in paths
        ]
        file = stack.enter_context(write_whole(args.output, "w"))
        for system in systems:
            _compare(models, system, args, file)
    log.info("the deviations are in %s; systems: %d", args.output, len(systems))


def _compare(
    models: list[DeepPot], system: System, args: argparse.Namespace, file: IO[str]
) -> None:
    """Write the header and the rows of one system."""
    from deepattn.infer import read_frames
    from deepattn.infer.deviation import COLUMNS, model_deviation

    names = [*COLUMNS, *(["atm_devi_f(N)"] if args.atomic else [])]
    file.write(f"# {system.path}\n# {'step':10s}{''.join(f'{name:19s}' for name in names)}\n")
    labels = ("energy", "force", "virial") if args.real_error else ()
    for first in range(0, system.nframes, _FRAMES_AT_ONCE):
        frames = np.arange(first, min(first + _FRAMES_AT_ONCE, system.nframes))
        arguments, expected = read_frames(models[0], system, frames, labels)
        for label in labels:
            expected[label][expected[f"find_{label}"] == 0] = np.nan
        deviation = model_deviation(
            [_predict(model, arguments) for model in models],
            atype=arguments["atom_types"],
            labels=expected if args.real_error else None,
            relative=args.relative,
            relative_v=args.relative_v,
        )
        columns = [deviation[name][:, None] for name in COLUMNS]
        if args.atomic:
            columns.append(deviation["atm_devi_f"])
        for step, row in zip(_steps(system, frames, args), np.hstack(columns), strict=True):
            file.write(f"{step:12d}{''.join(f'{x:19.6e}' for x in row)}\n")


def _steps(system: System, frames: np.ndarray, args: argparse.Namespace) -> np.ndarray:
    """The steps of the run that frames are from, as stored, or counted by ``--frequency``."""
    stored = system.load("timestep", frames)[:, 0].astype(int)
    return np.where(system.has("timestep")[frames], stored, frames * args.frequency)


def _predict(model: DeepPot, arguments: dict) -> dict[str, np.ndarray]:
    energy, force, virial = model.eval(**arguments)
    return {"energy": energy[:, 0], "force": force, "virial": virial}
