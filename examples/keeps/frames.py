"""The frames of the comparison: new ones to learn from, old ones to keep, others to test both."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deepattn.data import System, find_systems
from deepattn.errors import DataError
from deepattn.infer import DeepPot

MAX_ATOMS = 16


@dataclass(frozen=True)
class Frame:
    """A frame with its labels.

    Attributes:
        names: Element of each atom.
        coord: Å, ``[natoms, 3]``.
        box: Å, ``[9]``; None in open boundaries.
        energy: eV.
        force: eV/Å, ``[natoms, 3]``.
    """

    names: tuple[str, ...]
    coord: np.ndarray
    box: np.ndarray | None
    energy: float
    force: np.ndarray

    @property
    def formula(self) -> str:
        """Numbers of atoms by element, the same for multiples of a cell."""
        elements, counts = np.unique(self.names, return_counts=True)
        counts //= np.gcd.reduce(counts)
        return "".join(f"{name}{count}" for name, count in zip(elements, counts, strict=True))


def read_small(folder: Path) -> Iterator[Frame]:
    """The frames below a folder that have few atoms.

    Raises:
        DataError: There are no systems.
    """
    for path in find_systems(str(folder)):
        system = System(path)
        if system.natoms > MAX_ATOMS:
            continue
        inputs, labels = system.frames(range(system.nframes), labels=("energy", "force"))
        for row in range(system.nframes):
            real = inputs["atype"][row] >= 0
            kinds = inputs["atype"][row][real]
            box = inputs["box"][row]
            yield Frame(
                tuple(system.data_type_map[kind] for kind in kinds),
                inputs["coord"][row][real],
                box if box.any() else None,
                float(labels["energy"][row]),
                labels["force"][row].reshape(-1, 3)[real],
            )


def draw(frames: Sequence[Frame], count: int, seed: int) -> list[Frame]:
    """Frames drawn at random, none twice.

    Raises:
        DataError: There are fewer.
    """
    if count > len(frames):
        raise DataError(f"{count} frames are wanted, but there are {len(frames)}")
    order = np.random.default_rng(seed).permutation(len(frames))
    return [frames[place] for place in order[:count]]


def split_by_formula(frames: Sequence[Frame]) -> tuple[list[Frame], list[Frame]]:
    """Two parts of about equal size without a formula in common, always the same."""
    formulas = sorted({frame.formula for frame in frames})
    order = np.random.default_rng(0).permutation(len(formulas))
    first = {formulas[place] for place in order[::2]}
    parts: tuple[list[Frame], list[Frame]] = ([], [])
    for frame in frames:
        parts[frame.formula not in first].append(frame)
    return parts


def predicted(model: DeepPot, frames: Sequence[Frame]) -> list[Frame]:
    """The frames with the predictions of a model as their labels."""
    types = {name: kind for kind, name in enumerate(model.get_type_map())}
    found = []
    for frame in frames:
        cells = None if frame.box is None else frame.box[None]
        energy, force, _ = model.eval(
            frame.coord.reshape(1, -1), cells, [types[name] for name in frame.names]
        )
        found.append(Frame(frame.names, frame.coord, frame.box, float(energy[0, 0]), force[0]))
    return found


def write(frames: Sequence[Frame], target: Path) -> list[str]:
    """Write frames in the mixed layout; returns the systems, one for each number of atoms.

    Args:
        frames: All periodic, or all in open boundaries.
        target: A folder, which is taken as it is where it exists.
    """
    if not target.exists():
        names = sorted({name for frame in frames for name in frame.names})
        by_size: dict[int, list[Frame]] = {}
        for frame in frames:
            by_size.setdefault(len(frame.names), []).append(frame)
        for size, group in by_size.items():
            _write_system(group, target / str(size), names)
    return find_systems(str(target.absolute()))


def _write_system(frames: Sequence[Frame], folder: Path, names: Sequence[str]) -> None:
    data = folder / "set.000"
    data.mkdir(parents=True)
    (folder / "type_map.raw").write_text("\n".join(names) + "\n")
    (folder / "type.raw").write_text("0\n" * len(frames[0].names))
    arrays: Mapping[str, Sequence] = {
        "coord": [frame.coord.ravel() for frame in frames],
        "energy": [frame.energy for frame in frames],
        "force": [frame.force.ravel() for frame in frames],
        "real_atom_types": [[names.index(name) for name in frame.names] for frame in frames],
    }
    if frames[0].box is None:
        (folder / "nopbc").touch()
    else:
        arrays = {**arrays, "box": [frame.box for frame in frames]}
    for name, rows in arrays.items():
        kind = np.int32 if name == "real_atom_types" else np.float64
        np.save(data / f"{name}.npy", np.array(rows, kind))
