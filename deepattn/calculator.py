"""An ASE calculator for models of deepattn and DeePMD-kit."""

import os
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes
from ase.geometry import complete_cell
from ase.neighborlist import NewPrimitiveNeighborList

from deepattn.dispersion import Dispersion
from deepattn.errors import DataError, ModelFileError
from deepattn.infer import DeepPot
from deepattn.models import ModelFile

# Names of further results of ASE, and what they are in `DeepPot.evaluate`.
_UNCERTAINTIES = {"force_errors": "force_error", "distances": "distance"}


class DP(Calculator):
    """Energies, forces and stresses of a model file.

    Boundaries are those of the atoms: each of the three directions may be periodic or open.
    Frame and atomic parameters are taken from ``atoms.info["fparam"]`` and
    ``atoms.info["aparam"]``. In addition to ASE's properties there is ``virial``, the 3 × 3 matrix
    Σ r ⊗ f in eV, positive under compression.

    Args:
        model: A model file, as for :class:`~deepattn.infer.DeepPot`.
        label: Name of the calculator.
        type_dict: Number of the type that each chemical symbol stands for; by default the
            symbols are the model's type names.
        neighbor_list: ASE's ``NewPrimitiveNeighborList`` that finds the neighbors; by default
            the model does.
        head: Name or alias of the branch of a multi-task checkpoint.
        uncertainty: Whether there are two more results of every atom: ``force_errors``, the
            expected error of its force in eV/Å, and ``distances`` from the training data, as of
            :meth:`~deepattn.infer.DeepPot.eval_uncertainty`; or the file of the uncertainties.
        d3: Functional, such as ``"pbe"``, whose D3 dispersion is added to the model's results, by
            the package dftd3; None for none. The model must have been trained without.
        d3_damping: Damping of the dispersion: ``"bj"`` or ``"zero"``.
        **kwargs: Further arguments of ASE's ``Calculator``.

    Example:
        >>> atoms.calc = DP("frozen_model.pb")
        >>> atoms.get_potential_energy()
    """

    name = "DP"
    implemented_properties: ClassVar[list[str]] = [
        "energy",
        "free_energy",
        "energies",
        "forces",
        "stress",
        "virial",
    ]

    def __init__(
        self,
        model: str | os.PathLike | ModelFile,
        label: str = "DP",
        type_dict: dict[str, int] | None = None,
        neighbor_list: NewPrimitiveNeighborList | None = None,
        head: str | None = None,
        uncertainty: bool | str | os.PathLike = False,
        d3: str | None = None,
        d3_damping: str = "bj",
        **kwargs: Any,
    ):
        super().__init__(label=label, **kwargs)
        self._dispersion = None if d3 is None else Dispersion(d3, d3_damping)
        path = None if isinstance(uncertainty, bool) else uncertainty
        self.dp = DeepPot(model, neighbor_list=neighbor_list, head=head, uncertainty=path)
        self._estimates = bool(uncertainty)
        if self._estimates:
            self.dp.uncertainty  # noqa: B018  # is it there?
            own = [*type(self).implemented_properties, *_UNCERTAINTIES]
            self.implemented_properties = own  # type: ignore[misc]  # as ASE's own calculators do
        names = self.dp.get_type_map()
        if not (names or type_dict):
            raise ModelFileError(
                f"{model}: has no type map, so elements cannot be assigned to types; pass "
                'type_dict, such as DP(model, type_dict={"O": 0, "H": 1})'
            )
        self.type_dict = type_dict or {name: i for i, name in enumerate(names)}

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Evaluate the model; everything but the stress of open systems is always there.

        Args:
            atoms: The atoms; those of the last call by default.
            properties: Requested properties.
            system_changes: Changes since the last call; ignored, as everything is evaluated.

        Raises:
            DataError: If the model does not know an element, or the atoms cannot be evaluated.
            PropertyNotImplementedError: If the stress of a system with an open boundary in all
                three directions is asked for.
        """
        super().calculate(atoms, properties, system_changes)
        atoms = self.atoms
        periodic = atoms.pbc.any()
        if "stress" in properties and not periodic:
            raise PropertyNotImplementedError("a system without a periodic direction has no stress")
        if periodic and self.dp.get_rcut() < 0:
            raise DataError(
                "the atoms are periodic, but the model does not see periodic images; set atoms.pbc "
                "to False"
            )
        frames = self.dp.frames(
            atoms.positions,
            _cell(atoms, self.dp.get_rcut()) if periodic else None,
            self._types(atoms),
            fparam=atoms.info.get("fparam"),
            aparam=atoms.info.get("aparam"),
        )
        found = self.dp.evaluate(frames, atomic=True, uncertainty=self._estimates)
        virial = found["virial"][0].reshape(3, 3).astype(np.float64)
        self.results = {
            "energy": float(found["energy"][0]),
            "free_energy": float(found["energy"][0]),
            "energies": found["atom_energy"][0],
            "forces": found["force"][0],
            "virial": virial,
        }
        if self._estimates:
            for name, key in _UNCERTAINTIES.items():
                self.results[name] = found[key][0]
        if self._dispersion is not None:
            added = self._dispersion.evaluate(atoms)
            for name in ("energy", "free_energy"):
                self.results[name] += float(added.energies.sum())
            self.results["energies"] = self.results["energies"] + added.energies
            self.results["forces"] = self.results["forces"] + added.forces
            virial = self.results["virial"] = virial + added.virial
        if periodic:
            volume = abs(np.linalg.det(complete_cell(atoms.cell)))
            stress = -0.5 * (virial + virial.T) / volume
            self.results["stress"] = stress.flat[[0, 4, 8, 5, 2, 1]]

    def _types(self, atoms: Atoms) -> list[int]:
        symbols = atoms.get_chemical_symbols()
        unknown = sorted(set(symbols) - set(self.type_dict))
        if unknown:
            raise DataError(
                f"the model has no type for {', '.join(unknown)}; its elements are "
                f"{' '.join(self.type_dict)}"
            )
        return [self.type_dict[symbol] for symbol in symbols]


def _cell(atoms: Atoms, rcut: float) -> np.ndarray:
    """Give the cell, grown in open directions until images are out of each other's reach."""
    cell = np.array(complete_cell(atoms.cell))
    for i in np.flatnonzero(~atoms.pbc):
        normal = np.cross(cell[i - 2], cell[i - 1])
        normal /= np.linalg.norm(normal)
        height = np.ptp(atoms.positions @ normal) + 2 * rcut
        cell[i] = normal * height
    return cell
