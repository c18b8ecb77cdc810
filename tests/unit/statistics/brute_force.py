"""Neighbors and environment matrices by trying every image of every atom, in NumPy."""

import itertools

import numpy as np


def neighbors(coord, atype, box, rcut):
    """For each atom of a frame its neighbors ``(distance, vector, type)``, nearest first."""
    cell = box.reshape(3, 3)
    shifts = np.zeros((1, 3))
    if box.any():
        heights = abs(np.linalg.det(cell)) / np.linalg.norm(
            np.cross(cell[[1, 2, 0]], cell[[2, 0, 1]]), axis=1
        )
        inside = coord @ np.linalg.inv(cell)
        coord = (inside - np.floor(inside)) @ cell
        reach = [range(-n, n + 1) for n in np.ceil(rcut / heights).astype(int)]
        shifts = np.array(list(itertools.product(*reach))) @ cell
    found = []
    for center in range(len(coord)):
        mine = []
        for other, shift in itertools.product(range(len(coord)), shifts):
            vector = coord[other] + shift - coord[center]
            distance = np.linalg.norm(vector)
            itself = other == center and not shift.any()
            if distance <= rcut and not itself and min(atype[other], atype[center]) >= 0:
                mine.append((distance, vector, atype[other]))
        found.append(sorted(mine, key=lambda item: item[0]))
    return found


def switch(r, rcut_smth, rcut):
    """1 below ``rcut_smth``, 0 beyond ``rcut``, a quintic in between."""
    if r < rcut_smth:
        return 1.0
    u = (r - rcut_smth) / (rcut - rcut_smth)
    return u**3 * (-6 * u**2 + 15 * u - 10) + 1


def environment(inputs, *, rcut, rcut_smth, nnei):
    """Environment matrix ``[nframes, natoms, nnei, 4]`` and types of the neighbors."""
    nframes, natoms = inputs["atype"].shape
    rows = np.zeros((nframes, natoms, nnei, 4))
    types = np.full((nframes, natoms, nnei), -1)
    for frame in range(nframes):
        found = neighbors(*(inputs[key][frame] for key in ("coord", "atype", "box")), rcut)
        for atom, near in enumerate(found):
            for slot, (r, vector, kind) in enumerate(near[:nnei]):
                s = switch(r, rcut_smth, rcut) / r
                rows[frame, atom, slot] = s * np.array([1.0, *(vector / r)])
                types[frame, atom, slot] = kind
    return rows, types


def normalization(batches, *, ntypes, rcut, rcut_smth, nnei, exclude=()):
    """Mean of column 1, spread of column 1, common spread of columns 2 to 4, each ``[ntypes]``."""
    chosen = [[] for _ in range(ntypes)]
    for inputs, _ in batches:
        rows, types = environment(inputs, rcut=rcut, rcut_smth=rcut_smth, nnei=nnei)
        for a, b in exclude:
            for left, right in ((a, b), (b, a)):
                rows[(inputs["atype"] == left)[..., None] & (types == right)] = 0
        for center in range(ntypes):
            chosen[center].append(rows[inputs["atype"] == center].reshape(-1, 4))
    rows = [np.concatenate(part) for part in chosen]
    return (
        np.array([part[:, 0].mean() for part in rows]),
        np.array([part[:, 0].std() for part in rows]),
        np.array([part[:, 1:].std() for part in rows]),
    )
