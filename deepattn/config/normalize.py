"""From a version 2 input to its complete form: every key present, every value in one form."""

import copy
from typing import Any

from dargs import Argument

from deepattn.config.clean import clean
from deepattn.config.rules_model import check_model
from deepattn.config.rules_training import check_learning_rate, check_loss, check_training
from deepattn.config.schema import input_schema
from deepattn.errors import ConfigError

# What a DPA-1 model without a type_embedding section has; an empty section has tanh instead.
DEFAULT_TYPE_EMBEDDING = {
    "neuron": [8],
    "activation_function": "linear",
    "resnet_dt": False,
    "precision": "default",
    "trainable": True,
    "seed": None,
    "use_econf_tebd": False,
    "use_tebd_bias": False,
}
_STOP_LR = 5e-8
_LN_EPS = 1e-3
_COMMON_LN_EPS = 1e-5
# Unset is said by leaving these out; DeePMD-kit does not read null there.
_LEFT_OUT = ("numb_steps", "numb_epoch", "stat_file", "gradient_max_norm")


def normalize(data: dict[str, Any]) -> dict[str, Any]:
    """Check a version 2 input and fill in every default.

    The result states the effective configuration: aliases and old spellings are gone, an omitted
    type embedding is written out, ``sel`` lists of DPA-1 are summed, ``stop_lr_ratio`` has become
    ``stop_lr``. DeePMD-kit 3.2 reads it with the same meaning, and normalizing it again changes
    nothing.

    Args:
        data: input as `upgrade` returns it; it is not modified.

    Raises:
        ConfigError: a key is unknown, missing or not supported, or a value is not valid.
    """
    if isinstance(data, dict):
        data = {"loss": {}, "optimizer": {}, **data}
    full = _complete(input_schema(), clean(input_schema(), data, ""))
    full.pop("validating", None)
    full["model"] = _settle_model(full["model"])
    _settle_learning_rate(full["learning_rate"])
    _settle_training(full["training"])
    check_model(full["model"])
    check_learning_rate(full["learning_rate"], full["training"].get("numb_steps"))
    check_loss(full["loss"])
    check_training(full["training"], full["model"]["descriptor"]["type"])
    return full


def normalize_model(model: dict[str, Any]) -> dict[str, Any]:
    """Like `normalize` for the ``model`` section alone, as a frozen model's script carries it."""
    schema = input_schema()["model"]
    full = _settle_model(_complete(schema, clean(schema, model, "model")))
    check_model(full)
    return full


def _complete(schema: Argument, cleaned: dict[str, Any]) -> dict[str, Any]:
    return schema.normalize_value(cleaned, do_alias=False)


def _settle_model(model: dict[str, Any]) -> dict[str, Any]:
    descriptor = model["descriptor"]
    _settle_activation(model["fitting_net"])
    is_dpa2 = descriptor["type"] == "dpa2"
    if is_dpa2 and model["convention"] == "tensorflow":
        raise ConfigError(
            "model/convention tensorflow is not for the descriptor dpa2, which only the other "
            "backends have; leave it out."
        )
    if model["convention"] in (None, "tensorflow") or is_dpa2:
        # DeePMD-kit has no such key.
        del model["convention"]
    if is_dpa2:
        _settle_dpa2(descriptor)
    else:
        _settle_activation(descriptor)
    if descriptor["type"] in ("se_atten", "se_atten_v2"):
        _settle_attention(descriptor, is_common=model.get("convention") == "common")
        model.setdefault("type_embedding", copy.deepcopy(DEFAULT_TYPE_EMBEDDING))
    if "type_embedding" in model:
        _settle_activation(model["type_embedding"])
    if not model["type_map"]:
        del model["type_map"]
    return model


def _settle_attention(descriptor: dict[str, Any], *, is_common: bool) -> None:
    if isinstance(descriptor["sel"], list):
        descriptor["sel"] = sum(descriptor["sel"])
    if descriptor["ln_eps"] is None:
        descriptor["ln_eps"] = _COMMON_LN_EPS if is_common else _LN_EPS
    if is_common and descriptor["temperature"] is None:
        descriptor["temperature"] = max(descriptor["attn"], 1) ** -0.5
    elif not is_common and descriptor["temperature"] in (None, 1.0):
        del descriptor["temperature"]
    stripped = descriptor.pop("stripped_type_embedding", None)
    if stripped is not None:
        descriptor["tebd_input_mode"] = "strip" if stripped else "concat"


def _settle_dpa2(descriptor: dict[str, Any]) -> None:
    for block in (descriptor["repinit"], descriptor["repformer"]):
        _settle_activation(block)
    if descriptor["repformer"]["ln_eps"] is None:
        descriptor["repformer"]["ln_eps"] = _COMMON_LN_EPS


def _settle_activation(section: dict[str, Any]) -> None:
    name = section["activation_function"].lower()
    section["activation_function"] = "linear" if name == "none" else name


def _settle_learning_rate(rate: dict[str, Any]) -> None:
    ratio = rate.pop("stop_lr_ratio")
    if ratio is not None:
        if rate["stop_lr"] is not None:
            raise ConfigError(
                f"learning_rate has both stop_lr {rate['stop_lr']} and stop_lr_ratio {ratio}; "
                "keep one of them."
            )
        rate["stop_lr"] = rate["start_lr"] * ratio
    elif rate["stop_lr"] is None:
        rate["stop_lr"] = _STOP_LR


def _settle_training(training: dict[str, Any]) -> None:
    for name in _LEFT_OUT:
        if training[name] is None:
            del training[name]
    if training["save_ckpt"].endswith("/"):
        # A folder for the checkpoints, which have DeePMD's name there.
        training["save_ckpt"] += "model.ckpt"
    for section in (training["training_data"], training["validation_data"]):
        if section is not None and isinstance(section["systems"], str):
            section["systems"] = [section["systems"]]
