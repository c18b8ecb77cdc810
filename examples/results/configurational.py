"""The temperature at which frames were sampled, from their positions and forces alone."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from ase.units import kB


def configurational_temperature(frames: Sequence[Atoms], bond: tuple[str, str]) -> np.ndarray:
    """Temperatures of frames of classical dynamics, K, ``[frames]``; their mean counts.

    For a vector field B of the positions, kT = −⟨F·B⟩ / ⟨∇·B⟩ in the canonical ensemble (Jepps,
    Ayton and Evans, `Phys. Rev. E 62, 4757 (2000) <https://doi.org/10.1103/PhysRevE.62.4757>`_,
    equation 4). Here B moves the first atom of each bond along it, by what the bond is longer than
    the mean: ∇·B = 1 + 2 (r − r₀) / r.

    Args:
        frames: Atoms with labeled forces.
        bond: Elements of a bond. The first, such as H in water, is bonded to the nearest atom of
            the second.
    """
    lengths, along = [], []
    for atoms in frames:
        first, second, distance, vector = neighbor_list("ijdD", atoms, 2.0)
        symbols = np.array(atoms.get_chemical_symbols())
        chosen = (symbols[first] == bond[0]) & (symbols[second] == bond[1])
        order = np.lexsort((distance[chosen], first[chosen]))
        atom, place = np.unique(first[chosen][order], return_index=True)
        length = distance[chosen][order][place]
        away = -vector[chosen][order][place] / length[:, None]
        lengths.append(length)
        along.append(np.sum(atoms.get_forces()[atom] * away, axis=1))
    mean = np.concatenate(lengths).mean()
    divergence = np.mean(np.concatenate([1 + 2 * (r - mean) / r for r in lengths]))
    return np.array(
        [
            -np.mean(force * (r - mean)) / divergence / kB
            for r, force in zip(lengths, along, strict=True)
        ]
    )
