"""The names of the files that a training writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deepattn.config import Config
from deepattn.train.checkpointing.best import BestFiles


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
        name: Name of its state in the header of a checkpoint.
        metric: The error that ranks checkpoints.
        log: The errors.
        best: The checkpoints with the lowest errors.
    """

    name: str
    metric: str
    log: Log
    best: BestFiles


@dataclass(frozen=True)
class TrainingFiles:
    """What a training writes, besides the complete input.

    Attributes:
        prefix: Path prefix of the checkpoints.
        keep: Number of checkpoints that stay; 0 keeps all.
        curve: The learning curve, or None.
        validations: The files of the full validations.
    """

    prefix: Path
    keep: int
    curve: Log | None
    validations: tuple[ValidationFiles, ...] = ()

    @classmethod
    def of(cls, config: Config) -> TrainingFiles:
        """The files of a training.

        Args:
            config: Its configuration; of a multi-task training that of any branch.
        """
        training, validating = config.training, config.validating
        prefix = Path(training.save_ckpt)
        folder = (
            prefix.parent if validating.save_best_dir is None else Path(validating.save_best_dir)
        )
        validations = []
        if validating.active:
            log = Log(Path(validating.full_val_file), "validating/full_val_file")
            best = BestFiles(folder, "best.ckpt")
            metric = validating.validation_metric
            validations.append(ValidationFiles("validation", metric, log, best))
        curve = Log(Path(training.disp_file), "training/disp_file")
        return cls(
            prefix,
            training.max_ckpt_keep,
            curve if training.disp_training else None,
            tuple(validations),
        )

    @property
    def logs(self) -> list[Log]:
        """The learning curve and the logs of the full validations."""
        curves = [] if self.curve is None else [self.curve]
        return [*curves, *(validation.log for validation in self.validations)]
