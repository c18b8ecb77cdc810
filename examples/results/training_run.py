"""One training in its own folder, which can be stopped and resumed, and its record."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import keras
from cost import Cost, read_cost
from record import ERRORS, RESULTS, Record, describe_data, program_versions, thin_curve, write_pairs
from sets import DataSet, normalized

from deepattn.data import find_systems
from deepattn.errors import DataError
from deepattn.formats.files import write_whole
from deepattn.infer import DeepPot, Inspection, TestReport, measure_errors
from deepattn.plots.learning_curve import read_learning_curve
from deepattn.train import train

COST = "cost.json"
_TRAINED = "trained"


@dataclass(frozen=True)
class TrainingRun:
    """The training of a model of a data set.

    Attributes:
        data_set: The set.
        seed: Seed of the training.
        output: Folder of the folders of all runs.
        data: Folder that contains the data.
        variant: Name of changes of the input, see `variants`; empty for none.
        pretrained: Model to fine-tune; None trains from scratch.
    """

    data_set: DataSet
    seed: int
    output: Path
    data: Path
    variant: str = ""
    pretrained: Path | None = None

    @property
    def name(self) -> str:
        """Name of the folder of the run and of the file of its results."""
        return "-".join(filter(None, (self.data_set.name, self.variant, str(self.seed))))

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self.output / self.name

    @property
    def record_path(self) -> Path:
        """The file of the results."""
        return RESULTS / f"{self.name}.json"

    def config(self) -> dict:
        """The input of the training.

        Raises:
            DataError: Data are missing.
        """
        return self.data_set.read_input(self.data.resolve(), self.seed, self.variant)

    def finished(self) -> bool:
        """Whether the model is trained."""
        return (self.folder / _TRAINED).is_file()

    def spent(self) -> float:
        """Core-minutes that the training has used so far."""
        return read_cost(self.folder / COST)

    def carry_out(self, limit: float | None = None) -> Record:
        """Train, test on the validation frames, and write the record; done parts are not repeated.

        Args:
            limit: Core-minutes after which the training stops, to be resumed by another call.

        Raises:
            DataError: Data are missing, or the folder holds a run with another input.
            KeyboardInterrupt: The limit is reached.
        """
        record, report = self.measure(limit)
        record.write(self.record_path)
        if record.is_result and self.seed == min(self.data_set.seeds):
            write_pairs(report, self.record_path.with_suffix(".npz"))
        return record

    def measure(self, limit: float | None = None) -> tuple[Record, TestReport]:
        """Train and test on the validation frames; done parts are not repeated.

        Args:
            limit: As for `carry_out`.

        Raises:
            DataError: As for `carry_out`.
            KeyboardInterrupt: The limit is reached.
        """
        config = self.config()
        self._prepare(config)
        if not self.finished():
            self._train(limit)
            (self.folder / _TRAINED).touch()
        systems = find_systems(config["training"]["validation_data"]["systems"])
        model = self._model()
        with DeepPot(model) as potential:
            report = measure_errors(potential, systems)
        record = Record(
            set=self.data_set.name,
            seed=self.seed,
            program=self._program(),
            data={
                part: describe_data(config["training"][f"{part}_data"]["systems"])
                for part in ("training", "validation")
            },
            parameters=Inspection(model).size()["trained parameters"],
            steps=config["training"]["numb_steps"],
            core_minutes=round(self.spent(), 2),
            errors=errors_of(report),
            curve=thin_curve(read_learning_curve(self.folder / "lcurve.out")),
            variant=self.variant,
        )
        return record, report

    def _prepare(self, config: dict) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "input.json"
        if not path.is_file():
            with write_whole(path, "w") as file:
                json.dump(config, file, indent=1)
        elif normalized(json.loads(path.read_text())) != normalized(config):
            raise DataError(f"{path}: this run has other settings; name another --output")

    def _train(self, limit: float | None) -> None:
        """Train from the start or from the last checkpoint to the end."""
        # One process does many runs; each begins with an empty graph.
        keras.backend.clear_session()
        cost = Cost(self.folder / COST, limit)
        with working_folder(self.folder):
            try:
                if Path("model.ckpt.h5").exists():
                    train(
                        "out.json", restart="model.ckpt", skip_neighbor_stat=True, callbacks=[cost]
                    )
                else:
                    train("input.json", finetune=self.pretrained, callbacks=[cost])
            finally:
                cost.write()

    def _model(self) -> Path:
        """The trained model."""
        return self.folder

    def _program(self) -> dict[str, str]:
        """Versions of the program that trains, and of what it runs on."""
        return program_versions()


def errors_of(report: TestReport) -> dict[str, dict[str, float]]:
    """RMSE and MAE of the quantities that the data have, in the units of `ERRORS`."""
    average = report.average
    return {
        name: {kind: round(1000 * average[f"{kind}_{key}"][0], 3) for kind in ("rmse", "mae")}
        for name, (key, _) in ERRORS.items()
        if f"rmse_{key}" in average
    }


def trained_folder(output: Path, name: str) -> Path:
    """The folder of the trained model of a data set, of its first seed.

    Args:
        output: Folder of the folders of all runs.
        name: Of the data set.

    Raises:
        DataError: It has not been trained.
    """
    folder = output / f"{name}-1"
    if not (folder / _TRAINED).is_file():
        raise DataError(f"{folder}: there is no trained model; run run.py {name} --output first")
    return folder


@contextmanager
def working_folder(folder: Path) -> Iterator[None]:
    """A training writes its files where it runs."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
