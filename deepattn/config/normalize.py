"""From a version 2 input to its complete form: every key present, every value in one form."""

import copy
from typing import Any

from dargs import Argument

from deepattn.config.clean import clean
from deepattn.config.loss import LOSSES
from deepattn.config.optimizer import OPTIMIZERS
from deepattn.config.rules_model import check_model
from deepattn.config.schedule import SCHEDULES
from deepattn.config.training import TrainingConfig
from deepattn.config.tree import input_schema
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
_LN_EPS = 1e-3
_COMMON_LN_EPS = 1e-5


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
    schema = input_schema(data)
    full = _complete(schema, clean(schema, data, ""))
    full.pop("validating", None)
    full["model"] = _settle_model(full["model"])
    check_model(full["model"])
    rate, loss, optimizer, training = (
        full[name] for name in ("learning_rate", "loss", "optimizer", "training")
    )
    TrainingConfig.settle(training)
    schedule = SCHEDULES[rate["type"]]
    schedule.settle(rate)
    schedule.check(rate, "learning_rate", numb_steps=training.get("numb_steps"))
    LOSSES[loss["type"]].check(loss, "loss")
    OPTIMIZERS[optimizer["type"]].check(optimizer, "optimizer")
    mixed = full["model"]["descriptor"]["type"] != "se_e2_a"
    TrainingConfig.check(training, "training", mixed_types=mixed)
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
