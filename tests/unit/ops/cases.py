"""Frames for the tests of the ops, and what they should give, computed independently in numpy."""

from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf

BOXES = {
    "cubic": np.diag([9.0, 9.0, 9.0]),
    "triclinic": np.array([[9.0, 0.5, -0.2], [2.5, 8.0, 0.3], [-3.0, 1.5, 8.5]]),
    "left-handed": np.array([[0.0, 9.0, 0.0], [8.0, 0.0, 1.0], [0.0, 1.0, 8.5]]),
    "below cutoff": np.array([[3.0, 0.2, 0.0], [0.7, 2.6, 0.1], [-0.4, 0.3, 3.3]]),
    "sheet": np.array([[2.7, 0.0, 0.0], [0.0, 14.0, 0.0], [1.0, 2.0, 9.5]]),
}


@dataclass(frozen=True)
class Case:
    """One batch and the attributes of the op; arrays float64 as in the contract of the ops."""

    coord: np.ndarray  # [nframes, natoms, 3]
    atype: np.ndarray  # [nframes, natoms]
    box: np.ndarray  # [nframes, 9]
    davg: np.ndarray  # [ntypes, nnei*4]
    dstd: np.ndarray
    rcut: float = 4.3
    rcut_smth: float = 0.8
    periodic: bool = True
    mesh: np.ndarray | None = None
    nloc: int | None = None

    @property
    def nnei(self):
        return self.davg.shape[1] // 4

    @property
    def natoms(self):
        nall = self.atype.shape[1]
        return np.array([nall if self.nloc is None else self.nloc, nall, 0, 0], np.int32)

    def arguments(self, dtype=tf.float64):
        mesh = np.zeros(7 if self.periodic else 1) if self.mesh is None else self.mesh
        nframes = len(self.coord)
        return (
            tf.constant(self.coord.reshape(nframes, 3 * self.atype.shape[1]), dtype),
            tf.constant(self.atype, tf.int32),
            tf.constant(self.natoms),
            tf.constant(self.box, dtype),
            tf.constant(mesh, tf.int32),
            tf.constant(self.davg, dtype),
            tf.constant(self.dstd, dtype),
        )

    def mix(self, ops, dtype=tf.float64):
        """All outputs of ``ProdEnvMatAMix`` as numpy arrays."""
        out = ops.prod_env_mat_a_mix(
            *self.arguments(dtype), rcut=self.rcut, rcut_smth=self.rcut_smth, nnei=self.nnei
        )
        return [x.numpy() for x in out]

    def blocks(self, ops, sel, dtype=tf.float64):
        """All outputs of ``ProdEnvMatA`` as numpy arrays."""
        out = ops.prod_env_mat_a(
            *self.arguments(dtype), rcut=self.rcut, rcut_smth=self.rcut_smth, sel=sel
        )
        return [x.numpy() for x in out]

    def with_(self, **changes):
        return replace(self, **changes)

    def with_wrong(self, **changes):
        """The case with some numbers of arrays replaced: an index and a value for each."""
        arrays = {name: getattr(self, name).copy() for name in changes}
        for name, (index, value) in changes.items():
            arrays[name][index] = value
        return self.with_(**arrays)


def random_case(box="triclinic", *, natoms=14, nframes=2, nnei=90, seed=0, virtual=True):
    """Random atoms of two types, some outside the box, optionally some virtual."""
    rng = np.random.default_rng(seed)
    cell = BOXES["cubic" if box == "open" else box]
    coord = rng.uniform(-1.5, 2.5, (nframes, natoms, 3)) @ cell
    if box == "open":
        coord *= 0.3
    atype = rng.integers(0, 2, (nframes, natoms))
    if virtual:
        atype[:, ::5] = -1
    return Case(
        coord=coord,
        atype=atype.astype(np.int32),
        box=np.tile(cell.reshape(1, 9), (nframes, 1)),
        davg=rng.normal(0, 0.3, (2, nnei * 4)),
        dstd=rng.uniform(0.4, 1.2, (2, nnei * 4)),
        periodic=box != "open",
    )


def neighbors(case, frame, center):
    """(vector, atom) of every neighbor in DeePMD's order, from more images than needed.

    The order is by float32 squared distance; among equals, atoms come before their images, and
    images in the order of the cells, at least a cutoff thick, that they lie in.
    """
    coord, atype = case.coord[frame], case.atype[frame]
    images, ncells, fraction = np.zeros((1, 3), int), np.ones(3, int), np.zeros_like(coord)
    cell = np.zeros((3, 3))
    if case.periodic:
        cell = case.box[frame].reshape(3, 3)
        fraction = coord @ np.linalg.inv(cell)
        fraction -= np.floor(fraction)
        coord = fraction @ cell
        heights = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)
        ncells = np.maximum(heights // case.rcut, 1).astype(int)
        reach = [int(case.rcut / h) + 1 for h in heights]
        grid = np.meshgrid(*[np.arange(-n, n + 1) for n in reach], indexing="ij")
        images = np.stack([g.ravel() for g in grid], 1)
    found = []
    for image in images:
        for j in np.flatnonzero(atype >= 0):
            there = coord[j] + image @ cell
            d = there - coord[center]
            if np.linalg.norm(d) >= case.rcut or (j == center and not image.any()):
                continue
            x, y, z = there.astype(np.float32) - coord[center].astype(np.float32)
            place = (fraction[j] * ncells).astype(int) + image * ncells
            place = tuple(place) if image.any() else (-np.inf,)
            found.append((x * x + y * y + z * z, place, j, d))
    return [(d, j) for _, _, j, d in sorted(found, key=lambda item: item[:3])]


def smooth_row(d, rcut, rcut_smth):
    """``sw (1/r, d/r²)`` of one neighbor; cutoffs as float32 numbers."""
    lower, upper = np.float32(rcut_smth), np.float32(rcut)
    r = np.linalg.norm(d)
    u = (r - float(lower)) / float(upper - lower)
    sw = 1.0 if r < lower else (u**3 * (-6 * u**2 + 15 * u - 10) + 1 if r < upper else 0.0)
    return sw * np.concatenate([[1 / r], d / r**2])


def row_derivative(d, rcut, rcut_smth):
    """Derivative of `smooth_row` with respect to the center, by complex steps ``[4, 3]``."""
    lower, upper = np.float32(rcut_smth), np.float32(rcut)
    out = np.empty((4, 3))
    for k in range(3):
        z = d.astype(complex)
        z[k] -= 1e-200j
        r = np.sqrt(np.sum(z * z))
        u = (r - float(lower)) / float(upper - lower)
        switch = u**3 * (-6 * u**2 + 15 * u - 10) + 1
        sw = 1.0 if r.real < lower else (switch if r.real < upper else 0.0)
        out[:, k] = (sw * np.concatenate([[1 / r], z / r**2])).imag / 1e-200
    return out


def oracle(case, sel=None):
    """descrpt, descrpt_deriv, rij, nlist of the op; ``sel`` gives slots per neighbor type."""
    nframes, nall = case.atype.shape
    nnei, nloc = case.nnei, nall
    descrpt = np.zeros((nframes, nloc, nnei, 4))
    deriv = np.zeros((nframes, nloc, nnei, 4, 3))
    rij = np.zeros((nframes, nloc, nnei, 3))
    nlist = np.full((nframes, nloc, nnei), -1)
    rooms = [nnei] if sel is None else sel
    for f in range(nframes):
        for i in np.flatnonzero(case.atype[f] >= 0):
            filled = [0] * len(rooms)
            for d, j in neighbors(case, f, i):
                block = 0 if sel is None else case.atype[f, j]
                if filled[block] == rooms[block]:
                    continue
                slot = sum(rooms[:block]) + filled[block]
                filled[block] += 1
                descrpt[f, i, slot] = smooth_row(d, case.rcut, case.rcut_smth)
                deriv[f, i, slot] = row_derivative(d, case.rcut, case.rcut_smth)
                rij[f, i, slot] = d
                nlist[f, i, slot] = j
            t = case.atype[f, i]
            spread = case.dstd[t].reshape(nnei, 4)
            descrpt[f, i] = (descrpt[f, i] - case.davg[t].reshape(nnei, 4)) / spread
            deriv[f, i] /= spread[..., None]
    return [x.reshape(nframes, -1) for x in (descrpt, deriv, rij, nlist)]


def explicit_ghosts(case, frame=0, skin=0.5):
    """The frame with its images as atoms of their own, and an inline list to go with it."""
    cell = case.box[frame].reshape(3, 3)
    fraction = case.coord[frame] @ np.linalg.inv(cell)
    home = (fraction - np.floor(fraction)) @ cell
    nloc, span = len(home), range(-3, 4)
    coord, atype = [home], [case.atype[frame]]
    for shift in ((a, b, c) for a in span for b in span for c in span if (a, b, c) != (0, 0, 0)):
        coord.append(home + np.array(shift) @ cell)
        atype.append(case.atype[frame])
    coord, atype = np.concatenate(coord), np.concatenate(atype)
    rows = []
    for i in range(nloc):
        near = np.linalg.norm(coord - coord[i], axis=1) < case.rcut + skin
        rows.append([j for j in np.flatnonzero(near) if j != i])
    changed = case.with_(
        coord=coord[None], atype=atype[None].astype(np.int32), box=case.box[:1], nloc=nloc
    )
    return changed, rows


def inline_mesh(rows, order=None):
    """The mesh of an inline list whose rows come in `order`."""
    order = range(len(rows)) if order is None else order
    counts = [len(rows[i]) for i in order]
    entries = [j for i in order for j in rows[i]]
    return np.array([0] * 16 + [*order] + counts + entries, np.int32)
