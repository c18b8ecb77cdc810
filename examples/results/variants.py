"""Changes of the inputs that were tried, in shorter trainings."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

_SHORT = {"training/numb_steps": 2500, "training/disp_freq": 250}
_SHARED = {
    "type": "se_atten_v2",
    "attn_layer": 0,
    "rcut": 5.0,
    "rcut_smth": 0.5,
    "sel": "auto",
    "neuron": [20, 40, 80],
    "axis_neuron": 8,
    "precision": "float32",
}
_EMBEDDING = {"neuron": [32], "precision": "float32"}

_EARLY = {"training/numb_steps": 6000, "training/disp_freq": 600}

# Energies jump where an atom crosses the cutoff.
_JUMPING = {"tebd_input_mode": "strip", "set_davg_zero": False}

# By name, the new value of each key, which is given as a path.
VARIANTS: dict[str, Mapping[str, Any]] = {
    "short": _SHORT,
    "short-rate-2e-3": _SHORT | {"learning_rate/start_lr": 0.002},
    "short-exponential": _SHORT
    | {
        "learning_rate": {
            "type": "exp",
            "start_lr": 0.005,
            "stop_lr": 1e-5,
            "decay_steps": 25,
            "smooth": True,
        }
    },
    "short-wide": _SHORT
    | {
        "model/descriptor/neuron": [25, 50, 100],
        "model/descriptor/axis_neuron": 12,
        "model/fitting_net/neuron": [240, 240, 240],
    },
    "early": _EARLY,
    "early-centered": _EARLY | {"model/descriptor/set_davg_zero": True},
    "early-jumping": _EARLY | {"model/descriptor": _SHARED | {"type": "se_atten", **_JUMPING}},
    "short-shared": _SHORT | {"model/descriptor": _SHARED, "model/type_embedding": _EMBEDDING},
    "short-attention": _SHORT
    | {
        "model/descriptor": _SHARED | {"attn_layer": 2, "attn": 64},
        "model/type_embedding": _EMBEDDING,
    },
}


def changed(config: Mapping[str, Any], variant: str) -> dict[str, Any]:
    """An input with the changes of a variant.

    Args:
        config: The input.
        variant: Name in `VARIANTS`, or empty for no change.
    """
    new = deepcopy(dict(config))
    for path, value in VARIANTS[variant].items() if variant else ():
        *sections, key = path.split("/")
        place = new
        for section in sections:
            place = place[section]
        place[key] = deepcopy(value)
    return new
