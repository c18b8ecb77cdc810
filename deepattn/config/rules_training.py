"""What the values of the other sections must satisfy beyond their types."""

import math
import re
from typing import Any

from deepattn import limits
from deepattn.config.clean import show
from deepattn.config.rules_net import at_least, require
from deepattn.errors import ConfigError

_BATCH_FORMS = re.compile(r"auto|(auto|max|filter|mixed):\s*0*[1-9][0-9]*")
_BLOCK = re.compile(
    r"\s*-?[0-9]+\s*:\s*-?[0-9]+\s*:\s*([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\s*"
)


def check_learning_rate(rate: dict[str, Any], numb_steps: int | None) -> None:
    """Check a complete ``learning_rate`` section; ``numb_steps`` is None where epochs count."""
    path = "learning_rate"
    for key in ("start_lr", "stop_lr"):
        require(
            rate[key] > 0 and math.isfinite(rate[key]), f"{path}/{key}", rate[key], "be positive"
        )
    steps, ratio = rate["warmup_steps"], rate["warmup_ratio"]
    at_least(steps, f"{path}/warmup_steps", minimum=0)
    if ratio is not None:
        require(0 <= ratio < 1, f"{path}/warmup_ratio", ratio, "be at least 0 and less than 1")
        if steps:
            raise ConfigError(
                f"learning_rate has both warmup_steps {steps} and warmup_ratio {ratio}; "
                "keep one of them."
            )
    if steps and numb_steps is not None:
        require(
            steps < numb_steps,
            f"{path}/warmup_steps",
            steps,
            f"be less than training/numb_steps, which is {numb_steps}",
        )
    factor = rate["warmup_start_factor"]
    at_least(factor, f"{path}/warmup_start_factor", minimum=0)
    _one_of(rate, "scale_by_worker", path, ("linear", "sqrt", "none"))
    if rate["type"] == "exp":
        at_least(rate["decay_steps"], f"{path}/decay_steps", minimum=1)
        decay = rate["decay_rate"]
        require(
            decay is None or 0 < decay <= 1,
            f"{path}/decay_rate",
            decay,
            "be above 0 and at most 1",
        )
    if rate["type"] == "wsd":
        part = rate["decay_phase_ratio"]
        require(0 < part <= 1, f"{path}/decay_phase_ratio", part, "be above 0 and at most 1")
        _one_of(rate, "decay_type", path, ("inverse_linear", "cosine", "linear"))


def check_loss(loss: dict[str, Any]) -> None:
    """Check a complete ``loss`` section."""
    weights = [key for key in loss if "_pref_" in key]
    for key in weights:
        at_least(loss[key], f"loss/{key}", minimum=0)
    if not any(loss[key] for key in weights):
        raise ConfigError("loss has no weight above 0; set start_pref_e or start_pref_f.")
    generalised = loss["start_pref_gf"] or loss["limit_pref_gf"]
    ncoord = loss["numb_generalized_coord"]
    at_least(ncoord, "loss/numb_generalized_coord", minimum=0, maximum=limits.WIDTH)
    if generalised and not ncoord:
        raise ConfigError(
            "loss/numb_generalized_coord is 0; generalised forces have a weight, so it must be "
            "at least 1."
        )
    relative = loss["relative_f"]
    require(relative is None or relative >= 0, "loss/relative_f", relative, "be null or at least 0")
    delta = loss["huber_delta"]
    deltas = delta if isinstance(delta, list) else [delta] * 3
    require(
        len(deltas) == 3 and min(deltas) > 0,
        "loss/huber_delta",
        delta,
        "be positive, or three positive numbers for energy, force, virial",
    )
    scaled = loss["start_pref_pf"] or loss["limit_pref_pf"]
    if loss["use_huber"] and (generalised or scaled or relative is not None):
        raise ConfigError(
            "loss/use_huber is true; it does not go with the weights pf and gf or with relative_f."
        )


def check_training(training: dict[str, Any], descriptor: str) -> None:
    """Check a complete ``training`` section for a kind of descriptor."""
    _check_length(training)
    for key in ("disp_freq", "save_freq", "tensorboard_freq"):
        at_least(training[key], f"training/{key}", minimum=1)
    at_least(training["max_ckpt_keep"], "training/max_ckpt_keep", minimum=0)
    for key in ("disp_file", "save_ckpt", "tensorboard_log_dir", "profiling_file"):
        require(bool(training[key]), f"training/{key}", training[key], "name a file")
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
    else:
        require(epochs > 0, "training/numb_epoch", epochs, "be positive")


def _check_data(data: dict[str, Any], path: str, descriptor: str) -> None:
    systems = data["systems"]
    require(bool(systems) and all(systems), f"{path}/systems", systems, "name at least one folder")
    patterns = data["rglob_patterns"]
    require(patterns is None or all(patterns), f"{path}/rglob_patterns", patterns, "have patterns")
    _check_batch_size(data["batch_size"], f"{path}/batch_size", descriptor)
    _check_auto_prob(data["auto_prob"], f"{path}/auto_prob")
    probabilities = data["sys_probs"]
    if probabilities is not None:
        _check_probabilities(probabilities, f"{path}/sys_probs")


def _check_batch_size(size: int | list[int] | str, path: str, descriptor: str) -> None:
    if isinstance(size, str):
        require(
            bool(_BATCH_FORMS.fullmatch(size)),
            path,
            size,
            "be auto, auto:M, max:M, filter:M, mixed:B or a number",
        )
        if size.startswith("mixed") and descriptor == "se_e2_a":
            raise ConfigError(
                f"{path} is {size!r}; batches of several systems need the descriptor se_atten."
            )
    else:
        sizes = size if isinstance(size, list) else [size]
        require(bool(sizes) and min(sizes) > 0, path, size, "be at least 1")


def _check_auto_prob(style: str, path: str) -> None:
    name, *blocks = style.split(";")
    known = style == "prob_uniform" or (
        name == "prob_sys_size" and all(_BLOCK.fullmatch(block) for block in blocks)
    )
    condition = "be prob_uniform, prob_sys_size or prob_sys_size;start:end:weight;…"
    require(known, path, style, condition)


def _check_probabilities(probabilities: list[float], path: str) -> None:
    given = sum(p for p in probabilities if p >= 0)
    open_ones = any(p < 0 for p in probabilities)
    fits = given <= 1 + 1e-8 if open_ones else math.isclose(given, 1, abs_tol=1e-5)
    if not fits:
        share = "at most 1" if open_ones else "1"
        raise ConfigError(
            f"{path} is {show(probabilities)}; its non-negative entries must sum to "
            f"{share}, not {given}."
        )


def _one_of(section: dict[str, Any], key: str, path: str, choices: tuple[str, ...]) -> None:
    value = section[key]
    require(value in choices, f"{path}/{key}", value, f"be one of {', '.join(choices)}")
