"""One system on disk: frames of one number of atoms, read as they are asked for."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from deepattn.config.observable import Label
from deepattn.data import type_map as types
from deepattn.data.keys import (
    DEFAULT_LABELS,
    KEYS,
    Key,
    Layout,
    key_of,
    label_name,
    label_shape,
    parameters,
)
from deepattn.data.store import open_store, require_layout
from deepattn.errors import DataError

# |det| of the box over the product of its edges; below it there is no cell to speak of.
_FLAT_BOX = 1e-8
# Arrays that are read.
_BESIDE_SETS = {"type.raw", "type_map.raw", "nopbc"}
_IN_SET = {spelling for key in KEYS.values() for spelling in key.spellings()}

Arrays = dict[str, np.ndarray]


class _Set(NamedTuple):
    name: str
    first: int
    nframes: int


class System:
    """Frames of one number of atoms, in any of DeePMD's layouts or in a file of another code.

    Only headers and types are read on opening. What is read later is checked as it is read:
    every number must be finite, every atom of a known type, every box a cell.

    Args:
        path: Directory, ``file.hdf5#/group``, or an entry of an LMDB or of a file of another code
            as :func:`~deepattn.data.find_systems` gives it.
        type_map: Names of the model's types. Types of the data are translated by name; without any
            it they stay as they are.
        names: Names of the data's types in their order, for data that do not name them.
        labeled: Whether only frames with an energy count in extended XYZ and ``.traj``, or all
            do and labels are left out.

    Attributes:
        path: As given.
        natoms: Number of atoms, virtual ones included.
        nframes: Number of frames in all sets.
        set_sizes: Number of frames in each set.
        mixed_type: Whether each frame has types of its own.
        periodic: Whether the frames are periodic.
        data_type_map: Names in the system's ``type_map.raw``, or as given, or None.
        type_map: Names of the types that :meth:`atype` gives, or None if they have no names.
        ntypes: Number of types that :meth:`atype` may give.

    Raises:
        DataError: If a file is missing, unreadable, or of the wrong shape; if the types do not
            fit the type maps.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        *,
        type_map: Sequence[str] | None = None,
        names: Sequence[str] | None = None,
        labeled: bool = True,
    ) -> None:
        type_map = type_map or None
        self.path = os.fspath(path)
        self._store = store = open_store(self.path, labeled=labeled)
        self._stored: dict[str, list[str | None]] = {}
        if not store.has("type.raw"):
            raise DataError(f"{store.where('type.raw')} is missing")
        raw = types.parse_types(store.tokens("type.raw"), store.where("type.raw"))
        self.natoms = len(raw)
        self.periodic = not store.has("nopbc")
        self.data_type_map = None if names is None else list(names)
        if store.has("type_map.raw"):
            where = store.where("type_map.raw")
            found = types.parse_names(store.tokens("type_map.raw"), where)
            if store.numbered:
                found = types.name_numbers(found, names, type_map, self.path)
            self.data_type_map = found
        self._sets = self._find_sets()
        self.set_sizes = [part.nframes for part in self._sets]
        self._firsts = np.array([part.first for part in self._sets])
        self.nframes = sum(self.set_sizes)
        self.mixed_type = self._is_mixed()

        self.type_map = self.data_type_map if type_map is None else list(type_map)
        known = self.data_type_map or self.type_map
        self._ntypes_of_data = int(raw.max()) + 1 if known is None else len(known)
        self.ntypes = self._ntypes_of_data if self.type_map is None else len(self.type_map)
        self._table = types.lookup_table(self.data_type_map, type_map)
        self._atype = None if self.mixed_type else self._translate(raw, "type.raw")
        if self.periodic:
            self._require("box", "; open boundaries need an empty file nopbc")

    def __repr__(self) -> str:
        return f"System({self.path!r}, natoms={self.natoms}, nframes={self.nframes})"

    def atype(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Types of frames, int32 ``[n, natoms]``; −1 is a virtual atom."""
        indices = self._indices(indices)
        if self._atype is not None:
            return np.tile(self._atype, (len(indices), 1))
        out = np.empty((len(indices), self.natoms), np.int32)
        for number, inside, rows in self._split(indices):
            part = self._sets[number]
            name = f"{part.name}/real_atom_types"
            values = self._rows(KEYS["real_atom_types"], part, name, rows)
            out[inside] = self._translate(values, name, rows)
        return out

    def has(self, label: str | Label) -> np.ndarray:
        """Which frames have an array, bool ``[nframes]``."""
        stored = [entry is not None for entry in self._find(key_of(label))]
        return np.repeat(stored, self.set_sizes)

    def unread(self) -> Iterator[tuple[str, str]]:
        """Names and locations of unused arrays, in a set or next to the sets."""
        for folder in ["", *(part.name for part in self._sets)]:
            for entry, place in self._store.entries(folder):
                if entry.removesuffix(".npy") not in (_IN_SET if folder else _BESIDE_SETS):
                    yield entry, place

    def load(
        self, label: str | Label, indices: Sequence[int] | np.ndarray, *, width: int | None = None
    ) -> np.ndarray:
        """Frames of one array, float64 ``[n, size]``, its default where a set lacks it.

        Args:
            label: One of :data:`~deepattn.data.keys.KEYS`, or the label of an observable.
            indices: Frames, counted through all sets.
            width: Numbers per frame or atom, for arrays whose width is up to the model.
        """
        indices = self._indices(indices)
        key = key_of(label) if width is None else replace(key_of(label), width=width)
        stored = self._find(key)
        out = np.full((len(indices), key.size(self.natoms)), key.default)
        for number, inside, rows in self._split(indices):
            entry = stored[number]
            if entry is not None:
                out[inside] = self._rows(key, self._sets[number], entry, rows)
        return out

    def numb_copy(self) -> np.ndarray:
        """How often each frame is drawn in an epoch, int64 ``[nframes]``."""
        copies = self.load("numb_copy", range(self.nframes))[:, 0]
        bad = (copies < 0) | (copies != np.round(copies))
        if bad.any():
            frame = int(np.argmax(bad))
            raise DataError(
                f"numb_copy of {self.path}: frame {frame} has {copies[frame]}, not a count"
            )
        return copies.astype(np.int64)

    def frames(
        self,
        indices: Sequence[int] | np.ndarray,
        *,
        fparam: int = 0,
        default_fparam: Sequence[float] | None = None,
        aparam: int = 0,
        spin: bool = False,
        labels: Sequence[str | Label] = DEFAULT_LABELS,
        numb_generalized_coord: int = 0,
    ) -> tuple[Arrays, Arrays]:
        """Inputs and labels of some frames, atoms in the order of the file.

        Args:
            indices: Frames, counted through all sets, in any order.
            fparam: Number of frame parameters to read.
            default_fparam: Those of frames whose set has none; None if there must be some.
            aparam: Number of parameters per atom to read.
            spin: Whether to read magnetic moments.
            labels: Labels to read.
            numb_generalized_coord: Width of the label ``drdq``.

        Returns:
            ``inputs``: ``coord [n, natoms, 3]`` (Å), ``atype [n, natoms]`` int32, ``box [n, 9]``
            (Å, zero for open boundaries), ``fparam [n, fparam]``, ``aparam [n, natoms, aparam]``,
            ``spin [n, natoms, 3]`` (μB).
            ``labels``: Each label and its ``find_<label> [n]``, 0 where it is missing. Energies
            are in eV, forces in eV/Å. All are float64 but the types.

        Raises:
            DataError: If a number is not finite or of the wrong shape, or a parameter missing.
        """
        indices = self._indices(indices)
        count = len(indices)
        inputs = {
            "coord": self.load("coord", indices).reshape(count, self.natoms, 3),
            "atype": self.atype(indices),
            "box": self.load("box", indices) if self.periodic else np.zeros((count, 9)),
        }
        if fparam:
            if default_fparam is None:
                self._require("fparam", f"; the model has {parameters(fparam, 'frame')}")
            values = self.load("fparam", indices, width=fparam)
            if default_fparam is not None:
                stored = self.has("fparam")[indices]
                values = np.where(stored[:, np.newaxis], values, default_fparam)
            inputs["fparam"] = values
        if aparam:
            self._require("aparam", f"; the model has {parameters(aparam, 'atomic')}")
            values = self.load("aparam", indices, width=aparam)
            inputs["aparam"] = values.reshape(count, self.natoms, aparam)
        if spin:
            self._require("spin", "; the model has model/spin")
            inputs["spin"] = self.load("spin", indices).reshape(count, self.natoms, 3)
        targets = {}
        for label in labels:
            name, width = label_name(label), None
            if label == "drdq":
                width = 3 * numb_generalized_coord
            shape = label_shape(label, self.natoms, numb_generalized_coord=numb_generalized_coord)
            targets[name] = self.load(label, indices, width=width).reshape(count, *shape)
            stored = np.array(
                [entry is not None for entry in self._find(key_of(label))], np.float64
            )
            targets[f"find_{name}"] = stored[self._places(indices)]
        return inputs, targets

    def pieces(
        self, atoms: int, frames: Sequence[int] | np.ndarray | None = None
    ) -> Iterator[np.ndarray]:
        """Frames in pieces of at most so many atoms (but at least a frame).

        Args:
            atoms: Most atoms of a piece.
            frames: Numbers of the frames; all in order by default.
        """
        numbers = np.arange(self.nframes) if frames is None else np.asarray(frames)
        step = max(1, atoms // self.natoms)
        for first in range(0, len(numbers), step):
            yield numbers[first : first + step]

    def _find_sets(self) -> list[_Set]:
        names = self._store.sets()
        if not names:
            raise DataError(f"system {self.path} has no set.* with frames")
        sets, first = [], 0
        for name in names:
            entry = f"{name}/coord"
            where = self._store.where(entry)
            if not self._store.has(entry):
                raise DataError(f"{where} is missing")
            shape = self._store.shape(entry)
            # A lone frame may lack its axis.
            alone = KEYS["coord"].layout(self.natoms, 1).fits(shape)
            nframes = 1 if alone else next(iter(shape), 0)
            if shape and not nframes:
                raise DataError(f"{where} has shape {shape}, so the set has no frames; remove it")
            if not KEYS["coord"].layout(self.natoms, nframes).fits(shape):
                raise DataError(
                    f"{where} has shape {shape}, but type.raw lists {self.natoms} atoms: expected "
                    f"(frames, {3 * self.natoms}) or (frames, {self.natoms}, 3)"
                )
            sets.append(_Set(name, first, nframes))
            first += nframes
        return sets

    def _is_mixed(self) -> bool:
        stored = self._find(KEYS["real_atom_types"])
        if not any(stored):
            return False
        self._require("real_atom_types", "; all sets of a mixed-type system need it")
        if self.data_type_map is None:
            raise DataError(
                f"{self._store.where('type_map.raw')} is missing; mixed-type systems need it"
            )
        return True

    def _find(self, key: Key) -> list[str | None]:
        """Where each set stores the array, None where it does not; shapes are checked once."""
        token = f"{key.name}:{key.width}:{key.types}"
        if token not in self._stored:
            self._stored[token] = [self._find_in(key, part) for part in self._sets]
        return self._stored[token]

    def _find_in(self, key: Key, part: _Set) -> str | None:
        for spelling in key.spellings():
            name = f"{part.name}/{spelling}"
            if not self._store.has(name):
                continue
            shape = self._store.shape(name)
            if key.width:
                layout, _ = self._layout(key, part, shape)
                require_layout(shape, layout, self._store.where(name))
            return name
        return None

    def _layout(
        self, key: Key, part: _Set, shape: tuple[int, ...]
    ) -> tuple[Layout, np.ndarray | None]:
        """The layout of an array, and the atoms that it is of, bool ``[natoms]``; None for all."""
        whole = key.layout(self.natoms, part.nframes)
        if key.types is None or not key.atomic or self._atype is None or whole.fits(shape):
            return whole, None
        mask = np.isin(self._atype, key.types)
        alone = key.layout(int(np.count_nonzero(mask)), part.nframes)
        return (alone, mask) if alone.fits(shape) else (whole, None)

    def _require(self, name: str, hint: str) -> None:
        for part, stored in zip(self._sets, self._find(KEYS[name]), strict=True):
            if stored is None:
                raise DataError(f"{self._store.where(f'{part.name}/{name}')} is missing{hint}")

    def _indices(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        indices = np.asarray(indices, np.int64).reshape(-1)
        if indices.size and (indices.min() < 0 or indices.max() >= self.nframes):
            raise IndexError(f"frames {indices} of {self.path}, which has {self.nframes}")
        return indices

    def _places(self, indices: np.ndarray) -> np.ndarray:
        """Numbers of the sets that hold the frames."""
        return np.searchsorted(self._firsts, indices, side="right") - 1

    def _split(self, indices: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Numbers of the sets that hold some of the frames, places in the result, rows in a set."""
        places = self._places(indices)
        for number in np.unique(places).tolist():
            inside = places == number
            yield number, inside, indices[inside] - self._sets[number].first

    def _rows(self, key: Key, part: _Set, name: str, rows: np.ndarray) -> np.ndarray:
        layout, chosen = key.layout(self.natoms, part.nframes), None
        if key.types is not None:
            layout, chosen = self._layout(key, part, self._store.shape(name))
        values = self._store.rows(name, layout, rows).astype(np.float64)
        finite = np.isfinite(values)
        if not finite.all():
            row, column = np.argwhere(~finite)[0]
            at = f", atom {column // key.width}" if key.atomic and not key.pairs else ""
            raise DataError(f"{self._place(name, rows[row])}{at} is {values[row, column]}")
        if key.name == "box":
            self._check_box(values, name, rows)
        if chosen is not None:
            every = np.full((len(rows), self.natoms, key.width), key.default)
            every[:, chosen] = values.reshape(len(rows), -1, key.width)
            values = every.reshape(len(rows), -1)
        return values

    def _place(self, name: str, row: int) -> str:
        return f"{self._store.where(name)}: frame {self._store.frame(name, row)}"

    def _check_box(self, box: np.ndarray, name: str, rows: np.ndarray) -> None:
        cells = box.reshape(-1, 3, 3)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            edges = np.linalg.norm(cells, axis=2).prod(axis=1)
            flat = ~(np.abs(np.linalg.det(cells)) > _FLAT_BOX * edges)
        if flat.any():
            row = int(np.argmax(flat))
            raise DataError(
                f"{self._place(name, rows[row])} has a box of zero volume "
                f"{box[row].tolist()}; open boundaries need an empty file nopbc in the system"
            )

    def _translate(
        self, values: np.ndarray, name: str, rows: np.ndarray | None = None
    ) -> np.ndarray:
        where = self._store.where(name)
        frames = None if rows is None else [self._store.frame(name, row) for row in rows]
        whole = values == np.round(values)
        if not whole.all():
            row, atom = np.argwhere(~whole)[0]
            frame = row if frames is None else frames[row]
            raise DataError(f"{where}: frame {frame}, atom {atom} has type {values[row, atom]}")
        values = values.astype(np.int64)
        types.check_range(values, self._ntypes_of_data, where, frames=frames)
        return types.to_model(
            values, self._table, self.data_type_map, self.type_map, where, frames=frames
        )
