"""Options and one-sentence error messages that the scripts share."""

import argparse
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deepattn.cli.log import set_up_logging
from deepattn.errors import DataError, DeepattnError

ROOT = Path(__file__).resolve().parents[2]
# Modules that folders of examples share are next to them.
sys.path.append(str(ROOT / "examples"))
SHARED = Path(os.environ.get("DEEPATTN_SHARED", ROOT.parent / "shared"))


def make_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with the options that say where data and runs are.

    Args:
        description: Docstring of the script.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, default=SHARED / "data", help="folder of the data (%(default)s)"
    )
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("runs"), help="folder for the runs (%(default)s)"
    )
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
