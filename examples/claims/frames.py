"""Training frames by their elements, and test frames."""

from pathlib import Path

import dpdata
import numpy as np
from drawn import write_some

from deepattn.convert import read_frames
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


def write_valid(data: Path, output: Path) -> list[str]:
    """Systems for the test, in ``valid`` of a folder: the same frames for all trainings.

    Args:
        data: Folder with ``valid``.
        output: Folder for them.
    """
    systems = read_all(data / "valid")
    count = min(_VALID_FRAMES, systems.get_nframes())
    return write_some(systems, output / "valid", count=count, seed=0)
