"""Text files with a line per step, to which a resumed training adds."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path

from deepattn import limits
from deepattn.formats.files import write_whole

# A header: the names of the columns, and a line of remarks.
_HEADER_LINES = 2


def cut_after(path: Path, step: int) -> str:
    """Drop the lines from the first later step on, and one that was not written to its end.

    Args:
        path: The file.
        step: The step that the training is resumed at.

    Returns:
        The last header that is left; empty if there is none.
    """
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    kept = list(takewhile(lambda line: line.endswith("\n") and not _is_after(line, step), lines))
    if kept != lines:
        with write_whole(path, "w") as file:
            file.writelines(kept)
    starts = [k for k, line in enumerate(kept) if line.split()[:2] == ["#", "step"]]
    return "".join(kept[starts[-1] : starts[-1] + _HEADER_LINES]) if starts else ""


def _is_after(line: str, step: int) -> bool:
    number = limits.whole_number((line.split(maxsplit=1) or [""])[0])
    return number is not None and number > step
