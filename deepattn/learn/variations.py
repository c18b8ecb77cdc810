"""Variations of structures: other volumes, vacancies, surfaces, other compositions."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence

import numpy as np
from ase import Atoms
from ase.build import surface

from deepattn.distill.overlap import too_close
from deepattn.learn.config import VariationsConfig

log = logging.getLogger(__name__)

# How often a composition whose atoms are too close is drawn again.
_TRIES = 20


def vary(
    structures: Sequence[Atoms], config: VariationsConfig, *, closest: float, seed: int
) -> list[Atoms]:
    """The structures and their variations.

    Args:
        structures: The structures.
        config: What is made of each.
        closest: See `too_close`; variations with closer atoms are left out.
        seed: Of vacancies and compositions.
    """
    random = np.random.default_rng(seed)
    elements = np.unique(np.concatenate([atoms.numbers for atoms in structures]))
    varied, large = list(structures), 0
    for atoms in structures:
        for variation in (
            *_volumes(atoms, config),
            *_vacancies(atoms, config.vacancies, random),
            *_surfaces(atoms, config),
            *_exchanges(atoms, config.exchanges, elements, closest, random),
        ):
            if len(variation) > config.most_atoms:
                large += 1
            elif not too_close(variation, closest):
                varied.append(variation)
    if large:
        log.warning(
            "variations with more than learn/variations/most_atoms (%d) atoms are left out: %d",
            config.most_atoms,
            large,
        )
    return varied


def _volumes(atoms: Atoms, config: VariationsConfig) -> Iterator[Atoms]:
    if atoms.pbc.all():
        for strain in config.volumes:
            strained = atoms.copy()
            strained.set_cell(atoms.cell * (1 + strain), scale_atoms=True)
            yield strained


def _vacancies(atoms: Atoms, count: int, random: np.random.Generator) -> Iterator[Atoms]:
    if len(atoms) > 1:
        for place in random.permutation(len(atoms))[:count]:
            left = atoms.copy()
            del left[int(place)]
            yield left


def _surfaces(atoms: Atoms, config: VariationsConfig) -> Iterator[Atoms]:
    if not atoms.pbc.all():
        return
    for indices in config.surfaces:
        one = surface(atoms, indices, 1, vacuum=None, periodic=True)
        # The height of a layer, from the cell: atoms of a layer may lie in one plane.
        height = atoms.get_volume() / np.linalg.norm(np.cross(one.cell[0], one.cell[1]))
        layers = max(1, math.ceil(config.thickness / height))
        slab = surface(atoms, indices, layers, vacuum=config.vacuum / 2, periodic=True)
        yield Atoms(slab.numbers, slab.positions, cell=slab.cell, pbc=True)


def _exchanges(
    atoms: Atoms, count: int, elements: np.ndarray, closest: float, random: np.random.Generator
) -> Iterator[Atoms]:
    if len(elements) < 2:
        return
    for _ in range(count):
        for _ in range(_TRIES):
            other = atoms.copy()
            other.numbers = random.choice(elements, len(atoms))
            if not too_close(other, closest):
                yield other
                break
