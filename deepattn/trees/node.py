"""One mapping of a tree, read key by key; whatever is not expected is refused by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from deepattn.errors import ModelFileError

_VARIABLES = "@variables"
_REQUIRED = object()
# Names of one precision.
_PRECISIONS = {
    **{name: "float64" for name in ("default", "double")},
    **{name: "float32" for name in ("single", "float")},
    "half": "float16",
}


class Node:
    """A mapping of a model file's tree.

    A reader takes every key it knows, and finally calls `finish`, to which a key that was not
    taken is an error: it may change the model in a way that deepattn does not know of.

    Args:
        value: The mapping.
        path: Where it is in the tree, such as ``model/descriptor``.
        origin: The file, for messages.

    Raises:
        ModelFileError: ``value`` is not a mapping.
    """

    def __init__(self, value: Any, path: str, origin: str):
        self.path = path
        self.origin = origin
        if not isinstance(value, Mapping):
            self.fail(f"{path} is not a mapping of keys")
        self._value = dict(value)
        self._taken: set[str] = {"@class", "@version"}

    def fail(self, reason: str) -> NoReturn:
        """Raise a `ModelFileError` that names the file."""
        raise ModelFileError(f"{self.origin}: {reason}")

    def __contains__(self, key: str) -> bool:
        return key in self._value

    def version(self, name: str, *versions: int) -> Node:
        """Check ``@class`` and ``@version``.

        Args:
            name: The class.
            versions: Versions that are read.
        """
        if self._value.get("@class") != name:
            self.fail(f"{self.path} is a {self._value.get('@class')!r}, not a {name!r}")
        if self._value.get("@version") not in versions:
            known = ", ".join(map(str, versions))
            self.fail(
                f"{self.path} has version {self._value.get('@version')!r} of {name}; "
                f"supported versions: {known}"
            )
        return self

    def get(self, key: str, kinds: type | tuple[type, ...], default: Any = _REQUIRED) -> Any:
        """The value of a key, of one of the kinds (a bool is not an int); tuples for lists."""
        self._taken.add(key)
        if key not in self._value:
            if default is _REQUIRED:
                self.fail(f"{self.path} lacks the key {key!r}")
            return default
        value = self._value[key]
        kinds = kinds if isinstance(kinds, tuple) else (kinds,)
        if float in kinds and type(value) is int:
            value = float(value)
        if type(value) not in kinds:
            self.fail(f"{self.path}/{key} has the invalid value {_shown(value)}")
        return value

    def before(self, version: int) -> bool:
        """Whether ``@version`` is an earlier one."""
        return self._value["@version"] < version

    def values(self, keys: Iterable[str]) -> dict[str, Any]:
        """The values of those of the keys that are there, which the caller must check."""
        self._taken.update(keys)
        return {key: self._value[key] for key in keys if key in self._value}

    def rest(self, *but: str) -> dict[str, Any]:
        """All keys but some, which the caller must check."""
        self._taken.update(self._value)
        return {key: value for key, value in self._value.items() if key not in but}

    def only(self, key: str, *accepted: Any, reason: str) -> None:
        """Take a key that must be absent, null or one of the accepted values."""
        value = self._value.get(key)
        self._taken.add(key)
        if value is not None and not any(value == known for known in accepted):
            self.fail(f"{self.path}/{key} = {_shown(value)} is not supported; {reason}")

    def ignore(self, *keys: str) -> None:
        """Take keys that are redundant, or matter only for training."""
        self._taken.update(keys)

    def child(self, key: str) -> Node:
        """The mapping under a key."""
        return Node(self.get(key, dict), f"{self.path}/{key}", self.origin)

    def children(self, key: str) -> list[Node | None]:
        """The mappings of a list under a key; None for null."""
        return [
            None if value is None else Node(value, f"{self.path}/{key}/{k}", self.origin)
            for k, value in enumerate(self.get(key, list))
        ]

    def arrays(self, shapes: Mapping[str, Sequence[int] | None]) -> list[np.ndarray | None]:
        """The arrays below ``@variables``, in the order of ``shapes``; None for null.

        Args:
            shapes: Shape of every array that there may be; None for any.
        """
        variables = self.child(_VARIABLES)
        found = [variables._array(name, shape) for name, shape in shapes.items()]
        variables.finish()
        return found

    def computes_in(self, precision: str, *, but: Sequence[str] = ()) -> None:
        """Refuse layers of another precision than that of the part they are in.

        Args:
            precision: That of the part.
            but: Keys of parts with a precision of their own.
        """
        parts = {key: part for key, part in self._value.items() if key not in but}
        for path, name in _precisions(parts, self.path):
            if _PRECISIONS.get(name, name) != _PRECISIONS.get(precision, precision):
                self.fail(
                    f"{path} = {_shown(name)} is not supported; {self.path} computes in "
                    f"{_shown(precision)}, and so must all its layers"
                )

    def finish(self) -> None:
        """Refuse keys that were not taken.

        Raises:
            ModelFileError: There are some.
        """
        unknown = [key for key in self._value if key not in self._taken]
        if unknown:
            value = _shown(self._value[unknown[0]])
            self.fail(f"{self.path}/{unknown[0]} = {value} is unknown, so it is not supported")

    def _array(self, name: str, shape: Sequence[int] | None) -> np.ndarray | None:
        array = self.get(name, (np.ndarray, type(None)), None)
        if array is None:
            return None
        if array.dtype.kind != "f":
            self.fail(f"{self.path}/{name} is an array of {array.dtype}, not of floating point")
        if shape is not None and array.shape != tuple(shape):
            self.fail(
                f"{self.path}/{name} has shape {list(array.shape)}; according to the rest of "
                f"the file it must be {list(shape)}"
            )
        return array


def _precisions(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """All values of the key ``precision`` in a tree, with their paths."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            if key == "precision":
                yield f"{path}/{key}", part
            elif key != _VARIABLES:
                yield from _precisions(part, f"{path}/{key}")
    elif isinstance(value, list):
        for k, part in enumerate(value):
            yield from _precisions(part, f"{path}/{k}")


def _shown(value: Any) -> str:
    text = f"a {type(value).__name__}" if isinstance(value, dict) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
