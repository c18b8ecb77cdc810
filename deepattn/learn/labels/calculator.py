"""Labels of an ASE calculator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.calculators.calculator import CalculationFailed, SCFError

from deepattn.distill.potential import Labels, open_calculator
from deepattn.errors import DataError
from deepattn.learn.labels.config import CalculatorConfig
from deepattn.learn.labels.source import LabelSource
from deepattn.learn.labels.store import LabelStore, Unusable
from deepattn.progress import tracked


class CalculatorLabels:
    """An ASE calculator labels one frame after another.

    Args:
        config: The section of the input.

    Raises:
        ConfigError: The callable does not exist or is not valid.
    """

    def __init__(self, config: CalculatorConfig) -> None:
        self.name = config.calculator
        self.settings: dict[str, Any] = {"calculator": config.calculator}
        self._potential = open_calculator(config.calculator)

    def check(self, structures: Sequence[Atoms]) -> None:
        """See `LabelSource`; what a calculator can do is not known."""

    def compute(
        self, frames: Sequence[Atoms], store: LabelStore, folder: Path, *, title: str
    ) -> None:
        """See `LabelSource`."""
        for atoms in tracked(frames, title):
            store.keep(atoms, self._label(atoms))

    def finer(self) -> dict[str, LabelSource]:
        """See `LabelSource`; of a calculator it is not known what could be finer."""
        return {}

    def _label(self, atoms: Atoms) -> Labels | Unusable:
        try:
            return self._potential.evaluate([atoms])[0]
        except SCFError as error:
            return Unusable(f"the electrons did not converge ({_line(error)})")
        except (CalculationFailed, DataError) as error:
            return Unusable(_line(error))


def _line(error: Exception) -> str:
    """The message of an error in a line."""
    return " ".join(str(error).split()) or type(error).__name__
