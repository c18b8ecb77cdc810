"""Parts of reports as HTML pages."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; its cells are HTML."""
    lines = ["".join(f"<th>{head}</th>" for head in heads)]
    lines += ["".join(f"<td>{cell}</td>" for cell in row) for row in rows]
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="wide"><table>\n{body}\n</table></div>'


def images_of(pictures: Mapping[str, Path]) -> str:
    """Pictures by their captions, in the page itself."""
    return "\n".join(
        f"<figure><figcaption>{escape(caption)}.</figcaption>"
        f'<img alt="{escape(caption)}" src="data:image/png;base64,'
        f'{base64.b64encode(path.read_bytes()).decode()}"></figure>'
        for caption, path in pictures.items()
    )


def ended_early(stopped: Mapping[str, int]) -> str:
    """How many runs of dynamics ended before their time, and why, in words.

    Args:
        stopped: Numbers of runs by reason.
    """
    return ", ".join(f"{count} {why}" for why, count in stopped.items()) or "none"
