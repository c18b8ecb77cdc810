"""What the values of the ``model`` section must satisfy beyond their types."""

import math
import re
from collections.abc import Sequence
from typing import Any

from deepattn import limits
from deepattn.config.rules_dpa2 import check_dpa2
from deepattn.config.rules_net import (
    at_least,
    check_axis,
    check_cutoff,
    check_excluded,
    check_net,
    check_slots,
    require,
)
from deepattn.errors import ConfigError, show


def check_model(model: dict[str, Any]) -> None:
    """Check a complete ``model`` section.

    Raises:
        ConfigError: a value is out of range, or two keys do not go together.
    """
    descriptor, fitting = model["descriptor"], model["fitting_net"]
    _check_type_map(model)
    _check_convention(model)
    _check_descriptor(descriptor, model)
    _check_fitting(fitting, _ntypes(model))
    if "type_embedding" in model:
        _check_type_embedding(model["type_embedding"], model.get("type_map"))
    at_least(model["data_stat_nbatch"], "model/data_stat_nbatch", minimum=1)
    protect = model["data_stat_protect"]
    require(protect > 0, "model/data_stat_protect", protect, "be positive")
    if model["preset_out_bias"] is not None:
        _check_preset_bias(model["preset_out_bias"], _ntypes(model))


def _check_convention(model: dict[str, Any]) -> None:
    convention = model.get("convention", "tensorflow")
    known = ("tensorflow", "common")
    require(convention in known, "model/convention", convention, "be tensorflow or common")
    temperature, path = model["descriptor"].get("temperature"), "model/descriptor/temperature"
    if temperature is None:
        return
    if convention != "common":
        raise ConfigError(f"{path} = {show(temperature)} needs model/convention common.")
    # Exponentials of scores up to this need no safeguards.
    require(0 < temperature <= 5, path, temperature, "be positive and at most 5")


def _check_type_embedding(section: dict[str, Any], type_map: Sequence[str] | None) -> None:
    check_net(section, "model/type_embedding")
    if section["use_econf_tebd"]:
        _check_elements(type_map, "model/type_embedding/use_econf_tebd")


def _check_elements(type_map: Sequence[str] | None, path: str) -> None:
    from ase.data import chemical_symbols

    unknown = [name for name in type_map or () if name not in chemical_symbols[1:]]
    if unknown or not type_map:
        found = show(unknown[0]) if unknown else "nothing"
        raise ConfigError(
            f"{path} needs the names of elements in model/type_map, which has {found}."
        )


def _ntypes(model: dict[str, Any]) -> int:
    return len(model.get("type_map", ())) or len(model["descriptor"]["sel"])


def _check_type_map(model: dict[str, Any]) -> None:
    names, descriptor = model.get("type_map"), model["descriptor"]
    if not names:
        if descriptor["type"] != "se_e2_a" or isinstance(descriptor["sel"], str):
            raise ConfigError("model/type_map is required: the names of the elements, in order.")
        return
    for name in names:
        if not name or re.search(r"\s", name):
            raise ConfigError(
                f"model/type_map has the name {show(name)}; a name must have letters and no spaces."
            )
    for index, name in enumerate(names):
        if name in names[:index]:
            raise ConfigError(f"model/type_map has {show(name)} twice; keep one of them.")


def _check_descriptor(descriptor: dict[str, Any], model: dict[str, Any]) -> None:
    path, ntypes = "model/descriptor", _ntypes(model)
    check_excluded(descriptor["exclude_types"], f"{path}/exclude_types", ntypes)
    if descriptor["type"] == "dpa2":
        check_dpa2(descriptor, path)
        if descriptor["use_econf_tebd"]:
            _check_elements(model.get("type_map"), f"{path}/use_econf_tebd")
        if "type_embedding" in model:
            raise ConfigError(
                "model/type_embedding is not for the descriptor dpa2; set tebd_dim in "
                "model/descriptor/repinit, and use_econf_tebd and use_tebd_bias in "
                "model/descriptor."
            )
        return
    _check_sel(descriptor, ntypes)
    check_cutoff(descriptor, path)
    check_net(descriptor, path)
    check_axis(descriptor, path, width=descriptor["neuron"][-1], of="the last width of neuron")
    if descriptor["type"] == "se_e2_a":
        return
    at_least(descriptor["attn"], f"{path}/attn", minimum=1, maximum=limits.WIDTH)
    at_least(descriptor["attn_layer"], f"{path}/attn_layer", minimum=0, maximum=limits.LAYERS)
    require(descriptor["ln_eps"] > 0, f"{path}/ln_eps", descriptor["ln_eps"], "be positive")
    mode = descriptor.get("tebd_input_mode", "strip")
    require(mode in ("concat", "strip"), f"{path}/tebd_input_mode", mode, "be concat or strip")


def _check_sel(descriptor: dict[str, Any], ntypes: int) -> None:
    sel, path = descriptor["sel"], "model/descriptor/sel"
    if isinstance(sel, list):
        require(all(n >= 0 for n in sel) and sum(sel) > 0, path, sel, "have numbers of neighbors")
        require(sum(sel) <= limits.SLOTS, path, sel, f"have a sum of at most {limits.SLOTS}")
        require(len(sel) == ntypes, path, sel, f"have one number for each of the {ntypes} types")
    else:
        check_slots(sel, path)


def _check_fitting(fitting: dict[str, Any], ntypes: int) -> None:
    path = "model/fitting_net"
    check_net(fitting, path)
    for key in ("numb_fparam", "numb_aparam", "dim_case_embd"):
        at_least(fitting[key], f"{path}/{key}", minimum=0, maximum=limits.WIDTH)
    trainable, layers = fitting["trainable"], len(fitting["neuron"]) + 1
    if isinstance(trainable, list):
        require(
            len(trainable) == layers,
            f"{path}/trainable",
            trainable,
            f"be one value or {layers}: one a layer of neuron and one for the output",
        )
    rcond = fitting["rcond"]
    require(rcond is None or rcond >= 0, f"{path}/rcond", rcond, "be null or at least 0")
    _check_per_type(fitting["atom_ener"], f"{path}/atom_ener", ntypes, may_be_empty=True)


def _check_per_type(values: Sequence, path: str, ntypes: int, *, may_be_empty: bool) -> None:
    require(
        len(values) == ntypes or (may_be_empty and not values),
        path,
        values,
        f"have one energy or null for each of the {ntypes} types",
    )


def _check_preset_bias(bias: dict[str, Any], ntypes: int) -> None:
    path = "model/preset_out_bias"
    require(set(bias) == {"energy"}, path, bias, 'have the one key "energy"')
    values = bias["energy"]
    require(
        isinstance(values, list) and all(v is None or _is_finite(v) for v in values),
        f"{path}/energy",
        values,
        "be a list of energies and nulls",
    )
    _check_per_type(values, f"{path}/energy", ntypes, may_be_empty=False)


def _is_finite(value: Any) -> bool:
    try:
        return type(value) in (int, float) and math.isfinite(value)
    except OverflowError:
        return False
