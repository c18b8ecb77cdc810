"""One training that can be resumed, and the errors of its model."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import keras
from cost import Cost, read_cost

from deepattn.errors import DataError
from deepattn.formats.files import write_whole
from deepattn.infer import DeepPot, measure_errors
from deepattn.train import train

Errors = dict[str, dict[str, float]]
_COST = "cost.json"
# Of energies, forces and virials.
LOSS = {
    "start_pref_e": 1,
    "limit_pref_e": 20,
    "start_pref_f": 1000,
    "limit_pref_f": 10,
    "start_pref_v": 0.5,
    "limit_pref_v": 5,
}


@dataclass(frozen=True)
class TrainingRun:
    """A training in its own folder.

    Attributes:
        folder: Where its files are.
        config: Its input, with absolute paths.
        tests: Systems that the model is tested on, by the name of the test.
        pretrained: Frozen model or checkpoint to fine-tune; None trains from scratch.
        branch: The branch of a multi-task checkpoint to start from.
        head: The branch that is tested, in a multi-task training.
    """

    folder: Path
    config: Mapping
    tests: Mapping[str, Sequence[str]]
    pretrained: Path | None = None
    branch: str | None = None
    head: str | None = None

    def spent(self) -> float:
        """Core-minutes that the training has used so far."""
        return read_cost(self.folder / _COST)

    def errors(self, limit: float | None = None) -> Errors:
        """The errors of the trained model; completed parts are not repeated.

        A finished run is known by its ``errors.json``; a stopped one goes on from its last
        checkpoint.

        Args:
            limit: Core-minutes after which the training stops, to be resumed by another call.

        Returns:
            By test, root mean square errors: ``energy`` (eV/atom) and ``force`` (eV/Å).

        Raises:
            DataError: The folder holds a run with another input.
            DeepattnError: Anything that is wrong with the data.
            KeyboardInterrupt: The limit is reached.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._resolve_input()
        results = self.folder / "errors.json"
        if not results.is_file():
            # One process does many runs; each begins with an empty graph.
            keras.backend.clear_session()
            self._train(limit)
            with DeepPot(self.folder, head=self.head) as model:
                errors = {name: test(model, systems) for name, systems in self.tests.items()}
            with write_whole(results, "w") as file:
                json.dump(errors, file, indent=1)
        return json.loads(results.read_text())

    def _resolve_input(self) -> None:
        path = self.folder / "input.json"
        if not path.is_file():
            with write_whole(path, "w") as file:
                json.dump(self.config, file, indent=1)
        elif json.loads(path.read_text()) != self.config:
            raise DataError(f"{path}: this run has other settings; name another --output")

    def _train(self, limit: float | None) -> None:
        cost = Cost(self.folder / _COST, limit)
        with _working_folder(self.folder):
            try:
                if Path("model.ckpt.h5").exists():
                    # It has the complete model section, which fine-tuning takes from the file.
                    train(
                        "out.json", restart="model.ckpt", skip_neighbor_stat=True, callbacks=[cost]
                    )
                else:
                    train(
                        "input.json",
                        finetune=self.pretrained,
                        model_branch=self.branch,
                        callbacks=[cost],
                    )
            finally:
                cost.write()


def rate_section(start: float) -> dict:
    """A learning rate that falls by a cosine."""
    return {"type": "cosine", "start_lr": start, "stop_lr": 1e-5}


def training_input(
    model: Mapping,
    systems: Sequence[str],
    *,
    batch_size: str,
    steps: int,
    rate: Mapping,
    loss: Mapping,
    seed: int,
) -> dict:
    """The input of a training, saved a few times.

    Args:
        model: The ``model`` section.
        systems: Training systems, absolute paths.
        batch_size: As in an input.
        steps: Number of steps.
        rate: The ``learning_rate`` section.
        loss: The ``loss`` section.
        seed: Of initial weights and of the order of frames.
    """
    quarter = max(steps // 4, 1)
    return {
        "model": dict(model),
        "learning_rate": dict(rate),
        "loss": dict(loss),
        "training": {
            "training_data": {"systems": list(systems), "batch_size": batch_size},
            "numb_steps": steps,
            "disp_freq": quarter,
            "save_freq": quarter,
            "max_ckpt_keep": 1,
            "seed": seed,
        },
    }


def test(model: DeepPot, systems: Sequence[str]) -> dict[str, float]:
    """Root mean square errors of a model: ``energy`` (eV/atom) and ``force`` (eV/Å)."""
    errors = measure_errors(model, systems).average
    return {"energy": errors["rmse_ea"][0], "force": errors["rmse_f"][0]}


@contextmanager
def _working_folder(folder: Path) -> Iterator[None]:
    """A training writes its files where it runs."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
