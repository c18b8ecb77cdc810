"""The stages of the loop, each kept in the working folder."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from deepattn.distill.config import DistillConfig
from deepattn.distill.explore import Explored
from deepattn.distill.labeled import LabeledFrames
from deepattn.distill.potential import ModelPotential, Potential
from deepattn.distill.rounds import Rounds, copy_model, folder_of, log_explored
from deepattn.distill.run import run_distillation
from deepattn.distill.select import candidates
from deepattn.distill.student import PretrainedModel
from deepattn.distill.validate import is_enough
from deepattn.distill.workdir import WorkDir
from deepattn.learn.config import LearnConfig, read_student
from deepattn.learn.diversity import farthest_points, frame_features
from deepattn.learn.dynamics.engine import Engine, Exploration
from deepattn.learn.labels.source import LabelSource, StoredLabeler, check_settings
from deepattn.learn.labels.store import LabelStore
from deepattn.learn.publish import publish_data
from deepattn.learn.report import write_report
from deepattn.learn.result import LearnResult

log = logging.getLogger(__name__)

_LABELS = "labels"


class Learning(Rounds):
    """The loop with first principles; `run` executes all stages that are not done.

    Args:
        source: Where labels come from.
        engine: What runs dynamics.
        structures: Where dynamics starts.
        config: The section ``learn``.
        model: Input of the trainings.
        workdir: The working folder.
    """

    noun = "model"
    config: LearnConfig

    def __init__(
        self,
        source: LabelSource,
        engine: Engine,
        structures: list[Atoms],
        config: LearnConfig,
        model: dict[str, Any],
        workdir: WorkDir,
    ) -> None:
        self.source = source
        self.engine = engine
        self.store = LabelStore(workdir.folder / _LABELS)
        super().__init__(StoredLabeler(source, self.store), structures, config, model, workdir)

    def run(self) -> LearnResult:
        """Execute all stages that are not done."""
        self.prepare()
        checks = self.workdir.stage("checks", self._check_settings)
        rounds, reason = self.run_rounds()
        last = self.trained(len(rounds) - 1)
        result = LearnResult(
            labels=self.source.name,
            model=last,
            workdir=self.workdir,
            rounds=rounds,
            checks=checks,
            reason=reason,
            reached=is_enough(rounds[-1]["verdict"]["force"], self.config.threshold),
            config=self.config,
        )
        copy_model(last, result.path)
        self.workdir.stage(result.published, partial(publish_data, result, self.store))
        if self.config.student is not None:
            result = result.with_student(self._distill(result.path))
        write_report(result, self.store)
        return result

    def seed(self) -> tuple[list[Atoms], dict[str, Any]]:
        """Copies of the structures, and the pretrained model's dynamics; at most so many."""
        pretrained, most = self.pretrained(), self.config.seed_frames.frames
        potential = None if pretrained is None else pretrained.potential()
        others, results = self.first_frames(potential, "pretrained model")
        frames = [atoms.copy() for atoms in self.structures]
        for atoms in frames:
            atoms.info = {"origin": "structure"}
        frames += others
        if len(frames) > most:
            random = np.random.default_rng(self.config.seed)
            rows = random.choice(len(frames), most, replace=False)
            frames = [frames[row] for row in np.sort(rows)]
        return frames, results

    def dynamics(
        self, potential: Potential, *, steps: int, every: int, title: str, stream: int
    ) -> Explored:
        """Run dynamics from the structures, by the engine."""
        # The other kind of potential is a teacher without a file.
        assert isinstance(potential, ModelPotential)
        number = max(0, stream - 1)
        name = "dynamics" if stream else "first-dynamics"
        exploration = Exploration(
            potential,
            self.structures,
            self.config.explore,
            steps=steps,
            every=every,
            closest=self.config.closest,
            seed=(self.config.seed, stream),
            title=title,
        )
        folder = self.workdir.path(folder_of(number), "pieces", name)
        explored = self.engine.explore(exploration, folder)
        log_explored(explored)
        return explored

    def pretrained(self) -> PretrainedModel | None:
        if self.config.pretrained is None:
            return None
        return PretrainedModel(self.config.pretrained, self.config.model_branch)

    def next_data(self, judged: LabeledFrames, selected: LabeledFrames) -> LabeledFrames:
        """The selected frames and the judged ones: no label is wasted."""
        known = {id(atoms) for atoms in selected.frames}
        rows = [row for row, atoms in enumerate(judged.frames) if id(atoms) not in known]
        others = judged.take(rows)
        return LabeledFrames(selected.frames + others.frames, selected.labels + others.labels)

    def choose(self, frames: list[Atoms], deviations: np.ndarray, number: int) -> np.ndarray:
        """Of more frames than are wanted those whose surroundings are most different."""
        rows, count = candidates(deviations, self.config.select), self.config.select.frames
        if len(rows) <= count:
            return rows
        features = frame_features(self.trained(number), [frames[row] for row in rows])
        first = int(np.argmax(deviations[rows]))
        return np.sort(rows[farthest_points(features, count, first=first)])

    def _check_settings(self) -> dict[str, Any]:
        """Label a frame in several ways: a perturbed one, since a crystal has no forces."""
        several = [atoms for atoms in self.structures if len(atoms) > 1]
        [frame] = self.perturbed((several or self.structures)[:1], copies=1)
        return check_settings(
            self.source,
            frame,
            self.store,
            self.workdir.folder / "settings",
            tolerance=self.config.labels.tolerance,
        )

    def _distill(self, teacher: Path) -> ModelPotential:
        """Distill the last model."""
        assert self.config.student is not None
        config: DistillConfig
        config, student = read_student(self.config.student, self.config.systems)
        log.info("distilling a student of the model")
        result = run_distillation(
            str(teacher), config, student, self.workdir.folder / "student", where="learn/student"
        )
        return ModelPotential(result.path)
