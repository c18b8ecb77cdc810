"""Random DPA-2 models in which every option has every value."""

from __future__ import annotations

import numpy as np

from .systems import RCUT, TYPE_MAP

_REPINIT = {
    "tebd_input_mode": ["concat", "strip"],
    "set_davg_zero": [True, False],
    "type_one_side": [False, True],
    "resnet_dt": [True, False],
    "use_three_body": [True, False],
    "activation_function": ["tanh", "gelu", "silu"],
    # Equal or twice the number of types: residual type embeddings.
    "tebd_dim": [4, 3, 6],
    "neuron": [[3, 6], [4, 4, 8]],
}
_REPFORMER = {
    "direct_dist": [False, True],
    "update_g1_has_conv": [True, False],
    "update_g1_has_drrd": [True, False],
    "update_g1_has_grrg": [True, False],
    "update_g1_has_attn": [True, False],
    "update_g2_has_g1g1": [True, False],
    "update_g2_has_attn": [True, False],
    "update_h2": [True, False],
    "attn2_has_gate": [True, False],
    "update_style": ["res_avg", "res_incr", "res_residual"],
    "update_residual_init": ["norm", "const"],
    "set_davg_zero": [True, False],
    "use_sqrt_nnei": [True, False],
    "g1_out_conv": [True, False],
    "g1_out_mlp": [True, False],
    "ln_eps": [None, 1e-3],
    "nlayers": [2, 3, 1],
    "activation_function": ["tanh", "silut:2.0", "softplus"],
    # 18 is the width of the first features of neuron [3, 6]: no transform then.
    "g1_dim": [6, 18],
}
_DESCRIPTOR = {
    "concat_output_tebd": [True, False],
    "smooth": [True, False],
    "add_tebd_to_repinit_out": [False, True],
    "use_econf_tebd": [False, True],
    "use_tebd_bias": [False, True],
    "exclude_types": [[], [[0, 1], [2, 2]]],
    "env_protection": [0.0, 0.1],
}
_MODEL = {"pair_exclude_types": [[], [[0, 2]]], "atom_exclude_types": [[], [1]]}
_FITTING = {"resnet_dt": [True, False], "numb_fparam": [0, 2], "numb_aparam": [0, 1]}


def random_sections(count: int) -> list[dict]:
    """``count`` model sections; each value of an option is in as many of them as the others."""
    rng = np.random.default_rng(2)
    drawn = [
        {key: _spread(rng, values, count) for key, values in options.items()}
        for options in (_REPINIT, _REPFORMER, _DESCRIPTOR, _FITTING, _MODEL)
    ]
    return [
        _section(i, *({k: v[i] for k, v in part.items()} for part in drawn)) for i in range(count)
    ]


def _spread(rng: np.random.Generator, values: list, count: int) -> list:
    return [values[k % len(values)] for k in rng.permutation(count)]


def _section(
    seed: int, repinit: dict, repformer: dict, descriptor: dict, fitting: dict, model: dict
) -> dict:
    """Small nets, without what DeePMD-kit cannot make or cannot load."""
    if repformer["g1_out_mlp"] and not repformer["update_g1_has_drrd"]:
        # A layer without input.
        repformer = {**repformer, "update_g1_has_grrg": True}
    if repinit["use_three_body"]:
        # Loading looks at the width of repinit alone to decide whether there is a transform.
        repformer = {**repformer, "g1_dim": 6}
    lists = {"rcut": 6.0, "rcut_smth": 0.7, "nsel": 48, "axis_neuron": 3, "three_body_sel": 16}
    lists |= {"three_body_rcut": 3.7, "three_body_rcut_smth": 2.2, "three_body_neuron": [2, 4]}
    sizes = {"rcut": RCUT, "rcut_smth": 2.9, "nsel": 20, "g2_dim": 5, "axis_neuron": 2}
    sizes |= {"attn1_hidden": 3, "attn1_nhead": 2, "attn2_hidden": 4, "attn2_nhead": 3}
    return {
        "type_map": TYPE_MAP,
        "descriptor": {
            "type": "dpa2",
            "repinit": {**lists, **repinit},
            "repformer": {**sizes, **repformer, "update_residual": 0.3},
            "precision": "float64",
            "seed": seed,
            **descriptor,
        },
        "fitting_net": {"neuron": [5, 5], "precision": "float64", "seed": seed, **fitting},
        **model,
    }
