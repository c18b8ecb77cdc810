"""A decision about some keys of an input, with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Choice:
    """Values of some keys, and why.

    Attributes:
        values: By path: ``{"model/descriptor/rcut": 6.0}``. None for a remark about the data.
        reason: One sentence or two, without a period at the end.
    """

    values: Mapping[str, Any]
    reason: str

    @property
    def keys(self) -> str:
        """The keys as one text; those after the first without the section that they share."""
        first, *others = [*self.values] or [""]
        section = first.rpartition("/")[0] + "/"
        return ", ".join([first, *(path.removeprefix(section) for path in others)])


def merged(choices: Iterable[Choice]) -> dict[str, Any]:
    """The tree of all values.

    Raises:
        ValueError: Two choices set the same key.
    """
    tree: dict[str, Any] = {}
    for choice in choices:
        for path, value in choice.values.items():
            *sections, name = path.split("/")
            node = tree
            for section in sections:
                node = node.setdefault(section, {})
            if name in node:
                raise ValueError(f"{path} is chosen twice")
            node[name] = value
    return tree
