"""Conversion of inputs of older DeePMD-kit versions to the current form (version 2)."""

import copy
import logging
import math
from typing import Any

from deepattn.config.upgrade_v0 import v0_to_v1
from deepattn.errors import ConfigError

log = logging.getLogger(__name__)

_DATA_KEYS = (
    "systems",
    "set_prefix",
    "batch_size",
    "sys_prob",
    "sys_probs",
    "sys_weights",
    "auto_prob",
    "auto_prob_style",
)
_STEPS_KEYS = ("numb_steps", "stop_batch", "num_step", "num_steps", "numb_step")
_WARMUP_KEYS = ("warmup_steps", "warmup_ratio", "warmup_start_factor")
_OPTIMIZER_KEYS = (
    "opt_type",
    "kf_blocksize",
    "kf_start_pref_e",
    "kf_limit_pref_e",
    "kf_start_pref_f",
    "kf_limit_pref_f",
    "weight_decay",
    "momentum",
    "muon_momentum",
    "adam_beta1",
    "adam_beta2",
    "lr_adjust",
    "lr_adjust_coeff",
    "muon_2d_only",
    "min_2d_dim",
)


def upgrade(raw: dict[str, Any]) -> dict[str, Any]:
    """Bring an input of any version to version 2; what is already version 2 comes back the same.

    Version 0 (no ``model`` section) and version 1 (``training/systems``) are converted; keys that
    later versions moved (warm-up, optimizer) or dropped (``numb_test``, ``set_prefix``) go where
    they belong. Each change is logged.

    Args:
        raw: Input as loaded; it is not modified.

    Raises:
        ConfigError: Keys of two versions contradict each other, or a version 0 key is missing.
    """
    data = copy.deepcopy(raw)
    if "model" not in data:
        data = v0_to_v1(data)
        log.warning("The input has the form of DeePMD-kit 0.x; it is read as version 2.")
    training = data.get("training")
    if not isinstance(training, dict):
        return data
    if "systems" in training:
        data = _v1_to_v2(data)
        training = data["training"]
        log.warning("The input has the form of DeePMD-kit 1.x; it is read as version 2.")
    if "numb_test" in training:
        del training["numb_test"]
        log.warning(
            "training/numb_test has no effect and is ignored; use training/validation_data."
        )
    for name in ("training_data", "validation_data"):
        _drop_set_prefix(training.get(name), f"training/{name}")
    _move_warmup(data)
    _move_optimizer(data)
    return data


def _v1_to_v2(data: dict[str, Any]) -> dict[str, Any]:
    training = data["training"]
    if "training_data" in training:
        raise ConfigError(
            "training has both systems (version 1) and training_data (version 2); "
            "keep training_data alone."
        )
    if "sys_prob" in training and "sys_probs" in training:
        raise ConfigError("training has both sys_prob and sys_probs; keep sys_probs.")
    section = {key: training.pop(key) for key in _DATA_KEYS if key in training}
    if "sys_prob" in section:
        section["sys_probs"] = section.pop("sys_prob")
    training["training_data"] = section
    rate = data.get("learning_rate")
    if isinstance(rate, dict) and rate.get("decay_rate") is not None:
        rate["stop_lr"] = _stop_lr(rate, training)
        del rate["decay_rate"]
    return data


def _stop_lr(rate: dict[str, Any], training: dict[str, Any]) -> float:
    """Final rate of version 1, which gave the factor of one decrease instead."""
    steps = next((training[key] for key in _STEPS_KEYS if key in training), None)
    values = {
        "learning_rate/start_lr": rate.get("start_lr"),
        "learning_rate/decay_rate": rate["decay_rate"],
        "learning_rate/decay_steps": rate.get("decay_steps", 5000),
        "training/stop_batch": steps,
    }
    for key, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(
                f"{key} is {value!r}; learning_rate/decay_rate of version 1 needs a number there."
            )
    start, decay, interval, steps = values.values()
    if not decay > 0 or not interval > 0:
        raise ConfigError(
            f"learning_rate/decay_rate is {decay} and learning_rate/decay_steps is {interval}; "
            "both must be positive."
        )
    try:
        return math.exp(math.log(decay) * (steps / interval)) * start
    except OverflowError:
        raise ConfigError(
            f"learning_rate/decay_rate is {decay}; over {steps} steps (training/stop_batch) "
            "the learning rate overflows."
        ) from None


def _drop_set_prefix(section: Any, path: str) -> None:
    if isinstance(section, dict) and "set_prefix" in section:
        prefix = section.pop("set_prefix")
        if prefix != "set":
            raise ConfigError(
                f"{path}/set_prefix is {prefix!r}, but data folders are always named set.*; "
                "rename them and remove the key."
            )
        log.warning("%s/set_prefix has no effect and is ignored.", path)


def _move_warmup(data: dict[str, Any]) -> None:
    training, rate = data["training"], data.get("learning_rate")
    moved = [key for key in _WARMUP_KEYS if key in training]
    if not moved or not isinstance(rate, dict):
        return
    for key in moved:
        if key in rate:
            raise ConfigError(
                f"{key} is given in both training and learning_rate; keep learning_rate/{key}."
            )
        rate[key] = training.pop(key)
    log.warning("%s moved from training to learning_rate.", ", ".join(moved))


def _move_optimizer(data: dict[str, Any]) -> None:
    training, optimizer = data["training"], data.get("optimizer", {})
    moved = [key for key in _OPTIMIZER_KEYS if key in training]
    if not moved or not isinstance(optimizer, dict):
        return
    section = {key: training.pop(key) for key in moved}
    if "opt_type" in section:
        section["type"] = section.pop("opt_type")
    data["optimizer"] = {**optimizer, **section}
    log.warning("%s moved from training to optimizer.", ", ".join(moved))
