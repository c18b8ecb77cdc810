"""Labeling by the teacher, in chunks that are kept if it is interrupted."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from ase import Atoms

from deepattn.distill.labeled import LabeledFrames
from deepattn.distill.potential import Labels, Potential
from deepattn.formats.files import write_whole
from deepattn.progress import tracked

_FRAMES_AT_ONCE = 32


class Labeler(Protocol):
    """A source of labels for frames of a round."""

    @property
    def name(self) -> str:
        """Its name in messages and the report."""

    def label(self, frames: Sequence[Atoms], folder: Path, *, title: str) -> LabeledFrames:
        """Label frames; the same call after an interruption goes on where it was.

        Args:
            frames: The frames.
            folder: Of this call alone.
            title: Title of the progress line.

        Returns:
            The frames that have labels, in their order; some may be missing.
        """

    def forget(self, folder: Path) -> None:
        """Called when the labels of a call's folder are written elsewhere."""


class TeacherLabeler:
    """Labels of a teacher, which has one for every frame."""

    def __init__(self, teacher: Potential) -> None:
        self.name = teacher.name
        self._teacher = teacher

    def label(self, frames: Sequence[Atoms], folder: Path, *, title: str) -> LabeledFrames:
        """See `Labeler`."""
        return label(self._teacher, frames, folder, title=title)

    def forget(self, folder: Path) -> None:
        """See `Labeler`."""
        remove_chunks(folder)


def label(
    teacher: Potential, frames: Sequence[Atoms], chunks: str | os.PathLike, *, title: str
) -> LabeledFrames:
    """Label frames, resuming earlier calls with the same frames.

    Args:
        teacher: The teacher.
        frames: The frames.
        chunks: Folder that keeps the labels of some frames each; `remove_chunks` removes it.
        title: Title of the progress line.

    Raises:
        DataError: A frame cannot be labeled.
    """
    chunks = Path(chunks)
    chunks.mkdir(parents=True, exist_ok=True)
    labels: list[Labels] = []
    for first in tracked(range(0, len(frames), _FRAMES_AT_ONCE), title):
        path = chunks / f"{first:06d}.npz"
        if not path.exists():
            _write(path, teacher.evaluate(frames[first : first + _FRAMES_AT_ONCE]))
        labels += _read(path)
    return LabeledFrames(list(frames), labels)


def remove_chunks(chunks: str | os.PathLike) -> None:
    """Remove the folder, once the labels are written elsewhere."""
    shutil.rmtree(chunks, ignore_errors=True)


def _write(path: Path, labels: Sequence[Labels]) -> None:
    # Frames may have any number of atoms, so their forces stand one after another.
    unknown = np.full(9, np.nan)
    with write_whole(path) as file:
        np.savez(
            file,
            energy=[label.energy for label in labels],
            force=np.concatenate([label.force for label in labels]),
            virial=[unknown if label.virial is None else label.virial for label in labels],
            natoms=[len(label.force) for label in labels],
        )


def _read(path: Path) -> list[Labels]:
    with np.load(path) as stored:
        forces = np.split(stored["force"], np.cumsum(stored["natoms"])[:-1])
        rows = zip(stored["energy"], forces, stored["virial"], strict=True)
        return [
            Labels(float(energy), force, None if np.isnan(virial).all() else virial)
            for energy, force, virial in rows
        ]
