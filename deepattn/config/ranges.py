"""Checks of single values, for the fields of typed sections: each takes a value and its path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deepattn.config.constraints import at_least, require

Check = Callable[[Any, str], None]


def within(least: int, most: int | None = None) -> Check:
    """At least one number and, if there is another, at most that."""
    return lambda value, path: at_least(value, path, minimum=least, maximum=most)


def positive(value: float, path: str) -> None:
    """Above zero."""
    require(value > 0, path, value, "be positive")


def one_of(*choices: str) -> Check:
    """One of some words."""
    words = " or ".join(choices) if len(choices) < 3 else f"one of {', '.join(choices)}"
    return lambda value, path: require(value in choices, path, value, f"be {words}")


def null_or(check: Check) -> Check:
    """Null, or what another check allows."""
    return lambda value, path: None if value is None else check(value, path)


def holds(condition: Callable[[Any], bool], words: str) -> Check:
    """Range of the values that satisfy a condition; else the message is "it must ``words``"."""
    return lambda value, path: require(condition(value), path, value, words)


def _names_a_file(path: str) -> bool:
    return path.rpartition("/")[2] not in ("", ".", "..")


FILE = holds(_names_a_file, "name a file")
FOLDER = holds(bool, "name a folder")
