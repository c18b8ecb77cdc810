"""The environment matrix of a batch, and sums over it."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from deepattn import ops
from deepattn.data import Batch


@dataclass(frozen=True)
class EnvMatShape:
    """The environment matrix whose statistics are wanted.

    Args:
        ntypes: Number of types.
        rcut: Cutoff radius (Å).
        rcut_smth: Where the switching function starts (Å).
        sel: Neighbor slots: per type, or one number with ``mixed_types``.
        mixed_types: Whether neighbors of all types share the slots (DPA-1).
        exclude_types: Pairs of types that do not interact.
        protection: Added to distances that divide (Å).
        unseen: Spread of a type that the data lack; None for 1 / rcut.
        columns: How many columns have an average and a spread.
    """

    ntypes: int
    rcut: float
    rcut_smth: float
    sel: tuple[int, ...]
    mixed_types: bool
    exclude_types: tuple[tuple[int, int], ...] = ()
    protection: float = 0.0
    unseen: float | None = None
    columns: int = 4

    @property
    def nnei(self) -> int:
        """All slots."""
        return sum(self.sel)


@dataclass(frozen=True)
class EnvMatSums:
    """Sums over the environment matrix of the atoms of each type, empty slots included.

    Attributes:
        number: Rows summed over, ``[ntypes]``.
        radial: Σ and Σ² of column 1, ``[ntypes, 2]``.
        angular: Σ and Σ² of columns 2 to 4, a third of each, ``[ntypes, 2]``.
    """

    number: np.ndarray
    radial: np.ndarray
    angular: np.ndarray

    def __add__(self, other: "EnvMatSums") -> "EnvMatSums":
        return EnvMatSums(
            self.number + other.number,
            self.radial + other.radial,
            self.angular + other.angular,
        )


def env_mat_sums(batches: Iterable[Batch], shape: EnvMatShape) -> EnvMatSums:
    """Sums over the environment matrices of all batches."""
    total = EnvMatSums(
        np.zeros(shape.ntypes), np.zeros((shape.ntypes, 2)), np.zeros((shape.ntypes, 2))
    )
    for inputs, _ in batches:
        rows = environment_matrix(inputs, shape)
        for center in range(shape.ntypes):
            chosen = rows[inputs["atype"] == center]
            radial, angular = chosen[..., 0], chosen[..., 1:]
            total.number[center] += radial.size
            total.radial[center] += radial.sum(), np.square(radial).sum()
            total.angular[center] += angular.sum() / 3, np.square(angular).sum() / 3
    return total


def environment_matrix(inputs: dict[str, np.ndarray], shape: EnvMatShape) -> np.ndarray:
    """The matrix R before normalization, ``[nframes, natoms, nnei, 4]``; empty slots are zero.

    ``R = s(r) (1, x/r, y/r, z/r)`` for each neighbor, ``s`` falling smoothly to zero at rcut,
    with the distances that divide lengthened by the protection.
    """
    atype = inputs["atype"]
    nframes, natoms = atype.shape
    periodic = bool(inputs["box"].any())
    width = 4 * shape.nnei
    arguments = (
        inputs["coord"].reshape(nframes, 3 * natoms),
        atype,
        np.array([natoms, natoms, natoms] + [0] * (shape.ntypes - 1), np.int32),
        inputs["box"],
    )
    unchanged = np.zeros((shape.ntypes, width)), np.ones((shape.ntypes, width))
    env_mat: ops.EnvMat | ops.EnvMatA
    neighbor_type: np.ndarray
    if shape.mixed_types:
        mesh = np.zeros(7 if periodic else 1, np.int32)
        env_mat = mixed = ops.prod_env_mat_a_mix(
            *arguments,
            mesh,
            *unchanged,
            rcut=shape.rcut,
            rcut_smth=shape.rcut_smth,
            nnei=shape.nnei,
        )
        neighbor_type = np.asarray(mixed.ntype).reshape(nframes, natoms, shape.nnei)
    else:
        mesh = np.zeros(6 if periodic else 0, np.int32)
        env_mat = ops.prod_env_mat_a(
            *arguments,
            mesh,
            *unchanged,
            rcut=shape.rcut,
            rcut_smth=shape.rcut_smth,
            sel=list(shape.sel),
        )
        neighbor_type = np.repeat(np.arange(shape.ntypes), shape.sel)[None, None, :]
    rows = np.asarray(env_mat.descrpt).reshape(nframes, natoms, shape.nnei, 4)
    if shape.protection:
        vectors = np.asarray(env_mat.rij).reshape(nframes, natoms, shape.nnei, 3)
        distance = np.linalg.norm(vectors, axis=3, keepdims=True)
        rows = rows * (distance / (distance + shape.protection)) ** [1, 2, 2, 2]
    if not shape.exclude_types:
        return rows
    hidden = np.zeros((nframes, natoms, shape.nnei), bool)
    for first, second in shape.exclude_types:
        for center, neighbor in ((first, second), (second, first)):
            hidden |= (atype == center)[..., None] & (neighbor_type == neighbor)
    return np.where(hidden[..., None], 0.0, rows)
