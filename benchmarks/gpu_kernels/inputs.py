"""Atoms, pairs and tables for the checks and the timing."""

import itertools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from libraries import cuda_attention_calls, cuda_calls, cuda_potential_calls


@dataclass(frozen=True)
class Atoms:
    """A batch of frames, as the environment matrix takes it."""

    coord: np.ndarray  # [nframes, nall, 3], Å
    atype: np.ndarray  # [nframes, nall]
    box: np.ndarray  # [nframes, 9]
    davg: np.ndarray  # [ntypes, nnei*4]
    dstd: np.ndarray
    nnei: int
    rcut: float = 6.0
    rcut_smth: float = 0.5
    periodic: bool = True
    nloc: int | None = None


def _with_statistics(rng, nnei, **fields) -> Atoms:
    davg, dstd = rng.normal(0, 0.3, (2, nnei * 4)), rng.uniform(0.4, 1.2, (2, nnei * 4))
    return Atoms(davg=davg, dstd=dstd, nnei=nnei, **fields)


def random_atoms(natoms, *, nframes=1, nnei=120, periodic=True, seed=0) -> Atoms:
    """Atoms at the density of water in a slightly triclinic box, a twentieth of them virtual."""
    rng = np.random.default_rng(seed)
    edge = (max(natoms, 1) / 0.1) ** (1 / 3)
    box = edge * np.array([[1, 0, 0], [0.1, 1, 0], [-0.05, 0.2, 1]])
    coord = rng.uniform(-0.2, 1.2, (nframes, natoms, 3)) @ box
    atype = rng.integers(0, 2, (nframes, natoms)).astype(np.int32)
    atype[rng.random(atype.shape) < 0.05] = -1
    boxes = np.tile(box.reshape(1, 9), (nframes, 1))
    return _with_statistics(rng, nnei, coord=coord, atype=atype, box=boxes, periodic=periodic)


def lattice(edge, *, nnei=11, spacing=2.7) -> Atoms:
    """A perfect lattice, in which all distances are ties."""
    steps = np.stack(np.meshgrid(*[np.arange(edge)] * 3, indexing="ij"), -1).reshape(1, -1, 3)
    atype, box = np.zeros(steps.shape[:2], np.int32), np.eye(3).reshape(1, 9) * spacing * edge
    rng = np.random.default_rng(0)
    return _with_statistics(rng, nnei, coord=spacing * steps, atype=atype, box=box)


def real_atoms(folder: Path, *, nframes=4, nnei=120) -> Atoms:
    """The first frames of a system of two types in DeePMD's layout."""
    coord = np.load(folder / "set.000" / "coord.npy")[:nframes]
    atype = np.loadtxt(folder / "type.raw", dtype=np.int32)
    box = np.load(folder / "set.000" / "box.npy")[:nframes]
    fields = {
        "coord": coord.reshape(len(coord), -1, 3),
        "atype": np.tile(atype, (len(coord), 1)),
        "box": box,
    }
    return _with_statistics(np.random.default_rng(0), nnei, **fields)


def rounded(atoms: Atoms, dtype) -> Atoms:
    """The atoms with numbers that a dtype has, so that both precisions start from the same."""
    names = ("coord", "box", "davg", "dstd")
    return replace(atoms, **{name: getattr(atoms, name).astype(dtype) for name in names})


def listed(atoms: Atoms, skin=1.0) -> tuple[Atoms, list[np.ndarray]]:
    """The first frame in open space with the list of neighbors that a caller would bring."""
    coord = atoms.coord[:1]
    rows = []
    for i, center in enumerate(coord[0]):
        near = np.linalg.norm(coord[0] - center, axis=1) < atoms.rcut + skin
        near[i] = False
        rows.append(np.flatnonzero(near).astype(np.int32))
    fields = {**vars(atoms), "coord": coord, "atype": atoms.atype[:1], "box": atoms.box[:1]}
    return Atoms(**fields), rows


def pairs(nlist, shape, dtype, seed=0) -> dict[str, np.ndarray]:
    """Inputs of forces, virials and their gradients, for neighbors `nlist`."""
    nframes, nloc, nall, nnei = shape
    rng, slots = np.random.default_rng(seed), nloc * nnei
    widths = {"net_deriv": 4 * slots, "in_deriv": 12 * slots, "rij": 3 * slots}
    widths |= {"grad": 3 * nall, "grad_virial": 9}
    arrays = {
        name: rng.standard_normal((nframes, width), np.float32).astype(dtype)
        for name, width in widths.items()
    }
    return arrays | {"nlist": nlist.reshape(nframes, slots)}


# From -1 to 1 in steps of 1/8, to 11 in steps of 1: numbers of float32.
RANGE = [-1.0, 1.0, 11.0, 0.125, 1.0, -1.0]
INTERVALS = 26


def tables(natoms, nnei, width, dtype, *, is_sorted=True, seed=0):
    """Shape and arrays of a stock table with factors; the last third of the slots is padding."""
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(INTERVALS, 6 * width))
    rows, matrix = rng.uniform(-1.5, 13, (natoms, nnei)), rng.normal(size=(natoms, nnei, 4))
    factors = rng.normal(size=(natoms, nnei, width))
    start = nnei - nnei // 3
    rows[:, start:], matrix[:, start:], factors[:, start:] = -0.45, [-0.45, 0, 0, 0], 0.7
    shape = cuda_calls.TabulatedShape(
        natoms, nnei, width, width, 1, INTERVALS, natoms * nnei, 1, 1, int(is_sorted)
    )
    arrays = {"table": table, "range": RANGE, "rows": rows, "matrix": matrix, "factors": factors}
    arrays["grad_output"] = rng.normal(size=(natoms, 4, width))
    return shape, {name: np.asarray(value, dtype) for name, value in arrays.items()}


def own_tables(natoms, nnei, width, dtype, *, contracted, ntables, nfactors, seed=0):
    """Shape and arrays of tables of our own; with factors there are weights."""
    rng, stride = np.random.default_rng(seed), -(-width // 16) * 16
    table, factors = np.zeros((ntables, INTERVALS, 6, stride)), np.zeros((nfactors, stride))
    table[..., :width] = rng.normal(size=(ntables, INTERVALS, 6, width))
    factors[:, :width] = rng.normal(size=(nfactors, width))
    grad = rng.normal(size=(natoms, 4 if contracted else nnei, width))
    rows = rng.uniform(-1.5, 13, (natoms, nnei))
    arrays = {"table": table, "range": RANGE, "rows": rows, "factors": factors}
    arrays["grad_output"] = grad
    if nfactors:
        arrays["weight"] = rng.uniform(size=(natoms, nnei))
    if contracted:
        arrays["matrix"] = rng.normal(size=(natoms, nnei, 4))
    arrays = {name: np.asarray(value, dtype) for name, value in arrays.items()}
    index = rng.integers(0, max(ntables, nfactors), (natoms, nnei)).astype(np.int32)
    shape = cuda_calls.TabulatedShape(
        natoms, nnei, width, stride, ntables, INTERVALS, nfactors, int(contracted), 0, 0
    )
    return shape, arrays | {"index": index}


def attention(natoms, nnei, width, attn, dtype, *, dotr=True, mask=False, smooth=True, seed=0):
    """A batch for all passes of gated attention; the last slots of most atoms are padding."""
    rng = np.random.default_rng(seed)

    def array(*shape, scale=1.0):
        return scale * rng.standard_normal(shape, np.float32)

    rows = (natoms, nnei, width)
    direction, weight = array(natoms, nnei, 3), rng.random((natoms, nnei), np.float32)
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    arrays = {"embedding": array(*rows), "direction": direction}
    arrays |= {"weight": weight if smooth else np.ones_like(weight), "grad_output": array(*rows)}
    arrays |= {"grad_grad_embedding": array(*rows), "grad_grad_direction": array(natoms, nnei, 3)}
    arrays |= {"grad_grad_weight": array(natoms, nnei) * smooth, "outer_grad_output": array(*rows)}
    arrays = {name: x.astype(dtype) for name, x in arrays.items()}
    arrays["count"] = rng.integers(0, nnei + 1, natoms).astype(np.int32)
    arrays["count"][::2] = nnei
    shapes = [(width, attn), (attn,)] * 3 + [(attn, width), (width,), (width,), (width,)]
    parameters = [array(*shape, scale=shape[0] ** -0.5).astype(dtype) for shape in shapes]
    options = (int(dotr), int(mask), int(smooth))
    shape = cuda_attention_calls.Shape(natoms, nnei, width, attn, *options)
    return cuda_attention_calls.Batch(shape, arrays, parameters, 3.0, 2.0**-10)


def layers(nrows, widths, dtype, *, seed=0):
    """Inputs of the pair embedding with factors and time steps, and cotangents of its passes."""
    rng = np.random.default_rng(seed)

    def array(*shape, scale=0.7):
        return (scale * rng.standard_normal(shape, np.float32)).astype(dtype)

    pairs = list(itertools.pairwise(widths))
    lists = [
        [array(*pair, scale=pair[0] ** -0.5) for pair in pairs],
        [array(out) for _, out in pairs],
        [array(out if out in (n, 2 * n) else 0) for n, out in pairs],
    ]
    index = np.sort(rng.integers(0, 4, nrows)).astype(np.int32)
    inputs = [array(nrows, widths[0]), array(nrows), index, array(4, widths[-1]), *lists]
    grad_grads = {"grad_grad_input": array(nrows, widths[0]), "grad_grad_weight": array(nrows)}
    return inputs, {"grad_output": array(nrows, widths[-1])} | grad_grads


def potential(
    sel, *, width=100, axis=16, hidden=(240, 240, 240), nnets=1, components=0, exclude=False, seed=0
) -> cuda_potential_calls.Model:
    """A compressed model of two types of atoms, of numbers that float32 has.

    Args:
        sel: slots for neighbors, or those of each type.
        width, axis: of the descriptor.
        hidden: widths of the layers of the fitting nets.
        nnets: one, or one for each type.
        components: of the distances from other descriptors; 0: none are wanted.
        exclude: whether the atoms of the first type do not see each other.
        seed: of the numbers.
    """
    rng, nnei, stride = np.random.default_rng(seed), sum(sel), -(-width // 16) * 16

    def array(*shape, scale=1.0):
        return (scale * rng.standard_normal(shape)).astype(np.float32)

    table, factors = np.zeros((1, INTERVALS, 6, stride), np.float32), array(6, stride)
    table[..., :width] = array(1, INTERVALS, 6, width) * 0.5 ** np.arange(6)[:, None]
    table[:, 16:, 1:] *= 0.125  # intervals are wider there, and the last goes on beyond the end
    factors[:, width:] = 0
    nets = []
    for _ in range(nnets):
        layers, inner = [], width * axis
        for k, outer in enumerate(hidden):
            bias = array(outer if k else 0)
            layers.append((array(inner, outer, scale=inner**-0.5), bias, array(outer)))
            inner = outer
        nets.append([*layers, (array(inner, 1, scale=inner**-0.5), array(1), None)])
    keep = np.array([[0, 1, 1], [1, 1, 1]], np.float32)
    statistics = array(2, 4, scale=0.1), rng.uniform(0.4, 1.2, (2, 4)).astype(np.float32)
    basis = [array(width * axis, components, scale=0.01), array(2, components)]
    basis.append(array(2, components, components, scale=0.1))
    return cuda_potential_calls.Model(
        **dict(zip(("davg", "dstd"), (np.tile(x, nnei) for x in statistics), strict=True)),
        keep=keep if exclude else None,
        table=table,
        range=np.array(RANGE, np.float32),
        factors=factors,
        count=np.array(nnei, np.float32),
        nets=nets,
        type_offset=array(2, hidden[0]),
        frame_offset=None,
        atom_offset=None,
        basis=tuple(basis) if components else None,
        copies=tuple(
            int(k > 0 and a == b) for k, (a, b) in enumerate(itertools.pairwise((0, *hidden)))
        ),
        rcut=6.0,
        rcut_smth=0.5,
        sel=tuple(sel),
        width=width,
        axis=axis,
        sees_center=True,
        switch="inverse",
        excluded_is_average=False,
    )
