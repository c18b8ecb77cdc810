"""From scratch with many steps: what small models learn from the frames of a curve.

    python from_scratch.py -o curves [--sets ethanol_methanol monbtaw] [--sizes 10 100 all]

`sample_efficiency.py` compares trainings of equal length of one large architecture. Here the
models are the small ones of ``examples/results/inputs``, and train from random weights for many
more steps. Frames for training and test are the same as there, if the folder is. Writes
``from_scratch.json`` and prints a Markdown table. A second call trains nothing.
"""

import argparse
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from command import ROOT, SHARED, check_folder, collect, make_parser, one_sentence
from drawn import write_some
from frames import count_of, read_all, write_valid
from spread import as_markdown
from training_run import TrainingRun

from deepattn.config import load_input

INPUTS = ROOT / "examples" / "results" / "inputs"
# By data set: its folder, steps of a training.
SETS = {
    "ethanol_methanol": ("organic/ethanol_methanol/mixed", 12000),
    "monbtaw": ("monbtaw/mixed", 20000),
}


def small_input(name: str, systems: Sequence[str], *, steps: int, seed: int) -> dict:
    """The input of a data set for other systems, without validation during the training.

    Args:
        name: Of the data set.
        systems: Training systems, absolute paths.
        steps: Number of steps.
        seed: Of initial weights and of the order of frames.
    """
    config = load_input(INPUTS / f"{name}.json")
    training = config["training"]
    del training["validation_data"]
    training["training_data"]["systems"] = list(systems)
    training |= {"numb_steps": steps, "disp_freq": steps // 10, "seed": seed}
    model = config["model"]
    for section in (model.get("type_embedding"), model["descriptor"], model["fitting_net"]):
        if section is not None:
            section["seed"] = seed
    return config


class SmallModel:
    """Trainings on some frames of a data set.

    Args:
        name: Of the data set.
        args: Those of the command.
    """

    def __init__(self, name: str, args: argparse.Namespace) -> None:
        folder, steps = SETS[name]
        self.name = name
        self.folder = check_folder(args.data / folder, "give the folder of data sets with --data")
        self.output = args.output.resolve() / name
        self.steps = args.steps or steps
        self.frames = read_all(self.folder / "train")

    def errors(self, count: int, seed: int) -> dict:
        """The errors of one training; the seed draws the frames and the weights."""
        name = f"{count}-frames-seed-{seed}"
        frames = write_some(self.frames, self.output / "frames" / name, count=count, seed=seed)
        config = small_input(self.name, frames, steps=self.steps, seed=seed)
        valid = write_valid(self.folder, self.output)
        return TrainingRun(
            self.output / "from-scratch-small" / name, config, {"valid": valid}
        ).errors()


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__, seeds=(1,))
    parser.add_argument("--data", type=Path, default=SHARED / "data", help="folder of data sets")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--sizes", nargs="+", default=["10", "100", "all"], metavar="FRAMES")
    parser.add_argument("--steps", type=int, help="of every training; default: by data set")
    args = parser.parse_args(argv)
    with one_sentence():
        sets = {name: SmallModel(name, args) for name in args.sets}
        rows = [
            {"set": name, "frames": count_of(size, sets[name].frames), "seed": seed}
            for name, seed, size in product(args.sets, args.seeds, args.sizes)
        ]
        rows = collect(
            rows,
            lambda row: {"errors": sets[row["set"]].errors(row["frames"], row["seed"])},
            args.output / "from_scratch.json",
        )
        print(as_markdown([row for row in rows if row["set"] in args.sets], ["set", "frames"]))


if __name__ == "__main__":
    main()
