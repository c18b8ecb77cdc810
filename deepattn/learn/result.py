"""Results of a loop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deepattn.distill.potential import ModelPotential
from deepattn.distill.rounds import folder_of
from deepattn.distill.workdir import WorkDir
from deepattn.learn.config import LearnConfig


@dataclass(frozen=True)
class LearnResult:
    """Results of a loop.

    Attributes:
        labels: Name of the source of labels.
        model: The last model.
        workdir: The working folder.
        rounds: Results of each round: of its training, exploration and validation.
        checks: Changes of the first labels by finer settings, see `check_settings`.
        reason: Why there was no further round.
        reached: Whether the force error is below the threshold.
        config: The section ``learn``.
        student: The student of the last model, if one was wanted.
    """

    labels: str
    model: ModelPotential
    workdir: WorkDir
    rounds: list[dict[str, dict[str, Any]]]
    checks: dict[str, Any]
    reason: str
    reached: bool
    config: LearnConfig
    student: ModelPotential | None = None

    @property
    def path(self) -> Path:
        """Path of the model, next to the report."""
        return self.workdir.path(f"model{Path(self.model.name).suffix}")

    @property
    def published(self) -> str:
        """The stage that writes the labeled data, anew after further rounds."""
        return f"{folder_of(len(self.rounds) - 1)}/published"

    @property
    def errors(self) -> dict[str, Any]:
        """Errors of the last model, on frames that it was not trained on."""
        return self.rounds[-1]["verdict"]

    def with_student(self, student: ModelPotential) -> LearnResult:
        """The same with a student."""
        return replace(self, student=student)
