"""Pictures are written as every other file is: whole, or not at all."""

import os
from pathlib import Path

from deepattn.errors import DataError
from deepattn.formats.files import write_whole


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
    ending = picture.suffix[1:].lower()
    known = figure.canvas.get_supported_filetypes()
    if ending not in known:
        raise DataError(f"{picture}: no picture ends like this; use .png, .svg or .pdf.")
    with write_whole(picture) as file:
        figure.savefig(file, format=ending, dpi=150)
    return picture
