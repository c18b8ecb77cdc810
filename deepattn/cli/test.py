"""``deepattn test``."""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deepattn import limits
from deepattn.cli.options import add_head, add_model, add_systems
from deepattn.cli.systems import systems_of, systems_of_input
from deepattn.errors import DataError, show

if TYPE_CHECKING:
    from deepattn.data import System
    from deepattn.infer import DeepPot, PairSample, TestReport

log = logging.getLogger(__name__)

_CHUNK_ATOMS = 1_000_000


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the arguments of the sub-command."""
    parser = subparsers.add_parser(
        "test",
        help="compute the errors of a model on labeled data",
        description="Compare the energies, forces and virials of a model with labeled data. The "
        "results go to standard output, everything else to standard error.",
        epilog="example: deepattn test -m frozen_model.pb -s data/valid --html report.html",
    )
    add_model(parser)
    add_head(parser)
    data = add_systems(parser)
    data.add_argument("--train-data", metavar="INPUT", help="the training systems of an input")
    data.add_argument("--valid-data", metavar="INPUT", help="the validation systems of an input")
    parser.add_argument(
        "-n",
        "--numb-test",
        metavar="N",
        type=_count,
        default=0,
        help="test at most N frames of each system; 0 tests all (default 0)",
    )
    parser.add_argument("-r", "--rand-seed", metavar="SEED", type=int, help="seed of the shuffling")
    parser.add_argument("--shuffle-test", action="store_true", help="shuffle before taking N")
    parser.add_argument(
        "-d",
        "--detail-file",
        metavar="PREFIX",
        help="write labels and predictions to PREFIX.e.out, PREFIX.f.out, …",
    )
    parser.add_argument(
        "-a", "--atomic", action="store_true", help="compare atomic energies (atom_ener.npy) too"
    )
    report = parser.add_argument_group("report")
    report.add_argument(
        "--json", metavar="FILE", help="write all errors, by system and by element, as JSON"
    )
    report.add_argument(
        "--plot",
        metavar="FILE",
        help="draw predictions against labels and the distribution of errors (.png, .svg, .pdf)",
    )
    report.add_argument(
        "--html", metavar="FILE", help="write a page with the errors and the picture"
    )
    parser.add_argument("-S", "--set-prefix", metavar="PREFIX", help="ignored")
    return parser


def run(args: argparse.Namespace) -> None:
    """Test."""
    from deepattn.data import System
    from deepattn.data.type_map import names_or_numbers
    from deepattn.formats.find import find_model

    _check_targets(args)
    find_model(args.model)
    systems = _systems(args)

    from deepattn.infer import (
        DeepPot,
        DetailFiles,
        PairSample,
        TestReport,
        energy_errors,
        error_lines,
        errors_by_element,
        summary,
    )

    if args.set_prefix is not None:
        log.warning("--set-prefix is ignored: sets are always named set.*")
    random = np.random.RandomState(None if args.rand_seed is None else args.rand_seed % 2**32)
    report, sample = TestReport(args.model), PairSample()
    with DeepPot(args.model, head=args.head) as model, DetailFiles(args.detail_file) as details:
        names = names_or_numbers(model.get_type_map(), model.get_ntypes())
        for path in systems:
            # Standard output is that of dp test, for scripts that read it.
            print("# ---------------output of dp test--------------- ")
            print(f"# testing system : {path}", flush=True)
            system = System(path, type_map=model.get_type_map())
            frames = np.arange(system.nframes)
            if args.shuffle_test:
                random.shuffle(frames)
            frames = frames[: args.numb_test or None]
            parts = []
            for piece in _chunks(frames, system):
                tested = _test(model, system, piece, args.atomic)
                details.write(path, **tested)
                if args.plot or args.html:
                    sample.add(**tested)
                if args.html:
                    report.worst.add(path, piece, **tested)
                prediction, labels, atype, _ = tested.values()
                by_element = errors_by_element(prediction, labels, atype=atype, type_map=names)
                parts.append((energy_errors(**tested), by_element))
            errors = report.add(path, len(frames), parts)
            print(f"# number of test data : {len(frames)} ")
            _print_lines(error_lines(errors))
    print("# ----------weighted average of errors----------- ")
    print(f"# number of systems : {len(systems)}")
    _print_lines(error_lines(report.average))
    log.info("RMSE: %s", summary(report.average) or "no labels to compare with")
    _write(report, sample, args)


def _check_targets(args: argparse.Namespace) -> None:
    """Refuse what could not be written, before the work is done."""
    from deepattn.formats.files import check_folder
    from deepattn.plots.figure import check_picture

    for path in filter(None, (args.detail_file, args.json, args.html)):
        check_folder(path)
    if args.plot:
        check_picture(args.plot)


def _write(report: TestReport, sample: PairSample, args: argparse.Namespace) -> None:
    """Write the report in the forms that are asked for."""
    from deepattn.formats.files import write_whole
    from deepattn.plots.parity import Fit, draw_parity, parity_svg

    name = Path(args.model).name
    panels = {kind: {name: pair} for kind, pair in sample.pairs.items()}
    average = report.average
    known = {"e_peratom": "ea", "f": "f", "v_peratom": "va"}
    fits = {}
    for kind in panels:
        rmse, count = average[f"rmse_{known[kind]}"]
        fits[kind] = Fit(rmse, average[f"mae_{known[kind]}"][0], int(count))
    texts = {}
    if args.json:
        texts[args.json] = report.to_json()
    if args.html:
        picture = parity_svg(panels, fits=fits) if panels else None
        texts[args.html] = report.to_html(picture, _facts(args))
    for path, text in texts.items():
        with write_whole(path, "w") as file:
            file.write(text)
        log.info("the report is saved in %s", path)
    if args.plot:
        if not panels:
            raise DataError("the systems have no labels to draw predictions against")
        log.info("the picture is saved in %s", draw_parity(panels, args.plot, fits=fits))


def _facts(args: argparse.Namespace) -> dict[str, str]:
    """What a page says of the model."""
    from deepattn.infer.inspect import Inspection

    inspection = Inspection(args.model, head=args.head)
    return {
        **({"branch": args.head} if args.head else {}),
        "SHA-256": hashlib.sha256(inspection.path.read_bytes()).hexdigest(),
        "types": " ".join(inspection.type_map()),
        "parameters": f"{inspection.size()['trained parameters']:,}",
    }


def _print_lines(lines: list[str]) -> None:
    for line in (*lines, "# ----------------------------------------------- "):
        print(line, flush=True)


def _test(model: DeepPot, system: System, frames: np.ndarray, atomic: bool) -> dict[str, Any]:
    """Labels and predictions of some frames, as arguments by name of what compares them."""
    from deepattn.infer import read_frames

    names = ["energy", "force", "virial", "atom_pref", *(["atom_ener"] if atomic else [])]
    arguments, labels = read_frames(model, system, frames, names)
    if atomic and not labels["find_atom_ener"].all():
        raise DataError(f"system {system.path} has no atom_ener, which --atomic compares")
    outputs = model.eval(**arguments, atomic=atomic)
    prediction = {"energy": outputs[0][:, 0], "force": outputs[1], "virial": outputs[2]}
    if atomic:
        prediction["atom_ener"] = outputs[3][:, :, 0]
    atype, box = arguments["atom_types"], arguments["cells"]
    return {"prediction": prediction, "labels": labels, "atype": atype, "box": box}


def _systems(args: argparse.Namespace) -> list[str]:
    if args.train_data:
        return systems_of_input(args.train_data, "training_data", head=args.head)
    if args.valid_data:
        return systems_of_input(args.valid_data, "validation_data", head=args.head)
    return systems_of(args)


def _chunks(frames: np.ndarray, system: System) -> Iterator[np.ndarray]:
    text = os.environ.get("DP_TEST_CHUNK_ATOMS", str(_CHUNK_ATOMS))
    number = limits.whole_number(text)
    if number is None:
        raise DataError(f"the variable DP_TEST_CHUNK_ATOMS is {text!r}, not a number")
    return system.pieces(number, frames)


def _count(text: str) -> int:
    number = limits.whole_number(text)
    if number is None:
        raise argparse.ArgumentTypeError(f"{show(text)} is not a number of frames")
    return number
