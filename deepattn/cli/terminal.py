"""Text that is safe to print: no control characters reach the terminal."""

import codecs
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TextIO

# Control characters but for tabs and newlines, marks that change the order of what is read, and
# halves of characters.
_UNSAFE = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
# What stands for our own signs where there is only ASCII.
_PLAIN = {"Å": "A", "×": "x", "µ": "u", "±": "+-", "−": "-", "–": "-", "…": "...", "²": "^2"}
_ERRORS = "deepattn-plain"


def escape(text: str) -> str:
    r"""Text whose control characters are written as ``\x1b`` and the like.

    Names in files and paths may hold any character, and a terminal obeys some of them.
    """
    return _UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


class _Escaped:
    """A stream to which everything is written through `escape`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        self._stream.write(escape(text))
        return len(text)

    def flush(self) -> None:
        self._stream.flush()


@contextmanager
def readable_output() -> Iterator[None]:
    """Inside, all that is printed is escaped, and spelled in letters that the terminal has."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_ERRORS)
    with redirect_stdout(_Escaped(sys.stdout)):
        yield


def _spell(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letter = error.object[error.start]
    return _PLAIN.get(letter) or letter.encode("unicode_escape").decode(), error.start + 1


codecs.register_error(_ERRORS, _spell)
