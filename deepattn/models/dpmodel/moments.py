"""Models of magnetic moments in a tree: a model of atoms and virtual atoms, and what they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deepattn.config import SpinConfig
from deepattn.config.spin import with_virtual_types, without_virtual_types
from deepattn.trees.node import Node

_KIND = "spin_ener"


def without_moments(model: Any, origin: str) -> tuple[Any, dict[str, Any] | None]:
    """The model of atoms and virtual atoms in a tree, and the section ``model/spin``.

    A model without moments is returned as it is, with None.

    Args:
        model: The model, which may be anything.
        origin: The file, for messages.

    Raises:
        ModelFileError: The moments are not of the form that DeePMD-kit writes.
    """
    if not isinstance(model, Mapping) or model.get("type") != _KIND:
        return model, None
    node = Node(model, "model", origin)
    backbone, spin = dict(node.get("backbone_model", dict)), node.child("spin")
    node.ignore("type")
    node.finish()
    used, scale = spin.get("use_spin", list), spin.get("virtual_scale", (list, float))
    spin.only("allow_missing_label", False, reason="moments must be given")
    spin.finish()
    if isinstance(backbone.get("descriptor"), Mapping):
        # What the model leaves out, once more.
        backbone["descriptor"] = {**backbone["descriptor"], "exclude_types": []}
    return backbone, {"use_spin": used, "virtual_scale": scale}


def of_moments(section: Mapping[str, Any], spin: Mapping[str, Any], node: Node) -> dict[str, Any]:
    """The section ``model`` of a file, from that of atoms and virtual atoms.

    Args:
        section: Of the model of atoms and virtual atoms.
        spin: The section ``model/spin``.
        node: The model, for messages.

    Raises:
        ModelFileError: The virtual atoms are not those of the moments.
    """
    whole = {"pair_exclude_types": [], "atom_exclude_types": [], **section, "spin": dict(spin)}
    used = spin["use_spin"]
    if not all(isinstance(value, bool) for value in used) or len(whole["type_map"]) != 2 * len(
        used
    ):
        node.fail("model/spin/use_spin has not one value for each type")
    hidden = _placeholders(used)
    pairs = {tuple(sorted(pair)) for pair in whole["pair_exclude_types"]}
    whole["pair_exclude_types"] = [list(pair) for pair in sorted(pairs - hidden)]
    found = without_virtual_types(whole)
    again = with_virtual_types(found)
    same = (
        again["type_map"] == whole["type_map"]
        and np.array_equal(again["descriptor"]["sel"], whole["descriptor"]["sel"])
        and hidden <= pairs
        and set(again["atom_exclude_types"]) == set(whole["atom_exclude_types"])
    )
    if not same:
        node.fail("model/backbone_model does not have the virtual atoms of model/spin")
    return found


def of_frozen(section: Mapping[str, Any], origin: str) -> Mapping[str, Any]:
    """The section ``model`` of a file, of which frozen models have that of virtual atoms too.

    Args:
        section: The section of a file of PyTorch, which may hold anything.
        origin: The file, for messages.

    Raises:
        ModelFileError: The virtual atoms are not those of the moments.
    """
    spin, names, descriptor = (section.get(key) for key in ("spin", "type_map", "descriptor"))
    if not (isinstance(spin, Mapping) and isinstance(names, list)):
        return section
    used = spin.get("use_spin")
    if not (isinstance(used, list) and isinstance(descriptor, Mapping)):
        return section
    if len(names) != 2 * len(used) or not all(isinstance(value, bool) for value in used):
        return section
    whole = {**section, "descriptor": {**descriptor, "exclude_types": []}}
    return of_moments(whole, {"use_spin": used, **spin}, Node({}, "model", origin))


def with_moments(model: Mapping[str, Any], spin: SpinConfig) -> dict[str, Any]:
    """The tree of a model of moments, from that of its atoms and virtual atoms."""
    section = {"use_spin": list(spin.use_spin), "virtual_scale": list(spin.scales)}
    pairs = [*map(list, sorted(_placeholders(spin.use_spin))), *model["pair_exclude_types"]]
    return {
        "type": _KIND,
        "backbone_model": {**model, "pair_exclude_types": pairs},
        "spin": section,
    }


def script_of_moments(section: Mapping[str, Any], spin: SpinConfig) -> dict[str, Any]:
    """The section of an input for DeePMD-kit, from that of its atoms and virtual atoms."""
    lists: dict[str, list] = {"pair_exclude_types": [], "atom_exclude_types": []}
    found = without_virtual_types({**lists, **section, "spin": spin.to_dict()})
    return {key: value for key, value in found.items() if key not in lists or value}


def _placeholders(used: Sequence[bool]) -> set[tuple[int, int]]:
    """Pairs with types of virtual atoms that stand for no moment, the smaller type first."""
    count = len(used)
    types = [count + kind for kind, moment in enumerate(used) if not moment]
    return {(min(a, b), max(a, b)) for a in types for b in range(2 * count)}
