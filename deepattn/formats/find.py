"""Which file a user means by the name of a model."""

import os
from pathlib import Path

from deepattn.errors import ModelFileError
from deepattn.formats.checkpoint import resolve_checkpoint
from deepattn.formats.dp_file import is_dp_file


def find_model(path: str | os.PathLike) -> Path:
    """The file that a user means.

    It is a frozen graph, whose ``.pb`` may be left out, a file of no backend, or a checkpoint.

    Args:
        path: the name as it was given.

    Raises:
        ModelFileError: there is none of them.
    """
    path = Path(path)
    if path.suffix == ".pb" or is_dp_file(path):
        if not path.is_file():
            raise ModelFileError(f"{path}: there is no such file")
        return path
    graph = path.parent / f"{path.name}.pb"
    return graph if graph.is_file() else resolve_checkpoint(path)
