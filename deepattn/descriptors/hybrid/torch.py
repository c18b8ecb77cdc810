"""The descriptor ``hybrid`` in PyTorch's files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

from deepattn.config import DESCRIPTORS, ModelConfig
from deepattn.descriptors.hybrid.config import HybridConfig, arrays_of_part
from deepattn.formats.weight_names import of_part
from deepattn.registry import formats_of, resolve
from deepattn.states.descriptors import IGNORED
from deepattn.states.part import StateFormat
from deepattn.states.rules import Arrays, Rule
from deepattn.trees.node import Node

_ALONE = "descriptor."


def read(node: Node) -> dict[str, Any]:
    """The model section ``descriptor``."""
    sections = []
    for place, child in enumerate(node.children("list")):
        if child is None:
            node.fail(f"{node.path}/list/{place} is null")
        name = child.get("type", str)
        formats = formats_of(DESCRIPTORS, name, "torch")
        if name not in formats:
            node.fail(f"{child.path} is of type {name!r}, which is not supported in a hybrid")
        found = formats[name].read(child)
        if set(found) != {"descriptor"}:
            node.fail(f"{child.path} has a type embedding, which is not supported in a hybrid")
        sections.append(found["descriptor"])
    node.ignore("type", "type_map", "ntypes")
    node.finish()
    return {"descriptor": {"type": "hybrid", "list": sections}}


def rules(model: ModelConfig) -> list[Rule]:
    """Rules of the descriptors, with the names that a hybrid gives to their weights."""
    return [
        replace(
            rule,
            theirs=_theirs(rule.theirs, place),
            ours=tuple(of_part(name, place) for name in rule.ours),
        )
        for place, part, own in _parts(model)
        for rule in part.rules(own)
    ]


def finish(model: ModelConfig, arrays: Arrays) -> str | None:
    """What the formats of the descriptors have to remove or to refuse."""
    for place, part, own in _parts(model):
        left = dict(before := arrays_of_part(arrays, place))
        reason = part.finish(own, left)
        if reason is not None:
            return reason
        for name in set(before) - set(left):
            del arrays[of_part(name, place)]
    return None


def empty(model: ModelConfig) -> list[str]:
    """Names of tensors without numbers."""
    return [_theirs(name, place) for place, part, own in _parts(model) for name in part.empty(own)]


def complete(model: ModelConfig, state: Arrays) -> None:
    """What the formats of the descriptors have to add."""
    for place, part, own in _parts(model):
        prefix = _theirs(_ALONE, place)
        found = {
            name.replace(prefix, _ALONE, 1): array
            for name, array in state.items()
            if name.startswith(prefix)
        }
        part.complete(own, found)
        state |= {_theirs(name, place): array for name, array in found.items()}


def _theirs(name: str, place: int) -> str:
    """The name of a tensor of a descriptor in a hybrid, from that in a model with it alone."""
    return f"{_ALONE}descrpt_list.{place}.{name.removeprefix(_ALONE)}"


def _parts(model: ModelConfig) -> Iterator[tuple[int, StateFormat, ModelConfig]]:
    """Places, formats, and models with the descriptors alone."""
    for place, part in enumerate(cast(HybridConfig, model.descriptor).list):
        yield place, resolve(part.torch or ""), replace(model, descriptor=part)


FORMAT = StateFormat(
    ("hybrid",),
    read,
    rules,
    ignored=IGNORED,
    finish=finish,
    empty=empty,
    complete=complete,
)
