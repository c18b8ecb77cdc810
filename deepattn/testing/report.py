"""All checks of one model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from deepattn.errors import ConfigError
from deepattn.models import EnergyModel, ModelFile, open_model_file
from deepattn.testing.check import Check
from deepattn.testing.continuity import check_continuity
from deepattn.testing.derivatives import check_atom_energies, check_forces, check_virial
from deepattn.testing.evaluate import Evaluate, evaluator
from deepattn.testing.frames import Frame, random_frames
from deepattn.testing.symmetries import (
    check_extensivity,
    check_permutation,
    check_rotation,
    check_supercell,
    check_translation,
    check_virtual_atoms,
)
from deepattn.testing.training import check_training_gradient

CHECKS = (
    "forces",
    "virial",
    "atom_energies",
    "translation",
    "rotation",
    "permutation",
    "supercell",
    "extensivity",
    "virtual_atoms",
    "continuity",
    "training_gradient",
)
"""Names of all checks, in their order."""

# Options of the checks. Energies in single precision are coarse: wider steps, and fewer digits.
_EXACT = (
    "atom_energies",
    "translation",
    "rotation",
    "permutation",
    "supercell",
    "extensivity",
    "virtual_atoms",
    "continuity",
)
_OPTIONS: dict[str, dict[str, dict[str, float]]] = {
    "float64": {},
    "float32": {
        "forces": {"step": 1e-2, "tolerance": 1e-2},
        "virial": {"step": 1e-3, "tolerance": 1e-1},
        "training_gradient": {"step": 5e-3, "tolerance": 1e-2},
        **{name: {"tolerance": 2e-5} for name in _EXACT},
    },
}


@dataclass(frozen=True)
class Report:
    """Results of the checks of a model; its text is a table."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def failures(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if not check.passed)

    def __str__(self) -> str:
        lines = [str(check) for check in self.checks]
        summary = f"{len(self.checks) - len(self.failures)} of {len(self.checks)} checks passed"
        return "\n".join([*lines, summary])


def check_model(
    model: EnergyModel | ModelFile | str | Path | Evaluate,
    *,
    frames: Sequence[Frame] | None = None,
    ntypes: int | None = None,
    rcut: float | None = None,
    fparam: Sequence[float] = (),
    aparam: Sequence[float] = (),
    skip: Sequence[str] = (),
) -> Report:
    """Check that a model is a potential: forces, symmetries, extensivity, smoothness, gradients.

    A model with weights in single precision is held to what single precision can show.

    Args:
        model: An `EnergyModel`, a model file or its path, or a function
            ``evaluate(coord, atype, box)`` (see `evaluator`).
        frames: Configurations; by default `random_frames`.
        ntypes: Number of types; only for a function.
        rcut: Cutoff radius, Å; only for a function.
        fparam: Frame parameters of a model that has them.
        aparam: Atomic parameters, the same for every atom, of a model that has them.
        skip: Names out of `CHECKS` to leave out.

    Raises:
        ValueError: An unknown name in ``skip``, or a function without ``ntypes`` and ``rcut``.

    Example:
        >>> report = check_model("frozen_model.pb")
        >>> assert report.passed, report
    """
    if unknown := sorted(set(skip) - set(CHECKS)):
        raise ValueError(f"skip names {unknown}; the checks are {list(CHECKS)}")
    if isinstance(model, str | Path):
        model = open_model_file(model)
    evaluate = evaluator(model, fparam=fparam, aparam=aparam)
    keras_model = model.build() if isinstance(model, ModelFile) else model
    precision = "float64"
    if isinstance(keras_model, EnergyModel) and keras_model.unchecked:
        raise ConfigError(
            f"a model {keras_model.special} cannot be checked: {keras_model.unchecked}."
        )
    if isinstance(keras_model, EnergyModel):
        ntypes, rcut = keras_model.ntypes, keras_model.rcut
        if any(variable.dtype == "float32" for variable in keras_model.weights):
            precision = "float32"
    elif ntypes is None or rcut is None:
        raise ValueError("the number of types and the cutoff of a function are unknown: pass both")
    frames = random_frames(ntypes, rcut) if frames is None else frames
    checks: dict[str, Callable[..., Check]] = {
        "forces": partial(check_forces, evaluate),
        "virial": partial(check_virial, evaluate),
        "atom_energies": partial(check_atom_energies, evaluate),
        "translation": partial(check_translation, evaluate),
        "rotation": partial(check_rotation, evaluate),
        "permutation": partial(check_permutation, evaluate),
        "supercell": partial(check_supercell, evaluate),
        "extensivity": partial(check_extensivity, evaluate, rcut=rcut),
        "virtual_atoms": partial(check_virtual_atoms, evaluate),
        "training_gradient": partial(
            check_training_gradient, keras_model, fparam=fparam, aparam=aparam
        ),
    }
    outcomes = []
    for name in CHECKS:
        options = _OPTIONS[precision].get(name, {})
        if name in skip:
            continue
        if name == "continuity":
            outcomes.append(check_continuity(evaluate, rcut=rcut, ntypes=ntypes, **options))
            continue
        chosen = _frames_for(name, frames, keras_model)
        outcomes += [checks[name](frame, **options) for frame in chosen]
    return Report(tuple(outcomes))


def _frames_for(name: str, frames: Sequence[Frame], model: object) -> Sequence[Frame]:
    """The configurations that a check is defined for."""
    if name == "supercell":
        return [frame for frame in frames if frame.box is not None]
    if name == "extensivity":
        return [frame for frame in frames if frame.box is None]
    if name == "training_gradient":
        # The most expensive check, and boundaries make no difference to it.
        return frames[:1] if isinstance(model, EnergyModel) else []
    return frames
