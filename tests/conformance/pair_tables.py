"""Tables of energies of pairs."""

from pathlib import Path

import numpy as np


def write_table(
    path: Path, *, ntypes: int = 3, end: float = 3.2, scale: float = 1.0, of_types: bool = True
) -> str:
    """A repulsion that is not zero at the end, so that it is extrapolated; returns the path.

    Args:
        path: The file.
        ntypes: Number of types.
        end: The last distance, Å.
        scale: Of the energies.
        of_types: Whether each pair of types has energies of its own.
    """
    distance = np.arange(0.2, end, 0.02)
    columns = [
        scale * (3 + of_types * (first + 2 * second)) * np.exp(-distance / 0.7) / distance
        for first in range(ntypes)
        for second in range(first, ntypes)
    ]
    np.savetxt(path, np.column_stack([distance, *columns]), fmt="%.10f")
    return str(path)
