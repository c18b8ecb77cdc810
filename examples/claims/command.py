"""Options and error messages that the scripts share."""

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from deepattn.cli.log import set_up_logging
from deepattn.errors import DataError, DeepattnError
from deepattn.formats.files import write_whole

ROOT = Path(__file__).resolve().parents[2]
# Modules that folders of examples share are next to them.
sys.path.append(str(ROOT / "examples"))
SHARED = Path(os.environ.get("DEEPATTN_SHARED", ROOT.parent / "shared"))


def make_parser(description: str, *, seeds: Sequence[int]) -> argparse.ArgumentParser:
    """A parser with the options that every script has.

    Args:
        description: Docstring of the script.
        seeds: Those that are run by default.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="folder for runs, results and figures"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=list(seeds), metavar="SEED")
    return parser


@contextmanager
def one_sentence() -> Iterator[None]:
    """End the program with a one-sentence message if the input is wrong."""
    set_up_logging("WARNING")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        yield
    except (DeepattnError, OSError) as error:
        sys.exit(f"error: {' '.join(str(error).split())}")
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command goes on from here")


def check_folder(folder: Path, meaning: str) -> Path:
    """The absolute path of a folder that must exist.

    Raises:
        DataError: It is not.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder; {meaning}")
    return folder.resolve()


def check_file(path: Path, meaning: str) -> Path:
    """The absolute path of a file that must exist.

    Raises:
        DataError: It is not.
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such file; {meaning}")
    return path.resolve()


def collect(rows: Sequence[dict], results_of: Callable[[dict], dict], file: Path) -> list[dict]:
    """Do all runs, report the progress, and add their results to a file after each.

    Args:
        rows: What tells the runs apart, under the same keys in all.
        results_of: Does the run of a row; gives its results under further keys.
        file: The file, ``.json``.

    Returns:
        The rows with their results, in order, with those of earlier calls.
    """
    keys = list(rows[0])
    done = {_values(row, keys): row for row in read_runs(file)}
    for number, row in enumerate(rows, start=1):
        name = ", ".join(f"{key} {value}" for key, value in row.items())
        print(f"[{number}/{len(rows)}] {name}", file=sys.stderr, flush=True)
        done[_values(row, keys)] = row | results_of(row)
        _write_runs([done[values] for values in sorted(done)], file)
    return read_runs(file)


def read_runs(results: Path) -> list[dict]:
    """The rows that `collect` has written; none if there is no such file."""
    return json.loads(results.read_text())["runs"] if results.is_file() else []


def _values(row: dict, keys: Sequence[str]) -> tuple:
    return tuple(row[key] for key in keys)


def _write_runs(rows: Sequence[dict], file: Path) -> None:
    program = {name: version(name) for name in ("deepattn", "tensorflow", "keras")}
    with write_whole(file, "w") as stream:
        json.dump({"program": program, "runs": rows}, stream, indent=1, ensure_ascii=False)
        stream.write("\n")
