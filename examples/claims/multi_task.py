"""Few frames: a DPA-2 pre-trained on several data sets, on one of them, and not at all.

    python multi_task.py -o multi-task [--sizes 10 100 1000] [--seeds 1 2] [--budget 60]

One descriptor is pre-trained on four data sets, each with its own fitting net (multi-task), and
another with as many steps on one of them (single-task). Both are then fine-tuned on frames of
Nb-Mo-Ta-W, which neither has seen, and a model of the same sizes is trained on them from scratch.
Every training is done twice, with half the steps and with all: where both have the same error, more
steps would not help. Before that, trials compare learning rates. Writes
``multi_task_pretraining.json`` and ``multi_task.json`` and prints a Markdown table. A second call
trains nothing.

All of it takes about 45 core-minutes. A training that has used up the budget is resumed by the same
command.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path

import dpdata
import numpy as np
from command import SHARED, check_folder, collect, make_parser, one_sentence
from cost import Budget, add_budget
from curves import SCRATCH
from drawn import write_some
from frames import read_all, write_valid
from pretraining import (
    BATCH,
    MULTI_TASK,
    SINGLE,
    SINGLE_TASK,
    element_map,
    model_section,
    pretraining,
)
from spread import as_markdown
from training_run import LOSS, TrainingRun, rate_section, training_input

from deepattn.data import find_systems

TARGET = "monbtaw/mixed"
PRETRAINING_STEPS, PRETRAINING_RATE = 16000, 5e-3
# By number of frames; the errors of more frames fall for longer.
STEPS = {10: 2000, 30: 3000, 100: 4000, 300: 8000, 1000: 12000}
# First learning rates: the best in short trials that longer trainings bear too.
RATES = {SCRATCH: 3e-3, SINGLE_TASK: 3e-3, MULTI_TASK: 3e-3}
TRIED = {
    SCRATCH: (1e-3, 3e-3, 1e-2, 3e-2),
    SINGLE_TASK: (3e-4, 1e-3, 3e-3, 1e-2),
    MULTI_TASK: (3e-4, 1e-3, 3e-3, 1e-2),
}
TRIAL_FRAMES, TRIAL_STEPS, TRIAL_SEED = 100, 1500, 0
# The best of the short trials from scratch, tried on more frames with all their steps: too large.
LONG_TRIALS, LONG_TRIAL_RATE = (100, 1000), 1e-2
# Lines of a recorded learning curve.
_POINTS = 10


@dataclass(frozen=True)
class Comparison:
    """All trainings.

    Attributes:
        data: Folder of all data sets.
        output: Folder for frames and runs.
        budget: For all trainings together.
        pretraining_steps: Of both pre-trainings.
    """

    data: Path
    output: Path
    budget: Budget
    pretraining_steps: int

    @cached_property
    def frames(self) -> dpdata.MultiSystems:
        """All training frames of the set that was left out."""
        return read_all(self.data / TARGET / "train")

    @cached_property
    def watched(self) -> list[str]:
        """Systems of the learning curves: some of the test frames."""
        return write_valid(self.data / TARGET, self.output)

    def pretrained(self, way: str) -> TrainingRun:
        """The pre-training that a way starts from."""
        return pretraining(
            way,
            self.data,
            self.output,
            steps=self.pretraining_steps,
            rate=PRETRAINING_RATE,
            seed=1,
        )

    def run(self, way: str, frames: int, seed: int, steps: int, rate: float) -> TrainingRun:
        """The training of a way on some frames; the seed draws the frames and the weights."""
        drawn = f"{frames}-frames-seed-{seed}"
        elements = element_map(self.data)
        # For a fine-tuning, everything except the elements comes from the file.
        model = {"type_map": elements, "descriptor": {}, "fitting_net": {}}
        config = training_input(
            model_section(elements, seed) if way == SCRATCH else model,
            write_some(self.frames, self.output / "frames" / drawn, count=frames, seed=seed),
            batch_size=BATCH,
            steps=steps,
            rate=rate_section(rate),
            loss=LOSS,
            seed=seed,
        )
        config["training"]["validation_data"] = {"systems": self.watched}
        config["validating"] = {
            "full_validation": True,
            "full_val_start": 0,
            "validation_freq": max(steps // _POINTS, 1),
            "validation_metric": "F:RMSE",
            "save_best": False,
        }
        return TrainingRun(
            self.output / way.replace(" ", "-") / f"{drawn}-{steps}-steps-rate-{rate:g}",
            config,
            {"valid": find_systems(str(self.data / TARGET / "valid"))},
            pretrained=None if way == SCRATCH else self.pretrained(way).folder / "model.ckpt.h5",
            branch=SINGLE if way == MULTI_TASK else None,
        )

    def results_of(self, run: TrainingRun) -> dict:
        """Do a training: its errors and core-minutes."""
        with self.budget.of(run) as limit:
            errors = run.errors(limit)
        return {"errors": errors, "core_minutes": round(run.spent(), 2)}

    def results_with_curve(self, row: dict) -> dict:
        """The results of a training on frames of the set, with its learning curve."""
        run = self.run(**row)
        results = self.results_of(run)
        columns = np.loadtxt(run.folder / "val.log", ndmin=2)
        curve = {
            "step": columns[:, 0].astype(int).tolist(),
            "energy": columns[:, 2].tolist(),
            "force": columns[:, 4].tolist(),
        }
        return results | {"curve": curve}


def trials() -> list[dict]:
    """The runs by which the learning rates were chosen."""
    short = [
        _row(way, TRIAL_FRAMES, TRIAL_SEED, TRIAL_STEPS, rate)
        for way, rates in TRIED.items()
        for rate in rates
    ]
    return short + [_row(SCRATCH, size, 1, STEPS[size], LONG_TRIAL_RATE) for size in LONG_TRIALS]


def planned(sizes: Sequence[int], seeds: Sequence[int]) -> list[dict]:
    """The runs on so many frames, each with half of the steps and with all."""
    return [
        _row(way, size, seed, STEPS[size] // part, RATES[way])
        for seed, part, size, way in product(seeds, (1, 2), sizes, RATES)
    ]


def is_trial(row: dict) -> bool:
    """Whether a run is one of `trials`."""
    return row["seed"] == TRIAL_SEED or row["rate"] != RATES[row["way"]]


def _row(way: str, frames: int, seed: int, steps: int, rate: float) -> dict:
    return {"way": way, "frames": frames, "seed": seed, "steps": steps, "rate": rate}


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments of the command line."""
    parser = make_parser(__doc__, seeds=(1,))
    parser.add_argument("--data", type=Path, default=SHARED / "data", help="folder of data sets")
    parser.add_argument(
        "--sizes",
        type=int,
        nargs="+",
        choices=STEPS,
        default=[10, 100, 1000],
        metavar="FRAMES",
        help=f"numbers of frames to train on, of {', '.join(map(str, STEPS))}",
    )
    add_budget(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse(argv)
    with one_sentence():
        data = check_folder(args.data, "give the folder of data sets with --data")
        check_folder(data / TARGET, "give the folder of data sets with --data")
        output = args.output.resolve()
        comparison = Comparison(data, output, Budget(args.budget), PRETRAINING_STEPS)
        collect(
            [
                {"way": way, "steps": PRETRAINING_STEPS, "rate": PRETRAINING_RATE, "seed": 1}
                for way in (MULTI_TASK, SINGLE_TASK)
            ],
            lambda row: comparison.results_of(comparison.pretrained(row["way"])),
            output / "multi_task_pretraining.json",
        )
        rows = collect(
            trials() + planned(args.sizes, args.seeds),
            comparison.results_with_curve,
            output / "multi_task.json",
        )
        chosen = [row for row in rows if not is_trial(row)]
        print(as_markdown(chosen, ["frames", "steps", "way"]))


if __name__ == "__main__":
    main()
