"""Models of DeePMD-kit's PyTorch backend over all options, and frames for them."""

from __future__ import annotations

import copy

import numpy as np

from .dpa2_options import random_sections
from .dpmodel_models import sections
from .systems import TRICLINIC, scatter

NATOMS = 9
_DPA2 = 10
BRANCHES = ("Metals", "Water", "Domains_Alloy")
# Not in the files of earlier versions: keys of DPA-2, weights, and what follows from the others.
LATER_KEYS = {"repformer": ("use_sqrt_nnei", "g1_out_conv", "g1_out_mlp")}
LATER_TENSORS = ("compress_info", "compress_data", "type_embd_data", "min_nbor_dist")


def single() -> dict[str, dict]:
    """Model sections by name."""
    found = dict(sections())
    for name, section in found.items():
        descriptor = section["descriptor"]
        if name.startswith("se_e2_a") and descriptor.get("exclude_types"):
            # Else nets of excluded pairs count for empty slots, which is refused.
            found[name] = {**section, "descriptor": {**descriptor, "set_davg_zero": True}}
    plain = found["se_e2_a_0"]
    fitting = {**plain["fitting_net"], "atom_ener": []}
    found["se_e2_a_plain"] = {**plain, "fitting_net": fitting}
    found |= {f"dpa2_{k}": section for k, section in enumerate(random_sections(_DPA2))}
    found["dpa2_float32"] = _in_float32(found["dpa2_2"])
    return found


def multitask() -> dict[str, dict]:
    """Multi-task sections: nets of their own, and one net told apart by the branch."""
    models = single()
    bases = {"dpa1": models["dpa1_2_strip_smooth"], "dpa2": models["dpa2_2"]}
    found = {}
    for name, base in bases.items():
        for shared in (False, True):
            found[f"{name}_{'one' if shared else 'own'}_fitting"] = tasks(base, shared=shared)
    found["dpa2_two_float32"] = tasks(models["dpa2_float32"], shared=True, branches=BRANCHES[:2])
    found["se_e2_a_two"] = tasks(models["se_e2_a_plain"], shared=False, branches=BRANCHES[1:])
    found["dpa1_two_embedding"] = tasks(
        bases["dpa1"], shared=True, branches=BRANCHES[:2], levels=(0, 1)
    )
    return found


def older() -> dict[str, dict]:
    """Sections whose files are written as versions before September 2024 wrote them."""
    models = single()
    found = {f"older_{name}": models[name] for name in ("dpa1_2_strip_smooth", "se_e2_a_plain")}
    section = copy.deepcopy(models["dpa2_2"])
    # What they did not do.
    section["descriptor"]["repformer"] |= dict.fromkeys(LATER_KEYS["repformer"], False)
    return {**found, "older_dpa2": section, "older_tasks": tasks(section, shared=True)}


def tasks(
    base: dict,
    *,
    shared: bool,
    branches: tuple[str, ...] = BRANCHES,
    levels: tuple[int, ...] = (0, 0, 0),
) -> dict:
    """A multi-task section whose branches share the descriptor, and maybe the fitting net."""
    fitting = {**base["fitting_net"], "numb_fparam": 0, "numb_aparam": 0}
    if shared:
        fitting["dim_case_embd"] = len(branches)
    parts = {"types": base["type_map"], "descriptor": base["descriptor"], "fitting": fitting}
    return {
        "shared_dict": parts if shared else {k: v for k, v in parts.items() if k != "fitting"},
        "model_dict": {
            branch: {
                "type_map": "types",
                "descriptor": f"descriptor:{level}" if level else "descriptor",
                "fitting_net": "fitting" if shared else {**fitting, "seed": k},
                "model_branch_alias": [f"branch {k}"],
                "info": {"observed-type": ["O"]},
            }
            for k, (branch, level) in enumerate(zip(branches, levels, strict=False))
        },
    }


def _in_float32(section: dict) -> dict:
    precise = {"precision": "float32"}
    parts = ("descriptor", "fitting_net")
    return {**section, **{part: {**section[part], **precise} for part in parts}}


def frames(seed: int, section: dict) -> dict[str, dict[str, np.ndarray]]:
    """A frame in a cell and one with open boundaries, with the parameters that a model takes."""
    fitting = section.get("fitting_net", {})
    rng = np.random.default_rng(seed)
    cases = {}
    for name, periodic in (("cell", True), ("open", False)):
        coord = scatter(rng, TRICLINIC, NATOMS, closest=1.1, periodic=periodic)
        case = {"coord": coord[None], "atype": rng.integers(0, 3, NATOMS).astype(np.int32)}
        if periodic:
            case["box"] = TRICLINIC.reshape(1, 9)
        for key, shape in (("fparam", (1,)), ("aparam", (1, NATOMS))):
            width = fitting.get(f"numb_{key}", 0)
            if width:
                case[key] = rng.normal(size=(*shape, width))
        cases[name] = case
    return cases
