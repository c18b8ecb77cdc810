"""Compare the inputs that ``deepattn init`` writes with tuned ones, by trainings of equal length.

For each of thirty sets of systems the input of `init` and the tuned input of the most similar
material train for the same number of steps from the same seeds, and are tested on the same
validation frames. The results are written to ``suggested.json``.
"""

import argparse
import sys
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from command import check_folder, make_parser, one_sentence
from cost import Budget, add_budget
from record import put_row, read_json
from sets import HERE, SETS, DataSet
from slices import SLICES, Slice
from training_run import TrainingRun

from deepattn.config import load_input
from deepattn.errors import DataError
from deepattn.suggest import StepTime, survey_data
from deepattn.suggest.suggestion import choose

RESULTS = HERE / "suggested.json"
KINDS = ("init", "tuned")
STEPS = 2000
# The number of steps is given, so that no time needs to be measured.
_ANY_TIME = StepTime(seconds=0.01, steps=1, start=0.0)


@dataclass(frozen=True, kw_only=True)
class SliceSet(DataSet):
    """A slice as a data set; the variants of its input are those of `KINDS`.

    Attributes:
        slice: The slice.
        steps: Steps of a training.
    """

    slice: Slice
    steps: int = STEPS

    def read_input(self, data: Path, seed: int, variant: str = "") -> dict:
        """The input of `init`, or the tuned one, with the systems of the slice."""
        parts = {
            "training_data": systems_of(data, self.slice.training),
            "validation_data": systems_of(data, self.slice.validation),
        }
        if variant == "init":
            config = suggested(*parts.values())
        else:
            config = load_input(HERE / "inputs" / f"{self.slice.tuned}.json")
        for name, systems in parts.items():
            config["training"][name]["systems"] = systems
        model = config["model"]
        for section in (model.get("type_embedding"), model["descriptor"], model["fitting_net"]):
            if section is not None:
                section["seed"] = seed
        config["training"] |= {
            "seed": seed,
            "numb_steps": self.steps,
            "disp_freq": self.steps,
            "save_freq": self.steps,
        }
        return config


def suggested(training: Sequence[str], validation: Sequence[str]) -> dict[str, Any]:
    """What `deepattn init` would write, but for the number of steps."""
    facts = survey_data(training)
    suggestion = choose(
        facts, survey_data(validation), minutes=10.0, clock=lambda content, facts: _ANY_TIME
    )
    return deepcopy(suggestion.content)


def systems_of(data: Path, patterns: Sequence[str]) -> list[str]:
    """Folders of a slice, absolute paths.

    Raises:
        DataError: A pattern has no folder.
    """
    folders = []
    for pattern in patterns:
        found = sorted(str(path) for path in data.glob(pattern) if path.is_dir())
        if not found:
            raise DataError(f"{data / pattern}: there is no such folder; give that of the data")
        folders += found
    return folders


def training_run(
    found: Slice, kind: str, options: argparse.Namespace, seed: int = 1
) -> TrainingRun:
    """The training of a slice with one of the inputs, from a seed."""
    data_set = SliceSet(
        name="-".join(found.name.replace(",", "").split()),
        title=found.name,
        origin=SETS[found.tuned].origin,
        elements="",
        slice=found,
        steps=options.steps,
    )
    return TrainingRun(data_set, seed, options.output, options.data, kind)


def result(run: TrainingRun, limit: float | None) -> dict:
    """Train and test, unless that has been done; what the table needs."""
    record, _ = run.measure(limit)
    config = run.config()
    return {
        "slice": run.data_set.title,
        "kind": run.variant,
        "seed": run.seed,
        "tuned": SLICES[run.data_set.title].tuned,
        "steps": record.steps,
        "program": dict(record.program),
        "frames": record.data["training"]["frames"],
        "descriptor": config["model"]["descriptor"]["type"],
        "rcut": config["model"]["descriptor"]["rcut"],
        "core_minutes": record.core_minutes,
        "errors": dict(record.errors),
    }


def read_rows(path: Path = RESULTS) -> list[dict]:
    """What has been recorded."""
    return read_json(path, [])


def ratio(rows: Sequence[dict], quantity: str) -> float:
    """RMSE of the input of `init` divided by that of the tuned one, each the mean over seeds.

    Args:
        rows: Those of a slice.
        quantity: Of `record.ERRORS`.
    """
    return mean_error(rows, "init", quantity) / mean_error(rows, "tuned", quantity)


def mean_error(rows: Sequence[dict], kind: str, quantity: str) -> float:
    """RMSE of one of the inputs, the mean over seeds.

    Args:
        rows: Those of a slice.
        kind: Of `KINDS`.
        quantity: Of `record.ERRORS`.
    """
    return float(np.mean([r["errors"][quantity]["rmse"] for r in rows if r["kind"] == kind]))


def by_slice(rows: Sequence[dict]) -> dict[str, list[dict]]:
    """The rows of the slices that both inputs have been trained for, in the order of `SLICES`."""
    groups = {name: [row for row in rows if row["slice"] == name] for name in SLICES}
    return {
        name: group for name, group in groups.items() if {row["kind"] for row in group} == {*KINDS}
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Do the runs that are asked for."""
    parser = make_parser(__doc__)
    parser.add_argument("slices", nargs="*", metavar="SLICE", help="all by default")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="(%(default)s)")
    parser.add_argument("--steps", type=int, default=STEPS, help="of a training (%(default)s)")
    add_budget(parser)
    options = parser.parse_args(arguments)
    with one_sentence():
        unknown = [name for name in options.slices if name not in SLICES]
        if unknown:
            raise DataError(f"{unknown[0]} is no slice; there are {'; '.join(SLICES)}")
        check_folder(options.data, "give the folder of the data with --data or DEEPATTN_SHARED")
        options.data = options.data.resolve()
        _run(options)


def _run(options: argparse.Namespace) -> None:
    budget = Budget(options.budget)
    for number, name in enumerate(options.slices or SLICES, start=1):
        for seed, kind in product(options.seeds, KINDS):
            run = training_run(SLICES[name], kind, options, seed)
            with budget.of(run) as limit:
                row = result(run, limit)
            rows = put_row(RESULTS, row, ("slice", "kind", "seed"))
        pair = [row for row in rows if row["slice"] == name]
        each = ", ".join(f"{key} {ratio(pair, key):.2f}" for key in pair[0]["errors"])
        print(
            f"[{number}/{len(options.slices or SLICES)}] {name}: {each}",
            file=sys.stderr,
            flush=True,
        )
    ratios = [ratio(pair, "force") for pair in by_slice(read_rows()).values()]
    print(f"force errors, median ratio {np.median(ratios):.2f}", file=sys.stderr)


if __name__ == "__main__":
    main()
