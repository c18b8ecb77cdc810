"""Results of a distillation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepattn.distill.config import DistillConfig
from deepattn.distill.potential import ModelPotential, Potential
from deepattn.distill.workdir import WorkDir


@dataclass(frozen=True)
class DistillResult:
    """Results of a distillation.

    Attributes:
        teacher: The teacher.
        student: The last student.
        workdir: The working folder.
        rounds: Results of each round: of its training, exploration and validation.
        reason: Why the distillation ended.
        reached: Whether the force error is below the threshold.
        config: The section ``distill``.
    """

    teacher: Potential
    student: ModelPotential
    workdir: WorkDir
    rounds: list[dict[str, dict[str, Any]]]
    reason: str
    reached: bool
    config: DistillConfig

    @property
    def path(self) -> Path:
        """Path of the student, next to the report."""
        return self.workdir.path(f"student{Path(self.student.name).suffix}")

    @property
    def errors(self) -> dict[str, Any]:
        """Errors of the last student, on frames that it was not trained on."""
        return self.rounds[-1]["verdict"]
