"""Symmetries: the energy is invariant, and forces transform with the atoms."""

from __future__ import annotations

import numpy as np

from deepattn.testing.check import Check, largest
from deepattn.testing.evaluate import Evaluate, values
from deepattn.testing.frames import Frame

_UNIT = "eV/atom, eV/Å"


def check_translation(
    evaluate: Evaluate, frame: Frame, *, tolerance: float = 1e-11, seed: int = 0
) -> Check:
    """Moving all atoms together, and in a cell any atom by cell vectors, changes nothing."""
    rng = np.random.default_rng(seed)
    coord = frame.coord + rng.normal(size=3)
    if frame.box is not None:
        coord = coord + rng.integers(-2, 3, coord.shape) @ frame.box
    moved = frame.moved(coord)
    return _compare("translation", evaluate, frame, moved, tolerance)


def check_rotation(
    evaluate: Evaluate, frame: Frame, *, tolerance: float = 1e-11, seed: int = 0
) -> Check:
    """Turning (and mirroring) atoms and cell turns forces and virial with them."""
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    box = None if frame.box is None else frame.box @ rotation
    turned = frame.moved(frame.coord @ rotation, box)
    return _compare("rotation", evaluate, frame, turned, tolerance, rotation=rotation)


def check_permutation(
    evaluate: Evaluate, frame: Frame, *, tolerance: float = 1e-11, seed: int = 0
) -> Check:
    """Numbering the atoms otherwise changes nothing but the order of the results."""
    order = np.random.default_rng(seed).permutation(frame.natoms)
    renumbered = Frame(frame.coord[order], frame.atype[order], frame.box, frame.name)
    return _compare("permutation", evaluate, frame, renumbered, tolerance, order=order)


def check_supercell(
    evaluate: Evaluate,
    frame: Frame,
    *,
    tolerance: float = 1e-11,
    counts: tuple[int, int, int] = (2, 1, 2),
) -> Check:
    """Every atom of a supercell has the energy and force of the atom that it repeats.

    Args:
        evaluate: See `evaluator`.
        frame: A configuration with a cell.
        tolerance: Largest error allowed, eV per atom and eV/Å.
        counts: Cells along each cell vector.
    """
    order = np.tile(np.arange(frame.natoms), int(np.prod(counts)))
    large = frame.repeated(counts)
    return _compare("supercell", evaluate, frame, large, tolerance, order=order)


def check_extensivity(
    evaluate: Evaluate, frame: Frame, *, rcut: float, tolerance: float = 1e-11
) -> Check:
    """Two copies of an open configuration, out of each other's reach, have twice the energy."""
    if frame.box is not None:
        raise ValueError(f"{frame.name}: this check is for open boundaries; see check_supercell")
    shift = np.array([np.ptp(frame.coord[:, 0]) + 1.1 * rcut, 0.0, 0.0])
    pair = Frame(
        np.vstack([frame.coord, frame.coord + shift]), np.tile(frame.atype, 2), None, frame.name
    )
    order = np.tile(np.arange(frame.natoms), 2)
    return _compare("extensivity", evaluate, frame, pair, tolerance, order=order)


def check_virtual_atoms(
    evaluate: Evaluate, frame: Frame, *, tolerance: float = 1e-11, seed: int = 0
) -> Check:
    """Atoms of type −1 change nothing, whatever their place, and have no energy and no force."""
    rng = np.random.default_rng(seed)
    places = np.sort(rng.integers(0, frame.natoms + 1, 3))
    coord = np.insert(frame.coord, places, frame.coord[:3] + rng.normal(size=3), axis=0)
    atype = np.insert(frame.atype, places, -1)
    padded = Frame(coord, atype, frame.box, frame.name)
    before, after = values(evaluate, [frame]), values(evaluate, [padded])
    real = atype >= 0
    errors = {
        "energy": (after.energy - before.energy) / frame.natoms,
        "atomic energy": after.atom_energy[:, real] - before.atom_energy,
        "force": after.force[:, real] - before.force,
        "virial": (after.virial - before.virial) / frame.natoms,
        "energy of a virtual atom": after.atom_energy[:, ~real],
        "force on a virtual atom": after.force[:, ~real],
    }
    return _worst("virtual atoms", frame, errors, tolerance)


def _compare(
    name: str,
    evaluate: Evaluate,
    frame: Frame,
    other: Frame,
    tolerance: float,
    *,
    order: np.ndarray | None = None,
    rotation: np.ndarray | None = None,
) -> Check:
    """Atom k of ``other`` must be like atom ``order[k]`` of ``frame``, turned by ``rotation``."""
    order = np.arange(frame.natoms) if order is None else order
    rotation = np.eye(3) if rotation is None else rotation
    before, after = values(evaluate, [frame]), values(evaluate, [other])
    copies = other.natoms / frame.natoms
    virial = rotation.T @ before.virial[0].reshape(3, 3) @ rotation * copies
    errors = {
        "energy": (after.energy - before.energy * copies) / other.natoms,
        "atomic energy": after.atom_energy - before.atom_energy[:, order],
        "force": after.force - before.force[:, order] @ rotation,
        "virial": (after.virial - virial.reshape(1, 9)) / other.natoms,
    }
    return _worst(name, frame, errors, tolerance)


def _worst(name: str, frame: Frame, errors: dict[str, np.ndarray], tolerance: float) -> Check:
    sizes = {key: largest(error) for key, error in errors.items()}
    worst = max(sizes, key=lambda key: np.inf if np.isnan(sizes[key]) else sizes[key])
    return Check(name, frame.name, sizes[worst], tolerance, _UNIT, f"worst in the {worst}")
