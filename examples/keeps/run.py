"""Fine-tune the OC2M graph in several ways, and measure what is learned and what is lost.

    python run.py -o runs [--sets alloy] [--ways plain ewc=10] [--seeds 1 2 3] [--budget 20]

A way may have a strength of its own, as in ``ewc=10``; else it is that of `ways.py`. A finished run
has a record in ``results`` and is not repeated.
"""

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import keras
import numpy as np
from frames import Frame, draw, predicted, read_small, split_by_formula, write
from record import RESULTS, Record
from ways import SETS, WAYS, make_input

from deepattn.cli.log import set_up_logging
from deepattn.errors import DataError, DeepattnError
from deepattn.formats.files import write_whole
from deepattn.infer import DeepPot
from deepattn.models import read_model
from deepattn.train import train

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("DEEPATTN_SHARED", ROOT.parent / "shared"))
COUNTS = {"train": 100, "valid": 60, "old": 30, "other": 30}


@dataclass(frozen=True)
class Comparison:
    """What all runs have in common.

    Attributes:
        data: Folder of all data.
        pretrained: The graph.
        output: Folder for runs.
    """

    data: Path
    pretrained: Path
    output: Path

    @cached_property
    def model(self) -> dict:
        """Section of the pretrained model."""
        return read_model(self.pretrained).config.to_dict()

    @cached_property
    def published(self) -> DeepPot:
        """The pretrained model."""
        return DeepPot(self.pretrained)

    def new(self, name: str, part: str) -> list[Frame]:
        """Frames of a new data set, of the part ``train`` or ``valid``."""
        frames = list(read_small(self.data / SETS[name].folder / part))
        return draw(frames, COUNTS[part], seed=0)

    @cached_property
    def _others(self) -> tuple[list[Frame], list[Frame]]:
        """Old and other frames: of known elements, none of which is in the new data."""
        known = set(self.model["type_map"])
        used = {n for name in SETS for frame in self.new(name, "train") for n in frame.names}
        parts = [self.data / "mptrj" / "mixed" / part for part in ("train", "valid")]
        frames = [
            frame
            for folder in parts
            for frame in read_small(folder)
            if set(frame.names) <= known - used
        ]
        return split_by_formula(frames)

    @cached_property
    def old(self) -> list[Frame]:
        """Frames to keep, with the predictions of the pretrained model."""
        return predicted(self.published, draw(self._others[0], COUNTS["old"], seed=0))

    @cached_property
    def other(self) -> list[Frame]:
        """Frames to test what is kept, of other formulas."""
        return draw(self._others[1], COUNTS["other"], seed=0)

    @cached_property
    def before(self) -> list[Frame]:
        """The same with the predictions of the pretrained model."""
        return predicted(self.published, self.other)


@dataclass(frozen=True)
class Run:
    """One fine-tuning.

    Attributes:
        common: The comparison.
        set: Name of the new data.
        way: Name of the way.
        strength: Of the way.
        seed: Of the training.
    """

    common: Comparison
    set: str
    way: str
    strength: float
    seed: int

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.set}-{self.way}-{self.strength:g}-{self.seed}"

    def carry_out(self) -> Record:
        """Train, unless that has been done, and measure."""
        began = time.process_time()
        common, data = self.common, SETS[self.set]
        valid = common.new(self.set, "valid")
        if self.way == "pretrained":
            record = self._measured(common.published, valid, 0.0)
        else:
            folder = common.output / self.name
            folder.mkdir(parents=True, exist_ok=True)
            content = make_input(
                self.way,
                self.strength,
                data,
                model=common.model,
                new=write(common.new(self.set, "train"), common.output / "frames" / self.set),
                old=write(common.old, common.output / "frames" / "old"),
                seed=self.seed,
            )
            with write_whole(folder / "input.json", "w") as file:
                json.dump(content, file, indent=1)
            # One process does many runs; each begins with an empty graph.
            keras.backend.clear_session()
            with _working_folder(folder):
                resumed = Path("model.ckpt.h5").exists()
                start = {"restart": "model.ckpt"} if resumed else {"finetune": common.pretrained}
                train("input.json", skip_neighbor_stat=True, **start)
            head = "new" if self.way == "replay" else None
            with DeepPot(folder, head=head) as model:
                record = self._measured(model, valid, began)
        record.write(RESULTS)
        return record

    def _measured(self, model: DeepPot, valid: Sequence[Frame], began: float) -> Record:
        common = self.common
        after = predicted(model, common.other)
        return Record(
            set=self.set,
            way=self.way,
            strength=self.strength,
            seed=self.seed,
            steps=SETS[self.set].steps,
            frames=COUNTS,
            new=differences(predicted(model, valid), valid),
            drift=differences(after, common.before),
            other={"force": differences(after, common.other)["force"]},
            core_minutes=round((time.process_time() - began) / 60, 3) if began else 0.0,
        )


def differences(first: Sequence[Frame], second: Sequence[Frame]) -> dict[str, float]:
    """Root mean square differences of labels: ``energy`` (eV/atom) and ``force`` (eV/Å)."""
    energies = [
        (one.energy - two.energy) / len(one.names) for one, two in zip(first, second, strict=True)
    ]
    forces = [(one.force - two.force).ravel() for one, two in zip(first, second, strict=True)]
    return {
        "energy": float(np.sqrt(np.mean(np.square(energies)))),
        "force": float(np.sqrt(np.mean(np.square(np.concatenate(forces))))),
    }


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    graph = SHARED / "pretrained" / "oc2m_se_atten_f32.pb"
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--data", type=Path, default=SHARED / "data", help="folder of data sets")
    parser.add_argument("--pretrained", type=Path, default=graph, help="the OC2M graph")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--ways", nargs="+", default=list(WAYS), metavar="WAY[=STRENGTH]")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument(
        "--budget",
        type=float,
        metavar="MINUTES",
        help="begin no run after so many core-minutes; the same command goes on from there",
    )
    return parser.parse_args(argv)


def planned(common: Comparison, args: argparse.Namespace) -> Iterator[Run]:
    """The runs that are asked for.

    Raises:
        DataError: There is no such way.
    """
    for name in args.sets:
        yield Run(common, name, "pretrained", 0.0, 0)
    for seed in args.seeds:
        for name in args.sets:
            for text in args.ways:
                way, _, given = text.partition("=")
                if way not in WAYS:
                    raise DataError(f"{way} is no way; there are {', '.join(WAYS)}")
                strength = float(given) if given else SETS[name].strengths.get(way, 0.0)
                yield Run(common, name, way, strength, seed)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse(argv)
    set_up_logging("WARNING")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        common = Comparison(args.data.resolve(), args.pretrained.resolve(), args.output.resolve())
        for run in planned(common, args):
            if (RESULTS / f"{run.name}.json").is_file():
                continue
            if args.budget is not None and time.process_time() > 60 * args.budget:
                print("the budget is used; the same command goes on from here", file=sys.stderr)
                return
            print(f"{run.name}: {_shown(run.carry_out())}", file=sys.stderr, flush=True)
    except (DeepattnError, OSError) as error:
        sys.exit(f"error: {' '.join(str(error).split())}")
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command goes on from here")


def _shown(record: Record) -> str:
    def numbers(errors: Mapping[str, float]) -> str:
        return ", ".join(f"{name} {1000 * value:.1f}" for name, value in errors.items())

    return (
        f"new: {numbers(record.new)}; drift: {numbers(record.drift)}; other: "
        f"{numbers(record.other)} (meV/atom, meV/Å); {record.core_minutes} core-minutes"
    )


@contextmanager
def _working_folder(folder: Path) -> Iterator[None]:
    """A training writes its files where it runs."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


if __name__ == "__main__":
    main()
