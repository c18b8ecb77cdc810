"""What the values of the other sections must satisfy beyond their types."""

import math
from typing import Any

from deepattn import limits
from deepattn.config.rules_net import at_least, require
from deepattn.config.sampling import check_probabilities, read_auto_prob, read_batch_size
from deepattn.errors import ConfigError

_LARGEST_RATE = 3.4e38


def check_learning_rate(rate: dict[str, Any], numb_steps: int | None) -> None:
    """Check a complete ``learning_rate`` section; ``numb_steps`` is None where epochs count."""
    check_rates(rate["start_lr"], rate["stop_lr"])
    steps, ratio = rate["warmup_steps"], rate["warmup_ratio"]
    if ratio is not None:
        path = "learning_rate/warmup_ratio"
        require(0 <= ratio < 1, path, ratio, "be at least 0 and less than 1")
        if steps:
            raise ConfigError(
                f"learning_rate has both warmup_steps {steps} and warmup_ratio {ratio}; "
                "keep one of them."
            )
    check_warmup(steps, rate["warmup_start_factor"], numb_steps)
    _one_of("learning_rate/scale_by_worker", rate["scale_by_worker"], ("linear", "sqrt", "none"))
    if rate["type"] == "exp":
        check_exponential(rate["decay_steps"], rate["decay_rate"])
    if rate["type"] == "wsd":
        check_decay_phase(rate["decay_phase_ratio"], rate["decay_type"])


def check_rates(start_lr: float, stop_lr: float) -> None:
    """Check the rates at both ends."""
    for key, value in {"start_lr": start_lr, "stop_lr": stop_lr}.items():
        path = f"learning_rate/{key}"
        require(value > 0 and math.isfinite(value), path, value, "be positive")
        # Adam's steps are taken in float32 at least.
        require(value < _LARGEST_RATE, path, value, "be a number that float32 holds")


def check_warmup(steps: int, start_factor: float, numb_steps: int | None) -> None:
    """Check the warm-up of a training of so many steps, if they are known."""
    path = "learning_rate/warmup_steps"
    at_least(steps, path, minimum=0)
    if steps and numb_steps is not None:
        condition = f"be less than training/numb_steps, which is {numb_steps}"
        require(steps < numb_steps, path, steps, condition)
    at_least(start_factor, "learning_rate/warmup_start_factor", minimum=0)


def check_exponential(decay_steps: int, decay_rate: float | None) -> None:
    """Check what the schedule ``exp`` has of its own."""
    at_least(decay_steps, "learning_rate/decay_steps", minimum=1)
    fits = decay_rate is None or 0 < decay_rate <= 1
    require(fits, "learning_rate/decay_rate", decay_rate, "be above 0 and at most 1")


def check_decay_phase(ratio: float, kind: str) -> None:
    """Check what the schedule ``wsd`` has of its own."""
    path = "learning_rate/decay_phase_ratio"
    require(0 < ratio <= 1, path, ratio, "be above 0 and at most 1")
    _one_of("learning_rate/decay_type", kind, ("inverse_linear", "cosine", "linear"))


def check_loss(loss: dict[str, Any]) -> None:
    """Check a complete ``loss`` section."""
    weights = [key for key in loss if "_pref_" in key]
    for key in weights:
        at_least(loss[key], f"loss/{key}", minimum=0)
    if not any(loss[key] for key in weights):
        raise ConfigError("loss has no weight above 0; set start_pref_e or start_pref_f.")
    generalized = loss["start_pref_gf"] or loss["limit_pref_gf"]
    ncoord = loss["numb_generalized_coord"]
    at_least(ncoord, "loss/numb_generalized_coord", minimum=0, maximum=limits.WIDTH)
    if generalized and not ncoord:
        raise ConfigError(
            "loss/numb_generalized_coord is 0; generalized forces have a weight, so it must be "
            "at least 1."
        )
    relative = loss["relative_f"]
    require(relative is None or relative >= 0, "loss/relative_f", relative, "be null or at least 0")
    delta = loss["huber_delta"]
    deltas = delta if isinstance(delta, list | tuple) else [delta] * 3
    require(
        len(deltas) == 3 and min(deltas) > 0,
        "loss/huber_delta",
        delta,
        "be positive, or three positive numbers for energy, force, virial",
    )
    scaled = loss["start_pref_pf"] or loss["limit_pref_pf"]
    if loss["use_huber"] and (generalized or scaled or relative is not None):
        raise ConfigError(
            "loss/use_huber is true; it does not go with the weights pf and gf or with relative_f."
        )


def check_training(training: dict[str, Any], descriptor: str) -> None:
    """Check a complete ``training`` section for a kind of descriptor."""
    _check_length(training)
    for key in ("disp_freq", "save_freq", "tensorboard_freq"):
        at_least(training[key], f"training/{key}", minimum=1)
    at_least(training["max_ckpt_keep"], "training/max_ckpt_keep", minimum=0)
    folder = training["tensorboard_log_dir"]
    require(bool(folder), "training/tensorboard_log_dir", folder, "name a folder")
    for key in ("disp_file", "save_ckpt", "profiling_file"):
        name = training[key].rpartition("/")[2]
        require(name not in ("", ".", ".."), f"training/{key}", training[key], "name a file")
    norm = training.get("gradient_max_norm")
    require(norm is None or norm > 0, "training/gradient_max_norm", norm, "be positive")
    _check_data(training["training_data"], "training/training_data", descriptor)
    if training["validation_data"] is not None:
        path = "training/validation_data"
        _check_data(training["validation_data"], path, descriptor)
        at_least(training["validation_data"]["numb_btch"], f"{path}/numb_btch", minimum=1)


def _check_length(training: dict[str, Any]) -> None:
    steps, epochs = training.get("numb_steps"), training.get("numb_epoch")
    if (steps is None) == (epochs is None):
        both = "both" if steps is not None else "neither"
        raise ConfigError(f"training has {both} of numb_steps and numb_epoch; give one of them.")
    if steps is not None:
        at_least(steps, "training/numb_steps", minimum=0)
    elif epochs is not None:
        require(epochs > 0, "training/numb_epoch", epochs, "be positive")


def _check_data(data: dict[str, Any], path: str, descriptor: str) -> None:
    systems = data["systems"]
    require(bool(systems) and all(systems), f"{path}/systems", systems, "name at least one folder")
    patterns = data["rglob_patterns"]
    require(patterns is None or all(patterns), f"{path}/rglob_patterns", patterns, "have patterns")
    rule = read_batch_size(data["batch_size"], f"{path}/batch_size")
    if getattr(rule, "word", None) == "mixed" and descriptor == "se_e2_a":
        raise ConfigError(
            f"{path}/batch_size is {data['batch_size']!r}; batches of several systems need the "
            "descriptor se_atten."
        )
    read_auto_prob(data["auto_prob"], f"{path}/auto_prob")
    if data["sys_probs"] is not None:
        check_probabilities(data["sys_probs"], f"{path}/sys_probs")


def _one_of(path: str, value: Any, choices: tuple[str, ...]) -> None:
    require(value in choices, path, value, f"be one of {', '.join(choices)}")
