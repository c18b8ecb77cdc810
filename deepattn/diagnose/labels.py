"""Statistics of the labels of a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from deepattn.data import System
from deepattn.progress import tracked
from deepattn.statistics.energy_bias import composition, fit_energies

_ATOMS_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class LabelStatistics:
    """What a data set is like.

    Attributes:
        spreads: Root mean square of the components of the forces (``rmse_f``, eV/Å); RMS residual
            of energies per atom in a fit by composition (``rmse_e``, eV/atom).
        elements: Number of frames that have each element.
        paths: System of each frame that has forces.
        numbers: Number of that frame in its system.
        squares: Sum of its squared forces, (eV/Å)².
        largest: Its largest force, eV/Å.
    """

    spreads: Mapping[str, float]
    elements: Mapping[str, int]
    paths: Sequence[str]
    numbers: np.ndarray
    squares: np.ndarray
    largest: np.ndarray


def label_statistics(systems: Sequence[System], names: Sequence[str]) -> LabelStatistics:
    """Read all frames once.

    Args:
        systems: The systems, with types by ``names``.
        names: Names of the types.

    Raises:
        DataError: A frame cannot be read.
    """
    counts, energies, natoms = [np.zeros((0, len(names)))], [np.zeros(0)], 0
    paths: list[str] = []
    numbers, squares, largest = [np.zeros(0, int)], [np.zeros(0)], [np.zeros(0)]
    with_element = np.zeros(len(names), int)
    for system in tracked(systems, "labels"):
        for frames in system.pieces(_ATOMS_AT_ONCE):
            inputs, labels = system.frames(frames, labels=("energy", "force"))
            number = composition(inputs["atype"], len(names))
            with_element += (number > 0).sum(axis=0)
            known = labels["find_energy"] > 0
            counts.append(number[known])
            energies.append(labels["energy"][known])
            known = labels["find_force"] > 0
            real = (inputs["atype"] >= 0)[known]
            square = np.where(real, (labels["force"][known] ** 2).sum(axis=2), 0.0)
            natoms += int(real.sum())
            paths += [system.path] * int(known.sum())
            numbers.append(frames[known])
            squares.append(square.sum(axis=1))
            largest.append(np.sqrt(square.max(axis=1, initial=0.0)))
    spreads = {}
    if natoms:
        spreads["rmse_f"] = float(np.sqrt(np.concatenate(squares).sum() / (3 * natoms)))
    labeled = np.concatenate(energies)
    if labeled.size:
        spreads["rmse_e"] = fit_energies(np.concatenate(counts), labeled).rmse
    return LabelStatistics(
        spreads=spreads,
        elements=dict(zip(names, with_element.tolist(), strict=True)),
        paths=paths,
        numbers=np.concatenate(numbers),
        squares=np.concatenate(squares),
        largest=np.concatenate(largest),
    )
