"""The stages of a distillation, each kept in the working folder."""

from __future__ import annotations

from typing import Any

from ase import Atoms

from deepattn.distill.config import DistillConfig
from deepattn.distill.label import TeacherLabeler
from deepattn.distill.potential import Potential
from deepattn.distill.report import write_report
from deepattn.distill.result import DistillResult
from deepattn.distill.rounds import Rounds, copy_model
from deepattn.distill.validate import is_enough
from deepattn.distill.workdir import WorkDir


class Distillation(Rounds):
    """A distillation; `run` executes all stages that are not done.

    Args:
        teacher: The teacher.
        structures: Where dynamics starts.
        config: The section ``distill``.
        student: The student's input.
        workdir: The working folder.
    """

    noun = "student"
    labels_all = True
    config: DistillConfig

    def __init__(
        self,
        teacher: Potential,
        structures: list[Atoms],
        config: DistillConfig,
        student: dict[str, Any],
        workdir: WorkDir,
    ) -> None:
        super().__init__(TeacherLabeler(teacher), structures, config, student, workdir)
        self.teacher = teacher

    def run(self) -> DistillResult:
        """Execute all stages that are not done."""
        rounds, reason = self.run_rounds()
        result = DistillResult(
            teacher=self.teacher,
            student=self.trained(len(rounds) - 1),
            workdir=self.workdir,
            rounds=rounds,
            reason=reason,
            reached=is_enough(rounds[-1]["verdict"]["force"], self.config.threshold),
            config=self.config,
        )
        copy_model(result.student, result.path)
        write_report(result)
        return result

    def seed(self) -> tuple[list[Atoms], dict[str, Any]]:
        """Copies of the structures, and the teacher's dynamics."""
        return self.first_frames(self.teacher, "teacher")
