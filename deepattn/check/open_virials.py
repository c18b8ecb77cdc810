"""Virials in open boundaries, which are those of the forces: Ξ = Σ r ⊗ f."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from deepattn.check.factors import explain
from deepattn.check.finding import FAULT, Finding
from deepattn.check.piece import Piece

# Mean force on an atom, eV/Å, below which the virial does not depend on the origin.
_NET = 1e-3
# Codes and rounding agree to less than this; codes that print no virial of a molecule write zeros.
_PART = 0.05
_RIGHT = 0.95
_LEAST = 1e-3  # eV/atom
_NAMED = 1.1


class OpenVirials:
    """Virials of molecules that are not those of their forces."""

    def __init__(self) -> None:
        self._found: dict[str, list[tuple[int, np.ndarray, np.ndarray]]] = {}

    def add(self, piece: Piece) -> None:
        """Process some frames."""
        if piece.periodic:
            return
        force = np.where(piece.real[:, :, None], piece.force, 0.0)
        coord = np.where(piece.real[:, :, None], piece.coord, 0.0)
        middle = coord.sum(axis=1) / piece.natoms[:, None]
        coord = np.where(piece.real[:, :, None], coord - middle[:, None], 0.0)
        expected = np.einsum("nia,nib->nab", coord, force).reshape(len(force), 9)
        net = np.linalg.norm(force.sum(axis=1), axis=1)
        known = np.isfinite(piece.virial).all(axis=1) & piece.virial.any(axis=1)
        known &= np.isfinite(net) & (net < _NET * piece.natoms)
        known &= np.abs(expected).max(axis=1) > _LEAST * piece.natoms
        for row in np.flatnonzero(known):
            item = (int(piece.frames[row]), piece.virial[row], expected[row])
            self._found.setdefault(piece.path, []).append(item)

    def report(self) -> Iterator[Finding]:
        """The findings."""
        for path, items in self._found.items():
            labels, expected = (np.array([item[k] for item in items]) for k in (1, 2))
            away = np.linalg.norm(labels - expected, axis=1)
            bad = away > _PART * np.linalg.norm(expected, axis=1)
            if not bad.any():
                continue
            frames = tuple(item[0] for item, wrong in zip(items, bad, strict=True) if wrong)
            a, b = labels[bad].ravel(), expected[bad].ravel()
            goes_with = a @ b / np.sqrt((a @ a) * (b @ b)) if a.any() else 0.0
            message = (
                f"the virial of frame {frames[0]} is not Σ r⊗f, as it must be with open boundaries"
            )
            if len(frames) > 1:
                message += f"; {len(frames) - 1} more frames like it"
            if abs(goes_with) > _RIGHT:
                ratio = float(a @ b / (b @ b))
                looks = explain("virial", 1 / ratio, against="force", within=_NAMED)
                message += f"; it is {ratio:.3g} times that; {looks}"
            yield Finding(FAULT, "units", path, message, frames)
