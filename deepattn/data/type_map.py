"""Atom types: from the numbers of a data file to those of the model, by element name."""

import logging
from collections.abc import Sequence

import numpy as np

from deepattn.errors import DataError, show

log = logging.getLogger(__name__)

# In a lookup table: the element has no place in the model.
ABSENT = -2
# Names, and digits of a number, that a message has at most.
_SHOWN = 20
_DIGITS = 40


def parse_types(words: Sequence[str], where: str) -> np.ndarray:
    """The integers of ``type.raw``, int32 ``[natoms]``."""
    values = np.array([_number(word) for word in words])
    if values.size == 0:
        raise DataError(f"{where} lists no atom")
    whole = np.isfinite(values) & (values == np.round(values)) & (np.abs(values) < 2**31)
    if not whole.all():
        atom = int(np.argmin(whole))
        word = words[atom]
        shown = show(word) if np.isnan(values[atom]) else word[:_DIGITS]
        raise DataError(
            f"{where}: type {shown} of atom {atom} is not an integer; expected one integer per atom"
        )
    return values.astype(np.int32)


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return float("nan")


def parse_names(words: Sequence[str], where: str) -> list[str]:
    """The names of ``type_map.raw``."""
    names = list(words)
    if not names:
        raise DataError(f"{where} lists no element")
    known = set()
    for place, name in enumerate(names):
        if not name.strip() or not name.isprintable():
            raise DataError(f"{where}: name {place} is {show(name)}, which is not printable")
        if name in known:
            raise DataError(f"{where} lists {show(name)[1:-1]} twice")
        known.add(name)
    return names


def name_numbers(
    found: Sequence[str],
    names: Sequence[str] | None,
    type_map: Sequence[str] | None,
    where: str,
) -> list[str]:
    """Names for types that a LAMMPS dump only numbers.

    Args:
        found: The numbers, ``1``, ``2``, ….
        names: New names, in this order.
        type_map: The model's names, taken without ``names`` if there are as many.
        where: The dump.

    Raises:
        DataError: If there are too few names, or none and not as many types as in the model.
    """
    if names is None:
        if type_map is None or set(found) <= set(type_map):
            return list(found)
        if len(type_map) != len(found):
            raise DataError(
                f"{where} has numeric types up to {len(found)}, but the model has "
                f"{len(type_map)}: {' '.join(type_map)}; dump a column element (deepattn "
                "model-devi also takes names)"
            )
        log.info(
            "types %s of %s are interpreted as %s", ", ".join(found), where, ", ".join(type_map)
        )
        return list(type_map)
    if len(names) < len(found):
        raise DataError(
            f"{where} has {len(found)} types, but only {' '.join(names)} are named; name all "
            "of them"
        )
    return list(names)


def union(maps: Sequence[Sequence[str] | None]) -> list[str]:
    """The names of several type maps in the order they are met; none if one names nothing."""
    known = [names for names in maps if names is not None]
    if len(known) < len(maps):
        return []
    return list(dict.fromkeys(name for names in known for name in names))


def names_or_numbers(type_map: Sequence[str], ntypes: int) -> list[str]:
    """Labels of types: their names, or their numbers if they have none."""
    return list(type_map) or [str(kind) for kind in range(ntypes)]


def lookup_table(names: Sequence[str] | None, type_map: Sequence[str] | None) -> np.ndarray | None:
    """Model type of each data type (``ABSENT`` if none); None if the numbers stay as they are."""
    if names is None or type_map is None:
        return None
    places = {name: index for index, name in enumerate(type_map)}
    return np.array([places.get(name, ABSENT) for name in names], np.int32)


def check_range(
    types: np.ndarray, ntypes: int, where: str, *, frames: Sequence[int] | None = None
) -> None:
    """Refuse numbers that name no type; ``-1`` marks a virtual atom in mixed types only.

    Args:
        types: ``[natoms]`` or, for mixed types, ``[nframes, natoms]``.
        ntypes: Number of names the types point into.
        where: The file.
        frames: Numbers of the frames in the file, for mixed types.
    """
    lowest = 0 if frames is None else -1
    bad = (types < lowest) | (types >= ntypes)
    if not bad.any():
        return
    place = tuple(int(i) for i in np.argwhere(bad)[0])
    at = f"atom {place[-1]}" if frames is None else f"frame {frames[place[0]]}, atom {place[1]}"
    raise DataError(
        f"{where}: {at} has type {types[place]}, but types go from {lowest} to {ntypes - 1}"
    )


def to_model(
    types: np.ndarray,
    table: np.ndarray | None,
    names: Sequence[str] | None,
    type_map: Sequence[str] | None,
    where: str,
    *,
    frames: Sequence[int] | None = None,
) -> np.ndarray:
    """Types of the data as types of the model; ``-1`` stays ``-1``.

    Args:
        types: See :func:`check_range`.
        table: Result of :func:`lookup_table`.
        names: Names of the types of the data.
        type_map: Names of the types of the model.
        where: The file.
        frames: Numbers of the frames in the file, for mixed types.

    Raises:
        DataError: If an atom is of an element that the model's type map lacks.
    """
    if table is None or names is None or type_map is None:
        return types.astype(np.int32)
    mapped = np.where(types < 0, types, table[np.maximum(types, 0)]).astype(np.int32)
    lost = np.unique(types[mapped == ABSENT])
    if lost.size:
        elements = ", ".join(names[index] for index in lost[:_SHOWN])
        elements += ", …" if len(lost) > _SHOWN else ""
        first = int(np.argwhere(mapped == ABSENT)[0][0])
        at = "" if frames is None else f": frame {frames[first]}"
        raise DataError(
            f"{where}{at} has atoms of {elements}, not in the model's type_map {list(type_map)}"
        )
    return mapped
