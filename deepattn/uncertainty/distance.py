"""Distance of an atom's descriptor from those of the training data, by element."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Components that are kept. More find no more (docs/uncertainty.md).
COMPONENTS = 32
# The mean and the spread of an element with few atoms lean on those of all: they count as many.
_MEAN_ATOMS, _SPREAD_ATOMS = 5.0, 30.0
# Directions in which descriptors hardly vary, relative to the first, are rounding errors.
_LEAST_VARIANCE = 1e-10
_LIMIT = 0.99


@dataclass(frozen=True)
class Distance:
    r"""Mahalanobis distance within each element, in a space of few dimensions.

    .. math:: d_i = \frac{1}{d_{99}} \sqrt{\tfrac1K (z_i - c_t)^T C_t^{-1} (z_i - c_t)},
              \qquad z_i = W^T D_i

    :math:`W` holds the principal directions of the descriptors :math:`D` within elements, scaled
    to unit variance; :math:`c_t` and :math:`C_t` are mean and covariance of the atoms of an
    element in the training data, and 99 % of all these atoms have :math:`d < 1`.

    Attributes:
        basis: W, ``[width, K]``.
        center: c, ``[ntypes, K]``.
        root: Matrices L with ``L Lᵀ = C⁻¹ / (K d₉₉²)``, ``[ntypes, K, K]``.
        atoms: How many atoms of each type the training data have, ``[ntypes]``.
    """

    basis: np.ndarray
    center: np.ndarray
    root: np.ndarray
    atoms: np.ndarray

    def __call__(self, descriptor: np.ndarray, atype: np.ndarray) -> np.ndarray:
        """Distances of atoms.

        Args:
            descriptor: ``[n, width]``.
            atype: Types, ``[n]``, none of them negative.

        Returns:
            ``[n]``; infinite for elements that are not in the training data.
        """
        projected = descriptor.astype(self.basis.dtype, copy=False) @ self.basis
        return self.of_projected(projected, atype)

    def of_projected(self, projected: np.ndarray, atype: np.ndarray) -> np.ndarray:
        """Distances of atoms from their components z, ``[n, K]``."""
        distance = np.full(len(atype), np.inf)
        for kind in np.flatnonzero(np.bincount(atype, minlength=len(self.atoms))):
            if self.atoms[kind]:
                rows = np.flatnonzero(atype == kind)
                offsets = (projected[rows] - self.center[kind]) @ self.root[kind]
                distance[rows] = np.sqrt(np.einsum("nk,nk->n", offsets, offsets))
        return distance

    def of_known(self, distance: np.ndarray, atype: np.ndarray) -> np.ndarray:
        """Distances of atoms, infinite for elements that are not in the training data.

        Args:
            distance: As computed without regard to that, ``[…]``.
            atype: Types, ``[…]``; −1 is a virtual atom, which keeps its distance.
        """
        return np.where((self.atoms[atype] > 0) | (atype < 0), distance, np.inf)


def fit_basis(descriptor: np.ndarray, atype: np.ndarray) -> np.ndarray:
    """Principal directions of descriptors within elements, scaled to unit variance.

    Args:
        descriptor: A sample of the training data, ``[n, width]``.
        atype: Types, ``[n]``.

    Returns:
        float32 ``[width, K]``.
    """
    counts = np.bincount(atype)
    sums = np.zeros((len(counts), descriptor.shape[1]))
    np.add.at(sums, atype, descriptor)
    mean = _leaning(sums, counts, descriptor.mean(axis=0))
    offsets = descriptor - mean[atype]
    variances, directions = np.linalg.eigh(offsets.T @ offsets / len(offsets))
    kept = np.flatnonzero(variances > _LEAST_VARIANCE * max(variances[-1], 0.0))[-COMPONENTS:]
    return (directions[:, kept] / np.sqrt(variances[kept])).astype(np.float32)


class Moments:
    """Components of the atoms of the training data, collected piece by piece.

    Args:
        basis: As from `fit_basis`.
        ntypes: Number of types.
    """

    def __init__(self, basis: np.ndarray, ntypes: int) -> None:
        self._basis = basis
        self._ntypes = ntypes
        self._projected: list[np.ndarray] = []
        self._atype: list[np.ndarray] = []

    def add(self, descriptor: np.ndarray, atype: np.ndarray) -> None:
        """Add atoms: ``[n, width]`` and types ``[n]``."""
        self._projected.append(descriptor.astype(self._basis.dtype, copy=False) @ self._basis)
        self._atype.append(atype)

    def distance(self) -> Distance:
        """The distance from all atoms that were added."""
        projected, atype = np.concatenate(self._projected), np.concatenate(self._atype)
        atoms = np.bincount(atype, minlength=self._ntypes)
        count = projected.shape[1]
        sums = np.zeros((self._ntypes, count))
        np.add.at(sums, atype, projected)
        center = _leaning(sums, atoms, projected.mean(axis=0))
        root = np.zeros((self._ntypes, count, count))
        for kind in np.flatnonzero(atoms):
            offsets = projected[atype == kind] - center[kind]
            # The basis makes the covariance within all elements the identity.
            spread = offsets.T @ offsets + _SPREAD_ATOMS * np.eye(count)
            inverse = np.linalg.inv(spread / (atoms[kind] + _SPREAD_ATOMS))
            root[kind] = np.linalg.cholesky(inverse / count)
        found = Distance(self._basis, center, root, atoms)
        limit = np.quantile(found.of_projected(projected, atype), _LIMIT)
        return Distance(self._basis, center, root / limit, atoms)


def _leaning(sums: np.ndarray, counts: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Means of elements, those of few atoms near the mean of all."""
    return (sums + _MEAN_ATOMS * mean) / (counts[:, None] + _MEAN_ATOMS)
