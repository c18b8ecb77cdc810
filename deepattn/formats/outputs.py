"""Endings by which a user chooses the format of a model file to write."""

from __future__ import annotations

import os
from pathlib import Path

from deepattn.errors import ConfigError
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


def compressed_output(path: str | os.PathLike, *, graphs: bool, parallel: bool) -> Path:
    """The path of a compressed model, with its ending added to a name that has none.

    Args:
        path: As given.
        graphs: Whether the model has graphs, which are then what is written; if not, a SavedModel.
        parallel: Whether several processes of LAMMPS are to run a model that passes messages.

    Raises:
        ConfigError: It has the ending of the other kind; only a SavedModel can be parallel.
    """
    path, (suffix, other) = Path(path), (GRAPH, SAVED_MODEL) if graphs else (SAVED_MODEL, GRAPH)
    if path.suffix == other:
        kind = "a graph" if graphs else "a SavedModel, as its descriptor has no graphs"
        raise ConfigError(
            f"{path}: the model is compressed to {kind}; write {path.with_suffix(suffix).name}"
        )
    if parallel and graphs:
        raise ConfigError(f"{path}: only a SavedModel can be parallel; omit --parallel.")
    return path if path.suffix == suffix else path.with_name(f"{path.name}{suffix}")
