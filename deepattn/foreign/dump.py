"""Trajectories that LAMMPS dumped as text."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from io import StringIO
from typing import NamedTuple

import ase
import ase.io
import numpy as np

from deepattn import limits
from deepattn.errors import DataError
from deepattn.foreign.frames import StoredFrames
from deepattn.progress import tracked

_BEGINNING = "ITEM: TIMESTEP"
_POSITIONS = ("x y z", "xs ys zs", "xu yu zu", "xsu ysu zsu")
_KINDS_OF_BOUNDARIES = set("pfsm")
_IN_ANGSTROM = ("metal", "real")


class _Header(NamedTuple):
    """Header of a frame: number of atoms, periodic directions, columns."""

    natoms: int
    periodic: tuple[bool, ...]
    columns: list[str]


def read_dump(path: str, *, interrupted: bool = False) -> StoredFrames:
    """Read all frames of a text dump, in their order and with their timesteps.

    Atoms are in the order of their ids. Types are named by the column ``element``; without it
    they are ``1`` up to the highest that occurs. If the frames differ in number or kinds of atoms,
    each has types of its own, and virtual atoms pad the smaller ones. Lengths are in Å, as in the
    units ``metal`` and ``real``; a file that names other units is refused.

    Args:
        path: The file.
        interrupted: Whether LAMMPS may have been killed while it wrote the last frame, which is
            left out if it is not complete.

    Raises:
        DataError: A column is missing, the file is cut off, a frame is empty, lengths are not in
            Å, or some directions are periodic and some are not.
    """
    texts = _split(path, interrupted)
    headers = [_header(text, f"{path}: frame {frame}") for frame, text in enumerate(texts)]
    column = "element" if all("element" in header.columns for header in headers) else "type"
    for frame, header in enumerate(headers):
        _check_columns(header.columns, column, f"{path}: frame {frame}")
    directions = {header.periodic for header in headers}
    if directions != {(True,) * 3} and directions != {(False,) * 3}:
        raise DataError(
            f"{path} is periodic in only some directions or some frames; boundaries must be "
            "periodic in all or open in all"
        )
    images = [
        _read(text, header.natoms, f"{path}: frame {frame}")
        for frame, (text, header) in enumerate(
            tracked(list(zip(texts, headers, strict=True)), "reading")
        )
    ]
    kinds = [_kinds(atoms, column) for atoms in images]
    return _frames(
        images,
        kinds,
        _names(kinds, column, path),
        periodic=headers[0].periodic[0],
        numbered=column == "type",
    )


def _split(path: str, interrupted: bool) -> list[str]:
    """The text of each frame."""
    with open(path, encoding="utf-8", errors="replace") as file:
        text = file.read()
    if not text.endswith("\n") and not interrupted:
        raise DataError(f"{path} is cut off: it ends within a line; remove its last frame")
    for words in map(str.split, text.split("ITEM: UNITS\n")[1:]):
        if words[:1] and words[0] not in _IN_ANGSTROM:
            raise DataError(
                f"{path} has units {words[0]}, whose lengths are not Å; run LAMMPS with "
                "units metal or real"
            )
    frames = text.split(_BEGINNING)[1:]
    if not frames:
        raise DataError(f"{path} has no line {_BEGINNING}, which begins each frame of a dump")
    if interrupted and not _is_complete(frames[-1]):
        frames.pop()
        if not frames:
            raise DataError(f"{path} has no complete frame")
    return [_BEGINNING + frame for frame in frames]


def _is_complete(text: str) -> bool:
    """Whether the text of a frame has all its atoms and ends with a line."""
    head, _, atoms = text.partition("ITEM: ATOMS")
    words = head.partition("ITEM: NUMBER OF ATOMS")[2].split()
    # The title of the columns ends with a newline too.
    return bool(words) and text.endswith("\n") and words[0] == str(atoms.count("\n") - 1)


def _header(text: str, where: str) -> _Header:
    lines = iter(text.splitlines())
    natoms = 0
    periodic: tuple[bool, ...] = ()
    for line in lines:
        words = line.split()
        if words[:2] == ["ITEM:", "NUMBER"]:
            natoms = limits.whole_number(next(lines, "").strip()) or 0
        elif words[:2] == ["ITEM:", "BOX"]:
            periodic = _boundaries(words[-3:], where)
        elif words[:2] == ["ITEM:", "ATOMS"]:
            if not natoms:
                raise DataError(f"{where} declares no atoms; remove it")
            return _Header(natoms, periodic, words[2:])
    raise DataError(f"{where} ends before its atoms; remove it")


def _boundaries(words: Sequence[str], where: str) -> tuple[bool, ...]:
    if len(words) != 3 or not all(set(word) <= _KINDS_OF_BOUNDARIES for word in words):
        raise DataError(
            f"{where} does not say which directions are periodic; the line must read "
            "ITEM: BOX BOUNDS … pp pp pp, as LAMMPS writes it"
        )
    return tuple("p" in word for word in words)


def _check_columns(columns: Sequence[str], column: str, where: str) -> None:
    if not any(set(names.split()) <= set(columns) for names in _POSITIONS):
        raise DataError(
            f"{where} has the columns {' '.join(columns)}, which contain no positions; dump "
            "x y z, xs ys zs, xu yu zu or xsu ysu zsu"
        )
    if "id" not in columns:
        raise DataError(
            f"{where} has the columns {' '.join(columns)}; also dump id, because LAMMPS "
            "changes the order of atoms"
        )
    if column not in columns:
        raise DataError(
            f"{where} has the columns {' '.join(columns)}; dump type, or element in every frame"
        )


def _read(text: str, natoms: int, where: str) -> ase.Atoms:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            atoms = ase.io.read(StringIO(text), format="lammps-dump-text")
    # ASE and NumPy raise whatever they like on damaged numbers.
    except Exception as error:
        raise DataError(
            f"{where} cannot be read as a dump of LAMMPS ({type(error).__name__}: {error})"
        ) from None
    if len(atoms) != natoms:
        raise DataError(f"{where} declares {natoms} atoms, but lists {len(atoms)}; remove it")
    return atoms


def _kinds(atoms: ase.Atoms, column: str) -> list[str]:
    """Element or number of type of each atom."""
    if column == "element":
        return atoms.get_chemical_symbols()
    return [str(number) for number in atoms.arrays["type"]]


def _names(kinds: Sequence[list[str]], column: str, path: str) -> list[str]:
    found = dict.fromkeys(kind for frame in kinds for kind in frame)
    if column == "element":
        return list(found)
    numbers = sorted(map(int, found))
    for number in (numbers[0], numbers[-1]):
        if not 1 <= number <= limits.TYPES:
            raise DataError(
                f"{path} has an atom of type {number}; types are numbers from 1 to {limits.TYPES}"
            )
    return [str(number) for number in range(1, numbers[-1] + 1)]


def _frames(
    images: Sequence[ase.Atoms],
    kinds: Sequence[list[str]],
    names: list[str],
    *,
    periodic: bool,
    numbered: bool,
) -> StoredFrames:
    natoms = max(map(len, images))
    place = {name: index for index, name in enumerate(names)}
    coord = np.zeros((len(images), natoms, 3))
    atype = np.full((len(images), natoms), -1)
    for frame, (atoms, kind) in enumerate(zip(images, kinds, strict=True)):
        coord[frame, : len(atoms)] = atoms.positions
        atype[frame, : len(atoms)] = [place[name] for name in kind]
    arrays = {"coord": coord, "timestep": np.array([atoms.info["timestep"] for atoms in images])}
    if periodic:
        arrays["box"] = np.stack([atoms.cell.array for atoms in images])
    if (atype != atype[0]).any():
        arrays["real_atom_types"] = atype
        atype = np.zeros_like(atype)
    return StoredFrames(
        names=names, atype=atype[0], periodic=periodic, arrays=arrays, numbered=numbered
    )
