"""Completion of a version 2 input: all defaults filled in, all values in canonical form."""

from typing import Any

from deepattn.config.combination import combination_of, is_further
from deepattn.config.descriptor import DESCRIPTORS
from deepattn.config.fitting import FITTINGS, FittingConfig
from deepattn.config.loss import LOSSES, reads_hessian
from deepattn.config.model import ModelConfig
from deepattn.config.model_checks import convention_of
from deepattn.config.optimizer import OPTIMIZERS
from deepattn.config.schedule import SCHEDULES
from deepattn.config.training import TrainingConfig
from deepattn.config.tree import input_schema
from deepattn.config.validate import validate_section
from deepattn.config.validating import ValidatingConfig
from deepattn.errors import ConfigError

# Sections that have been met, and how many are kept.
_MET: dict[str, ModelConfig] = {}
_MOST = 64


def normalize(data: dict[str, Any]) -> dict[str, Any]:
    """Check a version 2 input and fill in every default.

    The result states the effective configuration: aliases and old spellings are gone, an omitted
    type embedding is written out, ``sel`` lists of DPA-1 are summed, ``stop_lr_ratio`` has become
    ``stop_lr``. DeePMD-kit 3.2 reads it with the same meaning, and normalizing it again changes
    nothing.

    Args:
        data: Input as `upgrade` returns it; it is not modified.

    Raises:
        ConfigError: A key is unknown, missing or not supported, or a value is not valid.
    """
    if isinstance(data, dict) and isinstance(data.get("model"), dict):
        data = {**data, "model": ModelConfig.flatten(data["model"])}
    schema = input_schema(data)
    full = schema.normalize_value(validate_section(schema, data, ""), do_alias=False)
    ModelConfig.resolve_defaults(full["model"])
    ModelConfig.check(full["model"])
    rate, loss, optimizer, training, validating = (
        full[name] for name in ("learning_rate", "loss", "optimizer", "training", "validating")
    )
    folder = TrainingConfig.resolve_defaults(training)
    ValidatingConfig.resolve_defaults(validating, folder)
    schedule = SCHEDULES[rate["type"]]
    schedule.resolve_defaults(rate)
    schedule.check(rate, "learning_rate", numb_steps=training.get("numb_steps"))
    LOSSES[loss["type"]].check(loss, "loss")
    if convention_of(full["model"]) == "common":
        LOSSES[loss["type"]].check_common(loss, "loss")
    _check_subject(full)
    _check_combination(full)
    _check_moments(full)
    OPTIMIZERS[optimizer["type"]].check(optimizer, "optimizer")
    mixed = DESCRIPTORS[full["model"]["descriptor"]["type"]].mixed_types
    TrainingConfig.check(training, "training", mixed_types=mixed)
    ValidatingConfig.check(
        validating,
        "validating",
        labels=LOSSES[loss["type"]].lasting_labels(loss),
        data=training["validation_data"] is not None,
        averages=training["enable_ema"],
    )
    return {**full, "model": _as_in_files(full["model"])}


def _as_in_files(model: dict[str, Any]) -> dict[str, Any]:
    """A complete section as files have it."""
    kind = combination_of(model)
    return model if kind is None else kind.nested(model)


def _check_combination(full: dict[str, Any]) -> None:
    """Refuse what is for one model where there are several.

    Raises:
        ConfigError: There is such a thing.
    """
    model, training = full["model"], full["training"]
    if combination_of(model) is None:
        return
    if reads_hessian(full["loss"]):
        raise ConfigError(
            "loss/start_pref_h and limit_pref_h are for one model, not for a combination of models "
            f"({model['type']}); remove them."
        )
    # Other backends have one energy bias for a combination.
    if convention_of(model) == "common" or not any(map(is_further, model["models"])):
        return
    for_one_network = {
        "change_bias_after_training": training["change_bias_after_training"],
        "stat_file": training.get("stat_file") is not None,
    }
    for key, is_set in for_one_network.items():
        if is_set:
            raise ConfigError(
                f"training/{key} is for one energy bias, but {model['type']} has several networks "
                "with one each; remove the key."
            )


def _check_subject(full: dict[str, Any]) -> None:
    """Refuse a loss of something else than the fitting gives, and what is for energies only.

    Raises:
        ConfigError: There is such a thing.
    """
    fitting, training = full["model"]["fitting_net"]["type"], full["training"]
    kind, loss = FITTINGS[fitting], full["loss"]["type"]
    if LOSSES[loss].subject != kind.subject:
        known = [name for name, one in LOSSES.loaded().items() if one.subject == kind.subject]
        raise ConfigError(
            f"loss/type is {loss}, which trains {LOSSES[loss].subject}, but the fitting {fitting} "
            f"gives {kind.subject}; set loss/type to {' or '.join(known)}."
        )
    if kind.subject == FittingConfig.subject:
        return
    energies_only = {
        "model/preset_out_bias": full["model"]["preset_out_bias"] is not None,
        "training/change_bias_after_training": training["change_bias_after_training"],
        "training/finetune": training.get("finetune") is not None,
        "validating/full_validation": full["validating"]["full_validation"],
        "validating/ema_full_validation": full["validating"]["ema_full_validation"],
    }
    for path, is_set in energies_only.items():
        if is_set:
            raise ConfigError(
                f"{path} is for models of energies, but the fitting {fitting} gives "
                f"{kind.subject}; remove the key."
            )


def _check_moments(full: dict[str, Any]) -> None:
    """Refuse a loss of moments for a model without them, the reverse, and what moments lack.

    Raises:
        ConfigError: There is such a thing.
    """
    loss, training, validating = full["loss"]["type"], full["training"], full["validating"]
    if not full["model"].get("spin"):
        if LOSSES[loss].of_moments:
            raise ConfigError(f"loss/type is {loss}, which needs model/spin.")
        return
    if not LOSSES[loss].of_moments:
        known = [name for name, one in LOSSES.loaded().items() if one.of_moments]
        raise ConfigError(
            f"loss/type is {loss}, which is not for model/spin; set it to {' or '.join(known)}."
        )
    without_moments = {
        "training/change_bias_after_training": training["change_bias_after_training"],
        "training/finetune": training.get("finetune") is not None,
        "training/stat_file": training.get("stat_file") is not None,
        "validating/full_validation": validating["full_validation"],
        "validating/ema_full_validation": validating["ema_full_validation"],
    }
    for path, is_set in without_moments.items():
        if is_set:
            raise ConfigError(f"{path} is not available with model/spin; remove the key.")


def normalize_model(model: dict[str, Any]) -> dict[str, Any]:
    """Like `normalize` for the ``model`` section alone, as a frozen model's script carries it."""
    model = ModelConfig.flatten(model)
    ModelConfig.import_types(model)
    full = ModelConfig.complete(model, "model")
    ModelConfig.resolve_defaults(full)
    ModelConfig.check(full)
    return _as_in_files(full)


def model_config(model: dict[str, Any]) -> ModelConfig:
    """The typed form of what `normalize_model` makes of a section.

    A section that has been met before is not checked again: the branches of a multi-task file have
    the same one many times.

    Args:
        model: As for `normalize_model`.

    Raises:
        ConfigError: As for `normalize_model`.
    """
    text = repr(model)
    if text not in _MET:
        if len(_MET) == _MOST:
            _MET.clear()
        _MET[text] = ModelConfig.from_dict(normalize_model(model))
    return _MET[text]
