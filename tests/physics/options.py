"""Models of every layer option, with random weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from small_models import BY_TYPE, WITHOUT_AXIS

from deepattn.config import ModelConfig, normalize_model
from deepattn.models import EnergyModel, build_model

TYPE_MAP = ["O", "H", "C"]
FPARAM, APARAM = (0.3, -0.7), (0.4,)


@dataclass(frozen=True)
class Option:
    """One model section.

    Args:
        descriptor: Keys over the common ones.
        fitting: The same.
        type_embedding: The section, or ``None`` for none.
        violates: The checks that the formula itself, not the program, fails.
    """

    descriptor: dict
    fitting: dict
    type_embedding: dict | None
    violates: tuple[str, ...] = ()

    @property
    def parameters(self) -> dict:
        """``fparam`` and ``aparam`` for the checks."""
        given = {"fparam": FPARAM, "aparam": APARAM}
        return {key: value for key, value in given.items() if f"numb_{key}" in self.fitting}


def _atten(*, fitting: dict | None = None, tebd: dict | None = None, violates=(), **descriptor):
    return Option({"type": "se_atten", **descriptor}, fitting or {}, tebd or {}, violates)


def _v2(*, violates=(), **descriptor):
    return Option({"type": "se_atten_v2", **descriptor}, {}, {}, violates)


def _e2(
    tebd: dict | None = None, *, type="se_e2_a", fitting: dict | None = None, violates=(), **keys
):
    return Option({"type": type, **keys}, fitting or {}, tebd, violates)


def _hybrid(*parts: dict, tebd: dict | None = None, violates=()):
    return Option({"type": "hybrid", "list": list(parts)}, {}, tebd, violates)


# Plain attention counts a neighbor fully or not at all, so energies jump at the cutoff. With a
# shifted environment matrix padding contributes, as a type of its own: another jump.
JUMPS = ("continuity",)
# Smooth exclusion puts the mean of the radial column into all four columns of an excluded row:
# unless zero, that is a vector which does not turn with the atoms.
LOPSIDED = ("virial", "rotation", "continuity")
PARAMETERS = {"numb_fparam": len(FPARAM), "numb_aparam": len(APARAM)}

OPTIONS = {
    "concat": _atten(violates=JUMPS),
    "concat_mask": _atten(attn_mask=True, attn_dotr=False, violates=JUMPS),
    "concat_one_side": _atten(type_one_side=True, attn_layer=1, violates=JUMPS),
    "concat_no_attention": _atten(attn_layer=0),
    "concat_smooth": _atten(smooth_type_embedding=True),
    "concat_smooth_mask": _atten(smooth_type_embedding=True, attn_mask=True),
    "concat_exclude": _atten(exclude_types=[[0, 1]], violates=JUMPS),
    "concat_davg": _atten(attn_layer=0, set_davg_zero=False, violates=JUMPS),
    "strip": _atten(tebd_input_mode="strip", violates=JUMPS),
    "strip_no_attention": _atten(tebd_input_mode="strip", attn_layer=0),
    "v2": _v2(),
    "v2_exclude": _v2(exclude_types=[[0, 1], [2, 2]], attn_layer=1, set_davg_zero=True),
    "v2_exclude_davg": _v2(exclude_types=[[0, 1], [2, 2]], attn_layer=1, violates=LOPSIDED),
    "v2_no_attention": _v2(attn_layer=0),
    "v2_no_dotr": _v2(attn_dotr=False),
    "resnet": _atten(
        smooth_type_embedding=True,
        resnet_dt=True,
        neuron=[4, 4, 8],
        fitting={"resnet_dt": True, "neuron": [6, 6]},
        tebd={"neuron": [3, 6], "resnet_dt": True, "use_tebd_bias": True},
    ),
    "gelu": _atten(
        attn_layer=0,
        activation_function="gelu",
        fitting={"activation_function": "gelu_tf"},
        tebd={"activation_function": "sigmoid"},
    ),
    "silu_softplus": _atten(
        attn_layer=0, activation_function="silu", fitting={"activation_function": "softplus"}
    ),
    "parameters": _atten(smooth_type_embedding=True, fitting=PARAMETERS),
    "atom_ener": _atten(attn_layer=0, fitting={"atom_ener": [-1.0, None, 0.5]}),
    "se_e2_a": _e2(set_davg_zero=True),
    "se_e2_a_davg": _e2(),
    "se_e2_a_exclude": _e2(exclude_types=[[0, 1]], set_davg_zero=True),
    "se_e2_a_one_side": _e2(type_one_side=True, resnet_dt=True),
    "se_e2_a_type_embedding": _e2({}, set_davg_zero=True),
    "se_e2_a_parameters": _e2(fitting=PARAMETERS),
    "se_e2_r": _e2(type="se_e2_r", resnet_dt=True),
    "se_e2_r_one_side_exclude": _e2(type="se_e2_r", type_one_side=True, exclude_types=[[0, 1]]),
    "se_e3": _e2(type="se_e3", sel=[14, 14, 14], exclude_types=[[0, 1]]),
    "se_e3_tebd": _e2(None, type="se_e3_tebd", sel=30, exclude_types=[[0, 1]]),
    "se_e3_tebd_strip": _e2(
        None, type="se_e3_tebd", sel=30, tebd_input_mode="strip", set_davg_zero=False
    ),
    "se_a_ebd_v2": _e2({}, type="se_a_ebd_v2", set_davg_zero=True),
    "se_a_ebd_v2_davg": _e2({}, type="se_a_ebd_v2", type_one_side=True, violates=JUMPS),
    "hybrid": _hybrid({"type": "se_e2_a"}, {"type": "se_e2_r", "rcut": 3.2}),
    "hybrid_of_types": _hybrid(
        {"type": "se_atten_v2", "exclude_types": [[0, 1]], "set_davg_zero": True},
        {"type": "se_a_ebd_v2", "rcut": 3.2, "set_davg_zero": True},
        tebd={},
    ),
    "float32": Option(
        {"type": "se_atten_v2", "precision": "float32"},
        {"precision": "float32"},
        {"precision": "float32"},
    ),
}


def model_section(option: Option, *, sel: int = 60) -> dict:
    """The model section of the option, normalized; ``sel`` is that of models with attention."""
    section = {
        "type_map": TYPE_MAP,
        "descriptor": _descriptor(option.descriptor, sel),
        "fitting_net": {"neuron": [6, 6], "seed": 5, **option.fitting},
    }
    if option.type_embedding is not None:
        section["type_embedding"] = {"neuron": [4], "seed": 9, **option.type_embedding}
    return normalize_model(section)


def _descriptor(given: dict, sel: int) -> dict:
    if "list" in given:
        return {**given, "list": [_descriptor(part, sel) for part in given["list"]]}
    kind = given["type"]
    section = {"rcut": 4.0, "rcut_smth": 0.6, "neuron": [4, 8], "seed": 11}
    section["sel"] = [24, 24, 24] if kind in BY_TYPE else sel
    if kind.startswith("se_atten"):
        section["attn"] = 5
    if kind not in WITHOUT_AXIS:
        section["axis_neuron"] = 3
    return {**section, **given}


def make_model(option: Option, *, interface_dtype: str = "float64", sel: int = 60) -> EnergyModel:
    """Build the model; its statistics too are random where the option uses them."""
    config = ModelConfig.from_dict(model_section(option, sel=sel))
    model = build_model(config, interface_dtype=interface_dtype)
    arrays = model.get_arrays()
    rng = np.random.default_rng(1)
    # As statistics are: equal in all slots of a kind, angular averages zero.
    ntypes = config.ntypes
    for spec in config.descriptor.env_mats():
        spread = rng.uniform(0.1, 0.3, (ntypes, 1, 2))[..., [0, 1, 1, 1][: spec.columns]]
        arrays[spec.dstd] = np.tile(spread, (1, sum(spec.sel), 1)).reshape(ntypes, -1)
        if not spec.set_davg_zero:
            mean = rng.uniform(0.05, 0.1, (ntypes, 1, 1)) * np.eye(1, spec.columns)
            arrays[spec.davg] = np.tile(mean, (1, sum(spec.sel), 1)).reshape(ntypes, -1)
    arrays["fitting_attr/t_bias_atom_e"] = rng.normal(size=ntypes)
    for name in arrays:
        if name.endswith(("gamma", "beta")):
            arrays[name] = arrays[name] + rng.normal(scale=0.1, size=arrays[name].shape)
    dtypes = {name: variable.dtype for name, variable in model.named_variables().items()}
    model.set_arrays({name: np.asarray(value, dtypes[name]) for name, value in arrays.items()})
    return model
