"""Elements and labels that are missing from the data."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from deepattn.check.finding import DOUBT, FAULT, Finding
from deepattn.check.piece import Piece

# Frames an element should be in, once there are so many in all.
_FEW = 10
_MANY = 50


class Coverage:
    """Elements without samples or with few, labels that are missing or all zero.

    Args:
        type_map: Names of the types.
    """

    def __init__(self, type_map: list[str]) -> None:
        self._type_map = type_map
        self._nframes = 0
        self._with_element = np.zeros(len(type_map), np.int64)
        # By label and system, whether any is not zero; forces on single atoms do not count.
        self._nonzero: dict[str, dict[str, bool]] = {"energy": {}, "force": {}, "virial": {}}

    def add(self, piece: Piece) -> None:
        """Process some frames."""
        self._nframes += len(piece.frames)
        for kind in range(len(self._type_map)):
            self._with_element[kind] += (piece.atype == kind).any(axis=1).sum()
        for name, systems in self._nonzero.items():
            values = getattr(piece, name).reshape(len(piece.frames), -1)
            known = np.isfinite(values).any(axis=1)
            if name == "force":
                known &= piece.natoms > 1
            if known.any():
                nonzero = bool(np.any(values[known] != 0))
                systems[piece.path] = systems.get(piece.path, False) or nonzero

    def report(self) -> Iterator[Finding]:
        """The findings."""
        if self._nframes:
            yield from self._elements()
            yield from self._labels()

    def _elements(self) -> Iterator[Finding]:
        counts = dict(zip(self._type_map, self._with_element.tolist(), strict=True))
        if absent := [name for name, count in counts.items() if count == 0]:
            yield Finding(DOUBT, "elements", "", f"no frame contains {', '.join(absent)}")
        few = [f"{name} {count}" for name, count in counts.items() if 0 < count < _FEW]
        if few and self._nframes >= _MANY:
            yield Finding(
                DOUBT, "elements", "", f"few frames contain these elements: {', '.join(few)}"
            )

    def _labels(self) -> Iterator[Finding]:
        if not self._nonzero["energy"] and not self._nonzero["force"]:
            yield Finding(FAULT, "labels", "", "no frame has an energy or forces")
        for name in ("energy", "virial"):
            for path, nonzero in self._nonzero[name].items():
                if not nonzero:
                    message = (
                        f"every {name} is zero; was the label missing when the data were written?"
                    )
                    yield Finding(DOUBT, "labels", path, message)
        # Those of single systems may be zero by symmetry.
        forces = self._nonzero["force"].values()
        if forces and not any(forces):
            message = "every force is zero; was the label missing when the data were written?"
            yield Finding(DOUBT, "labels", "", message)
