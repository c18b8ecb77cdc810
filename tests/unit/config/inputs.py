"""Inputs that the tests start from."""

import copy
from typing import Any

DPA1: dict[str, Any] = {
    "_comment": "smallest DPA-1 input",
    "model": {
        "type_map": ["O", "H"],
        "descriptor": {"type": "se_atten", "sel": 40},
        "fitting_net": {},
    },
    "learning_rate": {"start_lr": 1e-3},
    "training": {"training_data": {"systems": ["data/water"]}, "numb_steps": 100},
}

WATER: dict[str, Any] = {
    "model": {
        "type_map": ["O", "H"],
        "type_embedding": {"neuron": [8], "activation_function": "None", "seed": 3},
        "descriptor": {
            "type": "se_atten_v2",
            "sel": "auto:1.2",
            "rcut_smth": 0.5,
            "rcut": 6,
            "neuron": [25, 50, 100],
            "axis_neuron": 16,
            "seed": 1,
            "attn": 128,
            "attn_layer": 2,
            "exclude_types": [[0, 1]],
            "precision": "float32",
        },
        "fitting_net": {
            "neuron": [240, 240, 240],
            "seed": 1,
            "trainable": [True, False, True, True],
            "atom_ener": [None, -3],
            "numb_fparam": 1,
            "activation_function": "SiLUT:5.0",
        },
        "preset_out_bias": {"energy": [None, -3.2]},
    },
    "learning_rate": {
        "type": "exp",
        "decay_steps": 5000,
        "start_lr": 0.001,
        "stop_lr": 3.51e-8,
        "warmup_ratio": 0.1,
    },
    "loss": {
        "type": "ener",
        "start_pref_v": 1,
        "limit_pref_v": 1,
        "use_huber": True,
        "huber_delta": [0.01, 0.02, 0.03],
    },
    "training": {
        "training_data": {
            "systems": ["data/a", "data/b"],
            "batch_size": "mixed:4",
            "sys_probs": [0.25, -1],
        },
        "validation_data": {"systems": "data/c", "batch_size": [1], "numb_batch": 3},
        "num_steps": 1000000,
        "seed": 10,
        "gradient_max_norm": 5.0,
        "stat_file": "stat.h5",
        "weight_decay": 0.0,
    },
}

DPA2: dict[str, Any] = {
    **DPA1,
    "model": {
        "type_map": ["O", "H"],
        "descriptor": {
            "type": "dpa2",
            "repinit": {"rcut": 6, "rcut_smth": 0.5, "nsel": 120, "use_three_body": True},
            "repformer": {"rcut": 4.0, "rcut_smth": 3.5, "nsel": 48, "activation_function": "SiLU"},
            "repformer_add_type_ebd_to_seq": True,
        },
        "fitting_net": {},
    },
}

SE_E2_A: dict[str, Any] = {
    "model": {
        "type_map": ["O", "H"],
        "descriptor": {
            "type": "se_a",
            "sel": [46, 92],
            "n_axis_neuron": 4,
            "type_one_side": True,
            "set_davg_zero": True,
        },
        "fitting_net": {"type": "ener", "n_neuron": [100, 100], "numb_aparam": 2, "rcond": 1e-3},
    },
    "learning_rate": {"type": "wsd", "start_lr": 1e-3, "stop_lr": 1e-6, "decay_type": "cosine"},
    "loss": {"start_pref_gf": 1.0, "numb_generalized_coord": 2, "relative_f": 1.0},
    "optimizer": {"type": "Adam", "adam_beta1": 0.8},
    "training": {
        "training_data": {
            "systems": "data",
            "rglob_patterns": ["water*"],
            "batch_size": "max:100",
            "auto_prob_style": "prob_sys_size; 0:1:0.5; 1:2:.5",
        },
        "numb_epoch": 2,
    },
}

HYBRID = {
    **DPA1,
    "model": {
        **DPA1["model"],
        "descriptor": {
            "type": "hybrid",
            "list": [
                {"type": "se_a", "sel": [46, 92], "_comment": "short", "n_axis_neuron": 4},
                {"type": "se_r", "sel": "auto", "rcut": 8, "exclude_types": [[0, 1]]},
                {"type": "dpa1", "sel": [10, 20], "attn_layer": 0, "tebd_input_mode": "strip"},
                {"type": "se_t", "sel": [6, 8], "rcut": 3, "activation_function": "SiLU"},
            ],
        },
    },
}

COSINE = {
    **DPA1,
    "model": {
        **DPA1["model"],
        "type_embedding": {},
        "descriptor": {
            "type": "dpa1",
            "sel": [10, 20],
            "stripped_type_embedding": True,
            "smooth_type_embdding": True,
            "ln_eps": 1e-5,
            "temperature": 1.0,
        },
    },
    "learning_rate": {"type": "cosine", "start_lr": 1e-3, "stop_lr_ratio": 1e-2},
}

OLD_WARMUP = {
    **DPA1,
    "training": {**DPA1["training"], "warmup_steps": 10, "opt_type": "Adam", "numb_test": 1},
}

V1: dict[str, Any] = {
    "model": {
        "type_map": ["O", "H"],
        "descriptor": {"type": "se_a", "sel": [46, 92], "rcut": 6.0, "rcut_smth": 5.8},
        "fitting_net": {"neuron": [240, 240, 240], "seed": 1},
    },
    "learning_rate": {"type": "exp", "start_lr": 0.001, "decay_steps": 5000, "decay_rate": 0.95},
    "loss": {"start_pref_e": 0.02, "limit_pref_e": 1},
    "training": {
        "systems": ["data/a"],
        "set_prefix": "set",
        "stop_batch": 1000000,
        "batch_size": 1,
        "sys_weights": [1],
        "numb_test": 10,
        "disp_freq": 100,
    },
}

V0: dict[str, Any] = {
    "use_smooth": True,
    "sel_a": [46, 92],
    "rcut_smth": 5.8,
    "rcut": 6.0,
    "filter_neuron": [25, 50, 100],
    "filter_resnet_dt": True,
    "n_axis_neuron": 16,
    "n_neuron": [240, 240, 240],
    "resnet_dt": True,
    "coord_norm": True,
    "type_fitting_net": False,
    "systems": ["data/a"],
    "set_prefix": "set",
    "stop_batch": 1000000,
    "batch_size": 1,
    "start_lr": 0.005,
    "decay_steps": 5000,
    "decay_rate": 0.95,
    "start_pref_e": 0.02,
    "limit_pref_e": 8,
    "start_pref_f": 1000,
    "limit_pref_f": 1,
    "start_pref_v": 0,
    "limit_pref_v": 0,
    "seed": 1,
    "disp_freq": 100,
    "numb_test": 10,
    "save_freq": 1000,
    "save_ckpt": "model.ckpt",
    "disp_training": True,
    "time_training": True,
}

CASES = {
    "dpa2": DPA2,
    "dpa1": DPA1,
    "water": WATER,
    "se_e2_a": SE_E2_A,
    "hybrid": HYBRID,
    "cosine": COSINE,
    "old warm-up": OLD_WARMUP,
    "v1": V1,
    "v0": V0,
}


def changed(base: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of an input with another value at a path such as ``model/descriptor/rcut``."""
    result = copy.deepcopy(base)
    *sections, key = path.split("/")
    section = result
    for name in sections:
        section = section.setdefault(name, {})
    section[key] = value
    return result


def without(base: dict[str, Any], path: str) -> dict[str, Any]:
    """A copy of an input without the key at a path."""
    result = changed(base, path, None)
    *sections, key = path.split("/")
    section = result
    for name in sections:
        section = section[name]
    del section[key]
    return result
