"""What the values of the ``model`` section must satisfy beyond their types."""

import math
import re
from collections.abc import Sequence
from typing import Any

from ase.data import chemical_symbols

from deepattn.config.clean import show
from deepattn.errors import ConfigError

ACTIVATIONS = (
    "tanh",
    "relu",
    "relu6",
    "softplus",
    "sigmoid",
    "gelu",
    "gelu_tf",
    "silu",
    "silut",
    "linear",
)
PRECISIONS = ("default", "float32", "float64")


def check_model(model: dict[str, Any]) -> None:
    """Check a complete ``model`` section.

    Raises:
        ConfigError: a value is out of range, or two keys do not go together.
    """
    descriptor, fitting = model["descriptor"], model["fitting_net"]
    _check_type_map(model)
    _check_convention(model)
    _check_descriptor(descriptor, _ntypes(model))
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
    _check_net(section, "model/type_embedding")
    unknown = [name for name in type_map or () if name not in chemical_symbols[1:]]
    if section["use_econf_tebd"] and (unknown or not type_map):
        found = show(unknown[0]) if unknown else "nothing"
        raise ConfigError(
            "model/type_embedding/use_econf_tebd needs the names of elements in model/type_map, "
            f"which has {found}."
        )


def require(holds: bool, path: str, value: Any, condition: str) -> None:
    """Raise a ConfigError unless a condition on a key's value holds."""
    if not holds:
        raise ConfigError(f"{path} is {show(value)}; it must {condition}.")


def at_least(value: float, path: str, *, minimum: int) -> None:
    """Raise a ConfigError for a value below a minimum."""
    require(value >= minimum, path, value, f"be at least {minimum}")


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


def _check_descriptor(descriptor: dict[str, Any], ntypes: int) -> None:
    path = "model/descriptor"
    _check_sel(descriptor, ntypes)
    rcut, smooth = descriptor["rcut"], descriptor["rcut_smth"]
    require(rcut > 0, f"{path}/rcut", rcut, "be positive")
    require(
        0 <= smooth < rcut, f"{path}/rcut_smth", smooth, f"lie between 0 and rcut, which is {rcut}"
    )
    _check_net(descriptor, path)
    axis, last = descriptor["axis_neuron"], descriptor["neuron"][-1]
    require(
        1 <= axis <= last,
        f"{path}/axis_neuron",
        axis,
        f"lie between 1 and the last width of neuron, which is {last}",
    )
    for pair in descriptor["exclude_types"]:
        require(
            len(pair) == 2 and all(0 <= index < ntypes for index in pair),
            f"{path}/exclude_types",
            descriptor["exclude_types"],
            f"be a list of pairs of type indices from 0 to {ntypes - 1}",
        )
    if descriptor["type"] == "se_e2_a":
        return
    at_least(descriptor["attn"], f"{path}/attn", minimum=1)
    at_least(descriptor["attn_layer"], f"{path}/attn_layer", minimum=0)
    require(descriptor["ln_eps"] > 0, f"{path}/ln_eps", descriptor["ln_eps"], "be positive")
    mode = descriptor.get("tebd_input_mode", "strip")
    require(mode in ("concat", "strip"), f"{path}/tebd_input_mode", mode, "be concat or strip")


def _check_sel(descriptor: dict[str, Any], ntypes: int) -> None:
    sel, path = descriptor["sel"], "model/descriptor/sel"
    if isinstance(sel, str):
        require(auto_factor(sel) is not None, path, sel, "be auto, auto:f with f > 0, or a number")
    elif isinstance(sel, list):
        require(all(n >= 0 for n in sel) and sum(sel) > 0, path, sel, "have numbers of neighbours")
        require(len(sel) == ntypes, path, sel, f"have one number for each of the {ntypes} types")
    else:
        at_least(sel, path, minimum=1)


def auto_factor(sel: str) -> float | None:
    """The factor f of ``auto:f`` (1.1 for ``auto``); None if it is not of that form."""
    if sel == "auto":
        return 1.1
    match = re.fullmatch(r"auto:\s*([0-9.]+(?:[eE][-+]?[0-9]+)?)", sel)
    factor = _number(match[1]) if match else None
    return factor if factor is not None and factor > 0 else None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _check_net(net: dict[str, Any], path: str) -> None:
    widths = net["neuron"]
    require(
        bool(widths) and all(width > 0 for width in widths),
        f"{path}/neuron",
        widths,
        "be a list of positive widths",
    )
    name = net["activation_function"]
    known = name in ACTIVATIONS
    if name.startswith("silut:"):
        known = _number(name.removeprefix("silut:")) is not None
    choices = ", ".join(ACTIVATIONS)
    require(known, f"{path}/activation_function", name, f"be one of {choices}, silut:x or none")
    precision = net["precision"]
    require(
        precision in PRECISIONS, f"{path}/precision", precision, "be default, float32 or float64"
    )


def _check_fitting(fitting: dict[str, Any], ntypes: int) -> None:
    path = "model/fitting_net"
    _check_net(fitting, path)
    for key in ("numb_fparam", "numb_aparam"):
        at_least(fitting[key], f"{path}/{key}", minimum=0)
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
