"""Where the log goes, and in which format."""

import logging
import sys
from logging import DEBUG
from typing import TextIO

from deepattn.cli.terminal import escape

LEVELS = {
    "DEBUG": DEBUG,
    "3": DEBUG,
    "INFO": logging.INFO,
    "2": logging.INFO,
    "WARNING": logging.WARNING,
    "1": logging.WARNING,
    "ERROR": logging.ERROR,
    "0": logging.ERROR,
}
_TERMINAL_FORMAT = "[%(asctime)s] DEEPATTN %(levelname)-7s %(message)s"
_FILE_FORMAT = "[%(asctime)s] DEEPATTN %(levelname)-7s %(name)-45s %(message)s"


class _StandardErrorHandler(logging.StreamHandler):
    """Writes to what ``sys.stderr`` is at the moment, which a progress line replaces."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    def emit(self, record: logging.LogRecord) -> None:
        # A record may have a short form for terminals; an empty one is not shown there.
        if getattr(record, "short", None) != "" or not sys.stderr.isatty():
            super().emit(record)

    def format(self, record: logging.LogRecord) -> str:
        if not sys.stderr.isatty() or record.exc_info:
            return super().format(record)
        text = escape(getattr(record, "short", None) or record.getMessage())
        if record.levelno < logging.WARNING:
            return text
        color = "31" if record.levelno >= logging.ERROR else "33"
        return f"\033[{color}m{record.levelname.lower()}:\033[0m {text}"


class _Formatter(logging.Formatter):
    """Writes nothing that a terminal would obey."""

    def format(self, record: logging.LogRecord) -> str:
        return escape(super().format(record))


def set_up_logging(level: str = "INFO", path: str | None = None) -> None:
    """Log to standard error and, if asked, to a file too.

    Args:
        level: a key of `LEVELS`.
        path: file that the log is appended to.

    Raises:
        OSError: the file cannot be opened.
    """
    root = logging.getLogger("deepattn")
    for handler in root.handlers[:]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(LEVELS[level])
    # TensorFlow's Python code logs what concerns its developers.
    for name in ("tensorflow", "absl"):
        logging.getLogger(name).setLevel(DEBUG if LEVELS[level] == DEBUG else logging.ERROR)
    handlers: list[tuple[logging.Handler, str]] = [(_StandardErrorHandler(), _TERMINAL_FORMAT)]
    if path is not None:
        handlers.append((logging.FileHandler(path, encoding="utf-8"), _FILE_FORMAT))
    for handler, text in handlers:
        handler.setFormatter(_Formatter(text))
        root.addHandler(handler)
