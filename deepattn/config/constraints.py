"""Constraints on the keys of nets and cutoffs, and the form of their errors."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from deepattn import limits
from deepattn.errors import ConfigError, show

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


def require(holds: bool, path: str, value: Any, condition: str) -> None:
    """Raise a ConfigError unless a condition on a key's value holds."""
    if not holds:
        raise ConfigError(f"{path} is {show(value)}; it must {condition}.")


def at_least(value: float, path: str, *, minimum: int, maximum: int | None = None) -> None:
    """Raise a ConfigError for a value below a minimum or above a maximum."""
    require(value >= minimum, path, value, f"be at least {minimum}")
    if maximum is not None:
        require(value <= maximum, path, value, f"be at most {maximum}")


def to_number(text: str) -> float | None:
    """Convert text to a finite number; None if it is not one."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def check_net(net: Mapping[str, Any], path: str) -> None:
    """Check the widths, the activation and the precision of a net."""
    check_widths(net["neuron"], f"{path}/neuron")
    check_activation(net["activation_function"], f"{path}/activation_function")
    check_precision(net["precision"], f"{path}/precision")


def check_widths(widths: list[int], path: str) -> None:
    """Check the widths of layers."""
    require(
        bool(widths) and all(width > 0 for width in widths),
        path,
        widths,
        "be a list of positive integers",
    )
    require(max(widths) <= limits.WIDTH, path, widths, f"have widths of at most {limits.WIDTH}")
    require(len(widths) <= limits.LAYERS, path, widths, f"have at most {limits.LAYERS} layers")


def check_activation(name: str, path: str) -> None:
    """Check the name of an activation."""
    known = name in ACTIVATIONS
    if name.startswith("silut:"):
        known = to_number(name.removeprefix("silut:")) is not None
    choices = ", ".join(ACTIVATIONS)
    require(known, path, name, f"be one of {choices}, silut:x or none")


def resolve_activation(section: dict[str, Any]) -> None:
    """Replace the name of an activation by its canonical form."""
    name = section["activation_function"].lower()
    section["activation_function"] = "linear" if name == "none" else name


def check_precision(precision: str, path: str) -> None:
    """Check a precision of weights."""
    require(precision in PRECISIONS, path, precision, "be default, float32 or float64")


def check_cutoff(section: Mapping[str, Any], path: str, *, prefix: str = "") -> None:
    """Check a cutoff radius and the start of the switching function."""
    rcut, smooth = section[f"{prefix}rcut"], section[f"{prefix}rcut_smth"]
    require(rcut > 0, f"{path}/{prefix}rcut", rcut, "be positive")
    require(
        0 <= smooth < rcut,
        f"{path}/{prefix}rcut_smth",
        smooth,
        f"be at least 0 and less than {prefix}rcut ({rcut})",
    )


def check_axis(section: Mapping[str, Any], path: str, *, width: int, of: str) -> None:
    """Check the number of columns in the second factor of a descriptor."""
    axis = section["axis_neuron"]
    require(1 <= axis <= width, f"{path}/axis_neuron", axis, f"be between 1 and {of} ({width})")


def check_excluded(pairs: list[list[int]], path: str, ntypes: int) -> None:
    """Check pairs of types that do not interact."""
    for pair in pairs:
        require(
            len(pair) == 2 and all(0 <= index < ntypes for index in pair),
            path,
            pairs,
            f"be a list of pairs of type indices from 0 to {ntypes - 1}",
        )


def is_finite(value: Any) -> bool:
    """Whether a value is a number, and neither infinite nor larger than floats can be."""
    try:
        return type(value) in (int, float) and math.isfinite(value)
    except OverflowError:
        return False


def check_types(types: Sequence[int], path: str, ntypes: int) -> None:
    """Check a list of types."""
    require(
        all(0 <= index < ntypes for index in types),
        path,
        types,
        f"be a list of type indices from 0 to {ntypes - 1}",
    )


def check_per_type(values: Sequence, path: str, ntypes: int, *, may_be_empty: bool) -> None:
    """Check that there is one energy for each type."""
    require(
        len(values) == ntypes or (may_be_empty and not values),
        path,
        values,
        f"have one energy or null per type ({ntypes} types)",
    )


def check_slots(sel: int | str, path: str) -> None:
    """Check a number of neighbors or ``auto``."""
    if isinstance(sel, str):
        require(auto_factor(sel) is not None, path, sel, "be auto, auto:f with f > 0, or a number")
    else:
        at_least(sel, path, minimum=1, maximum=limits.SLOTS)


def auto_factor(sel: str) -> float | None:
    """The factor f of ``auto:f`` (1.1 for ``auto``); None if it is not of that form."""
    if sel == "auto":
        return 1.1
    match = re.fullmatch(r"auto:\s*([0-9.]+(?:[eE][-+]?[0-9]+)?)", sel)
    factor = to_number(match[1]) if match else None
    return factor if factor is not None and factor > 0 else None
