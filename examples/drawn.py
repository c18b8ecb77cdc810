"""Frames drawn at random from data, for trainings on some of them."""

from pathlib import Path

import dpdata
import numpy as np

from deepattn.convert import write_systems
from deepattn.data import find_systems
from deepattn.errors import DataError


def element_names(systems: dpdata.MultiSystems) -> list[str]:
    """Elements of some frames, in alphabetical order."""
    return sorted(systems.atom_names)


def write_some(
    systems: dpdata.MultiSystems, target: Path, *, count: int, seed: int, layout: str = "mixed"
) -> list[str]:
    """Write frames drawn at random, every frame equally probable, none twice.

    A folder that is there already is taken as it is: the same seed draws the same frames. With the
    same seed the frames of a smaller count are among those of a larger one.

    Args:
        systems: What to draw from.
        target: Folder for them.
        count: How many.
        seed: Of the draw.
        layout: ``mixed``, one system for each number of atoms, or ``npy``, one for each formula.

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
        write_systems(chosen, target, layout)
    return find_systems(str(target.absolute()))
