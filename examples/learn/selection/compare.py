"""Compare the frames that the loop selects with random ones, as many, of the same dynamics.

    python compare.py aluminium|alloy|alloy-ensemble [FOLDER]

For each seed a loop begins once and ends twice: its rounds label frames as `deepattn learn` does,
or random ones. All models are tested on frames of the dynamics of EMT, which are labeled first and
are in no training. A call that was stopped is resumed by the next one; at the end the results are
written beside this script.
"""

import logging
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import ase
import numpy as np
import tensorflow
from ase import Atoms
from ase.build import bulk, fcc100
from ase.calculators.emt import EMT
from ase.io import read

from deepattn import __version__
from deepattn.distill.explore import explore
from deepattn.distill.labeled import LabeledFrames, read_labeled
from deepattn.distill.potential import CalculatorPotential, ModelPotential
from deepattn.distill.rounds import folder_of
from deepattn.distill.structures import elements_of
from deepattn.distill.validate import errors
from deepattn.distill.workdir import WorkDir, write_frames, write_json
from deepattn.learn import read_learn
from deepattn.learn.config import LearnConfig
from deepattn.learn.labels.source import StoredLabeler
from deepattn.learn.labels.store import LabelStore
from deepattn.learn.learning import Learning
from deepattn.learn.variations import vary

HERE = Path(__file__).resolve().parent
# Rounds that label frames; the last ones are trained on too.
ROUNDS = 2
SELECTED, RANDOM = "selected", "random"
# What the second loop of a seed takes from the first one: all up to the first model's dynamics.
_LATER = shutil.ignore_patterns("verdict.json", "judged", "pieces", "round-01", "round-02")


@dataclass(frozen=True)
class Case:
    """A material.

    Attributes:
        name: Of its input and results.
        structures: Where dynamics starts.
        tests: Temperature (K) and number of the frames of each test.
        seeds: Seeds of the loops.
    """

    name: str
    structures: list[Atoms]
    tests: dict[str, tuple[float, int]]
    seeds: Sequence[int] = (1, 2, 3)


def aluminium() -> Case:
    """A crystal and a surface, labeled by Quantum ESPRESSO."""
    slab = fcc100("Al", (1, 1, 4), vacuum=5.0, periodic=True)
    structures = [bulk("Al", cubic=True), slab]
    return Case("aluminium", structures, {"hot": (1200.0, 40), "cold": (300.0, 20)})


def alloy(name: str, nseeds: int) -> Case:
    """Copper, gold and two of their compounds, labeled by EMT."""
    found = []
    for lattice, gold in ((3.61, 0), (3.75, 1), (3.87, 2), (4.08, 4)):
        atoms = bulk("Cu", cubic=True, a=lattice)
        atoms.symbols[:gold] = "Au"
        found.append(atoms.repeat((2, 1, 1)))
    tests = {"hot": (1500.0, 100), "cold": (300.0, 50)}
    return Case(name, found, tests, range(1, nseeds + 1))


CASES: dict[str, Callable[[], Case]] = {
    "aluminium": aluminium,
    "alloy": partial(alloy, "alloy", 3),
    "alloy-ensemble": partial(alloy, "alloy-ensemble", 5),
}


class Loop(Learning):
    """The loop with a number of rounds, and a training on the labels of the last one."""

    def train_all(self) -> None:
        """Execute all stages that are not done."""
        self.prepare()
        self.workdir.stage("round-00/seed", self._seed)
        self.workdir.stage("round-00/data", self._label_seed)
        for number in range(ROUNDS):
            self._round(number)
        for member in range(self.config.ensemble):
            stage = f"{folder_of(ROUNDS)}/train-{member}"
            self.workdir.stage(stage, partial(self._train, ROUNDS, member))

    def labels(self) -> list[int]:
        """Labels that each model was trained on."""
        data = [self.workdir.path(folder_of(number), "data") for number in range(ROUNDS + 1)]
        return np.cumsum([len(read_labeled(folder).frames) for folder in data]).tolist()

    def models(self) -> list[list[ModelPotential]]:
        """The models of the ensemble, after each number of labels."""
        members = range(self.config.ensemble)
        return [[self.trained(n, member) for member in members] for n in range(ROUNDS + 1)]


class RandomLoop(Loop):
    """The same with random frames in the place of the selected ones.

    Frames that validate a model are random and are trained on; here they are as many as both kinds.

    Args:
        counts: Labels that each round adds.
    """

    def __init__(self, *args, counts: list[int]) -> None:
        super().__init__(*args)
        self._counts = counts

    def _validate(self, number: int) -> dict:
        section = replace(self.config.select, judged=self._counts[number])
        self.config = replace(self.config, select=section)
        return super()._validate(number)

    def choose(self, frames: list[Atoms], deviations: np.ndarray, number: int) -> np.ndarray:
        return np.zeros(0, int)


def run_seed(
    seed: int, case: Case, config: LearnConfig, model: dict, folder: Path
) -> dict[str, Loop]:
    """Both loops of a seed, to their ends."""
    config = replace(config, seed=seed)
    starts = vary(case.structures, config.variations, closest=config.closest, seed=seed)
    source, engine = config.labels.open(), config.explore.engine.open()
    record = {"labels": source.settings, "learn": config.to_dict(), **model}
    model = {**model, "model": {**model["model"], "type_map": elements_of(starts)}}
    places = {kind: folder / f"seed-{seed}" / kind for kind in (SELECTED, RANDOM)}

    def opened(kind: str, make: type[Loop], **keys) -> Loop:
        workdir = WorkDir(places[kind], record, "learn")
        loop = make(source, engine, starts, config, model, workdir, **keys)
        with workdir.claimed():
            loop.train_all()
        return loop

    loops = {SELECTED: opened(SELECTED, Loop)}
    if not places[RANDOM].exists():
        part = places[RANDOM].with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(places[SELECTED], part, ignore=_LATER)
        part.rename(places[RANDOM])
    counts = np.diff(loops[SELECTED].labels()).tolist()
    return loops | {RANDOM: opened(RANDOM, RandomLoop, counts=counts)}


def test_frames(case: Case, config: LearnConfig, folder: Path) -> dict[str, list[Atoms]]:
    """Random frames of the dynamics of EMT at each temperature."""
    found = {}
    starts = vary(case.structures, config.variations, closest=config.closest, seed=0)
    for name, (temperature, count) in case.tests.items():
        path = folder / f"{name}.extxyz"
        if not path.exists():
            explored = explore(
                CalculatorPotential(EMT(), "EMT"),
                starts,
                replace(config.explore, temperatures=(temperature,), runs=len(starts)),
                steps=400,
                every=20,
                closest=config.closest,
                seed=0,
                title=f"frames at {temperature:g} K",
            )
            rows = np.random.default_rng(0).choice(len(explored.frames), count, replace=False)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_frames(path, [explored.frames[row] for row in np.sort(rows)])
        found[name] = read(path, ":")
    return found


def mean_errors(models: list[ModelPotential], data: LabeledFrames) -> dict[str, float]:
    """Root mean square errors, the mean over the models of an ensemble."""
    found = [errors(model.evaluate(data.frames), data.labels) for model in models]
    return {key: float(np.mean([each[key] for each in found])) for key in ("force", "energy")}


def versions(config: LearnConfig) -> dict[str, str]:
    """Of all that the numbers depend on."""
    found = {"deepattn": __version__, "tensorflow": tensorflow.__version__}
    found |= {"numpy": np.__version__, "ase": ase.__version__}
    if config.labels.type == "espresso":
        # It writes its input into the working folder.
        with tempfile.TemporaryDirectory() as folder:
            said = subprocess.run(
                ["pw.x"], capture_output=True, text=True, input="", cwd=folder
            ).stdout
        version = re.search(r"PWSCF v\.(\S+)", said)
        found["Quantum ESPRESSO"] = version[1] if version else "unknown"
    return found


def compare(case: Case, config: LearnConfig, model: dict, folder: Path) -> dict:
    """Errors of all models of all loops.

    Args:
        case: The material.
        config: Section of the loop.
        model: Input of its trainings.
        folder: For all files; what is in it already is not done again.
    """
    began = time.monotonic()
    labeler = StoredLabeler(config.labels.open(), LabelStore(folder / "test" / "labels"))
    tests = {
        name: labeler.label(frames, folder / "test" / f"batch-{name}", title=f"{name} frames")
        for name, frames in test_frames(case, config, folder / "test").items()
    }
    runs = []
    for seed in case.seeds:
        for kind, loop in run_seed(seed, case, config, model, folder).items():
            for labels, models in zip(loop.labels(), loop.models(), strict=True):
                run = {"seed": seed, "frames": kind, "labels": labels}
                for name, data in tests.items():
                    run[name] = mean_errors(models, data)
                runs.append(run)
                print(run, flush=True)
    of_tests = {
        name: {
            "frames": len(data.frames),
            "force": float(
                np.sqrt(np.mean(np.concatenate([found.force for found in data.labels]) ** 2))
            ),
        }
        for name, data in tests.items()
    }
    seconds = time.monotonic() - began
    return {"versions": versions(config), "seconds": seconds, "tests": of_tests, "runs": runs}


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    case = CASES[sys.argv[1]]()
    folder = Path(sys.argv[2] if len(sys.argv) > 2 else HERE / "work" / case.name).resolve()
    config, model = read_learn(HERE / f"{case.name}.json")
    if config.labels.type == "espresso":
        config = replace(config, labels=replace(config.labels, template=str(HERE.parent / "scf")))
    results = compare(case, config, model, folder)
    write_json(HERE / f"{case.name}-results.json", results)


if __name__ == "__main__":
    main()
