"""Dispersion energies of D3, by the package dftd3."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from ase.geometry import complete_cell
from ase.units import Bohr, Hartree

from deepattn.errors import ConfigError, DataError, show

# The last element with dispersion coefficients, lawrencium.
_LAST = 103
# Classes of dftd3 by the names that its users have for the damping.
_DAMPINGS = {"bj": "RationalDampingParam", "zero": "ZeroDampingParam"}


class DispersionEnergy(NamedTuple):
    """A dispersion energy.

    Attributes:
        energies: Of each atom, a half of those of its pairs, eV.
        forces: ``[natoms, 3]``, eV/Å.
        virial: -∂E/∂ε, ``[3, 3]``, eV.
    """

    energies: np.ndarray
    forces: np.ndarray
    virial: np.ndarray


class Dispersion:
    """The two-body dispersion energy D3 of atoms.

    Reference: S. Grimme et al., J. Chem. Phys. 132, 154104 (2010); J. Comput. Chem. 32, 1456
    (2011).

    Args:
        functional: The functional that the energies are added to, such as ``pbe``.
        damping: ``bj``, of Becke and Johnson, or ``zero``.

    Raises:
        ConfigError: dftd3 is not installed, or has no parameters for it.
    """

    def __init__(self, functional: str, damping: str = "bj") -> None:
        if damping not in _DAMPINGS:
            raise ConfigError(
                f"the damping of D3 is {show(damping)}; it must be {' or '.join(_DAMPINGS)}."
            )
        self._package = _dftd3()
        try:
            self._parameters = getattr(self._package, _DAMPINGS[damping])(method=functional)
        except RuntimeError as error:
            raise ConfigError(
                f"dftd3 has no parameters of D3 for the functional {show(functional)} with the "
                f"damping {damping}: {error}."
            ) from None

    def evaluate(self, atoms: Atoms) -> DispersionEnergy:
        """The dispersion energy of atoms.

        Raises:
            DataError: dftd3 does not know an element, or cannot evaluate the atoms.
        """
        numbers = [number for number in set(atoms.numbers) if not 0 < number <= _LAST]
        unknown = sorted(chemical_symbols[number] for number in numbers)
        if unknown:
            # dftd3 would leave them out without a word.
            raise DataError(f"D3 has no dispersion coefficients for {', '.join(unknown)}")
        try:
            model = self._package.DispersionModel(
                atoms.numbers,
                atoms.positions / Bohr,
                np.array(complete_cell(atoms.cell)) / Bohr if atoms.pbc.any() else None,
                np.array(atoms.pbc) if atoms.pbc.any() else None,
            )
            found = model.get_dispersion(self._parameters, grad=True)
            pairs = model.get_pairwise_dispersion(self._parameters)
        except (RuntimeError, ValueError) as error:
            raise DataError(f"dftd3 cannot evaluate the atoms: {error}") from None
        of_pairs = pairs["additive pairwise energy"] + pairs["non-additive pairwise energy"]
        return DispersionEnergy(
            of_pairs.sum(axis=1) * Hartree,
            -found["gradient"] * Hartree / Bohr,
            -found["virial"] * Hartree,
        )


def _dftd3() -> Any:
    try:
        import dftd3.interface
    except ImportError:
        raise ConfigError("dispersion by D3 needs dftd3: pip install dftd3.") from None
    return dftd3.interface
