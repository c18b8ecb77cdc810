"""The common form of the typed sections."""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T", bound="Section")


@dataclasses.dataclass(frozen=True)
class Section:
    """A section of a configuration; its fields are the keys of a normalized input."""

    @classmethod
    def from_dict(cls: type[T], section: Mapping[str, Any]) -> T:
        """Build from a normalized section; lists become tuples."""
        return cls(**{key: _freeze(value) for key, value in section.items()})

    def to_dict(self) -> dict[str, Any]:
        """The normalized section; it can be written as JSON."""
        return {
            field.name: thaw(getattr(self, field.name))
            for field in dataclasses.fields(self)
            if field.name not in self._left_out()
        }

    def _left_out(self) -> set[str]:
        """Names that an input file does not have: unset ones with None as the class's default."""
        return {
            field.name
            for field in dataclasses.fields(self)
            if field.default is None and getattr(self, field.name) is None
        }


def flat(section: Section | Mapping[str, Any]) -> dict[str, Any]:
    """Values by their paths, such as ``descriptor/rcut``; an empty section is a value."""
    if isinstance(section, Section):
        names = [field.name for field in dataclasses.fields(section)]
        section = {name: getattr(section, name) for name in names}
    values: dict[str, Any] = {}
    for key, value in section.items():
        if isinstance(value, Section | Mapping) and value:
            values |= {f"{key}/{path}": inner for path, inner in flat(value).items()}
        else:
            values[key] = value
    return values


def _freeze(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(_freeze(item) for item in value)
    if isinstance(value, dict):
        return {key: _freeze(item) for key, item in value.items()}
    return value


def thaw(value: Any) -> Any:
    """Sections to dictionaries, tuples to lists."""
    if isinstance(value, Section):
        return value.to_dict()
    if isinstance(value, tuple):
        return [thaw(item) for item in value]
    if isinstance(value, dict):
        return {key: thaw(item) for key, item in value.items()}
    return value
