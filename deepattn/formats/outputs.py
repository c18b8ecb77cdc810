"""Endings by which a user chooses the format of a model file to write."""

from __future__ import annotations

import os
from pathlib import Path

from deepattn.formats import dp_file, saved_model

GRAPH = ".pb"
SAVED_MODEL = saved_model.SUFFIX
TREES = dp_file.SUFFIXES
TORCH = ".pt"

SUFFIXES = (GRAPH, SAVED_MODEL, *TREES, TORCH)


def graph_unless_named(path: str | os.PathLike) -> Path:
    """The path with ``.pb`` added to it, unless it has the ending of a format."""
    path = Path(path)
    return path if path.suffix in SUFFIXES else path.with_name(f"{path.name}{GRAPH}")
