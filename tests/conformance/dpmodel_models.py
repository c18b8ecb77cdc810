"""Models of DeePMD-kit's backend-independent kind over all options, and frames for them."""

from __future__ import annotations

import numpy as np

RCUT, RCUT_SMTH = 3.5, 0.5
TYPE_MAP = ["O", "H", "C"]
NATOMS = 9
# Steps along a direction, and the weights of energies there in its derivative.
STEPS = np.array([-3, -2, -1, 1, 2, 3])
STENCIL = np.array([-1, 9, -45, 45, -9, 1]) / 60
STEP = 2e-3
DIRECTIONS = 2
_ACTIVATIONS = ["tanh", "gelu", "silu", "softplus", "sigmoid"]


def sections() -> dict[str, dict]:
    """Model sections by name: every pair of attention, input of types and smoothness, and se_e2_a.

    The other options are drawn at random. Cutoffs are numbers that float32 holds, as the ops that
    search for neighbors have no others.
    """
    rng = np.random.default_rng(7)
    found = {}
    for attn_layer in (0, 1, 2):
        for mode in ("concat", "strip"):
            for smooth in (False, True):
                name = f"dpa1_{attn_layer}_{mode}_{'smooth' if smooth else 'plain'}"
                found[name] = _dpa1(rng, attn_layer, mode, smooth)
    for k in range(4):
        found[f"se_e2_a_{k}"] = _se_e2_a(rng, one_side=k % 2 == 1)
    options = {"normalize": False, "concat_output_tebd": False}
    for name in ("dpa1_1_strip_smooth", "dpa1_2_concat_plain", "dpa1_0_concat_plain"):
        section = found[name]
        found[f"{name}_options"] = section | {"descriptor": section["descriptor"] | options}
    pairs = _se_e2_a(rng, one_side=True)
    distances = _with_descriptor(pairs, "se_e2_r", exclude_types=[[0, 1]], set_davg_zero=False)
    angles = _with_descriptor(pairs, "se_e3", exclude_types=[[0, 1]], set_davg_zero=False)
    del angles["descriptor"]["type_one_side"]
    found |= {"se_e2_r": distances, "se_e3": angles}
    for mode, smooth, concatenated in (("concat", True, True), ("strip", True, False)):
        types = found["dpa1_0_concat_plain"]["descriptor"]
        keys = ("rcut", "rcut_smth", "ntypes", "tebd_dim", "use_econf_tebd", "precision")
        angles = {key: types[key] for key in keys} | {"type": "se_e3_tebd", "sel": 20}
        angles |= {"neuron": [2, 4], "tebd_input_mode": mode, "smooth": smooth}
        angles |= {"concat_output_tebd": concatenated, "exclude_types": [[0, 1]]}
        found[f"se_e3_tebd_{mode}"] = pairs | {"descriptor": angles | {"use_tebd_bias": False}}
    # Each with neighbors of its own.
    parts = [pairs["descriptor"] | {"exclude_types": [], "sel": [8, 14, 6], "rcut": 2.75}]
    parts += [distances["descriptor"] | {"exclude_types": []}]
    found["hybrid"] = pairs | {"descriptor": {"type": "hybrid", "list": parts}}
    # Types and pairs that the whole model leaves out; the last parts have statistics that empty
    # slots do not hide.
    excluded = {"pair_exclude_types": [[0, 1], [2, 2]], "atom_exclude_types": [1]}
    for name in ("dpa1_1_strip_smooth", "dpa1_0_concat_plain", "se_e3_tebd_strip", "hybrid"):
        found[f"{name}_excluded"] = found[name] | excluded
    # Distances that are kept from zero.
    for name in ("dpa1_1_concat_smooth", "se_e2_a_1", "se_e2_r", "se_e3", "se_e3_tebd_concat"):
        descriptor = found[name]["descriptor"] | {"env_protection": 0.15}
        found[f"{name}_protected"] = found[name] | {"descriptor": descriptor}
    # Frame parameters that nobody gives.
    given = {"numb_fparam": 2, "default_fparam": [0.4, 0.1]}
    section = found["dpa1_0_strip_smooth"]
    found["default_fparam"] = section | {"fitting_net": section["fitting_net"] | given}
    # Networks in single precision, and a fitting net whose widths double.
    for name in ("dpa1_0_strip_smooth", "se_e2_a_0"):
        section = {key: dict(value) for key, value in found[name].items() if key != "type_map"}
        for part in section.values():
            part["precision"] = "float32"
        found[f"{name}_float32"] = {"type_map": TYPE_MAP, **section}
    return found


def _dpa1(rng: np.random.Generator, attn_layer: int, mode: str, smooth: bool) -> dict:
    def flag() -> bool:
        return bool(rng.integers(2))

    # Elsewhere DeePMD-kit gives missing neighbors the type of a frame's first atom.
    davg = mode == "strip" and smooth
    descriptor = {
        "type": "dpa1",
        "rcut": RCUT,
        "rcut_smth": RCUT_SMTH,
        "sel": 24,
        "ntypes": len(TYPE_MAP),
        "neuron": [[4, 8, 8], [3, 6]][rng.integers(2)],
        "axis_neuron": 3,
        "tebd_dim": int(rng.integers(2, 5)),
        "tebd_input_mode": mode,
        "resnet_dt": flag(),
        "type_one_side": flag(),
        "attn": 5,
        "attn_layer": attn_layer,
        "attn_dotr": flag(),
        "exclude_types": [[], [[0, 1], [2, 2]]][rng.integers(2)],
        "set_davg_zero": not davg,
        "activation_function": str(rng.choice(_ACTIVATIONS)),
        "scaling_factor": float(rng.choice([1.0, 2.5])),
        "temperature": [None, 0.7, 1.0][rng.integers(3)],
        "trainable_ln": flag(),
        "ln_eps": float(rng.choice([1e-3, 1e-5])),
        "smooth_type_embedding": smooth,
        "use_econf_tebd": flag(),
        "use_tebd_bias": flag(),
        "precision": "float64",
    }
    return {"type_map": TYPE_MAP, "descriptor": descriptor, "fitting_net": _fitting(rng)}


def _se_e2_a(rng: np.random.Generator, *, one_side: bool) -> dict:
    descriptor = {
        "type": "se_e2_a",
        "rcut": RCUT,
        "rcut_smth": RCUT_SMTH,
        "sel": [12, 14, 12],
        "neuron": [4, 8, 8],
        "axis_neuron": 3,
        "resnet_dt": bool(rng.integers(2)),
        "type_one_side": one_side,
        "exclude_types": [[], [[0, 1]]][rng.integers(2)],
        "set_davg_zero": False,
        "activation_function": str(rng.choice(_ACTIVATIONS)),
        "precision": "float64",
    }
    return {"type_map": TYPE_MAP, "descriptor": descriptor, "fitting_net": _fitting(rng)}


def _with_descriptor(section: dict, kind: str, **options: object) -> dict:
    """The section with a descriptor that has no ``axis_neuron``."""
    descriptor = {**section["descriptor"], "type": kind, **options}
    del descriptor["axis_neuron"]
    return {**section, "descriptor": descriptor}


def _fitting(rng: np.random.Generator) -> dict:
    return {
        "type": "ener",
        "neuron": [[6, 6], [6, 12, 12], [24, 5]][rng.integers(3)],
        "resnet_dt": bool(rng.integers(2)),
        "activation_function": str(rng.choice(_ACTIVATIONS)),
        "numb_fparam": int(rng.integers(3)),
        "numb_aparam": int(rng.integers(2)),
        "atom_ener": [[], [-3.0, -1.0, -2.0]][rng.integers(2)],
        "precision": "float64",
    }


def frames(section: dict, seed: int = 3) -> dict[str, np.ndarray]:
    """A frame in a cell, and the same displaced by `STEPS` along `DIRECTIONS` directions.

    No distance is near the cutoffs, so that energies are smooth functions on the way.
    """
    rng = np.random.default_rng(seed)
    atype = np.sort(rng.integers(0, len(TYPE_MAP), NATOMS)).astype(np.int32)
    box = np.diag([6.5, 7.0, 7.5])
    reach = STEP * STEPS.max() * 4
    while True:
        coord = rng.uniform(size=(NATOMS, 3)) @ box
        distances = _distances(coord, box)
        if distances.min() > 0.9 and abs(distances - RCUT).min() > reach:
            break
    directions = rng.normal(size=(DIRECTIONS, NATOMS, 3))
    moved = STEP * STEPS[:, None, None] * directions[:, None]
    coord = np.concatenate([coord[None], (coord + moved).reshape(-1, NATOMS, 3)])
    case = {"coord": coord, "atype": atype, "directions": directions}
    case["box"] = np.tile(box.ravel(), (len(coord), 1))
    fitting = section["fitting_net"]
    for key, shape in (("fparam", (1,)), ("aparam", (1, NATOMS))):
        if fitting[f"numb_{key}"] and f"default_{key}" not in fitting:
            values = rng.normal(size=(*shape, fitting[f"numb_{key}"]))
            case[key] = np.repeat(values, len(coord), axis=0)
    return case


def slopes(energy: np.ndarray) -> np.ndarray:
    """Derivatives of the energy along the directions, from the energies of `frames`."""
    return energy[1:].reshape(DIRECTIONS, len(STEPS)) @ STENCIL / STEP


def _distances(coord: np.ndarray, box: np.ndarray) -> np.ndarray:
    images = np.indices((3, 3, 3)).reshape(3, -1).T - 1
    vectors = coord[:, None, None] - coord[None, :, None] + images @ box
    distances = np.linalg.norm(vectors, axis=-1).ravel()
    return distances[distances > 0]
