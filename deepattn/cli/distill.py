"""``deepattn distill``."""

import argparse
import logging

from deepattn.cli.options import require_files

log = logging.getLogger(__name__)


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the arguments of the sub-command."""
    parser = subparsers.add_parser(
        "distill",
        help="distill a slow teacher model into a fast student",
        description="Train a fast student on what a slow teacher says of structures that the "
        "student's own dynamics find. If it is interrupted, the same command resumes it. The exit "
        "status is 0 if the student is as near to the teacher as was wanted, 1 if not.",
        epilog="example: deepattn distill teacher.pb distill.json",
    )
    parser.add_argument(
        "teacher",
        metavar="TEACHER",
        help="a frozen model, a .dp or .yaml file, a checkpoint, a downloaded model, or "
        "module:callable, which gives an ASE calculator",
    )
    parser.add_argument(
        "input",
        metavar="INPUT",
        help="a section distill, and the student's input, .json, .yaml or .yml",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        default="distill",
        help="working folder, where the student and the report are written too (default distill)",
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Distill."""
    require_files(args.input)

    from deepattn.distill.config import read_distill
    from deepattn.models import find_model

    read_distill(args.input)
    if ":" not in args.teacher:
        find_model(args.teacher)

    from deepattn.distill import distill

    result = distill(args.teacher, args.input, args.output)
    log.info("the report is saved in %s", result.workdir.path("report.html"))
    force = result.errors["force"]
    if force is not None:
        print(f"RMSE of the forces on new frames: {1e3 * force:.1f} meV/Å")
    print(f"It ended because {result.reason}.")
    print(f"The student is {result.path}")
    return int(not result.reached)
