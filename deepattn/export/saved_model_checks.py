"""Models of energies that cannot be written as SavedModels."""

from __future__ import annotations

from pathlib import Path

from deepattn.errors import ConfigError
from deepattn.models.energy_model import EnergyModel


def refuse_unwritable(model: EnergyModel, path: str | Path) -> None:
    """Refuse models that DeePMD-kit does not have as SavedModels.

    Raises:
        ConfigError: The model is one of them.
    """
    if model.special:
        raise ConfigError(
            f"{path}: models {model.special} cannot be written as SavedModels, which DeePMD-kit "
            "does not have; write a file of another kind, such as .pb or .pt."
        )


def check_parallel(model: EnergyModel, path: str | Path) -> None:
    """Refuse models that need no file for several processes, or cannot have one.

    Raises:
        ConfigError: The model is one of them.
    """
    if not model.descriptor.passes_messages:
        raise ConfigError(
            f"{path}: several processes run this model as it is, since it passes no messages; omit "
            "--parallel."
        )
    obstacle = model.descriptor.why_not_parallel()
    if obstacle is not None:
        raise ConfigError(
            f"{path}: cannot be written for several processes, because {obstacle}; omit --parallel."
        )
