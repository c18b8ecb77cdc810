"""The file ``val.log`` with the errors of full validations, in DeePMD-kit's format."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from deepattn.config import Quantity
from deepattn.config.validating import KINDS
from deepattn.train.monitoring.resumed_log import cut_after

_DIGITS = 5
# With more decimals than a float64 has digits, exponents are easier to read.
_MOST_DECIMALS = 16
_LEAST_WIDTH = 10
# Errors are computed in eV and reported in meV.
_MILLI = 1000.0


_LEGEND = (
    "# E: energy per atom, F: components of forces, S: stress (-virial/volume), "
    "V: virial per atom\n"
)


class ValidationLog:
    """Writes a line per full validation, and one more for each that is among the best.

    Args:
        path: The file. Its folder is made if need be.
        quantities: What is reported.
        steps: Length of the training, for the width of a column.
        after: Step that an earlier run is resumed at, whose lines up to it are kept; with None the
            file begins anew.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        quantities: Sequence[Quantity],
        *,
        steps: int,
        after: int | None = None,
    ) -> None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._header = ""
        if after is not None and path.is_file():
            self._header = cut_after(path, after)
        self._file = open(path, "w" if after is None else "a", encoding="utf-8")
        self._width = max(len("step"), len(str(steps)))
        self._columns = {
            f"{kind.lower()}_{quantity.error}": f"{quantity.letter}_{kind}({quantity.unit})"
            for quantity in quantities
            for kind in KINDS
        }

    def write(self, step: int, errors: Mapping[str, float]) -> None:
        """Add the line of a validation.

        Args:
            step: Updates done.
            errors: Errors in eV, Å by name; those that are missing are shown as nan.
        """
        titles = (f" {_centered(title, title)}" for title in self._columns.values())
        header = f"# {'step':^{self._width}}{''.join(titles)}\n{_LEGEND}"
        values = (
            f" {_centered(in_milli(errors.get(name, math.nan)), title)}"
            for name, title in self._columns.items()
        )
        line = f"  {step:^{self._width}d}{''.join(values)}\n"
        # In one piece, so that a killed run leaves all of it or nothing.
        self._file.write(line if header == self._header else header + line)
        self._file.flush()
        self._header = header

    def add_best(self, path: Path, metric: str, error: float, unit: str) -> None:
        """Note that a checkpoint of the last validation has been kept."""
        value = in_milli(error)
        self._file.write(f"# saved best checkpoint: {path} ({metric} = {value} {unit})\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def in_milli(error: float) -> str:
    """An error in thousandths of its unit, with five significant digits: 0.0012345678 is 1.2346."""
    value = error * _MILLI
    if not math.isfinite(value):
        return str(value)
    if abs(value) < sys.float_info.min:
        return "0"
    decimals = _DIGITS - 1 - math.floor(math.log10(abs(value)))
    if decimals > _MOST_DECIMALS:
        return f"{value:.{_DIGITS - 1}e}"
    return f"{round(value, decimals):.{max(decimals, 0)}f}"


def _centered(text: str, title: str) -> str:
    return f"{text:^{max(len(title), _LEAST_WIDTH)}}"
