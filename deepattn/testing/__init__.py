"""Is this model a potential? Checks that anyone can run on a model of theirs.

``check_model(model)`` runs them all; ``deepattn check-model`` does so for a file.
Every check is also a function of its own, of anything that evaluates configurations.
"""

import deepattn.keras_backend  # noqa: F401
from deepattn.testing.check import Check
from deepattn.testing.continuity import check_continuity
from deepattn.testing.derivatives import check_atom_energies, check_forces, check_virial
from deepattn.testing.evaluate import Evaluate, Values, evaluator
from deepattn.testing.frames import Frame, random_frames
from deepattn.testing.observables import check_observable
from deepattn.testing.report import CHECKS, Report, check_model
from deepattn.testing.symmetries import (
    check_extensivity,
    check_permutation,
    check_rotation,
    check_supercell,
    check_translation,
    check_virtual_atoms,
)
from deepattn.testing.training import check_training_gradient

__all__ = [
    "CHECKS",
    "Check",
    "Evaluate",
    "Frame",
    "Report",
    "Values",
    "check_atom_energies",
    "check_continuity",
    "check_extensivity",
    "check_forces",
    "check_model",
    "check_observable",
    "check_permutation",
    "check_rotation",
    "check_supercell",
    "check_training_gradient",
    "check_translation",
    "check_virial",
    "check_virtual_atoms",
    "evaluator",
    "random_frames",
]
