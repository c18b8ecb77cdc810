"""The cache of statistics that ``training.stat_file`` names, in DeePMD-kit's layout.

An HDF5 file or a directory of ``.npy`` files::

    <type names joined by spaces>/
        <hash of the descriptor>/r_0, a_0, r_1, ...   n, Σ, Σ² by type of the central atom
        fparam, aparam                                n, Σ, Σ² by component
        bias_atom_energy, std_atom_energy             [ntypes, 1]
        observed_type                                 names of the types in the sample
        deepattn_systems                              digests of the systems, not read by DeePMD-kit
"""

import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
from dpdata.periodic_table import ELEMENTS

from deepattn import limits
from deepattn.data.type_map import names_or_numbers
from deepattn.errors import DataError
from deepattn.formats.files import write_whole
from deepattn.formats.hdf5 import check_heaps
from deepattn.statistics.env_mat import EnvMatShape, EnvMatSums

_HDF5_SUFFIXES = (".h5", ".hdf5")
# The arrays that are not of numbers.
_NAMES = "observed_type"
_SYSTEMS = "deepattn_systems"
# Groups within groups: types, and hashes of descriptors.
_LEVELS = 2
# Of a name in a folder, in bytes.
_LONGEST_NAME = 255


class StatFile:
    """Statistics of one set of types.

    Args:
        path: An HDF5 file (``.h5`` or ``.hdf5``) or a directory; it need not exist yet.
        type_map: Names of the model's types; none if they are numbers only.
        fixed: Whether nothing may be added.

    Raises:
        DataError: If the names cannot be that of a folder.
    """

    def __init__(
        self, path: str | os.PathLike, type_map: Sequence[str], *, fixed: bool = False
    ) -> None:
        self.path = Path(path)
        self._fixed = fixed
        self.type_map = list(type_map)
        self._group = " ".join(type_map)
        self._hdf5 = self.path.suffix in _HDF5_SUFFIXES
        self._check_names()

    def read(self, name: str) -> np.ndarray | None:
        """An array, or None if it is not there.

        Raises:
            DataError: If the file cannot be read.
        """
        return self._read([name])[0]

    def read_parameters(self, name: str) -> np.ndarray | None:
        """Number, Σ and Σ² of each component of ``fparam`` or ``aparam``, ``[width, 3]``.

        Raises:
            DataError: If the file cannot be read, or holds something else.
        """
        sums = self.read(name)
        if sums is not None and (sums.ndim != 2 or sums.shape[1] != 3):
            raise self._useless(f"{name} has the shape {list(sums.shape)}")
        return sums

    def write(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Add arrays, leaving all others as they are.

        Raises:
            DataError: If nothing may be added.
        """
        if self._fixed:
            raise DataError(
                f"stat_file {self.path}: lacks {', '.join(arrays)}, and with stat_file_mode read "
                "nothing is added; set it to update"
            )
        if self._hdf5:
            self._write_hdf5(arrays)
            return
        for name, array in arrays.items():
            path = self.path / self._group / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with write_whole(path) as file:
                np.save(file, array)

    def read_env_mat(self, shape: EnvMatShape) -> EnvMatSums | None:
        """Sums over the environment matrix, if they were kept for the same one."""
        folder = _fingerprint(shape)
        names = [f"{folder}/{part}_{i}" for part in _parts(shape) for i in range(shape.ntypes)]
        arrays = [array for array in self._read(names) if array is not None]
        if len(arrays) < len(names):
            return None
        if any(array.shape != (3,) for array in arrays):
            raise self._useless(f"{folder} contains arrays that are not sums of three numbers")
        # Who has no angular columns looks at no sums of them.
        parts = np.array(arrays, np.float64).reshape(-1, shape.ntypes, 3)
        radial, angular = parts[0], parts[-1]
        return EnvMatSums(radial[:, 0], radial[:, 1:], angular[:, 1:] / 3)

    def write_env_mat(self, shape: EnvMatShape, sums: EnvMatSums) -> None:
        """Keep sums over the environment matrix."""
        folder = _fingerprint(shape)
        arrays: dict[str, np.ndarray] = {}
        for center in range(shape.ntypes):
            number = sums.number[center]
            found = {
                "r": np.array([number, *sums.radial[center]]),
                "a": 3 * np.array([number, *sums.angular[center]]),
            }
            arrays |= {f"{folder}/{part}_{center}": found[part] for part in _parts(shape)}
        self.write(arrays)

    def read_bias(self) -> np.ndarray | None:
        """The energy bias of each type (eV), ``[ntypes]``."""
        bias = self.read("bias_atom_energy")
        return None if bias is None else np.asarray(bias, np.float64).reshape(-1)

    def write_bias(self, bias: np.ndarray, spread: float, observed: Sequence[int]) -> None:
        """Keep the energy bias.

        Args:
            bias: eV, ``[ntypes]``.
            spread: Standard deviation of what the bias leaves of the energies (eV).
            observed: Types that the sample has.
        """
        places = {name: place for place, name in enumerate(ELEMENTS)}
        known = names_or_numbers(self.type_map, len(bias))
        names = sorted(
            (known[index] for index in observed),
            key=lambda name: places.get(name, len(places)),
        )
        self.write(
            {
                "bias_atom_energy": bias[:, None],
                "std_atom_energy": np.full((len(bias), 1), spread),
                _NAMES: np.array(names, dtype="S"),
            }
        )

    def read_systems(self) -> list[str] | None:
        """Digests of the systems that the statistics are of, or None if the file has none."""
        systems = self.read(_SYSTEMS)
        return None if systems is None else [bytes(digest).decode("ascii") for digest in systems]

    def write_systems(self, digests: Sequence[str]) -> None:
        """Keep digests of the systems that the statistics are of."""
        self.write({_SYSTEMS: np.array(digests, dtype="S")})

    def is_empty(self) -> bool:
        """Whether nothing is kept for these types."""
        if not self._hdf5:
            folder = self.path / self._group
            return not (folder.is_dir() and any(folder.iterdir()))
        try:
            if not self.path.is_file():
                return True
            with self._open() as file:
                group = file.get(self._group or "/")
                return not isinstance(group, h5py.Group) or not len(group)
        except Exception as error:  # as in `_read`
            raise self._useless(str(error)) from None

    def _check_names(self) -> None:
        bad = [name for name in self.type_map if not name or set(name) & {"/", "\0"}]
        if self._group in (".", ".."):
            bad = [self._group]
        if bad:
            raise DataError(
                f"stat_file {self.path}: the type name {bad[0]!r} cannot be used in a path; "
                "change it, or remove stat_file"
            )
        if not self._hdf5 and len(self._group.encode()) > _LONGEST_NAME:
            raise DataError(
                f"stat_file {self.path}: the names of {len(self.type_map)} types are too "
                "long for a folder name; use a file that ends in .h5"
            )

    def _read(self, names: Sequence[str]) -> list[np.ndarray | None]:
        try:
            if self._hdf5:
                arrays = self._read_hdf5(names)
            else:
                arrays = [_read_npy(self.path / self._group / name) for name in names]
        # A damaged file makes the libraries raise nearly anything.
        except Exception as error:
            raise self._useless(str(error)) from None
        for name, array in zip(names, arrays, strict=True):
            if array is None or name == _NAMES:
                continue
            if name == _SYSTEMS:
                if array.dtype.kind != "S" or array.ndim != 1:
                    raise self._useless(f"{name} is no list of digests")
                continue
            if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
                raise self._useless(f"{name} contains values that are not finite numbers")
        return arrays

    def _read_hdf5(self, names: Sequence[str]) -> list[np.ndarray | None]:
        if not self.path.is_file():
            return [None] * len(names)
        with self._open() as file:
            return [self._array(file, f"{self._group}/{name}") for name in names]

    def _array(self, file: h5py.File, name: str) -> np.ndarray | None:
        item = file.get(name)
        if not isinstance(item, h5py.Dataset):
            return None
        if item.shape is None or item.is_virtual or item.external:
            raise ValueError(f"{name} is not an array")
        limits.check_unpacked(item.nbytes, self.path.stat().st_size)
        return np.asarray(item[()])

    @contextmanager
    def _open(self) -> Iterator[h5py.File]:
        """The HDF5 file, its heaps checked."""
        content = self.path.read_bytes()
        check_heaps(content)
        with h5py.File(io.BytesIO(content), "r") as file:
            yield file

    def _useless(self, reason: str) -> DataError:
        reason = " ".join(reason.split())
        return DataError(f"stat_file {self.path} cannot be read: {reason}; delete it")

    def _write_hdf5(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with write_whole(self.path, "wb") as handle, h5py.File(handle, "w") as new:
            if self.path.is_file():
                self._copy(new)
            group = new.require_group(self._group or "/")
            for name, array in arrays.items():
                if name in group:
                    del group[name]
                group.create_dataset(name, data=array)

    def _copy(self, new: h5py.File) -> None:
        try:
            with self._open() as old:
                for name in _datasets(old, "", _LEVELS):
                    new.create_dataset(name, data=self._array(old, name), dtype=old[name].dtype)
        except Exception as error:  # as in `_read`
            raise self._useless(str(error)) from None


def _datasets(group: h5py.Group, prefix: str, levels: int) -> Iterator[str]:
    """Names of all arrays; HDF5's own copying ends the process on damaged files."""
    for name in group:
        link = group.get(name, getlink=True)
        item = group[name] if isinstance(link, h5py.HardLink) else None
        if isinstance(item, h5py.Dataset):
            yield f"{prefix}{name}"
        elif isinstance(item, h5py.Group) and levels:
            yield from _datasets(item, f"{prefix}{name}/", levels - 1)
        else:
            raise ValueError(f"{prefix}{name} is not an array")


def _read_npy(path: Path) -> np.ndarray | None:
    if not path.is_file():
        return None
    # Mapped, so that a header that lies about the size reserves no memory.
    return np.array(np.load(path, mmap_mode="r", allow_pickle=False))


def _parts(shape: EnvMatShape) -> str:
    """Names of the sums: radial, and angular where the matrix has such columns."""
    return "ra" if shape.columns > 1 else "r"


def _fingerprint(shape: EnvMatShape) -> str:
    """The hash that DeePMD-kit gives the descriptor."""
    described = {
        "type": "se_a" if "a" in _parts(shape) else "se_r",
        "ntypes": shape.ntypes,
        "rcut": round(float(shape.rcut), 2),
        "rcut_smth": round(float(shape.rcut_smth), 2),
        "nsel": shape.nnei,
        "sel": [int(number) for number in shape.sel],
        "mixed_types": shape.mixed_types,
    }
    return hashlib.sha1(json.dumps(described).encode(), usedforsecurity=False).hexdigest()
