"""Trainings by deepattn and by DeePMD-kit, and the options of what compares them."""

import argparse
import json
import os
import sys
from pathlib import Path

from processes import ProgramFailed, execute, with_threads


def make_parser(
    description: str, default_input: Path | None = None, meaning: str = ""
) -> argparse.ArgumentParser:
    """A parser of the path of DeePMD-kit and the input; `parse` adds the rest.

    Args:
        description: Docstring of the script.
        default_input: The input if none is given; None where the script has one of its own.
        meaning: What the help calls it.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--deepmd", required=True, type=Path, help="DeePMD-kit's dp, 3.x")
    if default_input is not None:
        parser.add_argument("--input", type=Path, default=default_input, help=f"default: {meaning}")
    return parser


def parse(parser: argparse.ArgumentParser, default_output: str) -> argparse.Namespace:
    """The arguments of the command line, threads and output file among them.

    Raises:
        SystemExit: The arguments are wrong, or DeePMD-kit is not there.
    """
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("-o", "--output", type=Path, default=Path(default_output))
    args = parser.parse_args()
    if not args.deepmd.is_file():
        parser.error(f"--deepmd {args.deepmd}: no such program; give the path of DeePMD-kit's dp")
    return args


def programs(deepmd: Path, backend: str = "tf") -> dict[str, list[str]]:
    """By name the commands that start deepattn and a backend of DeePMD-kit, in this order."""
    return {
        "deepattn": [sys.executable, "-m", "deepattn"],
        "DeePMD-kit": [str(deepmd.absolute()), f"--{backend}"],
    }


def absolute_systems(data: dict, folder: Path) -> None:
    """Make the systems of a data section independent of the folder the program runs in."""
    systems = data["systems"]
    systems = [systems] if isinstance(systems, str) else systems
    data["systems"] = [str((folder / system).resolve()) for system in systems]


def train(
    program: str, command: list[str], config: dict, threads: int, folder: Path
) -> tuple[str, float]:
    """Run one training in a folder; returns its log and its peak memory in MiB.

    Raises:
        SystemExit: The program failed; its last lines are shown.
    """
    (folder / "input.json").write_text(json.dumps(config))
    command = [*command, "train", "input.json", "--skip-neighbor-stat"]
    try:
        return execute(program, command, folder, with_threads(threads))
    except ProgramFailed as failure:
        sys.exit(str(failure))
