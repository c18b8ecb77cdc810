"""The trainings of a learning curve: one data set, one architecture, two initializations."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import dpdata
import numpy as np
from drawn import element_names, write_some
from frames import read_all, write_valid
from training_run import TrainingRun, test, training_input

from deepattn.data import System
from deepattn.infer import DeepPot
from deepattn.models import read_model

SCRATCH, FINE_TUNED = "from scratch", "fine-tuned"
# For short trainings: energies count from the first step on, forces to the last.
_LOSS = {"start_pref_e": 1, "limit_pref_e": 5, "start_pref_f": 100, "limit_pref_f": 20}


@dataclass(frozen=True)
class Curve:
    """The runs on one data set.

    Attributes:
        data: Folder with ``train`` and ``valid``.
        output: Folder for the frames drawn and for the runs.
        pretrained: The frozen model, which gives the architecture too.
        batch_size: As in an input.
        steps: Of every training.
        rates: First learning rate of each way to start.
    """

    data: Path
    output: Path
    pretrained: Path
    batch_size: str
    steps: int
    rates: Mapping[str, float]

    @cached_property
    def frames(self) -> dpdata.MultiSystems:
        """All training frames."""
        return read_all(self.data / "train")

    @cached_property
    def valid(self) -> list[str]:
        """Systems for the test: the same frames of the validation data for all."""
        return write_valid(self.data, self.output)

    def run(self, way: str, count: int, seed: int) -> TrainingRun:
        """The training on some frames; the seed draws the frames and the weights."""
        name = f"{count}-frames-seed-{seed}"
        type_map = element_names(self.frames)
        # Everything except the elements comes from the file.
        model: dict = {"descriptor": {}, "fitting_net": {}, "type_embedding": {}}
        if way != FINE_TUNED:
            model = read_model(self.pretrained).config.to_dict()
        config = training_input(
            model | {"type_map": type_map},
            write_some(self.frames, self.output / "frames" / name, count=count, seed=seed),
            batch_size=self.batch_size,
            steps=self.steps,
            rate=_rate(self.rates[way], self.steps),
            loss=_LOSS,
            seed=seed,
        )
        return TrainingRun(
            self.output / way.replace(" ", "-") / name,
            config,
            {"valid": self.valid},
            pretrained=self.pretrained if way == FINE_TUNED else None,
        )

    def references(self) -> dict[str, float]:
        """Force errors (eV/Å) without training: of the unmodified graph, and of zero forces."""
        systems = [System(path) for path in self.valid]
        forces = [system.load("force", range(system.nframes)).ravel() for system in systems]
        with DeepPot(self.pretrained) as model:
            published = test(model, self.valid)["force"]
        zero = float(np.sqrt(np.mean(np.concatenate(forces) ** 2)))
        return {"OC2M as published": published, "forces of zero": zero}


def _rate(start: float, steps: int) -> dict:
    """A learning rate that falls to a hundredth."""
    return {
        "type": "exp",
        "start_lr": start,
        "stop_lr": start / 100,
        "decay_steps": max(steps // 50, 1),
    }
