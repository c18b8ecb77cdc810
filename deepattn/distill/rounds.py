"""Rounds of training, exploration, labeling and selection, each stage kept in a folder."""

from __future__ import annotations

import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from ase import Atoms

from deepattn.data import find_systems
from deepattn.distill.config import RoundsConfig
from deepattn.distill.explore import Explored, explore
from deepattn.distill.label import Labeler
from deepattn.distill.labeled import LabeledFrames, read_labeled, write_labeled
from deepattn.distill.potential import ModelPotential, Potential
from deepattn.distill.select import select
from deepattn.distill.structures import perturbed_copies
from deepattn.distill.student import PretrainedModel, train_student
from deepattn.distill.validate import errors, force_deviations, is_enough
from deepattn.distill.workdir import STRUCTURES, WorkDir, read_frames, write_frames
from deepattn.formats.files import write_whole
from deepattn.infer import fit_uncertainty
from deepattn.uncertainty import SUFFIX, write_uncertainty

log = logging.getLogger(__name__)

# Rank correlation of expected and true errors, below which they say nothing about each other.
_POOR_RANK = 0.2


class Rounds(ABC):
    """Rounds until the errors on new frames are small; stages that are done are not repeated.

    A round trains models on all labels there are, runs dynamics with the first of them, has new
    frames labeled to validate it, and selects what the next round trains on too.

    Args:
        labeler: Where labels come from.
        structures: Where dynamics starts.
        config: Its section of the input.
        model: Input of the trainings.
        workdir: The working folder.

    Class attributes:
        noun: What is trained, in file names and messages.
        labels_all: Whether all frames that a single model explores are labeled, and the largest
            deviations from the labels selected.
    """

    noun: ClassVar[str]
    labels_all: ClassVar[bool] = False

    def __init__(
        self,
        labeler: Labeler,
        structures: list[Atoms],
        config: RoundsConfig,
        model: dict[str, Any],
        workdir: WorkDir,
    ) -> None:
        self.labeler = labeler
        self.structures = structures
        self.config = config
        self.model = model
        self.workdir = workdir

    @abstractmethod
    def seed(self) -> tuple[list[Atoms], dict[str, Any]]:
        """The frames before there is a model, and results of the stage that makes them."""

    def pretrained(self) -> PretrainedModel | None:
        """The model that the first training starts from; by default none."""
        return None

    def next_data(self, judged: LabeledFrames, selected: LabeledFrames) -> LabeledFrames:
        """What the next round trains on too; by default the selected frames."""
        return selected

    def choose(self, frames: list[Atoms], deviations: np.ndarray, number: int) -> np.ndarray:
        """Numbers of the frames to select, rising.

        Args:
            frames: Those explored.
            deviations: Of each, eV/Å.
            number: Of the round.
        """
        return select(deviations, self.config.select, seed=[self.config.seed, number])

    def prepare(self) -> None:
        """Keep the structures; from here on with the digits that a later call finds."""
        self.workdir.stage("structures", self._structures)
        self.structures = read_frames(self.workdir.path(STRUCTURES))

    def run_rounds(self) -> tuple[list[dict[str, dict[str, Any]]], str]:
        """Execute all stages that are not done.

        Returns:
            Results of each round: of its training, exploration and validation; and why there is no
            further one.
        """
        self.prepare()
        self.workdir.stage("round-00/seed", self._seed)
        self.workdir.stage("round-00/data", self._label_seed)
        rounds: list[dict[str, dict[str, Any]]] = []
        reason = ""
        while not reason:
            rounds.append(self._round(len(rounds)))
            reason = self._reason_to_stop(len(rounds), rounds[-1]["verdict"])
        return rounds, reason

    def trained(self, number: int, member: int = 0) -> ModelPotential:
        """A model of a round."""
        results = self.workdir.results(f"{folder_of(number)}/train-{member}")
        folder = self.workdir.path(folder_of(number), f"{self.noun}-{member}")
        return ModelPotential(folder / results["model"])

    def perturbed(self, structures: Sequence[Atoms], copies: int) -> list[Atoms]:
        """Strained and perturbed copies of each of some structures."""
        section = self.config.seed_frames
        return perturbed_copies(
            structures,
            copies=copies,
            displacement=section.displacement,
            strain=section.strain,
            closest=self.config.closest,
            seed=self.config.seed,
        )

    def first_frames(
        self, potential: Potential | None, whose: str
    ) -> tuple[list[Atoms], dict[str, Any]]:
        """Perturbed copies of the structures, and frames of the dynamics of a potential.

        Args:
            potential: The potential; None for no dynamics.
            whose: What it is, for messages.

        Returns:
            The frames, and results of the stage.
        """
        section = self.config.seed_frames
        frames = self.perturbed(self.structures, section.copies)
        results: dict[str, Any] = {"perturbed": len(frames)}
        if potential is not None and section.steps:
            log.info("running dynamics with the %s", whose)
            explored = self.dynamics(
                potential,
                steps=section.steps,
                every=section.every,
                title=f"{whose}'s dynamics",
                stream=0,
            )
            frames += explored.frames
            results |= summary_of(explored)
        return frames, results

    def dynamics(
        self, potential: Potential, *, steps: int, every: int, title: str, stream: int
    ) -> Explored:
        """Run dynamics from the structures.

        Args:
            potential: Potential that moves them.
            steps: Steps of each run.
            every: Steps from one frame kept to the next.
            title: Title of the progress line.
            stream: Of random numbers, another one for each exploration.
        """
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
        log_explored(explored)
        return explored

    def _round(self, number: int) -> dict[str, dict[str, Any]]:
        """Train, explore and validate; returns the results of all three."""
        for member in reversed(range(self.config.ensemble)):
            stage = f"{folder_of(number)}/train-{member}"
            trained = self.workdir.stage(stage, partial(self._train, number, member))
        stage = f"{folder_of(number)}/explored"
        explored = self.workdir.stage(stage, partial(self._explore, number))
        stage = f"{folder_of(number)}/verdict"
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
        path = self.config.path
        if is_enough(last["force"], self.config.threshold):
            return "the force error is below the threshold"
        if done >= self.config.rounds:
            return f"the limit of {path}/rounds ({self.config.rounds}) is reached"
        if not last["selected"]:
            return f"no frame was selected; train longer, or lower {path}/select/low"
        if self.config.hours is not None and self.workdir.hours() >= self.config.hours:
            return f"the limit of {path}/hours ({self.config.hours:g}) is reached"
        return ""

    def _structures(self) -> dict[str, Any]:
        write_frames(self.workdir.path(STRUCTURES), self.structures)
        return {"structures": len(self.structures), "atoms": sum(map(len, self.structures))}

    def _seed(self) -> dict[str, Any]:
        frames, results = self.seed()
        write_frames(self.workdir.path("round-00", "seed.extxyz"), frames)
        return results

    def _label_seed(self) -> dict[str, Any]:
        frames = read_frames(self.workdir.path("round-00", "seed.extxyz"))
        labeled = self._label(0, frames, "seed")
        write_labeled(labeled, self.workdir.path("round-00", "data"))
        self._forget(0)
        return {"frames": len(labeled.frames)}

    def _train(self, number: int, member: int) -> dict[str, Any]:
        """Train a model on the data of all rounds so far."""
        config = self.config
        name = f"{self.noun}-{member}"
        data = [self.workdir.path(folder_of(earlier), "data") for earlier in range(number + 1)]
        frames = sum(len(read_labeled(folder).frames) for folder in data)
        log.info("round %d: training %s %d on %d frames", number, self.noun, member, frames)
        model = train_student(
            self.model,
            systems=[os.fspath(folder) for folder in data],
            folder=self.workdir.path(folder_of(number), name),
            seed=config.seed + member,
            previous=self.workdir.path(folder_of(number - 1), name) if number else None,
            later=config.later,
            pretrained=self.pretrained(),
        )
        return {"model": model.name, "frames": frames}

    def _explore(self, number: int) -> dict[str, Any]:
        section = self.config.explore
        log.info("round %d: running dynamics with the %s", number, self.noun)
        explored = self.dynamics(
            self.trained(number),
            steps=section.steps,
            every=section.every,
            title=f"{self.noun}'s dynamics",
            stream=number + 1,
        )
        write_frames(self.workdir.path(folder_of(number), "explored.extxyz"), explored.frames)
        return summary_of(explored)

    def _validate(self, number: int) -> dict[str, Any]:
        """Label new frames, compute errors, and select data for the next round."""
        frames = read_frames(self.workdir.path(folder_of(number), "explored.extxyz"))
        models = [self.trained(number, member) for member in range(self.config.ensemble)]
        if not frames:
            return {"frames": 0, "selected": 0, "force": None, "deviations": []}
        predictions = [model.evaluate(frames) for model in models]
        estimates = self.config.select.criterion == "uncertainty"
        each = self.labels_all and len(models) == 1 and not estimates
        rows = np.arange(len(frames))
        if not each:
            random = np.random.default_rng([self.config.seed, number, 1])
            count = min(self.config.select.judged, len(frames))
            rows = np.sort(random.choice(len(frames), count, replace=False))
        judged = self._label(number, [frames[row] for row in rows], "judged")
        write_labeled(judged, self.workdir.path(folder_of(number), "judged"))
        if each:
            deviations = force_deviations(predictions, frames, judged.labels)
            selected = judged.take(self.choose(frames, deviations, number))
        else:
            if estimates:
                deviations = self._expected_errors(frames, models[0], number)
            else:
                deviations = force_deviations(predictions, frames)
            chosen = self.choose(frames, deviations, number)
            selected = self._label(number, [frames[row] for row in chosen], "selected")
        places = {id(atoms): row for row, atoms in enumerate(frames)}
        found = [predictions[0][places[id(atoms)]] for atoms in judged.frames]
        data = self.next_data(judged, selected)
        write_labeled(data, self.workdir.path(folder_of(number + 1), "data"))
        self._forget(number)
        return {
            "frames": len(judged.frames),
            "selected": len(selected.frames),
            **errors(found, judged.labels),
            "deviations": deviations.tolist(),
        }

    def _expected_errors(
        self, frames: list[Atoms], model: ModelPotential, number: int
    ) -> np.ndarray:
        """Largest error of a force in each frame that the model expects of itself, calibrated on
        the judged frames, which are of the same runs."""
        trained = [self.workdir.path(folder_of(earlier), "data") for earlier in range(number + 1)]
        uncertainty = fit_uncertainty(
            model.name,
            find_systems([os.fspath(path) for path in trained if any(path.iterdir())]),
            find_systems(os.fspath(self.workdir.path(folder_of(number), "judged"))),
        )
        write_uncertainty(f"{model.name}{SUFFIX}", uncertainty)
        found = uncertainty.record["held_out"]
        log.info(
            "round %d: expected errors of forces: rank correlation with true errors %.2f, "
            "%.0f %% of the worst tenth found, %.1f %% of atoms outside the training data",
            number,
            found["force_error"]["rank"],
            100 * found["force_error"]["found"],
            100 * found["beyond"],
        )
        if not found["force_error"]["rank"] >= _POOR_RANK:
            log.warning(
                "round %d: the errors that the model expects do not follow the true ones, so "
                "frames are selected at random, or nearly; raise %s/select/judged (%d), which "
                "calibrates them",
                *(number, self.config.path, self.config.select.judged),
            )
        return model.largest_errors(frames)

    def _label(self, number: int, frames: list[Atoms], kind: str) -> LabeledFrames:
        folder = self.workdir.path(folder_of(number), "pieces", kind)
        log.info("round %d: labeling %d frames with %s", number, len(frames), self.labeler.name)
        return self.labeler.label(frames, folder, title="labels")

    def _forget(self, number: int) -> None:
        """The labels of a round are written."""
        self.labeler.forget(self.workdir.path(folder_of(number), "pieces"))


def copy_model(model: ModelPotential, path: Path) -> None:
    """Copy a model and, if there is one, the file of its uncertainties."""
    with write_whole(path) as file:
        file.write(Path(model.name).read_bytes())
    estimates = Path(f"{model.name}{SUFFIX}")
    if estimates.exists():
        with write_whole(f"{path}{SUFFIX}") as file:
            file.write(estimates.read_bytes())


def log_explored(explored: Explored) -> None:
    """Say what an exploration has found."""
    log.info(
        "%d frames from %d runs, %d of which ended early",
        len(explored.frames),
        explored.runs,
        sum(explored.stopped.values()),
    )


def summary_of(explored: Explored) -> dict[str, Any]:
    """Summary of an exploration."""
    return {
        "frames": len(explored.frames),
        "runs": explored.runs,
        "stopped": explored.stopped,
        "atom_steps": explored.atom_steps,
        "dynamics_seconds": explored.seconds,
    }


def folder_of(number: int) -> str:
    """Name of the folder of a round."""
    return f"round-{number:02d}"
