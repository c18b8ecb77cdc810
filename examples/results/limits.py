"""What limits the errors: learning curves in frames, in the widths of the nets and in steps.

For each set one thing at a time differs from a short training, the middle of all curves: a part of
the frames, narrower and wider nets, fewer and more steps of the same schedule, and where a goal of
the energy is missed, larger prefactors of the energy in the loss. Every model is tested on all
validation frames, on parts of them, and on the frames that it was trained with. The results are
written to ``limits.json``.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from command import make_parser, one_sentence
from cost import Budget, add_budget
from drawn import write_some
from record import ERRORS, put_row, read_json
from sets import HERE, SETS, DataSet
from training_run import TrainingRun, errors_of

from deepattn.convert import read_frames
from deepattn.data import find_systems
from deepattn.errors import DataError
from deepattn.infer import DeepPot, measure_errors

RESULTS = HERE / "limits.json"
# Steps of the short training, by the set that misses a goal, or missed it with half of its steps.
MIDDLE = {"water": 6000, "3bpa": 16000, "monbtaw": 12000}
# Whose goal that is.
MISSED = {"water": "force", "3bpa": "force", "monbtaw": "energy"}
# Parts of the validation frames that are tested on their own too, by folders of systems.
PARTS = {"monbtaw": {"crystals": ("2", "16", "54"), "surfaces": ("6", "14", "26")}}
_QUARTER, _HALF = Fraction(1, 4), Fraction(1, 2)
# What is multiplied, and by what. 1 is the middle of all curves.
CURVES: dict[str, Sequence[Fraction]] = {
    "frames": (_QUARTER, _HALF, Fraction(1)),
    "width": (_HALF, Fraction(1), Fraction(2)),
    "steps": (_QUARTER, _HALF, Fraction(1), Fraction(2)),
}
# Where it is the energy whose goal is missed.
PREFACTORS: dict[str, Sequence[Fraction]] = {"pref_e": (Fraction(1), Fraction(4), Fraction(16))}


@dataclass(frozen=True, kw_only=True)
class Point(DataSet):
    """A data set with one thing changed.

    Attributes:
        axis: What is multiplied: a name in `curves`.
        factor: By what.
        folder: For the frames that are drawn.
    """

    axis: str
    factor: Fraction
    folder: Path

    def read_input(self, data: Path, seed: int, variant: str = "") -> dict:
        """The input of the set with the change, which the variant names."""
        config = super().read_input(data, seed)
        model, training = config["model"], config["training"]
        steps = MIDDLE[self.name] * (self.factor if self.axis == "steps" else 1)
        training |= {"numb_steps": int(steps), "save_freq": int(steps) // 4}
        training["disp_freq"] = int(steps) // 20
        if self.axis == "pref_e":
            for end in ("start", "limit"):
                config["loss"][f"{end}_pref_e"] *= int(self.factor)
        if self.axis == "width":
            for section in (model["descriptor"], model["fitting_net"]):
                section["neuron"] = [int(self.factor * width) for width in section["neuron"]]
        if self.axis == "frames" and self.factor < 1:
            # Only descriptors of mixed types read that layout.
            layout = "mixed" if model["descriptor"]["type"] == "se_atten_v2" else "npy"
            data_section = training["training_data"]
            data_section["systems"] = self._some(data_section["systems"], layout)
        return config

    def _some(self, systems: Sequence[str], layout: str) -> list[str]:
        """A part of the frames, drawn once."""
        target = self.folder / f"{self.name}-frames-{self.factor.denominator}"
        if target.exists():
            return find_systems(str(target.absolute()))
        frames = read_frames([Path(path) for path in systems])
        count = int(self.factor * frames.get_nframes())
        return write_some(frames, target, count=count, seed=1, layout=layout)


def curves(name: str) -> dict[str, Sequence[Fraction]]:
    """What is multiplied, and by what, for a data set."""
    return CURVES | (PREFACTORS if MISSED[name] == "energy" else {})


def training_run(name: str, axis: str, factor: Fraction, output: Path, data: Path) -> TrainingRun:
    """The training of one point.

    Args:
        name: Of the data set.
        axis: Name in `curves`; of no meaning where the factor is 1.
        factor: By what it is multiplied.
        output: Folder of the runs.
        data: Folder of the data.
    """
    point = Point(**vars(SETS[name]), axis=axis, factor=factor, folder=output)
    variant = "middle" if factor == 1 else f"{axis}-{float(factor):g}"
    return TrainingRun(point, 1, output, data, variant)


def result(run: TrainingRun, axis: str, factor: Fraction, limit: float | None) -> dict:
    """Train and test, unless that has been done; what tables and pictures need."""
    record, _ = run.measure(limit)
    with DeepPot(run.folder) as potential:
        sections = run.config()["training"]
        training = find_systems(sections["training_data"]["systems"])
        valid = find_systems(sections["validation_data"]["systems"])
        tested = {"training": training} | {
            part: [system for system in valid if Path(system).name in names]
            for part, names in PARTS.get(record.set, {}).items()
        }
        errors = {
            part: errors_of(measure_errors(potential, systems)) for part, systems in tested.items()
        }
    return {
        "set": record.set,
        "axis": axis,
        "factor": float(factor),
        "seed": record.seed,
        "program": dict(record.program),
        "frames": record.data["training"]["frames"],
        "parameters": record.parameters,
        "steps": record.steps,
        "core_minutes": record.core_minutes,
        "errors": {"validation": dict(record.errors), **errors},
    }


def read_points(path: Path = RESULTS) -> list[dict]:
    """What has been recorded, the middle in every curve, in the order of curves and factors."""
    rows = read_json(path, [])
    return [
        row | {"axis": axis}
        for name in MIDDLE
        for axis, factors in curves(name).items()
        for factor in factors
        for row in rows
        if (row["set"], row["factor"]) == (name, factor) and (factor == 1 or row["axis"] == axis)
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Do the runs that are asked for."""
    parser = make_parser(__doc__)
    parser.add_argument(
        "sets", nargs="*", metavar="SET", help=f"all by default: {' '.join(MIDDLE)}"
    )
    add_budget(parser)
    options = parser.parse_args(arguments)
    with one_sentence():
        _run(options)


def _run(options: argparse.Namespace) -> None:
    unknown = [name for name in options.sets if name not in MIDDLE]
    if unknown:
        raise DataError(f"{unknown[0]} has no curves; there are {', '.join(MIDDLE)}")
    points = {
        (name, "middle" if factor == 1 else axis, factor)
        for name in options.sets or MIDDLE
        for axis, factors in curves(name).items()
        for factor in factors
    }
    budget = Budget(options.budget)
    for number, (name, axis, factor) in enumerate(sorted(points), start=1):
        run = training_run(name, axis, factor, options.output, options.data)
        with budget.of(run) as limit:
            row = result(run, axis, factor, limit)
        put_row(RESULTS, row, ("set", "axis", "factor"))
        errors = ", ".join(
            f"{quantity} {row['errors']['validation'][quantity]['rmse']:.1f} {ERRORS[quantity][1]}"
            for quantity in ("energy", "force")
        )
        print(
            f"[{number}/{len(points)}] {name}, {axis} × {float(factor):g}: {errors}",
            file=sys.stderr,
            flush=True,
        )


if __name__ == "__main__":
    main()
