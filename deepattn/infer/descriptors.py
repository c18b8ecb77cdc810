"""Descriptors of all atoms of systems: the work of ``deepattn eval-desc``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from deepattn.data import System
from deepattn.errors import DataError
from deepattn.formats.files import write_whole
from deepattn.infer.deep_eval import DeepEval, result_dtype
from deepattn.infer.labeled import read_frames
from deepattn.models.files import ModelFile


def write_descriptors(
    model: ModelFile | str | os.PathLike,
    systems: Sequence[str],
    folder: str | os.PathLike,
    *,
    head: str | None = None,
    dtype: str = "native",
) -> list[Path]:
    """Write the descriptor of every atom, ``<folder>/<name of the system>.npy`` for each system.

    Args:
        model: a model file.
        systems: paths of the systems; labels are not needed.
        folder: folder of the files, which is made if it is missing.
        head: name or alias of the branch of a multi-task checkpoint.
        dtype: ``fp32``, ``fp64``, or ``native``, which is float64.

    Returns:
        The files, with arrays ``[frames, atoms, width]``.

    Raises:
        DataError: two systems would be written to one file, or one is damaged.
        ModelFileError: the model cannot be read or run, or does not give descriptors.
    """
    kind = result_dtype(dtype)
    with DeepEval(model, head=head) as potential:
        type_map = potential.type_names
        opened = [System(path, type_map=type_map, labeled=False) for path in systems]
        files = _files(systems, Path(folder))
        Path(folder).mkdir(parents=True, exist_ok=True)
        for system, path in zip(opened, files, strict=True):
            frames, _ = read_frames(potential, system, np.arange(system.nframes))
            descriptors = potential.evaluate_descriptor(frames)
            with write_whole(path) as stream:
                np.save(stream, descriptors.astype(kind, copy=False))
    return files


def _files(paths: Sequence[str], folder: Path) -> list[Path]:
    """A file for each system; systems of one name would overwrite each other's."""
    files: dict[Path, str] = {}
    for path in paths:
        file = folder / f"{Path(path).resolve().name}.npy"
        if file in files:
            raise DataError(
                f"systems {files[file]} and {path} would both be written to {file}; give them in "
                "two runs with folders of their own (-o)"
            )
        files[file] = path
    return list(files)
