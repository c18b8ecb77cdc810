"""What labels frames, and what is done with frames that have no usable labels."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from ase import Atoms

from deepattn.distill.labeled import LabeledFrames
from deepattn.distill.potential import Labels
from deepattn.errors import DataError
from deepattn.learn.labels.store import LabelStore, Unusable

log = logging.getLogger(__name__)

# Of the frames of a call; if more are unusable, something else is wrong than those frames.
_MOST_UNUSABLE = 0.5


class LabelSource(Protocol):
    """An ASE calculator, or a code that runs as jobs."""

    @property
    def name(self) -> str:
        """Its name in messages and the report."""

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides its labels, JSON-able: what they may not be mixed with others of."""

    def check(self, structures: Sequence[Atoms]) -> None:
        """Check that structures can be labeled, before any work.

        Raises:
            DataError: One cannot.
        """

    def compute(
        self, frames: Sequence[Atoms], store: LabelStore, folder: Path, *, title: str
    ) -> None:
        """Label frames and keep the results, or why there are none.

        Args:
            frames: Frames that the store does not have.
            store: Where results are kept.
            folder: Of this call alone; the same call after an interruption finds its files.
            title: Title of the progress line.
        """

    def finer(self) -> dict[str, LabelSource]:
        """The source with settings that should change nothing, by what is different."""


class StoredLabeler:
    """Labels that are kept, and frames that are left out.

    A `Labeler` of `Rounds`.

    Args:
        source: What labels.
        store: What is labeled.
    """

    def __init__(self, source: LabelSource, store: LabelStore) -> None:
        self.name = source.name
        self.source = source
        self.store = store

    def label(self, frames: Sequence[Atoms], folder: Path, *, title: str) -> LabeledFrames:
        """See `Labeler`.

        Raises:
            DataError: More than half of the frames have no usable labels.
        """
        missing = self.store.missing(frames)
        if missing:
            folder.mkdir(parents=True, exist_ok=True)
            self.source.compute(missing, self.store, folder, title=title)
        labeled, others = self.store.usable(frames)
        for place, reason in others:
            log.warning("%s: %s; this frame is left out", place, reason)
        if len(others) > _MOST_UNUSABLE * len(frames):
            place, reason = others[0]
            raise DataError(
                f"{self.name}: {len(others)} of {len(frames)} frames have no usable labels; the "
                f"first is {place}: {reason}. Correct the cause, remove the folders of these "
                "frames and call the same command again"
            )
        return labeled

    def forget(self, folder: Path) -> None:
        """See `Labeler`; labels stay, each with the files of its run."""
        shutil.rmtree(folder, ignore_errors=True)


def check_settings(
    source: LabelSource, atoms: Atoms, store: LabelStore, folder: Path, *, tolerance: float
) -> dict[str, Any]:
    """Label a frame again, and with finer settings, and compare the forces.

    Args:
        source: The source.
        atoms: The frame.
        store: Where its labels are kept.
        folder: For the other ones.
        tolerance: Largest change of a force, eV/Å.

    Returns:
        By what was different, the largest change of a force (eV/Å) and that of the energy
        (eV/atom).

    Raises:
        DataError: The frame has no usable labels, or a force changes by more than the tolerance.
    """
    first = _labels_of(source, atoms, store, folder / "batch")
    changes = {}
    for what, other in {"repeated": source, **source.finer()}.items():
        name = what.replace(" ", "-")
        found = _labels_of(other, atoms, LabelStore(folder / name), folder / f"{name}-batch")
        change = float(np.linalg.norm(found.force - first.force, axis=1).max())
        energy = (found.energy - first.energy) / len(atoms)
        log.info(
            "%s, %s: forces change by at most %.1f meV/Å, the energy by %.1f meV/atom",
            *(source.name, what, 1e3 * change, 1e3 * energy),
        )
        if change > tolerance:
            raise DataError(
                f"{source.name}: a force of the first frame changes by {change:.3f} eV/Å if it is "
                f"labeled with {what}; make the template's settings finer, or raise "
                f"learn/labels/tolerance ({tolerance:g} eV/Å)"
                if what != "repeated"
                else f"{source.name}: a force of the first frame is {change:.3f} eV/Å different "
                "when it is labeled again; make the template's convergence tighter"
            )
        changes[what] = {"force": change, "energy": energy}
    return changes


def _labels_of(source: LabelSource, atoms: Atoms, store: LabelStore, folder: Path) -> Labels:
    if store.find(atoms) is None:
        folder.mkdir(parents=True, exist_ok=True)
        source.compute([atoms], store, folder, title="first label")
    found = store.find(atoms)
    if not isinstance(found, Labels):
        reason = found.reason if isinstance(found, Unusable) else "was not labeled"
        raise DataError(
            f"{store.place(atoms)}: the first frame has no usable labels: {reason}. Correct the "
            "cause, remove this folder and call the same command again"
        )
    return found
