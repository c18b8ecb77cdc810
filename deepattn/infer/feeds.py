"""Inputs of a model for one batch, as the stock ops take them, with or without ghost atoms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from deepattn.config.observable import Observable
from deepattn.formats.mesh import (
    MESH_HEAD,
    MESH_OPEN,
    MESH_OPEN_MIXED,
    MESH_PERIODIC,
    MESH_PERIODIC_MIXED,
)
from deepattn.infer.batches import Batch
from deepattn.uncertainty import Distance

if TYPE_CHECKING:
    from ase.neighborlist import NewPrimitiveNeighborList


# Output of the last hidden layer of the fitting net; Keras models have it.
LAST_LAYER = "last_layer"
# The descriptor with the type vector of the center, where the fitting net gets both; likewise.
DESCRIBED = "described"
# Second derivatives of the energy; likewise.
HESSIAN = "hessian"
IN_KERAS = (LAST_LAYER, DESCRIBED, HESSIAN)
# Outputs of which ghosts get shares.
SHARED = ("force", "atom_virial", "tensor_force", "tensor_atom_virial")
# Outputs that are one for each frame; the observable of a model is one too.
OF_FRAMES = ("energy", "virial", "tensor_virial")


@dataclass(frozen=True)
class Feed:
    """Inputs of one run.

    Attributes:
        coord: ``[n, nall, 3]``, ghosts after the atoms.
        atype: int32 ``[n, nall]``.
        natoms: int32 ``[ntypes + 2]``: nloc, nall, and how many atoms of each type.
        box: ``[n, 9]``.
        mesh: int32; its length is the way to find neighbors, its content a neighbor list.
        fparam: ``[n, numb_fparam]`` or None.
        aparam: ``[n, nloc, numb_aparam]`` or None.
        ghost_of: Which atom each ghost is an image of, ``[nall - nloc]``.
        periodic: Whether the frames have cells.
        distance: The distance of descriptors that is evaluated, or None.
        spin: Magnetic moments, ``[n, nloc, 3]`` or None.
    """

    coord: np.ndarray
    atype: np.ndarray
    natoms: np.ndarray
    box: np.ndarray
    mesh: np.ndarray
    fparam: np.ndarray | None
    aparam: np.ndarray | None
    ghost_of: np.ndarray
    periodic: bool
    distance: Distance | None = None
    spin: np.ndarray | None = None

    @property
    def owner(self) -> np.ndarray:
        """Which atom each atom or ghost is an image of, int32 ``[nall]``."""
        return np.concatenate([np.arange(self.natoms[0]), self.ghost_of]).astype(np.int32)

    def shape_of(self, name: str) -> tuple[int, ...]:
        """The shape of an output by its name in docs/architecture.md; -1 is any length."""
        nframes, nall = self.atype.shape
        shapes = {
            "energy": (nframes,),
            "virial": (nframes, 9),
            "force": (nframes, nall, 3),
            "atom_virial": (nframes, nall, 9),
            "atom_energy": (nframes, int(self.natoms[0])),
            "descriptor": (nframes, int(self.natoms[0]), -1),
            "distance": (nframes, int(self.natoms[0])),
        }
        return shapes[name]

    def arrange(self, name: str, values: np.ndarray, observable: Observable) -> np.ndarray:
        """An output of a graph in the form of the models'.

        Args:
            name: The output, by its name in docs/architecture.md.
            values: As the graph gives it: the contributions of some types may be those of their
                atoms alone, and derivatives of a component stand together.
            observable: What the graph gives.
        """
        nframes, nall = self.atype.shape
        nloc, width = int(self.natoms[0]), observable.width
        if name == observable.name:
            return values.reshape(nframes, width)
        if name == observable.atomic_name:
            atype = self.atype[:, :nloc]
            chosen = atype >= 0 if observable.types is None else np.isin(atype, observable.types)
            every = np.zeros((nframes, nloc, width), values.dtype)
            if values.size == every.size:
                return values.reshape(every.shape)
            every[chosen] = values.reshape(-1, width)
            return every
        if name == "tensor_virial":
            return values.reshape(nframes, width, 9)
        if name in ("tensor_force", "tensor_atom_virial"):
            of_components = values.reshape(nframes, width, nall, -1)
            return of_components.transpose(0, 2, 1, 3)
        return values.reshape(self.shape_of(name))

    def of_elements(self, values: np.ndarray, count: int) -> np.ndarray:
        """Values of the atoms of the first types in the places of all atoms, zero for the others.

        Args:
            values: As a graph gives them, those atoms alone.
            count: Number of these types.
        """
        nframes, nloc = len(self.atype), int(self.natoms[0])
        every = np.zeros((nframes, nloc), values.dtype)
        every[self.atype[:, :nloc] < count] = values.ravel()
        return every

    def fold(self, values: np.ndarray) -> np.ndarray:
        """Add what ghosts got to the atoms they are images of: ``[n, nall, …]`` to nloc."""
        nloc = self.natoms[0]
        local = values[:, :nloc].copy()
        for frame, ghosts in zip(local, values[:, nloc:], strict=True):
            np.add.at(frame, self.ghost_of, ghosts)
        return local


def make_feed(
    batch: Batch, ntypes: int, neighbor_list: NewPrimitiveNeighborList | None = None
) -> Feed:
    """Make the inputs of one run.

    Args:
        batch: The frames; only one if there is a neighbor list.
        ntypes: Number of the model's types.
        neighbor_list: ASE's ``NewPrimitiveNeighborList`` that finds the neighbors; None leaves
            that to the model.
    """
    nframes, nloc = batch.atype.shape
    counts = np.bincount(batch.atype[0][batch.atype[0] >= 0], minlength=ntypes)
    box = np.tile(np.eye(3).ravel(), (nframes, 1)) if batch.box is None else batch.box
    coord, atype = batch.coord, batch.atype
    ghost_of = np.zeros(0, np.int64)
    if neighbor_list is None:
        mesh = np.zeros(_mesh_length(batch), np.int32)
    else:
        coord, ghost_of, mesh = _listed(batch, neighbor_list)
        atype = np.concatenate([atype, atype[:, ghost_of]], axis=1)
    return Feed(
        coord=coord,
        atype=atype,
        natoms=np.array([nloc, nloc + len(ghost_of), *counts], np.int32),
        box=box,
        mesh=mesh,
        fparam=batch.fparam,
        aparam=batch.aparam,
        ghost_of=ghost_of,
        periodic=batch.box is not None,
        spin=batch.spin,
    )


def _mesh_length(batch: Batch) -> int:
    if batch.box is None:
        return MESH_OPEN if batch.is_uniform else MESH_OPEN_MIXED
    return MESH_PERIODIC if batch.is_uniform else MESH_PERIODIC_MIXED


def _listed(
    batch: Batch, neighbor_list: NewPrimitiveNeighborList
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coordinates with ghosts, the atoms they are images of, and the list as a mesh."""
    positions = batch.coord[0]
    periodic = np.full(3, batch.box is not None)
    cell = np.zeros((3, 3)) if batch.box is None else batch.box.reshape(3, 3)
    neighbor_list.bothways = True
    neighbor_list.self_interaction = False
    if neighbor_list.update(periodic, cell, positions):
        neighbor_list.build(periodic, cell, positions)
    first = np.asarray(neighbor_list.first_neigh)
    second = np.array(neighbor_list.pair_second)
    offset = np.asarray(neighbor_list.offset_vec)

    nloc = len(positions)
    outside = offset.any(axis=1)
    images = np.concatenate([second[outside, None], offset[outside]], axis=1)
    ghosts, place = np.unique(images, axis=0, return_inverse=True)
    second[outside] = nloc + place.reshape(-1)
    ghost_of = ghosts[:, 0].astype(np.int64)
    coord = np.concatenate([positions, positions[ghost_of] + ghosts[:, 1:] @ cell])
    mesh = np.concatenate([np.zeros(MESH_HEAD), np.arange(nloc), np.diff(first), second])
    return coord[None], ghost_of, mesh.astype(np.int32)
