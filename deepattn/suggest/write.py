"""Writing an input with its reasons."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from deepattn import __version__
from deepattn.errors import ConfigError
from deepattn.formats.files import check_folder, write_whole

if TYPE_CHECKING:
    from deepattn.suggest.suggestion import Suggestion


def check_target(path: str | os.PathLike) -> None:
    """Refuse a file that exists, or whose folder does not.

    Raises:
        ConfigError: The file exists, or is not JSON by its name.
        DataError: The folder does not.
    """
    if Path(path).suffix != ".json":
        raise ConfigError(f"{path}: the name of an input written by init must end in .json")
    if os.path.lexists(path):
        raise ConfigError(f"{path} exists; remove it or name another --output")
    check_folder(path)


def write_input(suggestion: Suggestion, path: str | os.PathLike) -> None:
    """Write an input; its reasons are in keys that begin with ``_``, which are comments.

    Args:
        suggestion: The input.
        path: A new file, ``.json``.

    Raises:
        ConfigError: See `check_target`.
        DataError: See `check_target`.
    """
    check_target(path)
    reasons: dict[str, str | list[str]] = {
        choice.keys: choice.reason for choice in suggestion.choices if choice.values
    }
    notes = [choice.reason for choice in suggestion.choices if not choice.values]
    if notes:
        reasons["note"] = notes
    content = {
        "_comment": f"written by deepattn init {__version__}; _reasons says why",
        **suggestion.content,
        "_reasons": reasons,
    }
    with write_whole(path, "w") as file:
        json.dump(content, file, indent=4, ensure_ascii=False)
        file.write("\n")
