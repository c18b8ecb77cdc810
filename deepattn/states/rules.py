"""Rules that translate names of weights between PyTorch's files and deepattn."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]

# The last part of a name: as PyTorch's files have it, and in names that are paths of a tree.
LEAVES = {"matrix": "w", "bias": "b", "idt": "idt"}
_FIELDS = {"part": "|".join(LEAVES), "leaf": "|".join(LEAVES.values()), "map": r"[a-z]\w*"}


@dataclass(frozen=True)
class Layout:
    """How the arrays of one name there correspond to those of the names here.

    Attributes:
        read: From the array there to those here.
        write: From those here to the array there.
    """

    read: Callable[[np.ndarray], Sequence[np.ndarray]]
    write: Callable[[Sequence[np.ndarray]], np.ndarray]


# The same shape.
SAME = Layout(lambda array: [array], lambda parts: parts[0])
# The time step of an embedding net: ``[1, n]`` here, ``[n]`` there.
ROW = Layout(lambda array: [array.reshape(1, -1)], lambda parts: parts[0].ravel())
# Queries, keys and values: three arrays here, one there, side by side.
THIRDS = Layout(
    lambda array: np.split(array, 3, axis=-1), lambda parts: np.concatenate(parts, axis=-1)
)


def flat(columns: int) -> Layout:
    """Statistics: ``[ntypes, columns * nnei]`` here, ``[ntypes, nnei, columns]`` there."""
    return Layout(
        lambda array: [array.reshape(len(array), -1)],
        lambda parts: parts[0].reshape(len(parts[0]), -1, columns),
    )


@dataclass(frozen=True)
class Rule:
    """How a family of names, and the arrays under them, are translated.

    Fields in braces stand for parts of names: ``{part}`` for matrix, bias or idt, ``{leaf}`` for w,
    b or idt, ``{map}`` for a word, and any other for a number, where ``{n}`` is ``{k}`` plus one.

    Attributes:
        theirs: The name in a file of PyTorch.
        ours: The names here.
        layout: How their arrays correspond.
    """

    theirs: str
    ours: tuple[str, ...]
    layout: Layout = SAME

    def to_ours(self, name: str) -> list[str] | None:
        """Names here for a name there; None if the rule is for others."""
        if not name.startswith(self._start):
            return None
        found = self._theirs.fullmatch(name)
        if found is None:
            return None
        fields: dict[str, Any] = found.groupdict()
        if "k" in fields:
            fields["n"] = int(fields["k"]) + 1
        if "part" in fields:
            fields["leaf"] = LEAVES[fields["part"]]
        return [pattern.format(**fields) for pattern in self.ours]

    def to_theirs(self, name: str) -> tuple[str, int] | None:
        """Name there for a name here, and the place of the latter in ``ours``."""
        for place, pattern in enumerate(self._ours):
            found = pattern.fullmatch(name)
            if found is None:
                continue
            fields: dict[str, Any] = found.groupdict()
            if "n" in fields:
                fields["k"] = int(fields["n"]) - 1
            if "leaf" in fields:
                [fields["part"]] = (key for key in LEAVES if LEAVES[key] == fields["leaf"])
            return self.theirs.format(**fields), place
        return None

    @cached_property
    def _start(self) -> str:
        """What all names there begin with. Most rules do not fit, which this tells quickly."""
        return self.theirs.partition("{")[0]

    @cached_property
    def _theirs(self) -> re.Pattern:
        return _pattern(self.theirs)

    @cached_property
    def _ours(self) -> list[re.Pattern]:
        return [_pattern(name) for name in self.ours]


def _pattern(template: str) -> re.Pattern:
    """A template as a regular expression."""
    parts = re.split(r"\{(\w+)\}", template)
    texts = [re.escape(text) for text in parts[::2]]
    groups = [f"(?P<{name}>{_FIELDS.get(name, '[0-9]{1,9}')})" for name in parts[1::2]]
    return re.compile("".join(a + b for a, b in zip(texts, [*groups, ""], strict=True)))


def read_state(
    names: Iterable[str],
    array: Callable[[str], np.ndarray],
    rules: Sequence[Rule],
    ignored: Sequence[str],
) -> tuple[Arrays, list[str]]:
    """Weights by their names here.

    Args:
        names: The names there.
        array: The numbers under such a name.
        rules: The first that fits a name translates it.
        ignored: Regular expressions of names that hold nothing that is needed.

    Returns:
        The arrays, and the names that no rule knows.

    Raises:
        ValueError: An array has another shape than those of its name.
    """
    arrays: Arrays = {}
    unknown = []
    skipped = re.compile("|".join(f"(?:{pattern})" for pattern in ignored) or "(?!)")
    for name in names:
        if skipped.fullmatch(name):
            continue
        for rule in rules:
            ours = rule.to_ours(name)
            if ours is None:
                continue
            numbers = array(name)
            try:
                arrays.update(zip(ours, rule.layout.read(numbers), strict=True))
            except (TypeError, ValueError):
                shape = list(numbers.shape)
                raise ValueError(f"{name} has shape {shape}, which its name rules out") from None
            break
        else:
            unknown.append(name)
    return arrays, unknown


# Arrays that have been made of others, by their name and the places of these in the memory.
Made = dict[tuple[Any, ...], np.ndarray]


def write_state(
    arrays: Mapping[str, np.ndarray], rules: Sequence[Rule], made: Made | None = None
) -> Arrays:
    """Weights by their names in a file of PyTorch.

    Args:
        arrays: The weights by their names here.
        rules: The first that fits a name translates it.
        made: What calls for the other branches of a multi-task model have made. Weights that have
            the same place in the memory become one array object. They must all stay alive.

    Raises:
        KeyError: No rule knows a name.
    """
    parts: dict[str, dict[int, np.ndarray]] = {}
    writers: dict[str, Rule] = {}
    for name, array in arrays.items():
        for rule in rules:
            found = rule.to_theirs(name)
            if found is not None:
                there, place = found
                parts.setdefault(there, {})[place] = array
                writers[there] = rule
                break
        else:
            raise KeyError(name)
    state: Arrays = {}
    made = {} if made is None else made
    for there, places in parts.items():
        sources = [places[place] for place in sorted(places)]
        key = (there, *map(_place, sources))
        if key not in made:
            made[key] = writers[there].layout.write(sources)
        state[there] = made[key]
    return state


def _place(array: np.ndarray) -> tuple[Any, ...]:
    """What only views of the same numbers have in common."""
    address, _ = array.__array_interface__["data"]
    return address, array.shape, array.strides, array.dtype.str
