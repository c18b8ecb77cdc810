"""What the data have no samples of."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from deepattn.check.finding import DOUBT, FAULT, Finding
from deepattn.check.piece import Piece

_FEW = 10


class Coverage:
    """Elements without samples or with few, labels that are missing or all zero.

    Args:
        type_map: names of the types.
    """

    def __init__(self, type_map: list[str]) -> None:
        self._type_map = type_map
        self._nframes = 0
        self._with_element = np.zeros(len(type_map), np.int64)
        self._labelled = {"energy": 0, "force": 0, "virial": 0}
        self._nonzero = dict(self._labelled)

    def add(self, piece: Piece) -> None:
        """Look at some frames."""
        self._nframes += len(piece.frames)
        for kind in range(len(self._type_map)):
            self._with_element[kind] += (piece.atype == kind).any(axis=1).sum()
        for name in self._labelled:
            values = getattr(piece, name).reshape(len(piece.frames), -1)
            self._labelled[name] += int(np.isfinite(values).any(axis=1).sum())
            self._nonzero[name] += int(np.nan_to_num(values).any(axis=1).sum())

    def report(self) -> Iterator[Finding]:
        """What was found."""
        counts = dict(zip(self._type_map, self._with_element.tolist(), strict=True))
        if absent := [name for name, count in counts.items() if count == 0]:
            yield self._doubt(f"no frame has an atom of {', '.join(absent)}")
        if few := [f"{name} {count}" for name, count in counts.items() if 0 < count < _FEW]:
            yield self._doubt(f"few frames have these elements: {', '.join(few)}")
        if self._nframes and not self._labelled["energy"] and not self._labelled["force"]:
            yield Finding(FAULT, "labels", "", "no frame has an energy or forces")
        for name, labelled in self._labelled.items():
            if labelled and not self._nonzero[name]:
                yield Finding(FAULT, "labels", "", f"every {name} is zero; were there labels?")

    def _doubt(self, message: str) -> Finding:
        return Finding(DOUBT, "elements", "", message)
