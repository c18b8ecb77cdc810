"""Values of a pickle that are to be plain, and no larger than the pickle lets expect."""

from __future__ import annotations

from typing import Any

_SCALARS = (type(None), bool, int, float, str)
# Of a small pickle, whose texts may be repeated: those of a type map by every branch.
_SMALL = 1 << 20


def check_plain(
    value: Any, size: int, *, keys: tuple[type, ...] = (str,), leaves: tuple[type, ...] = ()
) -> None:
    """Refuse a value that is not made of plain ones, or that repeats its parts without end.

    A pickle can hold a part twice by naming it, and so make a short text a value that takes forever
    to walk through.

    Args:
        value: The value; it must not be nested too deeply (`deepattn.limits.check_depth`).
        size: Length of the pickle, in bytes.
        keys: Kinds of keys that its mappings may have.
        leaves: Further kinds of parts that it may have.

    Raises:
        ValueError: It is such a value.
    """
    known: dict[int, int] = {}

    def extent(part: Any) -> int:
        """Number of parts, repeated ones counted each time, and of letters of all texts."""
        if id(part) in known:
            return known[id(part)]
        if isinstance(part, str):
            count = 1 + len(part)
        elif isinstance(part, dict):
            if not all(isinstance(key, keys) for key in part):
                raise ValueError("it has a key that is no text")
            count = 1 + sum(extent(key) + extent(one) for key, one in part.items())
        elif isinstance(part, list | tuple):
            count = 1 + sum(extent(one) for one in part)
        elif isinstance(part, (*_SCALARS, *leaves)):
            count = 1
        else:
            raise ValueError(f"it has a {type(part).__name__} where there must be plain values")
        known[id(part)] = count
        return count

    if extent(value) > max(size, _SMALL):
        raise ValueError("its values repeat each other without end")
