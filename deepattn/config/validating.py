"""The ``validating`` section: evaluating all validation data while training."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from deepattn.config.argument import Refused
from deepattn.config.constraints import require
from deepattn.config.descriptions import PYTORCH
from deepattn.config.ranges import FILE, FOLDER, null_or, within
from deepattn.config.section import Section, key
from deepattn.errors import ConfigError, show

KINDS = ("MAE", "RMSE")


class Quantity(NamedTuple):
    """A quantity whose errors a full validation reports.

    Attributes:
        letter: Its name in ``validation_metric``.
        label: The label that predictions are compared with.
        error: Its name among the errors of `deepattn.infer.statistics`.
        unit: Unit of the errors as they are reported, a thousandth of the one they are computed in.
    """

    letter: str
    label: str
    error: str
    unit: str


QUANTITIES = (
    Quantity("E", "energy", "ea", "meV/atom"),
    Quantity("F", "force", "f", "meV/Å"),
    Quantity("S", "virial", "s", "meV/Å³"),
    Quantity("V", "virial", "va", "meV/atom"),
)
METRICS = tuple(f"{quantity.letter}:{kind}" for quantity in QUANTITIES for kind in KINDS)


def _check_metric(name: str, path: str) -> None:
    require(name.strip().upper() in METRICS, path, name, f"be one of {', '.join(METRICS)}")


@dataclass(frozen=True, kw_only=True)
class ValidatingConfig(Section):
    """Full validation: errors over all validation frames, and the checkpoints that are best."""

    input_only = (
        Refused("compiled_infer", False, hint=PYTORCH),
        Refused("tf32_infer", False, hint=PYTORCH),
        Refused("amp_infer", False, hint=PYTORCH),
    )

    full_validation: bool = key(
        False,
        "Whether all validation frames are evaluated at intervals.",
    )
    ema_full_validation: bool = key(
        False,
        "The same for the averages of the weights (training/enable_ema), with files of their own: "
        "best_ema.ckpt-…, and full_val_file with _ema before its ending.",
    )
    validation_freq: int = key(5000, "Steps between two full validations.", check=within(1))
    full_val_start: float = key(
        0.5,
        "Step of the first full validation: below 1 a fraction of numb_steps, above 1 a step; "
        "1 turns full validation off.",
        check=within(0),
    )
    full_val_file: str = key("val.log", "File of the errors.", check=FILE)
    validation_metric: str = key(
        "E:MAE",
        "The error by which checkpoints are ranked: MAE or RMSE of the energy per atom (E), the "
        "forces (F), the stress (S) or the virial per atom (V).",
        check=_check_metric,
    )
    patience: int | None = key(
        None,
        "Stop the training after so many full validations in a row without a lower error; by "
        "default never.",
        check=within(1),
        unset=True,
    )
    save_best: bool = key(True, "Whether the checkpoints with the lowest errors are kept.")
    max_best_ckpt: int = key(1, "Number of these checkpoints.", check=within(1))
    save_best_dir: str | None = key(
        None, "Their folder; by default that of save_ckpt.", check=null_or(FOLDER)
    )

    @property
    def active(self) -> bool:
        """Whether there is any full validation."""
        wanted = self.full_validation or self.ema_full_validation
        return wanted and self.full_val_start != 1

    @property
    def quantity(self) -> Quantity:
        """The quantity of ``validation_metric``."""
        letter = self.validation_metric.partition(":")[0]
        return next(quantity for quantity in QUANTITIES if quantity.letter == letter)

    @property
    def error(self) -> str:
        """Name of ``validation_metric`` among the errors of `deepattn.infer.statistics`."""
        return f"{self.validation_metric.partition(':')[2].lower()}_{self.quantity.error}"

    @property
    def shown(self) -> tuple[Quantity, ...]:
        """The quantities in ``full_val_file``: the virial only in the place of the stress."""
        hidden = "S" if self.quantity.letter == "V" else "V"
        return tuple(quantity for quantity in QUANTITIES if quantity.letter != hidden)

    def first_step(self, numb_steps: int) -> int | None:
        """Step from which full validations are counted, or None if there are none.

        Args:
            numb_steps: Length of the training.
        """
        start = self.full_val_start
        step = int(numb_steps * start) if start < 1 else int(start)
        return step if self.active and step <= numb_steps else None

    @classmethod
    def resolve_defaults(cls, section: dict[str, Any], folder: str | None) -> None:
        """Bring a complete section to its canonical form, in place.

        Args:
            section: The section.
            folder: ``training/save_dir``.
        """
        cls.drop_unset(section)
        section["validation_metric"] = section["validation_metric"].strip().upper()
        if folder is not None:
            for name in ("full_val_file", "save_best_dir"):
                if section[name] is not None:
                    section[name] = os.path.join(folder, section[name])

    @classmethod
    def check(
        cls,
        section: Mapping[str, Any],
        path: str,
        *,
        labels: Collection[str],
        data: bool,
        averages: bool,
    ) -> None:
        """Check a resolved section.

        Args:
            section: The values.
            path: Where it is.
            labels: Labels that the loss compares with predictions from the first step to the last.
            data: Whether the input has validation data.
            averages: Whether averages of the weights are kept.

        Raises:
            ConfigError: A value is out of range, or a full validation is not possible.
        """
        cls.check_keys(section, path)
        config = cls.from_dict(section)
        if not config.active:
            if config.patience is not None:
                raise ConfigError(
                    f"{path}/patience needs full validations; set full_validation to true."
                )
            return
        if config.ema_full_validation and not averages:
            raise ConfigError(
                f"{path}/ema_full_validation needs averages of the weights; set "
                "training/enable_ema to true."
            )
        if not data:
            raise ConfigError(
                f"{path}/full_validation needs validation data; set training/validation_data."
            )
        if config.quantity.label not in labels:
            raise ConfigError(
                f"{path}/validation_metric is {show(config.validation_metric)}, but the loss does "
                f"not train the {config.quantity.label} from the first step to the last; set its "
                "prefactors in the loss, or choose another metric."
            )
