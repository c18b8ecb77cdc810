"""Labeled frames as DeePMD systems, one for each composition, and back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ase import Atoms

from deepattn.data import System, find_systems
from deepattn.data.atoms import read_atoms
from deepattn.distill.potential import Labels
from deepattn.formats.files import scratch_folder


class LabeledFrames(NamedTuple):
    """Frames and the labels of each."""

    frames: list[Atoms]
    labels: list[Labels]

    def take(self, indices: Sequence[int] | np.ndarray) -> LabeledFrames:
        """Some of the frames."""
        return LabeledFrames([self.frames[i] for i in indices], [self.labels[i] for i in indices])


def write_labeled(data: LabeledFrames, folder: str | os.PathLike) -> list[tuple[str, int]]:
    """Write a folder of systems in the layout deepmd/npy, atomically.

    Atoms of one composition that are in another order make a system of their own.

    Args:
        data: The frames; there may be none.
        folder: The folder; an existing one is replaced.

    Returns:
        For each frame the name of its system, and its number in it.
    """
    folder = Path(folder)
    places: dict[int, tuple[str, int]] = {}
    groups: dict[tuple, list[int]] = {}
    for index, (atoms, labels) in enumerate(zip(*data, strict=True)):
        key = (tuple(atoms.get_chemical_symbols()), bool(atoms.pbc.all()), labels.virial is None)
        groups.setdefault(key, []).append(index)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(folder) as whole:
        for members in groups.values():
            formula = data.frames[members[0]].get_chemical_formula("metal")
            used = sum(place.name.partition(".")[0] == formula for place in whole.iterdir())
            name = f"{formula}.{used}" if used else formula
            _write_system(whole / name, data.take(members))
            places |= {index: (name, row) for row, index in enumerate(members)}
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(whole, folder)
    return [places[index] for index in range(len(data.frames))]


def read_labeled(folder: str | os.PathLike) -> LabeledFrames:
    """Read what `write_labeled` wrote, system after system."""
    data = LabeledFrames([], [])
    if not any(Path(folder).iterdir()):
        return data
    for path in find_systems(os.fspath(folder)):
        system = System(path)
        rows = np.arange(system.nframes)
        energy, force = system.load("energy", rows), system.load("force", rows)
        virial = system.load("virial", rows)
        known = system.has("virial")
        data.frames.extend(read_atoms(path))
        data.labels.extend(
            Labels(float(energy[i, 0]), force[i].reshape(-1, 3), virial[i] if known[i] else None)
            for i in rows
        )
    return data


def _write_system(folder: Path, data: LabeledFrames) -> None:
    frames, labels = data
    symbols = frames[0].get_chemical_symbols()
    names = list(dict.fromkeys(symbols))
    (folder / "set.000").mkdir(parents=True)
    (folder / "type_map.raw").write_text("".join(f"{name}\n" for name in names))
    (folder / "type.raw").write_text("".join(f"{names.index(symbol)}\n" for symbol in symbols))
    arrays = {
        "coord": [atoms.positions.ravel() for atoms in frames],
        "energy": [label.energy for label in labels],
        "force": [label.force.ravel() for label in labels],
    }
    if frames[0].pbc.all():
        arrays["box"] = [atoms.cell.array.ravel() for atoms in frames]
    else:
        (folder / "nopbc").touch()
    if labels[0].virial is not None:
        arrays["virial"] = [label.virial for label in labels]
    for name, values in arrays.items():
        np.save(folder / "set.000" / f"{name}.npy", np.array(values, np.float64))
