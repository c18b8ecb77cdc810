"""The option matrix: one row per graph that DeePMD-kit trains for two steps and freezes.

Few neurons, but every branch of the mathematics: the widths are chosen so that embedding nets meet
plain, equal and doubling layers, and ``rcut_smth`` is a number that float32 cannot hold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import systems
from .deepmd_kit import INSTALLATIONS, DeepmdKit

BOTH = ("dp320", "dp220")
NEW = ("dp320",)


@dataclass(frozen=True)
class GraphOptions:
    """One row: the model section and what may be expected of it."""

    name: str
    model: dict
    versions: tuple[str, ...] = NEW
    single: bool = False  # float32 networks: 2e-5 instead of 1e-9
    interface: str = "high"  # DP_INTERFACE_PREC
    named: bool = True  # types have names

    @property
    def descriptors(self) -> list[dict]:
        """The section of the descriptor, or those of all parts of a hybrid."""
        return self.model["descriptor"].get("list", [self.model["descriptor"]])

    @property
    def rcut(self) -> float:
        """The longest cutoff radius, Å."""
        return max(part["rcut"] for part in self.descriptors)

    @property
    def by_type(self) -> bool:
        """Whether slots belong to types, so that all frames must have the same ones."""
        return any(not part["type"].startswith("se_atten") for part in self.descriptors)

    @property
    def tolerance(self) -> float:
        return 2e-5 if self.single else 1e-9

    def input(self, data: list[str]) -> dict:
        """The ``input.json`` that makes this graph."""
        return {
            "model": {**({"type_map": systems.TYPE_MAP} if self.named else {}), **self.model},
            "learning_rate": {"type": "exp", "start_lr": 0.02, "stop_lr": 0.01, "decay_steps": 10},
            # Energies only: the graph of a force loss takes longer to build than all else together.
            "loss": {"start_pref_f": 0, "limit_pref_f": 0},
            "training": {
                "training_data": {"systems": data, "batch_size": 2},
                "numb_steps": 2,
                # The errors are a graph of their own. Without them it saves only after the last
                # step, unless the step is one of these.
                "disp_training": False,
                "save_freq": 100,
                "seed": 3,
            },
        }


def se_atten(**options: object) -> dict:
    return {
        "type": "se_atten",
        "sel": 40,
        "rcut": systems.RCUT,
        "rcut_smth": 0.6,
        "neuron": [4, 8, 8],
        "axis_neuron": 3,
        "attn": 5,
        "attn_layer": 2,
        "seed": 11,
        **options,
    }


def se_e2_a(**options: object) -> dict:
    return {
        "type": "se_e2_a",
        "sel": [14, 20, 14],
        "rcut": systems.RCUT,
        "rcut_smth": 0.6,
        "neuron": [4, 8, 8],
        "axis_neuron": 3,
        "seed": 11,
        **options,
    }


def _without_axis(**options: object) -> dict:
    section = se_e2_a(**options)
    del section["axis_neuron"]
    return section


def hybrid(*parts: dict) -> dict:
    return {"type": "hybrid", "list": list(parts)}


def fitting(**options: object) -> dict:
    return {"neuron": [6, 6], "seed": 5, **options}


def tebd(**options: object) -> dict:
    return {"neuron": [4], "seed": 9, **options}


def _model(descriptor: dict, fit: dict | None = None, embedding: dict | None = None) -> dict:
    model = {"descriptor": descriptor, "fitting_net": fit or fitting()}
    if embedding is not None:
        model["type_embedding"] = embedding
    return model


_SINGLE = {"precision": "float32"}

GRAPHS = [
    GraphOptions("concat_default", _model(se_atten()), BOTH),
    GraphOptions(
        "concat_one_side_mask_gelu",
        _model(
            se_atten(type_one_side=True, attn_layer=1, attn_dotr=False, attn_mask=True),
            fitting(activation_function="gelu"),
            tebd(),
        ),
        BOTH,
    ),
    GraphOptions("concat_exclude", _model(se_atten(exclude_types=[[0, 1], [2, 2]])), BOTH),
    GraphOptions("concat_dotr_mask", _model(se_atten(attn_mask=True), None, tebd()), BOTH),
    GraphOptions("concat_no_attention", _model(se_atten(attn_layer=0), None, tebd()), BOTH),
    GraphOptions(
        "concat_davg",
        _model(se_atten(set_davg_zero=False, attn_layer=1, ln_eps=1e-4), None, tebd()),
    ),
    GraphOptions(
        "concat_smooth_exclude_davg",
        _model(
            se_atten(smooth_type_embedding=True, set_davg_zero=False, exclude_types=[[0, 1]]),
            None,
            tebd(),
        ),
    ),
    GraphOptions(
        "strip_one_side_exclude_davg_gelu_tf",
        _model(
            se_atten(
                tebd_input_mode="strip",
                type_one_side=True,
                exclude_types=[[1, 1], [0, 2]],
                set_davg_zero=False,
                attn_layer=1,
                activation_function="gelu_tf",
            ),
            None,
            tebd(),
        ),
    ),
    GraphOptions("strip_plain", _model(se_atten(tebd_input_mode="strip"), None, tebd())),
    GraphOptions("v2_default", _model(se_atten(type="se_atten_v2"))),
    GraphOptions(
        "v2_no_attention_exclude",
        _model(
            se_atten(type="se_atten_v2", attn_layer=0, exclude_types=[[0, 0], [1, 2]]),
            None,
            tebd(activation_function="tanh"),
        ),
    ),
    # Widths that double, and none of them twice the type embedding's, as ``dp compress`` requires.
    GraphOptions(
        "v2_compressible",
        _model(se_atten(type="se_atten_v2", attn_layer=0, neuron=[4, 8, 16]), None, tebd()),
    ),
    GraphOptions(
        "v2_residual_without_attention",
        _model(se_atten(type="se_atten_v2", attn_layer=0, neuron=[8, 8, 16]), None, tebd()),
    ),
    GraphOptions(
        "v2_sel_too_small",
        _model(se_atten(type="se_atten_v2", sel=6, attn_mask=True), None, tebd()),
    ),
    GraphOptions(
        "v2_residual_pair_net",
        _model(se_atten(type="se_atten_v2", neuron=[8, 8, 16]), None, tebd()),
    ),
    GraphOptions(
        "resnet_everywhere",
        _model(
            se_atten(resnet_dt=True, attn_layer=1),
            fitting(resnet_dt=True, neuron=[6, 6, 4]),
            tebd(neuron=[3, 6], resnet_dt=True, activation_function="tanh", use_tebd_bias=True),
        ),
    ),
    GraphOptions(
        "resnet_everywhere_old",
        _model(
            se_atten(resnet_dt=True, attn_layer=1),
            fitting(resnet_dt=True, neuron=[6, 6, 4]),
            tebd(neuron=[3, 6], resnet_dt=True),
        ),
        ("dp220",),
    ),
    GraphOptions(
        "strip_resnet",
        _model(
            se_atten(tebd_input_mode="strip", resnet_dt=True, attn_layer=1),
            fitting(resnet_dt=False),
            tebd(),
        ),
    ),
    GraphOptions(
        "activations",
        _model(
            se_atten(activation_function="gelu", attn_layer=1),
            fitting(activation_function="softplus"),
            tebd(activation_function="sigmoid"),
        ),
        BOTH,
    ),
    GraphOptions(
        "activations_relu",
        _model(
            se_atten(activation_function="silu", attn_layer=1),
            fitting(activation_function="relu6"),
            tebd(activation_function="linear"),
        ),
    ),
    GraphOptions(
        "parameters_atom_ener",
        _model(
            se_atten(attn_layer=1),
            fitting(
                numb_fparam=systems.NFPARAM,
                numb_aparam=systems.NAPARAM,
                atom_ener=[-1.0, None, 0.5],
            ),
            tebd(),
        ),
    ),
    GraphOptions(
        "parameters",
        _model(
            se_atten(attn_layer=1),
            fitting(numb_fparam=systems.NFPARAM, numb_aparam=systems.NAPARAM),
            tebd(),
        ),
        BOTH,
    ),
    GraphOptions(
        "float32_nets",
        _model(se_atten(**_SINGLE), fitting(**_SINGLE), tebd(**_SINGLE)),
        BOTH,
        single=True,
    ),
    GraphOptions(
        "float32_descriptor_only",
        _model(se_atten(type="se_atten_v2", **_SINGLE), None, tebd()),
        single=True,
    ),
    GraphOptions(
        "interface_low", _model(se_atten(), None, tebd()), BOTH, single=True, interface="low"
    ),
    GraphOptions("se_e2_a_two_side_exclude", _model(se_e2_a(exclude_types=[[0, 1], [2, 2]])), BOTH),
    GraphOptions(
        "se_e2_a_one_side_resnet", _model(se_e2_a(type_one_side=True, resnet_dt=True)), BOTH
    ),
    GraphOptions(
        "se_e2_a_type_embedding",
        _model(se_e2_a(), None, tebd(activation_function="tanh")),
        BOTH,
    ),
    # Types that are never neighbors: first, in the middle, last.
    GraphOptions("se_e2_a_no_slots_first", _model(se_e2_a(sel=[0, 20, 14]))),
    GraphOptions(
        "se_e2_a_no_slots_last_one_side_exclude",
        _model(se_e2_a(sel=[14, 20, 0], type_one_side=True, exclude_types=[[0, 1]])),
    ),
    GraphOptions("se_e2_a_no_slots_type_embedding", _model(se_e2_a(sel=[14, 0, 14]), None, tebd())),
    GraphOptions(
        "se_e2_a_parameters",
        _model(se_e2_a(), fitting(numb_fparam=systems.NFPARAM, numb_aparam=systems.NAPARAM)),
    ),
    GraphOptions(
        "se_e2_a_numbers_only",
        _model(se_e2_a(), fitting(numb_fparam=systems.NFPARAM, numb_aparam=systems.NAPARAM)),
        BOTH,
        named=False,
    ),
    GraphOptions(
        "se_e2_r_two_side_exclude",
        _model(_without_axis(type="se_e2_r", exclude_types=[[0, 1], [2, 2]])),
        BOTH,
    ),
    GraphOptions(
        "se_e2_r_one_side_exclude_resnet",
        _model(
            _without_axis(
                type="se_e2_r", type_one_side=True, exclude_types=[[0, 1]], resnet_dt=True
            )
        ),
    ),
    GraphOptions("se_e3", _model(_without_axis(type="se_e3", resnet_dt=True))),
    GraphOptions(
        "se_a_ebd_v2_exclude",
        _model(se_e2_a(type="se_a_ebd_v2", exclude_types=[[0, 2]]), None, tebd()),
    ),
    GraphOptions(
        "se_a_ebd_v2_one_side",
        _model(se_e2_a(type="se_a_ebd_v2", type_one_side=True, resnet_dt=True)),
    ),
    GraphOptions(
        "hybrid_two_body",
        _model(
            hybrid(
                se_e2_a(rcut=3.1, sel=[8, 12, 8]), _without_axis(type="se_e2_r", type_one_side=True)
            )
        ),
        BOTH,
    ),
    GraphOptions(
        "hybrid_types_three_body",
        _model(
            hybrid(
                se_atten(type="se_atten_v2", exclude_types=[[0, 1]]),
                se_e2_a(type="se_a_ebd_v2", rcut=3.1, type_one_side=True, resnet_dt=True),
                se_e2_a(rcut=2.9, sel=[8, 12, 8]),
                _without_axis(type="se_e3", rcut=3.3),
            ),
            fitting(numb_fparam=systems.NFPARAM, numb_aparam=systems.NAPARAM),
            tebd(),
        ),
    ),
    GraphOptions(
        "se_e2_a_interface_low", _model(se_e2_a(set_davg_zero=True)), single=True, interface="low"
    ),
]
TABLE = {options.name: options for options in GRAPHS}


def cases_for(options: GraphOptions, deepmd: DeepmdKit) -> dict[str, dict[str, np.ndarray]]:
    """The boxes that this graph is defined for."""
    fit = options.model["fitting_net"]
    chosen = {}
    for name, case in systems.make_cases().items():
        # Virtual atoms and batches of mixed composition came with 2.2.3, and for se_e2_a never.
        old = deepmd.version < "2.2.3" or options.by_type
        if old and (case["atype"].ndim == 2 or (case["atype"] < 0).any()):
            continue
        unused = [key for key in ("fparam", "aparam") if f"numb_{key}" not in fit]
        chosen[name] = {key: value for key, value in case.items() if key not in unused}
        if deepmd.version < "2.2.3" and "aparam" in chosen[name]:
            # It sorts atoms by type, but leaves their parameters where they are.
            order = np.argsort(case["atype"], kind="stable")
            for key in ("coord", "aparam"):
                chosen[name][key] = case[key][:, order]
            chosen[name]["atype"] = case["atype"][order]
    return chosen


def pairs() -> list[tuple[str, str]]:
    """Every (installation, graph) of the matrix, for ``pytest.mark.parametrize``."""
    return [
        (name, options.name)
        for options in GRAPHS
        for name in options.versions
        if name in INSTALLATIONS
    ]
