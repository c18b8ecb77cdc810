"""The environment matrix of DeepPot-SE (arXiv:1805.09003, eq. 5) with its derivative."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from deepattn.errors import OpLibraryError
from deepattn.ops.reference import neighbors
from deepattn.ops.reference.switch import quintic_switch

NO_GRADIENT = (
    "the environment matrix has no gradient: take that of the energy with respect to descrpt and "
    "turn it into forces and virial with prod_force_se_a and prod_virial_se_a"
)


def prod_env_mat_a_mix(
    coord: tf.Tensor,
    atype: tf.Tensor,
    natoms: tf.Tensor,
    box: tf.Tensor,
    mesh: tf.Tensor,
    davg: tf.Tensor,
    dstd: tf.Tensor,
    *,
    rcut: float,
    rcut_smth: float,
    nnei: int,
) -> tuple[tf.Tensor, ...]:
    """Reference of ``ProdEnvMatAMix``: all neighbors in one block of ``nnei`` slots, nearest first.

    Arguments and results are those of `deepattn.ops.prod_env_mat_a_mix`.
    """
    results = _env_mat(coord, atype, natoms, box, mesh, davg, dstd, [nnei], True, rcut, rcut_smth)
    nlist = results[3]
    nmask = nlist >= 0
    ntypes = tf.shape(davg)[0]
    types = tf.pad(atype, [[0, 0], [0, 1]])  # one more, so that padding has something to point at
    ntype = tf.where(nmask, tf.gather(types, tf.maximum(nlist, 0), batch_dims=1), ntypes)
    return *results, ntype, nmask


def prod_env_mat_a(
    coord: tf.Tensor,
    atype: tf.Tensor,
    natoms: tf.Tensor,
    box: tf.Tensor,
    mesh: tf.Tensor,
    davg: tf.Tensor,
    dstd: tf.Tensor,
    *,
    rcut: float,
    rcut_smth: float,
    sel: list[int],
) -> tuple[tf.Tensor, ...]:
    """Reference of ``ProdEnvMatA``: ``sel[t]`` slots for neighbors of type t, nearest first.

    Arguments and results are those of `deepattn.ops.prod_env_mat_a`.
    """
    return _env_mat(coord, atype, natoms, box, mesh, davg, dstd, sel, False, rcut, rcut_smth)


def _env_mat(
    coord: tf.Tensor,
    atype: tf.Tensor,
    natoms: tf.Tensor,
    box: tf.Tensor,
    mesh: tf.Tensor,
    davg: tf.Tensor,
    dstd: tf.Tensor,
    sel: Sequence[int],
    mixed: bool,
    rcut: float,
    rcut_smth: float,
) -> tuple[tf.Tensor, ...]:
    coord, box, davg, dstd = (_without_gradient(x) for x in (coord, box, davg, dstd))
    nframes, nloc, nall = tf.shape(coord)[0], natoms[0], natoms[1]
    nnei = sum(sel)
    coord, atype = _checked(tf.reshape(coord, [nframes, nall, 3]), atype, tf.shape(davg)[0])
    signature = (
        tf.TensorSpec([None, nnei, 3], coord.dtype),
        tf.TensorSpec([None, nnei], tf.int32),
    )

    def frame(arguments: tuple[tf.Tensor, ...], kind: str) -> tuple[tf.Tensor, tf.Tensor]:
        r, types, h = arguments
        if kind == "listed":
            table = _read_list(mesh, nloc, nall)
            pairs = neighbors.listed_pairs(table, r, types, rcut)
            return _choose(pairs, table, tf.gather(types, tf.maximum(table, 0)), sel, mixed)
        points = (
            neighbors.open_points(r) if kind == "open" else neighbors.periodic_points(r, h, rcut)
        )
        point_types = tf.gather(types, points.owner)

        def block(center: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            pairs = neighbors.pairs_of(center, points, types, rcut)
            return _choose(pairs, points.owner, point_types, sel, mixed)

        return neighbors.map_centers(block, nloc, signature)

    def frames(kind: str) -> Callable[[], tuple[tf.Tensor, tf.Tensor]]:
        return lambda: neighbors.map_frames(
            lambda arguments: frame(arguments, kind), (coord, atype, box), nloc, signature
        )

    rij, nlist = _by_mesh(mesh, nloc, frames)
    rij = tf.reshape(rij, [nframes, nloc, nnei, 3])
    nlist = tf.reshape(nlist, [nframes, nloc, nnei])
    types = atype[:, :nloc]
    rows, derivs = _values(rij, nlist >= 0, rcut, rcut_smth)
    is_atom = (types >= 0)[:, :, None, None]
    shape = [tf.shape(davg)[0], nnei, 4]
    average = tf.gather(tf.reshape(davg, shape), tf.maximum(types, 0))
    spread = tf.gather(tf.reshape(dstd, shape), tf.maximum(types, 0))
    zero = tf.zeros([], rij.dtype)
    rows = tf.where(is_atom, (rows - average) / spread, zero)
    derivs = tf.where(is_atom[..., None], derivs / spread[..., None], zero)
    return tuple(
        tf.reshape(x, [nframes, nloc * nnei * width])
        for x, width in ((rows, 4), (derivs, 12), (rij, 3), (nlist, 1))
    )


def _by_mesh(
    mesh: tf.Tensor,
    nloc: tf.Tensor,
    frames: Callable[[str], Callable[[], tuple[tf.Tensor, tf.Tensor]]],
) -> tuple[tf.Tensor, tf.Tensor]:
    """Calls the branch that the length of `mesh` asks for."""
    kinds = {0: "open", 1: "open", 6: "periodic", 7: "periodic"}
    length = mesh.shape[0]
    # Without atoms there is nothing behind the head of a list.
    if length == 16 and tf.get_static_value(nloc) != 0:
        raise OpLibraryError(
            "a mesh of length 16 points at a neighbor list in memory, which only the compiled ops "
            "can read; build them with: python -m deepattn.ops.build"
        )
    if length is not None and length not in kinds and length < 16:
        raise ValueError(f"invalid mesh: its length must be 0, 1, 6, 7, 16 or more, not {length}")
    if length is not None:
        return frames(kinds.get(length, "listed"))()
    size = tf.size(mesh)
    check = tf.debugging.Assert(
        tf.reduce_any(size == [0, 1, 6, 7]) | (size > 16) | ((size == 16) & (nloc == 0)),
        ["invalid length of mesh", size],
    )
    with tf.control_dependencies([check] if check is not None else []):
        branch = tf.where(size < 2, 0, tf.where(size < 8, 1, 2))
    return tf.switch_case(branch, [frames("open"), frames("periodic"), frames("listed")])


def _read_list(mesh: tf.Tensor, nloc: tf.Tensor, nall: tf.Tensor) -> tf.Tensor:
    """Inline neighbor list as int32 ``[nloc, longest]``, ascending in each row, -1 at the end."""
    center = mesh[16 : 16 + nloc]
    counts = mesh[16 + nloc : 16 + 2 * nloc]
    entries = mesh[16 + 2 * nloc :]
    message = ["mesh holds no valid neighbor list for the local atoms", nloc]
    fits = (tf.size(counts) == nloc) & tf.reduce_all(counts >= 0)
    fits &= tf.reduce_sum(counts) == tf.size(entries)
    check = tf.debugging.Assert(fits, message)
    with tf.control_dependencies([check] if check is not None else []):
        owners = tf.repeat(center, counts)
    valid = tf.reduce_all(tf.sort(center) == tf.range(nloc))
    valid &= tf.reduce_all((entries >= 0) & (entries < nall) & (entries != owners))
    check = tf.debugging.Assert(valid, message)
    with tf.control_dependencies([check] if check is not None else []):
        table = tf.RaggedTensor.from_row_lengths(entries, counts).to_tensor(default_value=-1)
    # One column of padding, so that nobody's row is empty.
    table = tf.pad(table, [[0, 0], [0, 1]], constant_values=-1)
    table = tf.sort(tf.where(table < 0, tf.int32.max, table), axis=1)
    table = tf.where(table == tf.int32.max, -1, table)
    return tf.gather(table, tf.argsort(center))


def _choose(
    pairs: neighbors.Pairs,
    owner: tf.Tensor,
    point_types: tf.Tensor,
    sel: Sequence[int],
    mixed: bool,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Fills each block of slots with its nearest neighbors; of equals the first-numbered wins."""
    vectors, owners = [], []
    owner = tf.broadcast_to(owner, tf.shape(pairs.q))
    for block, room in enumerate(sel):
        candidate = pairs.is_neighbor if mixed else pairs.is_neighbor & (point_types == block)
        nearness = tf.where(candidate, -pairs.q, -np.inf)
        nearness = tf.pad(nearness, [[0, 0], [0, room]], constant_values=-np.inf)
        nearness, point = tf.math.top_k(nearness, room)
        found = nearness > -np.inf
        point = tf.where(found, point, 0)
        vector = tf.gather(pairs.vector, point, batch_dims=1)
        vectors.append(tf.where(found[..., None], vector, tf.zeros([], vector.dtype)))
        owners.append(tf.where(found, tf.gather(owner, point, batch_dims=1), -1))
    return tf.concat(vectors, axis=1), tf.concat(owners, axis=1)


def _values(
    rij: tf.Tensor, real: tf.Tensor, rcut: float, rcut_smth: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Rows ``sw (1/r, d/r²)`` and their derivatives with respect to the center; 0 for padding.

    Every step rounds as in the compiled op. Near the cutoff the switch is a difference of numbers
    near 1, so that in float32 its last digits, and with them the direction of the row, are a
    matter of rounding; divided by a small spread such rows count. (TensorFlow's optimizer of traced
    graphs changes some last digits again.)
    """
    lower, upper = np.float32(rcut_smth), np.float32(rcut)
    width = upper - lower  # rounded to float32, as DeePMD's attributes make it
    d = tf.where(real[..., None], rij, tf.ones([], rij.dtype))
    r2 = neighbors.dot(d, d)
    check = tf.debugging.Assert(
        tf.reduce_all(r2 > 0),
        ["two atoms are at the same place; [frame, atom, slot]:", tf.where(r2 <= 0)[:1]],
    )
    with tf.control_dependencies([check] if check is not None else []):
        r = r2 * (1.0 / tf.sqrt(r2))
    u = (r - lower) / width
    sw, dsw = quintic_switch(u)
    inside = (r >= lower) & (r < upper)
    one, zero = tf.ones([], r.dtype), tf.zeros([], r.dtype)
    sw = tf.where(inside, sw, tf.where(r < lower, one, zero))
    dsw = tf.where(inside, dsw / width, zero)
    sw, dsw = tf.where(real, sw, zero), tf.where(real, dsw, zero)
    inverse = 1.0 / r
    inverse2 = inverse * inverse
    rows = tf.concat([(inverse * sw)[..., None], d / r2[..., None] * sw[..., None]], axis=-1)
    radial = (sw * inverse2 * inverse - dsw * inverse2)[..., None] * d
    outer = (2.0 * sw * inverse2 * inverse2 - dsw * inverse2 * inverse)[..., None, None]
    angular = outer * d[..., :, None] * d[..., None, :]
    angular -= (sw * inverse2)[..., None, None] * tf.eye(3, dtype=r.dtype)
    return rows, tf.concat([radial[..., None, :], angular], axis=-2)


def environment_rows(
    rij: tf.Tensor, real: tf.Tensor, *, rcut: float, rcut_smth: float, protection: float = 0.0
) -> tf.Tensor:
    """Rows ``sw (1/q, d/q²)``, ``q = r + protection``, of vectors, with derivatives of any order.

    Args:
        rij: Vectors to the neighbors, Å, ``[..., 3]``.
        real: Which are vectors to neighbors, bool ``[...]``; the rows of others are zero.
        rcut, rcut_smth: As for `deepattn.ops.prod_env_mat_a_mix`.
        protection: Added to distances that divide, Å.
    """
    lower, upper = float(np.float32(rcut_smth)), float(np.float32(rcut))
    d = tf.where(real[..., None], rij, tf.ones([], rij.dtype))
    r = tf.sqrt(tf.reduce_sum(tf.square(d), axis=-1))
    q = r + protection
    sw, _ = quintic_switch(tf.clip_by_value((r - lower) / (upper - lower), 0.0, 1.0))
    sw = tf.where(real, sw, tf.zeros([], r.dtype))
    return tf.concat([(sw / q)[..., None], d * (sw / tf.square(q))[..., None]], axis=-1)


def _checked(coord: tf.Tensor, atype: tf.Tensor, ntypes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Both, once coordinates are finite and types below `ntypes`."""
    infinite = tf.where(~tf.reduce_all(tf.math.is_finite(coord), axis=2))
    unknown = tf.where(atype >= ntypes)
    checks = [
        tf.debugging.Assert(
            tf.shape(infinite)[0] == 0,
            ["coordinates are not finite at [frame, atom]", infinite[:1]],
        ),
        tf.debugging.Assert(
            tf.shape(unknown)[0] == 0,
            ["there are only", ntypes, "types; too high at [frame, atom]", unknown[:1]],
        ),
    ]
    with tf.control_dependencies([check for check in checks if check is not None]):
        return tf.identity(coord), tf.identity(atype)


def _without_gradient(x: tf.Tensor) -> tf.Tensor:
    return tf.raw_ops.PreventGradient(input=x, message=NO_GRADIENT)
