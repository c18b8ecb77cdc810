"""Common parts of all pictures: colors, text, and writing them.

Files are written as every other one is: whole, or not at all.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepattn.errors import DataError
from deepattn.formats.files import check_folder, write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Told apart without color vision, and by shape in gray; the first belong to what comes first.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F6BB3", "#8C6D31")
MARKERS = ("o", "^", "s", "D", "v", "P", "X", "*")
# Text and lines of the axes: nearly black, and in an SVG whatever color the text around it has.
INK = "#010203"

_SVG_STYLE = """<style>
svg { color: #1a1a1a; }
@media (prefers-color-scheme: dark) { svg { color: #d8d8d8; } }
</style>"""
_INKED = (
    *("axes.edgecolor", "axes.labelcolor", "axes.titlecolor", "grid.color", "text.color"),
    *("xtick.color", "ytick.color", "xtick.labelcolor", "ytick.labelcolor"),
)


@contextmanager
def look() -> Iterator[None]:
    """Draw in the block, or in the function that this decorates, with the look of all pictures."""
    from matplotlib import rc_context

    style: Any = dict.fromkeys(_INKED, INK)  # matplotlib has a type of its keys' names
    style |= {"axes.facecolor": "none", "grid.alpha": 0.15, "legend.frameon": False}
    # Equal pictures are equal files.
    with rc_context(style | {"svg.hashsalt": "deepattn"}):
        yield


def plain(name: str) -> str:
    """A name as matplotlib draws it literally.

    Between two ``$`` it would look for mathematics, and a legend leaves out what begins with ``_``.
    """
    name = "".join(letter if letter.isprintable() else "�" for letter in name)
    return name.replace("$", r"\$").replace("_", "\u200a_", 1 if name.startswith("_") else 0)


def short(name: str, most: int = 40) -> str:
    """A name of at most so many letters, without its middle if it is longer."""
    half = (most - 1) // 2
    return name if len(name) <= most else f"{name[:half]}…{name[-half:]}"


def check_picture(picture: str | os.PathLike) -> None:
    """Refuse a picture that could not be written, before the work for it is done.

    Raises:
        DataError: Its ending is not one that matplotlib writes, or its folder is missing.
    """
    from matplotlib.figure import Figure

    _format(Figure(), Path(picture))
    check_folder(picture)


def save_figure(figure: Figure, picture: str | os.PathLike) -> Path:
    """Write a matplotlib ``Figure``.

    Args:
        figure: The figure.
        picture: File to write; its ending gives the format.

    Returns:
        The path of the picture.

    Raises:
        DataError: The ending is not one of a picture that matplotlib writes.
        OSError: The file cannot be written.
    """
    picture = Path(picture)
    ending = _format(figure, picture)
    content = svg_of(figure).encode() if ending == "svg" else _bytes_of(figure, ending)
    with write_whole(picture) as file:
        file.write(content)
    return picture


def svg_of(figure: Figure) -> str:
    """A figure as SVG without a background, in light or dark colors as the reader has chosen."""
    figure.set_facecolor("none")
    text = _bytes_of(figure, "svg").decode().replace(INK, "currentColor")
    start = text.index(">", text.index("<svg")) + 1
    return f"{text[:start]}\n{_SVG_STYLE}{text[start:]}"


def _bytes_of(figure: Figure, ending: str) -> bytes:
    stream = io.BytesIO()
    metadata: dict[str, Any] = {"metadata": {"Date": None}} if ending == "svg" else {}
    figure.savefig(stream, format=ending, dpi=150, **metadata)
    return stream.getvalue()


def _format(figure: Figure, picture: Path) -> str:
    ending = picture.suffix[1:].lower()
    if ending not in figure.canvas.get_supported_filetypes():
        raise DataError(f"{picture}: unknown picture format; use .png, .svg or .pdf.")
    return ending
