"""Selection of training frames, by their elements or at random."""

from pathlib import Path

import dpdata
import numpy as np

from deepattn.convert import read_frames, write_systems
from deepattn.data import System, find_systems
from deepattn.errors import DataError

_VALID_FRAMES = 100


def systems_by_elements(folder: Path) -> dict[str, frozenset[str]]:
    """The systems below a folder, each with the elements of its atoms.

    Raises:
        DataError: There is none, or one does not name its elements.
    """
    found = {}
    for path in find_systems(str(folder)):
        system = System(path)
        if system.data_type_map is None:
            raise DataError(f"{path} has no type_map.raw, which names the elements")
        used = np.unique(system.atype(range(system.nframes)))
        found[path] = frozenset(system.data_type_map[kind] for kind in used if kind >= 0)
    return found


def element_names(systems: dpdata.MultiSystems) -> list[str]:
    """Elements of some frames, in alphabetical order."""
    return sorted(systems.atom_names)


def read_all(folder: Path) -> dpdata.MultiSystems:
    """All frames below a folder, by composition."""
    return read_frames([folder])


def count_of(size: str, frames: dpdata.MultiSystems) -> int:
    """A number of frames that an option gives, also for ``all``.

    Raises:
        DataError: It is neither.
    """
    if size == "all":
        return frames.get_nframes()
    if not size.isdecimal() or int(size) < 1:
        raise DataError(f"--sizes: {size} is not a number of frames; give numbers, or all")
    return int(size)


def write_some(systems: dpdata.MultiSystems, target: Path, *, count: int, seed: int) -> list[str]:
    """Write frames drawn at random, every frame equally probable, none twice.

    A folder that is there already is taken as it is: the same seed draws the same frames. With the
    same seed the frames of a smaller count are among those of a larger one.

    Args:
        systems: What to draw from.
        target: Folder for them, in the mixed layout: one system for each number of atoms.
        count: How many.
        seed: Of the draw.

    Returns:
        The systems written, absolute paths.

    Raises:
        DataError: There are fewer frames than that.
    """
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        parts = list(systems.systems.values())
        owners = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        if count > len(owners):
            raise DataError(f"{target}: {count} frames are wanted and {len(owners)} are there")
        drawn = np.random.default_rng(seed).permutation(len(owners))[:count]
        firsts = np.searchsorted(owners, np.arange(len(parts)))
        chosen = dpdata.MultiSystems(type_map=element_names(systems))
        for index in np.unique(owners[drawn]):
            rows = np.sort(drawn[owners[drawn] == index] - firsts[index])
            chosen.append(parts[index].sub_system(rows))
        write_systems(chosen, target, "mixed")
    return find_systems(str(target.absolute()))


def write_valid(data: Path, output: Path) -> list[str]:
    """Systems for the test, in ``valid`` of a folder: the same frames for all trainings.

    Args:
        data: Folder with ``valid``.
        output: Folder for them.
    """
    systems = read_all(data / "valid")
    count = min(_VALID_FRAMES, systems.get_nframes())
    return write_some(systems, output / "valid", count=count, seed=0)
