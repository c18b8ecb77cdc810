"""The stages of a distillation, each kept in the working folder."""

from __future__ import annotations

import logging
import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from deepattn.data import find_systems
from deepattn.distill.config import DistillConfig
from deepattn.distill.explore import Explored, explore
from deepattn.distill.label import label, remove_chunks
from deepattn.distill.labeled import LabeledFrames, read_labeled, write_labeled
from deepattn.distill.potential import ModelPotential, Potential
from deepattn.distill.report import write_report
from deepattn.distill.result import DistillResult
from deepattn.distill.select import select
from deepattn.distill.structures import perturbed_copies
from deepattn.distill.student import train_student
from deepattn.distill.validate import errors, force_deviations, is_enough
from deepattn.distill.workdir import STRUCTURES, WorkDir, read_frames, write_frames
from deepattn.formats.files import write_whole
from deepattn.infer import fit_uncertainty
from deepattn.uncertainty import SUFFIX, write_uncertainty

log = logging.getLogger(__name__)


class Distillation:
    """A distillation; `run` executes all stages that are not done.

    Args:
        teacher: The teacher.
        structures: Where dynamics starts.
        config: The section ``distill``.
        student: The student's input.
        workdir: The working folder.
    """

    def __init__(
        self,
        teacher: Potential,
        structures: list[Atoms],
        config: DistillConfig,
        student: dict[str, Any],
        workdir: WorkDir,
    ) -> None:
        self.teacher = teacher
        self.structures = structures
        self.config = config
        self.student = student
        self.workdir = workdir

    def run(self) -> DistillResult:
        """Execute all stages that are not done."""
        self.workdir.stage("structures", self._structures)
        # With the digits that a later call finds, so that it does the same.
        self.structures = read_frames(self.workdir.path(STRUCTURES))
        self.workdir.stage("round-00/seed", self._seed)
        self.workdir.stage("round-00/data", self._label_seed)
        rounds: list[dict[str, dict[str, Any]]] = []
        reason = ""
        while not reason:
            rounds.append(self._round(len(rounds)))
            reason = self._reason_to_stop(len(rounds), rounds[-1]["verdict"])
        result = DistillResult(
            teacher=self.teacher,
            student=self._student(len(rounds) - 1, 0),
            workdir=self.workdir,
            rounds=rounds,
            reason=reason,
            reached=is_enough(rounds[-1]["verdict"]["force"], self.config.threshold),
            config=self.config,
        )
        with write_whole(result.path) as file:
            file.write(Path(result.student.name).read_bytes())
        estimates = Path(f"{result.student.name}{SUFFIX}")
        if estimates.exists():
            with write_whole(f"{result.path}{SUFFIX}") as file:
                file.write(estimates.read_bytes())
        write_report(result)
        return result

    def _round(self, number: int) -> dict[str, dict[str, Any]]:
        """Train, explore and validate; returns the results of all three."""
        for member in reversed(range(self.config.ensemble)):
            stage = f"{_folder(number)}/train-{member}"
            trained = self.workdir.stage(stage, partial(self._train, number, member))
        stage = f"{_folder(number)}/explored"
        explored = self.workdir.stage(stage, partial(self._explore, number))
        stage = f"{_folder(number)}/verdict"
        validation = self.workdir.stage(stage, partial(self._validate, number))
        if validation["force"] is not None:
            log.info(
                "round %d: force RMSE on %d new frames %.1f meV/Å (threshold %.1f)",
                number,
                validation["frames"],
                1e3 * validation["force"],
                1e3 * self.config.threshold,
            )
        return {"train": trained, "explored": explored, "verdict": validation}

    def _reason_to_stop(self, done: int, last: dict[str, Any]) -> str:
        if is_enough(last["force"], self.config.threshold):
            return "the force error is below the threshold"
        if done >= self.config.rounds:
            return f"the limit of distill/rounds ({self.config.rounds}) is reached"
        if not last["selected"]:
            return "no frame was selected; train longer, or lower distill/select/low"
        if self.config.hours is not None and self.workdir.hours() >= self.config.hours:
            return f"the limit of distill/hours ({self.config.hours:g}) is reached"
        return ""

    def _structures(self) -> dict[str, Any]:
        write_frames(self.workdir.path(STRUCTURES), self.structures)
        return {"structures": len(self.structures), "atoms": sum(map(len, self.structures))}

    def _seed(self) -> dict[str, Any]:
        """Frames before there is a student: copies, and the teacher's dynamics."""
        seed = self.config.seed_frames
        frames = perturbed_copies(
            self.structures,
            copies=seed.copies,
            displacement=seed.displacement,
            strain=seed.strain,
            closest=self.config.closest,
            seed=self.config.seed,
        )
        results: dict[str, Any] = {"perturbed": len(frames)}
        if seed.steps:
            log.info("running dynamics with the teacher")
            explored = self._dynamics(self.teacher, seed.steps, seed.every, "teacher's dynamics", 0)
            frames += explored.frames
            results |= _summary(explored)
        write_frames(self.workdir.path("round-00", "seed.extxyz"), frames)
        return results

    def _label_seed(self) -> dict[str, Any]:
        frames = read_frames(self.workdir.path("round-00", "seed.extxyz"))
        log.info("labeling %d frames with the teacher", len(frames))
        chunks = self.workdir.path("round-00", "pieces")
        write_labeled(
            label(self.teacher, frames, chunks, title="labels"),
            self.workdir.path("round-00", "data"),
        )
        remove_chunks(chunks)
        return {"frames": len(frames)}

    def _train(self, number: int, member: int) -> dict[str, Any]:
        """Train a student on the data of all rounds so far."""
        config = self.config
        name = f"student-{member}"
        data = [self.workdir.path(_folder(earlier), "data") for earlier in range(number + 1)]
        frames = sum(len(read_labeled(folder).frames) for folder in data)
        log.info("round %d: training student %d on %d frames", number, member, frames)
        model = train_student(
            self.student,
            systems=[os.fspath(folder) for folder in data],
            folder=self.workdir.path(_folder(number), name),
            seed=config.seed + member,
            previous=self.workdir.path(_folder(number - 1), name) if number else None,
            later=config.later,
        )
        return {"model": model.name, "frames": frames}

    def _student(self, number: int, member: int) -> ModelPotential:
        results = self.workdir.results(f"{_folder(number)}/train-{member}")
        folder = self.workdir.path(_folder(number), f"student-{member}")
        return ModelPotential(folder / results["model"])

    def _explore(self, number: int) -> dict[str, Any]:
        explore_section = self.config.explore
        log.info("round %d: running dynamics with the student", number)
        explored = self._dynamics(
            self._student(number, 0),
            explore_section.steps,
            explore_section.every,
            "student's dynamics",
            number + 1,
        )
        write_frames(self.workdir.path(_folder(number), "explored.extxyz"), explored.frames)
        return _summary(explored)

    def _dynamics(
        self, potential: Potential, steps: int, every: int, title: str, stream: int
    ) -> Explored:
        explored = explore(
            potential,
            self.structures,
            self.config.explore,
            steps=steps,
            every=every,
            closest=self.config.closest,
            seed=[self.config.seed, stream],
            title=title,
        )
        log.info(
            "%d frames from %d runs, %d of which ended early",
            len(explored.frames),
            explored.runs,
            sum(explored.stopped.values()),
        )
        return explored

    def _validate(self, number: int) -> dict[str, Any]:
        """Label new frames, compute errors, and select data for the next round."""
        frames = read_frames(self.workdir.path(_folder(number), "explored.extxyz"))
        students = [self._student(number, member) for member in range(self.config.ensemble)]
        if not frames:
            return {"frames": 0, "selected": 0, "force": None, "deviations": []}
        predictions = [student.evaluate(frames) for student in students]
        chunks = self.workdir.path(_folder(number), "pieces")
        label_frames = partial(self._label, number)
        estimates = self.config.select.criterion == "uncertainty"
        each = len(students) == 1 and not estimates
        rows = np.arange(len(frames))
        if not each:
            random = np.random.default_rng([self.config.seed, number, 1])
            count = min(self.config.select.judged, len(frames))
            rows = np.sort(random.choice(len(frames), count, replace=False))
        validation = label_frames([frames[row] for row in rows], "judged")
        write_labeled(validation, self.workdir.path(_folder(number), "judged"))
        if each:
            deviations = force_deviations(predictions, frames, validation.labels)
            selected = validation.take(self._select(deviations, number))
        else:
            if estimates:
                deviations = self._expected_errors(frames, students[0], number)
            else:
                deviations = force_deviations(predictions, frames)
            chosen = self._select(deviations, number)
            selected = label_frames([frames[row] for row in chosen], "selected")
        write_labeled(selected, self.workdir.path(_folder(number + 1), "data"))
        remove_chunks(chunks)
        return {
            "frames": len(validation.frames),
            "selected": len(selected.frames),
            **errors([predictions[0][row] for row in rows], validation.labels),
            "deviations": deviations.tolist(),
        }

    def _expected_errors(
        self, frames: list[Atoms], student: ModelPotential, number: int
    ) -> np.ndarray:
        """Largest error of a force in each frame that the student expects of itself, calibrated on
        the judged frames, which are of the same runs."""
        trained = [self.workdir.path(_folder(earlier), "data") for earlier in range(number + 1)]
        uncertainty = fit_uncertainty(
            student.name,
            find_systems([os.fspath(path) for path in trained if any(path.iterdir())]),
            find_systems(os.fspath(self.workdir.path(_folder(number), "judged"))),
        )
        write_uncertainty(f"{student.name}{SUFFIX}", uncertainty)
        found = uncertainty.record["held_out"]
        log.info(
            "round %d: expected errors of forces: rank correlation with true errors %.2f, "
            "%.0f %% of the worst tenth found, %.1f %% of atoms outside the training data",
            number,
            found["force_error"]["rank"],
            100 * found["force_error"]["found"],
            100 * found["beyond"],
        )
        return student.largest_errors(frames)

    def _label(self, number: int, frames: list, kind: str) -> LabeledFrames:
        chunks = self.workdir.path(_folder(number), "pieces", kind)
        log.info("round %d: labeling %d frames with the teacher", number, len(frames))
        return label(self.teacher, frames, chunks, title="labels")

    def _select(self, deviations: np.ndarray, number: int) -> np.ndarray:
        return select(deviations, self.config.select, seed=[self.config.seed, number])


def _folder(number: int) -> str:
    return f"round-{number:02d}"


def _summary(explored: Explored) -> dict[str, Any]:
    """Summary of an exploration."""
    return {
        "frames": len(explored.frames),
        "runs": explored.runs,
        "stopped": explored.stopped,
        "atom_steps": explored.atom_steps,
        "dynamics_seconds": explored.seconds,
    }
