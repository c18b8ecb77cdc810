"""Extended XYZ, frame by frame, with all names that a file uses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from ase.data import chemical_symbols
from ase.io.extxyz import key_val_str_to_dict

from deepattn import limits
from deepattn.errors import DataError, show
from deepattn.foreign.named import NamedFrame
from deepattn.progress import tracked

# ASE wants nine numbers under these names, and transposes them; a stress may have six.
_MATRICES = re.compile(r"(?<![\w-])(Lattice|virial|stress)(?=\s*=)")
_PLAIN = "species:S:1:pos:R:3"
_KINDS = {"S", "R", "I", "L"}


class _Column(NamedTuple):
    name: str
    kind: str
    part: slice


def read_extxyz(path: str) -> list[NamedFrame]:
    """Read all frames of a file.

    Raises:
        DataError: A frame is cut off, or its lines are not what its ``Properties`` announce.
    """
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = file.read().splitlines()
    blocks = list(_split(lines, path))
    if not blocks:
        raise DataError(f"{path} has no frames")
    return [
        _frame(lines, *block, f"{path}: frame {k}")
        for k, block in tracked(list(enumerate(blocks)), "reading")
    ]


def _split(lines: list[str], path: str) -> Iterator[tuple[int, int]]:
    """The line of the comment, and the number of atoms, of each frame."""
    place = frame = 0
    while place < len(lines):
        head = lines[place].strip()
        if not head and not any(map(str.strip, lines[place:])):
            return
        natoms = limits.whole_number(head)
        if not natoms:
            raise DataError(
                f"{path}, line {place + 1}: {show(head)} is not the number of atoms with which "
                f"frame {frame} must begin"
            )
        if natoms > len(lines) - place - 2:
            raise DataError(
                f"{path}: frame {frame} (line {place + 1}) declares {natoms} atoms, but only "
                f"{max(0, len(lines) - place - 2)} lines follow; the file is truncated"
            )
        yield place + 1, natoms
        place += natoms + 2
        frame += 1


def _frame(lines: list[str], place: int, natoms: int, where: str) -> NamedFrame:
    info = _comment(lines[place], where)
    columns = _columns(info.pop("Properties", None), where)
    width = max(column.part.stop for column in columns.values())
    rows = [line.split() for line in lines[place + 1 : place + 1 + natoms]]
    for row, words in enumerate(rows):
        # A file without Properties may have more columns, which have no name.
        if len(words) < width or (len(words) > width and "Properties=" in lines[place]):
            raise DataError(
                f"{where}, atom {row} (line {place + row + 2}) has {len(words)} columns, expected "
                f"{width}"
            )
    box, periodic, partly = _cell(info, where)
    arrays = {
        column.name: _numbers(rows, column.part, f"{where}, {column.name}")
        for column in columns.values()
        if column.kind in "RI" and column.part.stop - column.part.start == 3
    }
    return NamedFrame(
        names=_names(rows, columns, where),
        coord=arrays.pop("pos"),
        box=box,
        periodic=periodic,
        partly=partly,
        info=info,
        arrays=arrays,
    )


def _comment(line: str, where: str) -> dict[str, Any]:
    try:
        found = key_val_str_to_dict(_MATRICES.sub(r"\1_", line))
    # It raises whatever it likes on damaged text.
    except Exception as error:
        raise DataError(
            f"{where}: the second line cannot be read ({type(error).__name__}: {show(str(error))})"
        ) from None
    return {_MATRIX_NAMES.get(name, name): value for name, value in found.items()}


# Of a column of a file; forces have 3, virials 9.
_WIDEST = 9999
_MATRIX_NAMES = {f"{name}_": name for name in ("Lattice", "virial", "stress")}


def _columns(properties: object, where: str) -> dict[str, _Column]:
    fields = str(_PLAIN if properties is None else properties).split(":")
    columns, first = {}, 0
    for name, kind, text in zip(fields[::3], fields[1::3], fields[2::3], strict=False):
        width = limits.whole_number(text)
        if kind not in _KINDS or not width or width > _WIDEST or name in columns:
            break
        columns[name] = _Column(name, kind, slice(first, first + width))
        first += width
    placed = columns.get("pos")
    named = {"species", "Z"} & columns.keys()
    good = placed and placed.kind == "R" and placed.part.stop - placed.part.start == 3 and named
    if 3 * len(columns) != len(fields) or not good:
        raise DataError(
            f"{where} has Properties={show(properties)}; expected name:kind:width for each column, "
            "species:S:1 and pos:R:3 among them"
        )
    return columns


def _names(rows: list[list[str]], columns: dict[str, _Column], where: str) -> list[str]:
    if "species" in columns:
        place = columns["species"].part.start
        return [words[place] for words in rows]
    numbers = _numbers(rows, columns["Z"].part, f"{where}, Z")[:, 0]
    if not np.isin(numbers, np.arange(1, len(chemical_symbols))).all():
        raise DataError(f"{where}: a number in the column Z is not an atomic number")
    return [chemical_symbols[int(number)] for number in numbers]


def _numbers(rows: list[list[str]], part: slice, where: str) -> np.ndarray:
    try:
        return np.array([words[part] for words in rows], np.float64)
    except ValueError as error:
        raise DataError(f"{where}: {show(str(error))}") from None


def _cell(info: dict[str, Any], where: str) -> tuple[np.ndarray | None, bool, bool]:
    """The box, whether it repeats, and whether it does so in some directions only."""
    lattice, flags = info.pop("Lattice", None), info.pop("pbc", None)
    box = None
    if lattice is not None:
        box = np.asarray(lattice)
        if box.dtype.kind not in "fi" or box.size != 9:
            raise DataError(f"{where} has Lattice={show(lattice)}, not nine numbers")
        box = box.astype(np.float64).reshape(3, 3)
    periodic = np.full(3, box is not None)
    if flags is not None:
        periodic = np.ravel(flags)
        if periodic.dtype.kind not in "bi" or periodic.size not in (1, 3):
            raise DataError(f"{where} has pbc={show(flags)}, not three of T and F")
    return box, bool(periodic.any()), bool(periodic.any() and not periodic.all())
