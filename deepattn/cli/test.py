"""``deepattn test``."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepattn import limits
from deepattn.cli.options import add_head, add_model, add_systems
from deepattn.cli.systems import systems_of
from deepattn.errors import ConfigError, DataError, show

if TYPE_CHECKING:
    from deepattn.infer import ObservableReport, SystemErrors, TestReport
    from deepattn.models import ModelFile

log = logging.getLogger(__name__)


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
    from deepattn.models import open_model_file

    _check_targets(args)
    file = open_model_file(args.model, args.head)
    systems = _systems(args)
    if args.set_prefix is not None:
        log.warning("--set-prefix is ignored: sets are always named set.*")
    if file.observable is not None:
        _test_observable(args, file, systems)
        return

    from deepattn.infer import error_lines, measure_errors, summary

    report = measure_errors(
        file,
        systems,
        **_choices(args),
        detail_prefix=args.detail_file,
        before=_print_head,
        after=_print_errors,
    )
    _print_average(len(systems), error_lines(report.average))
    log.info("RMSE: %s", summary(report.average) or "no labels to compare with")
    _write(report, args)


def _choices(args: argparse.Namespace) -> dict[str, Any]:
    """What is tested, as arguments of all kinds of tests."""
    return {
        "head": args.head,
        "numb_test": args.numb_test,
        "shuffle": args.shuffle_test,
        "seed": args.rand_seed,
        "atomic": args.atomic,
    }


def _test_observable(args: argparse.Namespace, file: ModelFile, systems: list[str]) -> None:
    """Test a model of an observable."""
    for option in ("detail_file", "plot", "html"):
        if getattr(args, option):
            raise ConfigError(
                f"--{option.replace('_', '-')} is for models of energies, but {file.path} is a "
                f"model of {file.fitting_kind.subject}; omit it."
            )

    from deepattn.formats.files import write_whole
    from deepattn.infer import measure_observables

    def after(report: ObservableReport, system: SystemErrors) -> None:
        print(f"# number of test data : {system.nframes} ")
        _print_lines(report.lines(system.errors))

    report = measure_observables(
        file,
        systems,
        **_choices(args),
        before=_print_head,
        after=after,
    )
    _print_average(len(systems), report.lines(report.average))
    if args.json:
        with write_whole(args.json, "w") as stream:
            stream.write(report.to_json())
        log.info("the report is saved in %s", args.json)


def _print_average(count: int, lines: list[str]) -> None:
    print("# ----------weighted average of errors----------- ")
    print(f"# number of systems : {count}")
    _print_lines(lines)


def _print_head(path: str) -> None:
    # Standard output is that of dp test, for scripts that read it.
    print("# ---------------output of dp test--------------- ")
    print(f"# testing system : {path}", flush=True)


def _print_errors(system: SystemErrors) -> None:
    from deepattn.infer import error_lines

    print(f"# number of test data : {system.nframes} ")
    _print_lines(error_lines(system.errors))


def _check_targets(args: argparse.Namespace) -> None:
    """Refuse what could not be written, before the work is done."""
    from deepattn.formats.files import check_folder
    from deepattn.plots.figure import check_picture

    for path in filter(None, (args.detail_file, args.json, args.html)):
        check_folder(path)
    if args.plot:
        check_picture(args.plot)


def _write(report: TestReport, args: argparse.Namespace) -> None:
    """Write the report in the requested forms."""
    from deepattn.formats.files import write_whole
    from deepattn.plots.parity import Fit, draw_parity, parity_svg

    name = Path(args.model).name
    panels = {kind: {name: pair} for kind, pair in report.sample.pairs.items()}
    average = report.average
    known = {"e_peratom": "ea", "f": "f", "fr": "fr", "fm": "fm", "v_peratom": "va"}
    fits = {}
    for kind in panels:
        rmse, count = average[f"rmse_{known[kind]}"]
        fits[kind] = Fit(rmse, average[f"mae_{known[kind]}"][0], int(count))
    texts = {}
    if args.json:
        texts[args.json] = report.to_json()
    if args.html:
        picture = parity_svg(panels, fits=fits) if panels else None
        texts[args.html] = report.to_html(picture)
    for path, text in texts.items():
        with write_whole(path, "w") as stream:
            stream.write(text)
        log.info("the report is saved in %s", path)
    if args.plot:
        if not panels:
            raise DataError("the systems have no labels to draw predictions against")
        log.info("the picture is saved in %s", draw_parity(panels, args.plot, fits=fits))


def _print_lines(lines: list[str]) -> None:
    for line in (*lines, "# ----------------------------------------------- "):
        print(line, flush=True)


def _systems(args: argparse.Namespace) -> list[str]:
    from deepattn.data.inputs import systems_of_input

    if args.train_data:
        return systems_of_input(args.train_data, "training_data", head=args.head)
    if args.valid_data:
        return systems_of_input(args.valid_data, "validation_data", head=args.head)
    return systems_of(args)


def _count(text: str) -> int:
    number = limits.whole_number(text)
    if number is None:
        raise argparse.ArgumentTypeError(f"{show(text)} is not a number of frames")
    return number
