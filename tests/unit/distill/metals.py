"""Alloys of EMT, the fastest teacher there is, and frames of them."""

import numpy as np
from ase.build import bulk
from ase.calculators.emt import EMT

from deepattn.distill.potential import CalculatorPotential


def emt():
    """A ``module:callable`` as a user writes it."""
    return EMT()


def teacher():
    return CalculatorPotential(EMT(), "EMT")


def alloy(seed=0, element="Au"):
    """Four atoms of copper and another metal in a cell of fcc."""
    atoms = bulk("Cu", cubic=True, a=3.8)
    atoms.symbols[np.random.default_rng(seed).permutation(4)[:2]] = element
    return atoms


def rattled(count, seed=0):
    frames = [alloy(k) for k in range(count)]
    for k, atoms in enumerate(frames):
        atoms.rattle(0.1, seed=seed + k)
    return frames
