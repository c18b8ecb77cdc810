"""Unexpected errors: one sentence on the terminal and a file with the traceback."""

import os
import platform
import shlex
import sys
import tempfile
import traceback
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import strftime

from deepattn import __version__
from deepattn.cli.terminal import escape

_PACKAGES = ("tensorflow", "keras", "numpy", "h5py", "protobuf", "ase", "dpdata", "dargs")


def write_report(
    error: Exception, argv: Sequence[str], native_lines: str, *, show: bool = False
) -> str:
    """Write what a report of a bug needs to a file, in the working folder if that can be.

    Args:
        error: the error.
        argv: arguments after the program's name.
        native_lines: the log of TensorFlow, as far as it was kept from the terminal.
        show: whether to print the traceback as well.

    Returns:
        The sentence for the user.
    """
    trace = "".join(traceback.format_exception(error))
    if show:
        print(escape(trace), end="", file=sys.stderr)
    reason = str(error).strip().splitlines()
    sentence = f"{type(error).__name__}: {reason[0]}" if reason else type(error).__name__
    sentence = sentence if len(sentence) <= 200 else f"{sentence[:197]}..."
    parts = [
        f"deepattn {__version__}, Python {platform.python_version()}, {platform.platform()}",
        ", ".join(f"{name} {found}" for name in _PACKAGES if (found := _version(name))),
        f"command: {shlex.join(['deepattn', *argv])}",
        "",
        trace,
    ]
    if native_lines:
        parts += ["TensorFlow's log:", native_lines]
    text = "\n".join(parts)
    name = strftime(f"deepattn-error-%Y%m%d-%H%M%S-{os.getpid()}.txt")
    for folder in (".", tempfile.gettempdir()):
        path = Path(folder, name)
        with suppress(OSError):
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
            return (
                f"{sentence}; this is a bug of deepattn. The traceback is in {path}: please report "
                "it with the files that the command read."
            )
    print(escape(trace), end="", file=sys.stderr)
    return f"{sentence}; this is a bug of deepattn. Please report it with the traceback."


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
