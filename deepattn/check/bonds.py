"""Test whether forces push the atoms of short bonds apart."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from deepattn.check.neighbors import neighbor_pairs
from deepattn.check.sample import Frame

# Bonds are no longer than this times the sum of covalent radii, nor atoms nearer than that.
_LONGEST = 1.35
_SHORTEST = 0.4
# Deviations are cut at so many times the median one.
_CUT = 3.0
_HYDROGEN = 1
_PARTNERS = (6, 7, 8)


class Bonds(NamedTuple):
    """Correlation of the force along a bond with its length.

    Attributes:
        correlation: Of length and push; near −1 where forces are right.
        significance: Mean of a frame's product over its standard error.
        frames: Number of frames with bonds of different lengths.
        hydrogen: −d(push)/d(length) of bonds of H with C, N, O, eV/Å²; NaN without.
    """

    correlation: float
    significance: float
    frames: int
    hydrogen: float


def measure(frames: list[Frame]) -> Bonds:
    """Compare the bonds of each frame, those of a pair of elements among themselves.

    Each atom has one bond, to the nearest neighbor for its size; the push is half the difference
    of the two forces along it.
    """
    parts = [_of_frame(frame) for frame in frames if np.isfinite(frame.force).all()]
    parts = [part for part in parts if part.shape[1]]
    if not parts:
        return Bonds(0.0, 0.0, 0, np.nan)
    number = np.repeat(np.arange(len(parts)), [part.shape[1] for part in parts])
    length, push, size, has_hydrogen = np.concatenate(parts, axis=1)
    moved = np.abs(length) > 1e-3
    if not (moved & (push != 0)).any():
        return Bonds(0.0, 0.0, 0, np.nan)
    hydrogen = np.nan
    chosen = has_hydrogen > 0
    if np.count_nonzero(chosen & moved) >= 2 * len(parts) and push[chosen].any():
        real = (length * size)[chosen]
        hydrogen = -float(real @ push[chosen] / (real @ real))
    a, b = np.where(moved, _cut(length, moved), 0.0), _cut(push, moved & (push != 0))
    each = np.bincount(number, a * b)[np.bincount(number, moved) > 0]
    error = np.std(each) / np.sqrt(len(each))
    correlation = a @ b / np.sqrt((a @ a) * (b @ b))
    significance = float(np.mean(each) / error) if error > 0 else 0.0
    return Bonds(float(correlation), significance, len(each), hydrogen)


def _cut(values: np.ndarray, reliable: np.ndarray) -> np.ndarray:
    typical = np.median(np.abs(values[reliable]))
    return np.clip(values / typical, -_CUT, _CUT)


def _of_frame(frame: Frame) -> np.ndarray:
    """Relative length and push less their means, sum of radii (Å), whether of H: ``[4, n]``."""
    radii, numbers = frame.radii, frame.atoms.numbers
    i, j, distance, vector = neighbor_pairs(frame.atoms, _LONGEST * 2 * float(radii.max()))
    ratio = distance / (radii[i] + radii[j])
    keep = (ratio < _LONGEST) & (ratio > _SHORTEST) & (i != j)
    i, j, distance, vector, ratio = (x[keep] for x in (i, j, distance, vector, ratio))
    order = np.lexsort([ratio, i])
    order = order[np.unique(i[order], return_index=True)[1]]
    i, j, distance, vector, ratio = (x[order] for x in (i, j, distance, vector, ratio))
    push = np.sum((frame.force[j] - frame.force[i]) * vector, axis=1) / (2 * distance)
    low, high = np.minimum(numbers[i], numbers[j]), np.maximum(numbers[i], numbers[j])
    _, pair = np.unique(1000 * low + high, return_inverse=True)
    many = np.bincount(pair)
    length = ratio - (np.bincount(pair, ratio) / np.maximum(many, 1))[pair]
    push = push - (np.bincount(pair, push) / np.maximum(many, 1))[pair]
    hydrogen = (low == _HYDROGEN) & np.isin(high, _PARTNERS)
    return np.stack([length, push, radii[i] + radii[j], hydrogen])
