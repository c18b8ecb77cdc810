"""Sources of energies, forces and virials: a model file or an ASE calculator."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import NamedTuple, Protocol

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError

from deepattn.errors import ConfigError, DataError
from deepattn.infer import DeepPot
from deepattn.infer.frames import Frames
from deepattn.models import open_model_file


class Labels(NamedTuple):
    """Energy (eV), forces ``[natoms, 3]`` (eV/Å) and virial ``[9]`` (eV) of one frame.

    The virial is None for open boundaries, or if it is unknown.
    """

    energy: float
    force: np.ndarray
    virial: np.ndarray | None


class Potential(Protocol):
    """A teacher or student."""

    @property
    def name(self) -> str:
        """Its name in messages."""

    @property
    def elements(self) -> tuple[str, ...] | None:
        """The elements that it knows; None if it does not say."""

    @property
    def fingerprint(self) -> str:
        """The digest of a model file, or the name of a calculator."""

    def evaluate(self, frames: Sequence[Atoms]) -> list[Labels]:
        """Labels of each frame.

        Raises:
            DataError: A frame cannot be evaluated.
        """


class ModelPotential:
    """A model file; frames of one number of atoms are evaluated together.

    Args:
        path: Any file that `DeepPot` reads, or the name of a published model.
        head: Branch of a multi-task model.

    Attributes:
        file: The file.
    """

    def __init__(self, path: str | os.PathLike, head: str | None = None) -> None:
        self.name = os.fspath(path)
        self.file = open_model_file(path, head)
        self.fingerprint = self.file.digest()
        self._model = DeepPot(self.file)
        self.elements = tuple(self._model.get_type_map())
        self._type_of = {name: i for i, name in enumerate(self.elements)}
        self._first_warning = _First()

    def evaluate(self, frames: Sequence[Atoms]) -> list[Labels]:
        """See `Potential`."""
        labels: dict[int, Labels] = {}
        for members, found in self._evaluate(frames):
            for row, index in enumerate(members):
                tensor = found["virial"][row].astype(np.float64)
                labels[index] = Labels(
                    float(found["energy"][row]),
                    found["force"][row],
                    tensor if frames[index].pbc.all() else None,
                )
        return [labels[index] for index in range(len(frames))]

    def largest_errors(self, frames: Sequence[Atoms]) -> np.ndarray:
        """Largest error of a force in each frame that the model expects of itself, eV/Å.

        Raises:
            ModelFileError: There is no file of its uncertainties beside it.
        """
        largest = np.zeros(len(frames))
        for members, found in self._evaluate(frames, uncertainty=True):
            largest[members] = found["force_error"].max(axis=1)
        return largest

    def descriptors(self, frames: Sequence[Atoms]) -> list[np.ndarray]:
        """The descriptor of every atom of each frame, ``[natoms, width]``."""
        found: dict[int, np.ndarray] = {}
        for members, checked in self._groups(frames):
            found |= dict(zip(members, self._model.evaluate_descriptor(checked), strict=True))
        return [found[index] for index in range(len(frames))]

    def _evaluate(
        self, frames: Sequence[Atoms], *, uncertainty: bool = False
    ) -> Iterator[tuple[list[int], dict[str, np.ndarray]]]:
        """Numbers of frames of as many atoms, and their results."""
        for members, checked in self._groups(frames):
            yield members, self._model.evaluate(checked, uncertainty=uncertainty)

    def _groups(self, frames: Sequence[Atoms]) -> Iterator[tuple[list[int], Frames]]:
        """Numbers of frames of as many atoms, and the frames as the model takes them."""
        groups: dict[tuple[int, bool], list[int]] = {}
        for index, atoms in enumerate(frames):
            groups.setdefault((len(atoms), bool(atoms.pbc.all())), []).append(index)
        for (natoms, periodic), members in groups.items():
            chosen = [frames[index] for index in members]
            checked = self._model.frames(
                np.stack([atoms.positions for atoms in chosen]),
                np.stack([atoms.cell.array.ravel() for atoms in chosen]) if periodic else None,
                np.stack([self._types(atoms) for atoms in chosen]).reshape(-1, natoms),
                mixed_type=True,
            )
            with self._first_warning.alone():
                yield members, checked

    def _types(self, atoms: Atoms) -> list[int]:
        return [self._type_of[symbol] for symbol in atoms.get_chemical_symbols()]


class _First(logging.Filter):
    """Passes only the first warning about too many neighbors, which would repeat in every step."""

    def __init__(self) -> None:
        super().__init__()
        self._passed = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is the first."""
        first, self._passed = not self._passed, True
        return first

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Apply the filter during an evaluation."""
        logger = logging.getLogger("deepattn.infer.checks")
        logger.addFilter(self)
        try:
            yield
        finally:
            logger.removeFilter(self)


class CalculatorPotential:
    """An ASE calculator; frames are evaluated one after another.

    Args:
        calculator: The calculator.
        name: Name in messages and the report.
    """

    elements = None

    def __init__(self, calculator: Calculator, name: str) -> None:
        self.name = self.fingerprint = name
        self._calculator = calculator

    def evaluate(self, frames: Sequence[Atoms]) -> list[Labels]:
        """See `Potential`."""
        return [self._label(atoms.copy()) for atoms in frames]

    def _label(self, atoms: Atoms) -> Labels:
        atoms.calc = self._calculator
        energy, force = atoms.get_potential_energy(), atoms.get_forces()
        if not (np.isfinite(energy) and np.isfinite(force).all()):
            raise DataError(f"{self.name}: returns values that are not finite")
        virial = None
        if atoms.pbc.all():
            try:
                virial = -atoms.get_volume() * atoms.get_stress(voigt=False).ravel()
            except PropertyNotImplementedError:
                pass
        return Labels(float(energy), force, virial)


def open_teacher(teacher: str) -> Potential:
    """Open the teacher that a user names.

    Args:
        teacher: A model file, or ``module:callable``, which is called without arguments and
            returns an ASE calculator; the module is looked for in the working folder too.

    Raises:
        DeepattnError: The file or callable does not exist or is not valid.
    """
    if _is_callable(teacher):
        return open_calculator(teacher)
    return ModelPotential(teacher)


def open_calculator(name: str) -> CalculatorPotential:
    """The ASE calculator of a ``module:callable``.

    Raises:
        ConfigError: It does not exist, or is no calculator.
    """
    return CalculatorPotential(_calculator(name), name)


def _is_callable(teacher: str) -> bool:
    module, colon, name = teacher.partition(":")
    return bool(colon) and name.isidentifier() and all(map(str.isidentifier, module.split(".")))


def _calculator(teacher: str) -> Calculator:
    module, _, name = teacher.partition(":")
    here = os.getcwd()
    if here not in sys.path:  # as it is not for an installed command
        sys.path.append(here)
    try:
        made = getattr(import_module(module), name)()
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{teacher}: the calculator cannot be loaded: {error}") from None
    if not isinstance(made, Calculator):
        raise ConfigError(f"{teacher}: returns a {type(made).__name__}, not an ASE calculator")
    return made
