"""Changing trees of ``.dp`` files."""

from collections.abc import Callable
from typing import Any


def put(path: str, value: Any) -> Callable[[dict], None]:
    """Change a tree: set the value at a path."""

    def change(tree):
        *parents, last = path.split("/")
        for key in parents:
            tree = tree[int(key) if key.isdecimal() else key]
        tree[last] = value

    return change
