"""What limits the errors: learning curves in frames, in the widths of the nets and in steps.

For each set one thing at a time differs from a short training, the middle of all curves: a part of
the frames, narrower and wider nets, fewer and more steps of the same schedule. Every model is
tested on all validation frames and on the frames that it was trained with. The results are written
to ``limits.json``.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from command import add_data, one_sentence
from drawn import write_some
from sets import HERE, SETS, DataSet
from training_run import TrainingRun, errors_of

from deepattn.convert import read_frames
from deepattn.data import find_systems
from deepattn.errors import DataError
from deepattn.formats.files import write_whole
from deepattn.infer import DeepPot, measure_errors

RESULTS = HERE / "limits.json"
# Steps of the short training, by the set that misses a goal.
MIDDLE = {"water": 6000, "3bpa": 16000, "monbtaw": 12000}
_QUARTER, _HALF = Fraction(1, 4), Fraction(1, 2)
# What is multiplied, and by what. 1 is the middle of all curves.
CURVES: dict[str, Sequence[Fraction]] = {
    "frames": (_QUARTER, _HALF, Fraction(1)),
    "width": (_HALF, Fraction(1), Fraction(2)),
    "steps": (_QUARTER, _HALF, Fraction(1), Fraction(2)),
}


@dataclass(frozen=True, kw_only=True)
class Point(DataSet):
    """A data set with one thing changed.

    Attributes:
        axis: What is multiplied: a name in `CURVES`.
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
        if self.axis == "width":
            for section in (model["descriptor"], model["fitting_net"]):
                section["neuron"] = [int(self.factor * width) for width in section["neuron"]]
        if self.axis == "frames" and self.factor < 1:
            training["training_data"]["systems"] = self._some(
                training["training_data"]["systems"], mixed=self._is_mixed(model)
            )
        return config

    def _some(self, systems: Sequence[str], *, mixed: bool) -> list[str]:
        """A part of the frames, drawn once."""
        target = self.folder / f"{self.name}-frames-{self.factor.denominator}"
        if target.exists():
            return find_systems(str(target.absolute()))
        frames = read_frames([Path(path) for path in systems])
        count = int(self.factor * frames.get_nframes())
        return write_some(frames, target, count=count, seed=1, layout="mixed" if mixed else "npy")

    @staticmethod
    def _is_mixed(model: dict) -> bool:
        return model["descriptor"]["type"] == "se_atten_v2"


def training_run(name: str, axis: str, factor: Fraction, output: Path, data: Path) -> TrainingRun:
    """The training of one point.

    Args:
        name: Of the data set.
        axis: Name in `CURVES`; of no meaning where the factor is 1.
        factor: By what it is multiplied.
        output: Folder of the runs.
        data: Folder of the data.
    """
    origin = SETS[name]
    point = Point(
        origin.name,
        origin.title,
        origin.origin,
        origin.elements,
        axis=axis,
        factor=factor,
        folder=output,
    )
    variant = "middle" if factor == 1 else f"{axis}-{float(factor):g}"
    return TrainingRun(point, 1, output, data, variant)


def result(run: TrainingRun, axis: str, factor: Fraction, limit: float | None) -> dict:
    """Train and test, unless that has been done; what tables and pictures need."""
    record, _ = run.measure(limit)
    with DeepPot(run.folder) as potential:
        systems = find_systems(run.config()["training"]["training_data"]["systems"])
        training = errors_of(measure_errors(potential, systems))
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
        "errors": {"validation": dict(record.errors), "training": training},
    }


def read_points(path: Path = RESULTS) -> list[dict]:
    """What has been recorded, the middle in every curve, in the order of curves and factors."""
    rows = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    return [
        row | {"axis": axis}
        for name in MIDDLE
        for axis, factors in CURVES.items()
        for factor in factors
        for row in rows
        if (row["set"], row["factor"]) == (name, factor) and (factor == 1 or row["axis"] == axis)
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Do the runs that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "sets", nargs="*", metavar="SET", help=f"all by default: {' '.join(MIDDLE)}"
    )
    parser.add_argument(
        "--budget",
        type=float,
        metavar="MINUTES",
        help="stop when so many core-minutes are used; the same command goes on from there",
    )
    add_data(parser)
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
        for axis, factors in CURVES.items()
        for factor in factors
    }
    left = options.budget
    for number, (name, axis, factor) in enumerate(sorted(points), start=1):
        run = training_run(name, axis, factor, options.output, options.data)
        before = run.spent()
        row = result(run, axis, factor, left)
        if left is not None:
            left -= run.spent() - before
        _record(row)
        error = row["errors"]["validation"]["force"]["rmse"]
        print(
            f"[{number}/{len(points)}] {name}, {axis} × {float(factor):g}: force {error:.1f} meV/Å",
            file=sys.stderr,
            flush=True,
        )


def _record(row: dict) -> None:
    """Add a point to the file, in place of an older one of the same kind."""
    key = [row[name] for name in ("set", "axis", "factor")]
    rows = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else []
    rows = [old for old in rows if [old[name] for name in ("set", "axis", "factor")] != key]
    with write_whole(RESULTS, "w") as file:
        json.dump([*rows, row], file, indent=1, ensure_ascii=False)
        file.write("\n")


if __name__ == "__main__":
    main()
