"""A cause of large errors."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cause:
    """One sentence: the evidence, and what to do.

    Attributes:
        name: Name of the cause.
        likelihood: From 0 to 1, how likely it explains the errors; a rank, not a probability.
        message: The sentence.
        task: Branch of a multi-task training; empty in others.
    """

    name: str
    likelihood: float
    message: str
    task: str = ""

    def __str__(self) -> str:
        where = f"{self.task}: " if self.task else ""
        return f"{where}{self.name}: {self.message}"
