"""Type hints of the fields of sections, and what dargs calls them."""

from __future__ import annotations

import types
from typing import Any, Union, get_args, get_origin, get_type_hints

_HINTS: dict[type, dict[str, Any]] = {}


def hints_of(section: type) -> dict[str, Any]:
    """The types of the fields of a class; Python evaluates them anew at every call."""
    if section not in _HINTS:
        _HINTS[section] = get_type_hints(section)
    return _HINTS[section]


def is_optional(hint: Any) -> bool:
    """Whether None is among the values of a field of that type."""
    return type(None) in get_args(hint)


def types_in_a_file(hint: Any) -> list[Any]:
    """The types that dargs shall accept for a field's type; tuples are lists there."""
    if get_origin(hint) in (Union, types.UnionType):
        return [_in_a_list(part) for part in get_args(hint)]
    return [_in_a_list(hint)]


def _in_a_list(hint: Any) -> Any:
    origin = get_origin(hint)
    if origin is tuple:
        return types.GenericAlias(list, (_in_a_list(get_args(hint)[0]),))
    if origin is dict:
        return dict
    return hint
