"""Pictures are written as every other file is: whole, or not at all."""

import os
from pathlib import Path

from deepattn.errors import DataError
from deepattn.formats.files import check_folder, write_whole


def check_picture(picture: str | os.PathLike) -> None:
    """Refuse a picture that could not be written, before the work for it is done.

    Raises:
        DataError: its ending is not one that matplotlib writes, or its folder is missing.
    """
    from matplotlib.figure import Figure

    _format(Figure(), Path(picture))
    check_folder(picture)


def save_figure(figure, picture: str | os.PathLike) -> Path:
    """Write a matplotlib ``Figure``.

    Args:
        figure: the figure.
        picture: file to write; its ending gives the format.

    Returns:
        The path of the picture.

    Raises:
        DataError: the ending is not one of a picture that matplotlib writes.
        OSError: the file cannot be written.
    """
    picture = Path(picture)
    ending = _format(figure, picture)
    with write_whole(picture) as file:
        figure.savefig(file, format=ending, dpi=150)
    return picture


def _format(figure, picture: Path) -> str:
    ending = picture.suffix[1:].lower()
    if ending not in figure.canvas.get_supported_filetypes():
        raise DataError(f"{picture}: no picture ends like this; use .png, .svg or .pdf.")
    return ending
