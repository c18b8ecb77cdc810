"""The cache of statistics that ``training.stat_file`` names, in DeePMD-kit's layout.

An HDF5 file or a directory of ``.npy`` files::

    <type names joined by spaces>/
        <hash of the descriptor>/r_0, a_0, r_1, ...   n, Σ, Σ² by type of the central atom
        fparam, aparam                                n, Σ, Σ² by component
        bias_atom_energy, std_atom_energy             [ntypes, 1]
        observed_type                                 names of the types in the sample
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np
from dpdata.periodic_table import ELEMENTS

from deepattn.errors import DataError
from deepattn.formats.files import write_whole
from deepattn.train.env_mat import EnvMatShape, EnvMatSums

_HDF5_SUFFIXES = (".h5", ".hdf5")


class StatFile:
    """Statistics of one set of types.

    Args:
        path: An HDF5 file (``.h5`` or ``.hdf5``) or a directory; it need not exist yet.
        type_map: Names of the model's types.
    """

    def __init__(self, path: str | os.PathLike, type_map: Sequence[str]) -> None:
        self.path = Path(path)
        self.type_map = list(type_map)
        self._group = " ".join(type_map)
        self._hdf5 = self.path.suffix in _HDF5_SUFFIXES

    def read(self, name: str) -> np.ndarray | None:
        """An array, or None if it is not there.

        Raises:
            DataError: If the file cannot be read.
        """
        path = self.path if self._hdf5 else self.path / self._group / name
        if not path.is_file():
            return None
        try:
            if not self._hdf5:
                return np.load(path, allow_pickle=False)
            with h5py.File(path, "r") as file:
                item = file.get(f"{self._group}/{name}")
                return item[()] if isinstance(item, h5py.Dataset) else None
        except (OSError, ValueError, EOFError, RuntimeError) as error:
            raise DataError(f"stat_file {path} cannot be read: {error}; delete it") from None

    def write(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Add arrays, leaving all others as they are."""
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
        rows = []
        for center in range(shape.ntypes):
            pair = self.read(f"{folder}/r_{center}"), self.read(f"{folder}/a_{center}")
            if any(array is None for array in pair):
                return None
            rows.append(np.stack(pair))
        radial, angular = np.moveaxis(np.array(rows, np.float64), 1, 0)
        return EnvMatSums(radial[:, 0], radial[:, 1:], angular[:, 1:] / 3)

    def write_env_mat(self, shape: EnvMatShape, sums: EnvMatSums) -> None:
        """Keep sums over the environment matrix."""
        folder = _fingerprint(shape)
        arrays = {}
        for center in range(shape.ntypes):
            number = sums.number[center]
            arrays[f"{folder}/r_{center}"] = np.array([number, *sums.radial[center]])
            arrays[f"{folder}/a_{center}"] = 3 * np.array([number, *sums.angular[center]])
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
        names = sorted(
            (self.type_map[index] for index in observed),
            key=lambda name: places.get(name, len(places)),
        )
        self.write(
            {
                "bias_atom_energy": bias[:, None],
                "std_atom_energy": np.full((len(bias), 1), spread),
                "observed_type": np.array(names, dtype="S"),
            }
        )

    def _write_hdf5(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with write_whole(self.path, "wb") as handle, h5py.File(handle, "w") as new:
            if self.path.is_file():
                with h5py.File(self.path, "r") as old:
                    for name in old:
                        old.copy(old[name], new, name=name)
            group = new.require_group(self._group)
            for name, array in arrays.items():
                if name in group:
                    del group[name]
                group.create_dataset(name, data=array)


def _fingerprint(shape: EnvMatShape) -> str:
    """The hash that DeePMD-kit gives the descriptor."""
    described = {
        "type": "se_a",
        "ntypes": shape.ntypes,
        "rcut": round(float(shape.rcut), 2),
        "rcut_smth": round(float(shape.rcut_smth), 2),
        "nsel": shape.nnei,
        "sel": [int(number) for number in shape.sel],
        "mixed_types": shape.mixed_types,
    }
    return hashlib.sha1(json.dumps(described).encode(), usedforsecurity=False).hexdigest()
