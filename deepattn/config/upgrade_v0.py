"""The flat inputs of DeePMD-kit 0.x."""

from typing import Any

from deepattn.errors import ConfigError

_RATE_KEYS = ("decay_steps", "decay_rate", "start_lr")
_LOSS_KEYS = tuple(
    f"{end}_pref_{term}" for term in ("e", "f", "v", "ae") for end in ("start", "limit")
)
_TRAINING_KEYS = (
    "seed",
    "systems",
    "set_prefix",
    "stop_batch",
    "batch_size",
    "disp_file",
    "disp_freq",
    "numb_test",
    "save_freq",
    "save_ckpt",
    "disp_training",
    "time_training",
    "profiling",
    "profiling_file",
)
_NETWORK_KEYS = (
    "use_smooth",
    "sel_a",
    "rcut",
    "rcut_smth",
    "filter_neuron",
    "axis_neuron",
    "n_axis_neuron",
    "filter_resnet_dt",
    "resnet_dt",
    "fitting_neuron",
    "n_neuron",
    "fitting_resnet_dt",
)
# Known to version 0, without effect on a smooth model.
_IDLE_KEYS = ("with_distrib", "coord_norm", "type_fitting_net", "load_ckpt", "restart", "sel_r")
_KEYS = {*_NETWORK_KEYS, *_RATE_KEYS, *_LOSS_KEYS, *_TRAINING_KEYS, *_IDLE_KEYS}


def v0_to_v1(data: dict[str, Any]) -> dict[str, Any]:
    """Sort the flat keys of version 0 into the sections of version 1.

    Raises:
        ConfigError: It is not a version 0 input of a smooth model, or a key is missing.
    """
    if "use_smooth" not in data:
        raise ConfigError(
            "the section model is required, and this is not an input of DeePMD-kit 0.x "
            "either (use_smooth is missing); add the section model."
        )
    if not data["use_smooth"]:
        raise ConfigError(
            "use_smooth is false, which means the descriptor loc_frame, which is not supported; "
            "use se_e2_a."
        )
    unknown = [key for key in data if key not in _KEYS]
    if unknown:
        raise ConfigError(f"{unknown[0]} is not a key of an input of DeePMD-kit 0.x; remove it.")
    descriptor = {
        "type": "se_e2_a",
        "sel": _required(data, "sel_a"),
        "rcut": _required(data, "rcut"),
        "rcut_smth": data.get("rcut_smth", data["rcut"]),
        "neuron": _required(data, "filter_neuron"),
        "axis_neuron": _required(data, "axis_neuron", "n_axis_neuron"),
        "resnet_dt": _required(data, "filter_resnet_dt") if "resnet_dt" in data else False,
        **_some(data, ("seed",)),
    }
    fitting_net = {
        "neuron": _required(data, "fitting_neuron", "n_neuron"),
        "resnet_dt": data.get("fitting_resnet_dt", data.get("resnet_dt", True)),
        **_some(data, ("seed",)),
    }
    return {
        "model": {"descriptor": descriptor, "fitting_net": fitting_net},
        "learning_rate": _some(data, _RATE_KEYS),
        "loss": _some(data, _LOSS_KEYS),
        "training": _some(data, _TRAINING_KEYS),
    }


def _required(data: dict[str, Any], *names: str) -> Any:
    for name in names:
        if name in data:
            return data[name]
    raise ConfigError(f"{names[0]} is required in an input of DeePMD-kit 0.x.")


def _some(data: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: data[key] for key in keys if data.get(key) is not None}
