"""The names of the files that a training writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deepattn.config import Config, ValidatingConfig
from deepattn.train.checkpointing.best import BestFiles

# Name of the full validation of the averages.
AVERAGED = "ema_validation"


@dataclass(frozen=True)
class Log:
    """A text file to which a training adds lines.

    Attributes:
        path: The file.
        key: The key of the input that names it.
    """

    path: Path
    key: str


@dataclass(frozen=True)
class ValidationFiles:
    """What a full validation writes.

    Attributes:
        name: Its name, under which its state is in the header of a checkpoint.
        metric: The error that ranks checkpoints.
        log: The errors.
        best: The checkpoints with the lowest errors.
    """

    name: str
    metric: str
    log: Log
    best: BestFiles


@dataclass(frozen=True)
class AverageFiles:
    """Checkpoints of the moving average of the weights, ``<prefix>-<step>.h5``.

    Attributes:
        prefix: Their path prefix.
        keep: Number of them that stay; 0 keeps all.
    """

    prefix: Path
    keep: int


@dataclass(frozen=True)
class TrainingFiles:
    """What a training writes, besides the complete input.

    Attributes:
        prefix: Path prefix of the checkpoints.
        keep: Number of checkpoints that stay; 0 keeps all.
        curve: The learning curve, or None.
        average: The checkpoints of the average, or None.
        validations: The files of the full validations.
    """

    prefix: Path
    keep: int
    curve: Log | None
    average: AverageFiles | None = None
    validations: tuple[ValidationFiles, ...] = ()

    @classmethod
    def of(cls, config: Config) -> TrainingFiles:
        """The files of a training.

        Args:
            config: Its configuration; of a multi-task training that of any branch.
        """
        training, validating = config.training, config.validating
        prefix = Path(training.save_ckpt)
        curve = Log(Path(training.disp_file), "training/disp_file")
        average = None
        if training.enable_ema:
            keep = training.ema_ckpt_keep
            average = AverageFiles(
                _averaged(prefix), training.max_ckpt_keep if keep is None else keep
            )
        validations = []
        if validating.active:
            chosen = validating.save_best_dir
            folder = prefix.parent if chosen is None else Path(chosen)
            log = Path(validating.full_val_file)
            if validating.full_validation:
                validations.append(_validation("validation", validating, log, folder, "best.ckpt"))
            if validating.ema_full_validation:
                log = _averaged(log)
                validations.append(_validation(AVERAGED, validating, log, folder, "best_ema.ckpt"))
        return cls(
            prefix,
            training.max_ckpt_keep,
            curve if training.disp_training else None,
            average,
            tuple(validations),
        )

    @property
    def logs(self) -> list[Log]:
        """The learning curve and the logs of the full validations."""
        curves = [] if self.curve is None else [self.curve]
        return [*curves, *(validation.log for validation in self.validations)]


def _validation(
    name: str, section: ValidatingConfig, log: Path, folder: Path, prefix: str
) -> ValidationFiles:
    return ValidationFiles(
        name,
        section.validation_metric,
        Log(log, "validating/full_val_file"),
        BestFiles(folder, prefix),
    )


def _averaged(path: Path) -> Path:
    """The name of the same file of the averages: ``_ema`` before the ending."""
    return path.with_name(f"{path.stem}_ema{path.suffix}")
