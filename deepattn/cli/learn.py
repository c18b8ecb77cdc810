"""``deepattn learn``."""

import argparse
import logging

from deepattn.cli.options import require_files

log = logging.getLogger(__name__)


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the arguments of the sub-command."""
    parser = subparsers.add_parser(
        "learn",
        help="explore, label by a first-principles code, and train, until the errors are small",
        description="Train a model, run dynamics with it, and label by a first-principles code the "
        "frames that it is least sure of, until its errors on new frames are small. If it is "
        "interrupted, the same command resumes it. The exit status is 0 if the errors are as small "
        "as was wanted, 1 if not.",
        epilog="example: deepattn learn loop.json",
    )
    parser.add_argument(
        "input",
        metavar="INPUT",
        help="a section learn, and the input of the trainings, .json, .yaml or .yml",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        default="learn",
        help="working folder, where model, data and report are written too (default learn)",
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Run the loop."""
    require_files(args.input)

    from deepattn.learn.config import read_learn

    read_learn(args.input)

    from deepattn.learn import learn

    result = learn(args.input, args.output)
    log.info("the report is saved in %s", result.workdir.path("report.html"))
    force = result.errors["force"]
    if force is not None:
        print(f"RMSE of the forces on new frames: {1e3 * force:.1f} meV/Å")
    print(f"It ended because {result.reason}.")
    print(f"The model is {result.path}")
    if result.student is not None:
        print(f"The student is {result.student.name}")
    return int(not result.reached)
