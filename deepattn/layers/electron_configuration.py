"""Ground-state electron configurations as features of the elements."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase.data import atomic_numbers

_ORBITALS = "1s 2s 2p 3s 3p 3d 4s 4p 4d 4f 5s 5p 5d 5f 6s 6p 6d 7s 7p".split()
_CAPACITY = {"s": 2, "p": 6, "d": 10, "f": 14}
# Order of filling (Madelung's rule) and the elements that depart from it: electrons that sit
# not as in the rule.
_FILLING = "1s 2s 2p 3s 3p 4s 3d 4p 5s 4d 5p 6s 4f 5d 6p 7s 5f 6d 7p".split()
_EXCEPTIONS = {
    "Cr": ("4s 3d", 1),
    "Cu": ("4s 3d", 1),
    "Nb": ("5s 4d", 1),
    "Mo": ("5s 4d", 1),
    "Ru": ("5s 4d", 1),
    "Rh": ("5s 4d", 1),
    "Pd": ("5s 4d", 2),
    "Ag": ("5s 4d", 1),
    "La": ("4f 5d", 1),
    "Ce": ("4f 5d", 1),
    "Gd": ("4f 5d", 1),
    "Pt": ("6s 5d", 1),
    "Au": ("6s 5d", 1),
    "Ac": ("5f 6d", 1),
    "Th": ("5f 6d", 2),
    "Pa": ("5f 6d", 1),
    "U": ("5f 6d", 1),
    "Np": ("5f 6d", 1),
    "Cm": ("5f 6d", 1),
    "Ds": ("7s 6d", 1),
    "Rg": ("7s 6d", 1),
}


def electron_features(type_map: Sequence[str]) -> np.ndarray:
    """Electron configurations of the elements as ``[ntypes, 118]``, rows of length one.

    Each orbital has one entry a spin state, +1 where it holds an electron and -1 where it is
    empty, spin pairs together and filled by Hund's rule; all is divided by ``sqrt(118)``.

    Raises:
        ValueError: A name in ``type_map`` is not that of an element.
    """
    return np.stack([_features(name) for name in type_map])


def _features(name: str) -> np.ndarray:
    occupation = _occupation(name)
    entries = []
    for orbital in _ORBITALS:
        states = _CAPACITY[orbital[-1]] // 2
        electrons = occupation[orbital]
        spins = -np.ones((states, 2))
        spins[: min(electrons, states), 1] = 1.0
        spins[: max(electrons - states, 0), 0] = 1.0
        entries.append(spins.ravel())
    row = np.concatenate(entries)
    return row / np.sqrt(row.size)


def _occupation(name: str) -> dict[str, int]:
    number = atomic_numbers.get(name, 0)
    if not 1 <= number <= 118:
        raise ValueError(f"use_econf_tebd needs element names in type_map, but {name!r} is not one")
    occupation = {}
    for orbital in _FILLING:
        occupation[orbital] = min(number, _CAPACITY[orbital[-1]])
        number -= occupation[orbital]
    if name in _EXCEPTIONS:
        orbitals, electrons = _EXCEPTIONS[name]
        source, target = orbitals.split()
        occupation[source] -= electrons
        occupation[target] += electrons
    return occupation
