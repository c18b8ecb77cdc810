"""Values that are invalid for any key of an input."""

import re
from typing import Any

from deepattn.errors import ConfigError, show

# TensorFlow's integers have 64 bits, and layers count on from a seed.
_INTEGER_BITS = 62
# NUL ends names of files; halves of characters cannot be written to any.
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")


def check_values(value: Any, path: str = "") -> None:
    """Refuse what neither files nor TensorFlow can hold.

    Args:
        value: An input or a part of it.
        path: Where it is, such as ``model/descriptor``; empty for the whole input.

    Raises:
        ConfigError: A key is no string, a text has NUL or half a character, or an integer is too
            large.
    """
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                where = f"{path} has" if path else "the input has"
                raise ConfigError(f"{where} the key {show(key)}, which is no text; quote it.")
            _check_text(key, f"a key of {path}" if path else "a key of the input")
            check_values(item, f"{path}/{key}" if path else key)
    elif isinstance(value, list):
        for item in value:
            check_values(item, path)
    elif isinstance(value, str):
        _check_text(value, path)
    elif isinstance(value, int) and value.bit_length() > _INTEGER_BITS:
        raise ConfigError(f"{path} is {show(value)}; an integer must lie between -2^62 and 2^62.")


def _check_text(text: str, where: str) -> None:
    found = _UNWRITABLE.search(text)
    if found:
        raise ConfigError(
            f"{where} is {show(text)}; {show(found[0])} in it can be part of no name; remove it."
        )
