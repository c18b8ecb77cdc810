"""Labels on disk, a folder for each frame, so that nothing is labeled twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ase import Atoms

from deepattn.distill.labeled import LabeledFrames
from deepattn.distill.potential import Labels
from deepattn.formats.files import write_whole

_LABEL = "label.json"
# Characters of a digest; of two different frames in a million runs none would share so many.
_DIGITS = 24


class Unusable(NamedTuple):
    """A frame without labels, and the reason in a sentence."""

    reason: str


class LabelStore:
    """The labels of one source.

    Args:
        folder: Where they are kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def place(self, atoms: Atoms) -> Path:
        """The folder of a frame, by its elements, positions and cell."""
        digest = hashlib.sha256(atoms.numbers.astype("<i8").tobytes())
        digest.update(np.asarray(atoms.positions, "<f8").tobytes())
        if atoms.pbc.all():
            digest.update(np.asarray(atoms.cell.array, "<f8").tobytes())
        return self.folder / digest.hexdigest()[:_DIGITS]

    def find(self, atoms: Atoms) -> Labels | Unusable | None:
        """The labels of a frame, or why there are none; None if it was not labeled."""
        path = self.place(atoms) / _LABEL
        if not path.is_file():
            return None
        found = json.loads(path.read_text(encoding="utf-8"))
        if "unusable" in found:
            return Unusable(found["unusable"])
        virial = found["virial"]
        return Labels(
            found["energy"],
            np.array(found["force"]),
            None if virial is None else np.array(virial),
        )

    def keep(self, atoms: Atoms, found: Labels | Unusable) -> None:
        """Write the labels of a frame, or why there are none."""
        folder = self.place(atoms)
        folder.mkdir(parents=True, exist_ok=True)
        if isinstance(found, Unusable):
            content: dict = {"unusable": found.reason}
        else:
            content = {
                "energy": found.energy,
                "force": found.force.tolist(),
                "virial": None if found.virial is None else found.virial.tolist(),
            }
        with write_whole(folder / _LABEL, "w") as file:
            json.dump(content, file)

    def missing(self, frames: Sequence[Atoms]) -> list[Atoms]:
        """The frames that were not labeled yet, each once."""
        found = {self.place(atoms): atoms for atoms in frames if self.find(atoms) is None}
        return list(found.values())

    def usable(self, frames: Sequence[Atoms]) -> tuple[LabeledFrames, list[tuple[Path, str]]]:
        """The frames that have labels; the folders of the others, and the reasons."""
        labeled, others = LabeledFrames([], []), []
        for atoms in frames:
            found = self.find(atoms)
            if isinstance(found, Labels):
                labeled.frames.append(atoms)
                labeled.labels.append(found)
            elif found is not None:
                others.append((self.place(atoms), found.reason))
        return labeled, others
