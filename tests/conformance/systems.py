"""Small random configurations: training data for the graphs, and the boxes they are compared in."""

from __future__ import annotations

from pathlib import Path

import numpy as np

TYPE_MAP = ["O", "H", "C"]
NFPARAM, NAPARAM = 2, 1
RCUT = 4.0


def scatter(
    rng: np.random.Generator, cell: np.ndarray, natoms: int, *, closest: float, periodic: bool
) -> np.ndarray:
    """``natoms`` random points of a cell ``[3, 3]``, none nearer than ``closest`` Å to another.

    No distance is within 0.05 Å of the cutoff: there plain attention divides by the length of a
    vanishing vector, and single precision has no digits left to compare.
    """
    images = np.indices((5, 5, 5)).reshape(3, -1).T - 2 if periodic else np.zeros((1, 3))
    points = np.empty((0, 3))
    for _ in range(100_000):
        trial = rng.random(3) @ cell
        distances = np.linalg.norm(points[:, None] - trial + images @ cell, axis=-1)
        if (distances > closest).all() and (np.abs(distances - RCUT) > 0.05).all():
            points = np.vstack([points, trial])
            if len(points) == natoms:
                return points
    raise ValueError(f"no room for {natoms} atoms {closest} Å apart in {cell.tolist()}")


CUBIC = np.eye(3) * 7.3
TRICLINIC = np.array([[6.9, 0.0, 0.0], [1.7, 6.4, 0.0], [-1.1, 0.9, 7.2]])
SMALL = np.array([[3.1, 0.0, 0.0], [0.4, 3.3, 0.0], [0.2, -0.3, 3.2]])
OPEN = np.eye(3) * 6.0


def _case(
    rng: np.random.Generator,
    cell: np.ndarray,
    atypes: list[list[int]],
    *,
    periodic: bool = True,
    mixed: bool = False,
) -> dict[str, np.ndarray]:
    nframes, natoms = len(atypes), len(atypes[0])
    case = {
        "coord": np.stack(
            [scatter(rng, cell, natoms, closest=1.1, periodic=periodic) for _ in atypes]
        ),
        "atype": np.array(atypes if mixed else atypes[0], dtype=np.int32),
        "fparam": rng.normal(size=(nframes, NFPARAM)),
        "aparam": rng.normal(size=(nframes, natoms, NAPARAM)),
    }
    if periodic:
        # Atoms outside the cell must be wrapped by whoever reads them.
        case["coord"] += rng.integers(-1, 2, case["coord"].shape) @ cell
        case["box"] = np.tile(cell.reshape(1, 9), (nframes, 1))
    return case


def make_cases() -> dict[str, dict[str, np.ndarray]]:
    """The boxes of the comparison; ``atype`` in no order, 2-D for a mixed composition."""
    rng = np.random.default_rng(20230815)
    return {
        "cubic": _case(rng, CUBIC, [[2, 0, 1, 1, 0, 2, 1, 0, 1, 2, 0, 1]]),
        "triclinic": _case(rng, TRICLINIC, [[1, 0, 2, 0, 1, 1, 2, 0, 1, 1]] * 3),
        "small": _case(rng, SMALL, [[1, 0, 1]]),
        "one_kind": _case(rng, SMALL, [[2, 2]]),
        "open": _case(rng, OPEN, [[0, 2, 1, 0, 1, 1, 2]] * 2, periodic=False),
        "virtual": _case(rng, TRICLINIC, [[1, -1, 2, 0, 1, -1, 0, 1, 1]]),
        "virtual_open": _case(rng, OPEN, [[0, 2, 1, -1, 1, 1, 2]], periodic=False),
        "mixed": _case(
            rng,
            CUBIC,
            [[1, 0, 2, 0, 1, -1], [0, 0, 0, 1, 2, 2], [1, -1, 1, 2, -1, -1]],
            mixed=True,
        ),
    }


def write_training_data(folder: Path) -> list[str]:
    """Two periodic systems with random labels and parameters."""
    rng = np.random.default_rng(7)
    systems = []
    for name, cell, atype, nframes in (
        ("a", CUBIC, [0, 1, 2, 1, 0, 2, 1, 0, 1, 2, 0, 1], 3),
        ("b", TRICLINIC, [0, 0, 0, 1, 2, 2, 1, 0, 0], 2),
    ):
        natoms = len(atype)
        data = folder / name / "set.000"
        data.mkdir(parents=True)
        (folder / name / "type.raw").write_text(" ".join(map(str, atype)) + "\n")
        (folder / name / "type_map.raw").write_text(" ".join(TYPE_MAP) + "\n")
        coord = [
            scatter(rng, cell, natoms, closest=1.1, periodic=True).ravel() for _ in range(nframes)
        ]
        np.save(data / "coord.npy", np.array(coord))
        np.save(data / "box.npy", np.tile(cell.reshape(1, 9), (nframes, 1)))
        np.save(data / "energy.npy", rng.normal(size=nframes) - 2.0 * natoms)
        np.save(data / "force.npy", rng.normal(size=(nframes, natoms * 3)))
        np.save(data / "virial.npy", rng.normal(size=(nframes, 9)))
        np.save(data / "fparam.npy", rng.normal(size=(nframes, NFPARAM)) + 1.0)
        np.save(data / "aparam.npy", rng.normal(size=(nframes, natoms * NAPARAM)))
        systems.append(str(folder / name))
    return systems
