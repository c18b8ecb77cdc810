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
        teacher: the teacher.
        student: the last student.
        workdir: the working folder.
        rounds: Results of each round: of its training, exploration and validation.
        reason: why it ended.
        reached: whether the forces are as near to the teacher's as was wanted.
        config: the section ``distill``.
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
        """The student, beside the report."""
        return self.workdir.path(f"student{Path(self.student.name).suffix}")

    @property
    def errors(self) -> dict[str, Any]:
        """Errors of the last student, on frames that it was not trained on."""
        return self.rounds[-1]["verdict"]
