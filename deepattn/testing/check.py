"""The outcome of one check."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Check:
    """Result of a check.

    Args:
        name: The law that was checked.
        where: The configuration.
        error: Largest violation found, in ``unit``.
        tolerance: Largest violation allowed.
        unit: Of both.
        detail: Where the largest violation is.
    """

    name: str
    where: str
    error: float
    tolerance: float
    unit: str
    detail: str = ""

    @property
    def passed(self) -> bool:
        # Written so that NaN fails.
        return bool(self.error <= self.tolerance)

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        verdict = "ok" if self.passed else "FAILED"
        line = (
            f"{verdict:6s}  {self.name:20s}  {self.where:10s}  "
            f"{self.error:9.2e} {self.unit} (allowed {self.tolerance:.0e})"
        )
        return f"{line}; {self.detail}" if self.detail and not self.passed else line


def largest(difference: np.ndarray) -> float:
    """Largest absolute element; NaN if there is one."""
    return float(np.max(np.abs(difference), initial=0.0))
