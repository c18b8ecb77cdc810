"""A system small enough to be one batch, and inputs of trainings that draw nothing at random."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

TYPE_MAP = ["O", "H"]
PREFACTORS = {"e": (0.02, 1.0), "f": (1000.0, 1.0), "v": (0.01, 1.0)}


def write_system(
    folder: Path, *, nframes: int = 1, seed: int = 5, elements: list[str] | None = None
) -> str:
    """Frames of eight atoms in a cell, with labels; returns the folder as a string."""
    rng = np.random.default_rng(seed)
    data = folder / "set.000"
    data.mkdir(parents=True)
    (folder / "type.raw").write_text("0\n1\n1\n0\n1\n1\n0\n1\n")
    (folder / "type_map.raw").write_text("\n".join(elements or TYPE_MAP) + "\n")
    lattice = 2.0 * np.indices((2, 2, 2)).reshape(3, -1).T
    arrays = {
        "coord": [lattice + rng.normal(scale=0.15, size=(8, 3)) for _ in range(nframes)],
        "box": [np.diag([4.4, 4.2, 4.0])] * nframes,
        "energy": -20.0 + rng.normal(scale=0.1, size=nframes) * (nframes > 1),
        "force": rng.normal(size=(nframes, 24)),
        "virial": rng.normal(size=(nframes, 9)),
    }
    for name, array in arrays.items():
        np.save(data / f"{name}.npy", np.reshape(array, (nframes, -1)))
    return str(folder)


def loss() -> dict[str, Any]:
    """A loss with every label of the system."""
    return {
        "type": "ener",
        **{f"start_pref_{key}": values[0] for key, values in PREFACTORS.items()},
        **{f"limit_pref_{key}": values[1] for key, values in PREFACTORS.items()},
    }
