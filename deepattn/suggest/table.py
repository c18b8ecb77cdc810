"""The choices as a table for a terminal."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable

from deepattn.suggest.choice import Choice

_KEYS = 36
_VALUES = 20
_NARROWEST = 60


def format_table(choices: Iterable[Choice], width: int) -> str:
    """Keys, values and reasons side by side.

    Args:
        choices: The rows.
        width: Columns of the terminal.
    """
    reasons = max(width, _NARROWEST + _KEYS + _VALUES) - _KEYS - _VALUES - 4
    lines = []
    for choice in choices:
        columns = [
            list(choice.values) or ["(note)"],
            _values(choice),
            textwrap.wrap(choice.reason, reasons),
        ]
        for row in range(max(map(len, columns))):
            key, value, reason = (column[row] if row < len(column) else "" for column in columns)
            lines.append(f"{key:{_KEYS}s}  {value:{_VALUES}s}  {reason}".rstrip())
        lines.append("")
    return "\n".join(lines)


def _values(choice: Choice) -> list[str]:
    texts = [json.dumps(value, ensure_ascii=False) for value in choice.values.values()]
    return [text if len(text) <= _VALUES else f"{text[: _VALUES - 2]} …" for text in texts]
