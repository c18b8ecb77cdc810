"""The learning curve of one task, and means over parts of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from deepattn.config.loss import TOTAL

_SETS = {"train": "_trn", "valid": "_val"}
# Lines from which on the shape of a curve can be judged.
ENOUGH = 20
_BLOCKS = 10
# Metrics that the rules look at, the first that the curve has; word, factor and unit.
UNITS = {
    "rmse_f": ("forces", 1e3, "meV/Å"),
    "rmse_e": ("energies", 1e3, "meV/atom"),
    "rmse_v": ("virials", 1e3, "meV/atom"),
}


@dataclass(frozen=True)
class Curve:
    """Errors against steps.

    Attributes:
        step: Steps, ``[n]``.
        rate: Learning rates, ``[n]``; empty if the file has none.
        train: Errors of training batches by metric (``rmse_f``), ``[n]``; those with a number
            somewhere.
        valid: The same for the validation data.
    """

    step: np.ndarray
    rate: np.ndarray
    train: Mapping[str, np.ndarray]
    valid: Mapping[str, np.ndarray]

    @classmethod
    def of_task(cls, columns: Mapping[str, np.ndarray], ending: str = "") -> Curve:
        """The columns of a task; ``ending`` is ``_`` and the name of a branch."""
        found: dict[str, dict[str, np.ndarray]] = {}
        for name, suffix in _SETS.items():
            whole = f"{suffix}{ending}"
            found[name] = {
                column.removesuffix(whole): values
                for column, values in columns.items()
                if column.endswith(whole) and column.startswith(TOTAL.name)
            }
            found[name] = {
                metric: values
                for metric, values in found[name].items()
                if metric == TOTAL.name or np.isfinite(values).any()
            }
        rate = columns.get("lr", np.zeros(0))
        return cls(columns["step"], rate, found["train"], found["valid"])

    @property
    def last(self) -> int:
        """The last step."""
        return int(self.step[-1])

    @property
    def long(self) -> bool:
        """Whether there are enough lines to judge its shape."""
        return len(self.step) >= ENOUGH

    @property
    def metric(self) -> str | None:
        """The metric that the rules judge: that of the forces if there are any."""
        return next((name for name in UNITS if name in self.train), None)

    def errors(self, metric: str) -> np.ndarray:
        """Errors of the validation data, or of training batches if there are none."""
        return self.valid.get(metric, self.train[metric])


def blocks(values: np.ndarray) -> np.ndarray:
    """Means over ten parts, without what is not finite."""
    means = []
    for part in np.array_split(values, _BLOCKS):
        finite = part[np.isfinite(part)]
        means.append(finite.mean() if finite.size else np.nan)
    return np.array(means)


def at_end(values: np.ndarray) -> float:
    """Mean over the last tenth, but at least three lines."""
    finite = values[np.isfinite(values)]
    return float(finite[-max(3, len(finite) // _BLOCKS) :].mean()) if finite.size else np.nan


def shown(metric: str, error: float) -> str:
    """An error with its unit."""
    _, factor, unit = UNITS[metric]
    return f"{factor * error:.3g} {unit}"


def words(metric: str) -> str:
    """The quantity of a metric."""
    return UNITS[metric][0]
