"""The record of one training: a JSON file, and labels with predictions for parity pictures."""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deepattn import __version__
from deepattn.data import System, find_systems
from deepattn.formats.files import write_whole
from deepattn.infer import TestReport

RESULTS = Path(__file__).resolve().parent / "results"
RUNS = RESULTS.with_name("dynamics.json")
STUDENTS = RESULTS.with_name("students.json")
# Errors of a record: by name, the key in a report of `measure_errors` and the unit.
ERRORS = {
    "energy": ("ea", "meV/atom"),
    "force": ("f", "meV/Å"),
    "virial": ("va", "meV/atom"),
}
# Rows of a learning curve and pairs of a quantity that are kept.
_ROWS = 60
_PAIRS = 4000


@dataclass(frozen=True)
class Record:
    """One training and its errors.

    Attributes:
        set: Name of the data set.
        seed: Seed of the training.
        program: Versions by name of the program.
        data: ``training`` and ``validation``: numbers of systems, frames and atoms.
        parameters: Trained parameters of the model.
        steps: Steps of the training.
        core_minutes: Processor time of the training.
        errors: By quantity, ``rmse`` and ``mae`` over all validation frames, in the units of
            `ERRORS`.
        curve: ``step`` and, by quantity, the validation RMSE during training (of the batches of
            ``validation_data``, which are some of the frames), in the same units.
        variant: Name of what differs from the input of the set; empty if nothing does.
    """

    set: str
    seed: int
    program: Mapping[str, str]
    data: Mapping[str, Mapping[str, int]]
    parameters: int
    steps: int
    core_minutes: float
    errors: Mapping[str, Mapping[str, float]]
    curve: Mapping[str, Sequence[float]]
    variant: str = ""

    @property
    def is_own(self) -> bool:
        """Whether deepattn has trained it."""
        return "deepattn" in self.program

    @property
    def is_result(self) -> bool:
        """Whether it is deepattn's training with the input of the set as it is."""
        return self.is_own and not self.variant

    @property
    def key(self) -> tuple[str, str, int]:
        """What other programs train too: the set, the variant and the seed."""
        return self.set, self.variant, self.seed

    def write(self, path: Path) -> None:
        """Write it to a JSON file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, asdict(self))


def read_records(folder: Path = RESULTS) -> list[Record]:
    """All records of a folder, by file name."""
    return [Record(**json.loads(path.read_text())) for path in sorted(folder.glob("*.json"))]


def read_json(path: Path, empty: Any) -> Any:
    """Content of a file of results, or `empty` if there is none yet."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else empty


def write_json(path: Path, content: Any) -> None:
    """Write a file of results."""
    with write_whole(path, "w") as file:
        json.dump(content, file, indent=1, ensure_ascii=False)
        file.write("\n")


def put_row(path: Path, row: dict, names: Sequence[str]) -> list[dict]:
    """Add a row to a file of results, in place of one that has the same values of some names.

    Returns:
        All rows of the file.
    """
    key = [row[name] for name in names]
    rows = [old for old in read_json(path, []) if [old[name] for name in names] != key]
    write_json(path, [*rows, row])
    return [*rows, row]


def read_runs() -> dict[str, dict]:
    """Results of molecular dynamics, by the name of the run, as `dynamics.py` has written them."""
    return json.loads(RUNS.read_text())


def read_students() -> dict[str, dict]:
    """Teachers and students by material, as `students.py` has written them."""
    return json.loads(STUDENTS.read_text())


def program_versions() -> dict[str, str]:
    """Versions of deepattn and of what it runs on."""
    import keras
    import tensorflow

    return {
        "deepattn": __version__,
        "tensorflow": tensorflow.__version__,
        "keras": keras.__version__,
        "python": platform.python_version(),
    }


def describe_data(systems: Sequence[str]) -> dict[str, int]:
    """Numbers of systems, frames and atoms (in all frames; virtual ones do not count)."""
    opened = [System(path) for path in find_systems(systems)]
    atoms = sum(
        int(np.count_nonzero(system.atype(np.arange(system.nframes)) >= 0)) for system in opened
    )
    return {
        "systems": len(opened),
        "frames": sum(system.nframes for system in opened),
        "atoms": atoms,
    }


def thin_curve(columns: Mapping[str, np.ndarray]) -> dict[str, list[float]]:
    """Validation errors of a learning curve at evenly spaced steps.

    Args:
        columns: As `deepattn.plots.learning_curve.read_learning_curve` gives them.
    """
    count = len(columns["step"])
    rows = np.unique(np.linspace(0, count - 1, min(count, _ROWS)).round().astype(int))
    curve: dict[str, list[float]] = {"step": [int(step) for step in columns["step"][rows]]}
    for name in ERRORS:
        values = columns.get(f"rmse_{name[0]}_val")
        if values is not None:
            curve[name] = [float(f"{1000 * value:.3g}") for value in values[rows]]
    return curve


def write_pairs(report: TestReport, path: Path) -> None:
    """Write labels and errors of the predictions, of so many components as a picture shows.

    The file has ``<kind>_label`` and ``<kind>_error`` for each kind of
    `deepattn.infer.PairSample`, in eV and Å; labels of energies are relative to their mean, so
    that single precision is enough.
    """
    arrays: dict[str, Any] = {}
    random = np.random.default_rng(0)
    for kind, (label, prediction) in report.sample.pairs.items():
        chosen = random.permutation(len(label))[:_PAIRS]
        error = (prediction - label)[chosen].astype(np.float32)
        shift = label.mean() if kind == "e_peratom" else 0.0
        arrays |= {
            f"{kind}_label": (label[chosen] - shift).astype(np.float32),
            f"{kind}_error": error,
        }
    with write_whole(path) as file:
        np.savez_compressed(file, **arrays)


def read_pairs(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Labels and predictions by kind, as `write_pairs` has written them."""
    with np.load(path) as file:
        kinds = [name.removesuffix("_label") for name in file if name.endswith("_label")]
        return {
            kind: (file[f"{kind}_label"], file[f"{kind}_label"] + file[f"{kind}_error"])
            for kind in kinds
        }
