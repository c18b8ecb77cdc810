"""A linear model of pairs and densities, that is fitted to forces quickly.

E = Σ_i Σ_j φ(r_ij)/2 + Σ_i Σ A(i)·A(i), where φ is a sum of Gaussians of ln r and the A are
densities of neighbors times r̂ or r̂r̂, so that angles count. Forces and virial are its
derivatives.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_matrix

from deepattn.check.neighbors import neighbor_pairs
from deepattn.check.sample import Frame

_CUTOFF = 5.0  # Å
# With more elements than this the coefficients are those of elements, not of their pairs.
FEW_ELEMENTS = 5
# Centers of the Gaussians, Å, and how many; as fractions of the sum of radii with many elements.
_PAIRS = (0.7, 5.0, 12)
_PAIRS_OF_MANY = (0.5, 2.6, 8)
_DENSITIES = (1.0, 3.5, 2)
_DENSITIES_OF_MANY = (0.8, 1.8, 2)
_ORDERS = (0, 1, 2)
# Standard deviation of coefficients, and of what the model cannot describe, in units of forces.
_PRIOR = 5.0
_NOISE = 0.3
_FOLDS = 4


class Rows(NamedTuple):
    """Derivatives by the coefficients: energy ``[p]``, forces ``[3n, p]``, virial ``[9, p]``."""

    energy: np.ndarray
    force: np.ndarray
    virial: np.ndarray


class Fit(NamedTuple):
    """A fit to forces.

    Attributes:
        coefficients: ``[p]``.
        covariance: Of the coefficients, ``[p, p]``.
        explained: Part of the squares of forces explained in frames not fitted to.
        equations: Number of force components for each coefficient.
        energy: Rows of the frames, ``[nframes, p]``.
        virial: Rows of the frames, ``[nframes, 9, p]``.
    """

    coefficients: np.ndarray
    covariance: np.ndarray
    explained: float
    equations: float
    energy: np.ndarray
    virial: np.ndarray


def fit(frames: list[Frame], factors: np.ndarray) -> Fit | None:
    """Fit the model to the forces of frames.

    Args:
        frames: With forces.
        factors: Factors by which the forces of each frame are multiplied first.

    Returns:
        The fit; ``None`` if there are no forces but zeros.
    """
    elements = np.unique(np.concatenate([frame.atoms.numbers for frame in frames]))
    sizes = np.array([np.sqrt(np.mean(frame.force**2)) for frame in frames])
    typical = max(float(np.median(sizes)), float(np.sqrt(np.mean(sizes**2))) / 2)
    if typical == 0:
        return None
    weights = 1 / np.maximum(sizes, typical)
    energies, virials, count = [], [], 0
    # Of a fold without frames they stay single numbers.
    matrices, sides = [np.zeros(())] * _FOLDS, [np.zeros(())] * _FOLDS
    squares = [0.0] * _FOLDS
    for k, (frame, factor, weight) in enumerate(zip(frames, factors, weights, strict=True)):
        rows = design(frame, elements)
        energies.append(rows.energy)
        virials.append(rows.virial)
        scaled, right = weight * rows.force, weight * factor * frame.force.ravel()
        matrices[k % _FOLDS] = matrices[k % _FOLDS] + scaled.T @ scaled
        sides[k % _FOLDS] = sides[k % _FOLDS] + scaled.T @ right
        squares[k % _FOLDS] += right @ right
        count += len(right)
    matrix, side = sum(matrices, np.zeros(())), sum(sides, np.zeros(()))
    ridge = (_NOISE / _PRIOR) ** 2 * np.eye(len(side))
    left = 0.0
    for one, other, square in zip(matrices, sides, squares, strict=True):
        if np.ndim(one):
            solved = cho_solve(cho_factor(matrix - one + ridge), side - other)
            left += square - 2 * solved @ other + solved @ one @ solved
    factor = cho_factor(matrix + ridge)
    return Fit(
        coefficients=cho_solve(factor, side),
        covariance=max(left / count, 1e-6) * cho_solve(factor, np.eye(len(side))),
        explained=1 - left / sum(squares),
        equations=count / len(side),
        energy=np.array(energies),
        virial=np.array(virials),
    )


def design(frame: Frame, elements: np.ndarray) -> Rows:
    """Contributions of each coefficient to a frame.

    Args:
        frame: The frame.
        elements: Atomic numbers of all elements of the model, ascending.
    """
    natoms = len(frame.atoms)
    i, j, r, vector = neighbor_pairs(frame.atoms, _CUTOFF)
    near = r > 1e-3
    i, j, r, vector = i[near], j[near], r[near], vector[near]
    unit = vector / r[:, None]
    pairs = np.arange(len(r))
    ones = np.ones(len(r))
    scatter = csr_matrix((ones, (i, pairs)), (natoms, len(r)))
    scatter = scatter - csr_matrix((ones, (j, pairs)), (natoms, len(r)))
    energies, forces, virials = [], [], []
    kinds = np.searchsorted(elements, frame.atoms.numbers)
    many = len(elements) > FEW_ELEMENTS
    radii = frame.radii
    scale = radii[i] + radii[j] if many else ones
    blocks = (
        *_pair_blocks(r, unit, scale, kinds[i], kinds[j], len(elements), many),
        *_density_blocks(r, unit, scale, i, j, kinds, len(elements), many),
    )
    for chosen, energy, gradient in blocks:
        columns = gradient.shape[1]
        energies.append(energy)
        if not len(chosen):  # of most kinds of many elements
            forces.append(np.zeros((3 * natoms, columns)))
            virials.append(np.zeros((9, columns)))
            continue
        flat = gradient.reshape(len(gradient), 3 * columns)
        force = (scatter[:, chosen] @ flat).reshape(natoms, columns, 3)
        virial = -(vector[chosen].T @ flat).reshape(3, columns, 3)
        forces.append(force.transpose(0, 2, 1).reshape(3 * natoms, columns))
        virials.append(virial.transpose(0, 2, 1).reshape(9, columns))
    return Rows(np.concatenate(energies), np.hstack(forces), np.hstack(virials))


_Block = tuple[np.ndarray, np.ndarray, np.ndarray]


def _pair_blocks(
    r: np.ndarray,
    unit: np.ndarray,
    scale: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    nelements: int,
    many: bool,
) -> Iterator[_Block]:
    """Pairs, energies and gradients by their vectors, of one pair of elements after the other."""
    value, slope = _gaussians(r, scale, _PAIRS_OF_MANY if many else _PAIRS)
    if many:
        kind, nkinds = first, nelements
    else:
        kind = np.minimum(first, second) * nelements + np.maximum(first, second)
        nkinds = nelements**2
    for one in range(nkinds):
        if not many and one // nelements > one % nelements:
            continue
        chosen = np.flatnonzero(kind == one)
        gradient = 0.5 * slope[chosen][:, :, None] * unit[chosen][:, None, :]
        yield chosen, 0.5 * value[chosen].sum(axis=0), gradient


def _density_blocks(
    r: np.ndarray,
    unit: np.ndarray,
    scale: np.ndarray,
    i: np.ndarray,
    j: np.ndarray,
    kinds: np.ndarray,
    nelements: int,
    many: bool,
) -> Iterator[_Block]:
    """The same of products of two densities of elements about an atom."""
    natoms = len(kinds)
    # With many elements all are alike to the densities.
    kind_of_atom = np.zeros_like(kinds) if many else kinds
    species = kind_of_atom[j]
    nspecies = 1 if many else nelements
    values, slopes = _gaussians(r, scale, _DENSITIES_OF_MANY if many else _DENSITIES)
    one, other = np.triu_indices(nspecies)
    place = i * nspecies + species
    gather = csr_matrix((np.ones(len(r)), (place, np.arange(len(r)))), (natoms * nspecies, len(r)))
    for order in _ORDERS:
        tensor, derivative = _tensor(order, unit, r)
        for value, slope in zip(values.T, slopes.T, strict=True):
            density = (gather @ (value[:, None] * tensor)).reshape(natoms, nspecies, -1)
            change = slope[:, None, None] * tensor[:, :, None] * unit[:, None, :]
            change = change + value[:, None, None] * derivative
            # [pairs, species, 3]: the change of a density times each of the others
            with_others = np.einsum("pmx,psm->psx", change, density[i], optimize=True)
            product = np.sum(density[:, one] * density[:, other], axis=2)
            gradient = with_others[:, other] * (species[:, None] == one)[:, :, None]
            gradient += with_others[:, one] * (species[:, None] == other)[:, :, None]
            for center in range(nspecies):
                chosen = np.flatnonzero(kind_of_atom[i] == center)
                yield chosen, product[kind_of_atom == center].sum(axis=0), gradient[chosen]


def _gaussians(
    r: np.ndarray, scale: np.ndarray, grid: tuple[float, float, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Gaussians of ln r that go to zero at the cutoff, and their derivatives, ``[n, count]``."""
    low, high, count = grid
    centers = np.linspace(np.log(low), np.log(high), count)
    width = (centers[1] - centers[0]) if count > 2 else 0.4
    away = (np.log(r / scale)[:, None] - centers) / width
    value = np.exp(-0.5 * away**2)
    slope = -value * away / (width * r[:, None])
    cut = 0.5 * (1 + np.cos(np.pi * r / _CUTOFF))[:, None]
    fall = -0.5 * np.pi / _CUTOFF * np.sin(np.pi * r / _CUTOFF)[:, None]
    return value * cut, slope * cut + value * fall


def _tensor(order: int, unit: np.ndarray, r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """1, r̂ or r̂r̂ − 1/3 of each pair ``[n, m]``, and the derivative by its vector ``[n, m, 3]``."""
    if order == 0:
        return np.ones((len(r), 1)), np.zeros((len(r), 1, 3))
    across = (np.eye(3) - unit[:, :, None] * unit[:, None, :]) / r[:, None, None]
    if order == 1:
        return unit, across
    tensor = unit[:, :, None] * unit[:, None, :] - np.eye(3) / 3
    change = across[:, :, None, :] * unit[:, None, :, None]
    change = change + unit[:, :, None, None] * across[:, None, :, :]
    return tensor.reshape(-1, 9), change.reshape(-1, 9, 3)
