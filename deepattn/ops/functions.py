"""The ops as functions: compiled where the library is there, else in plain TensorFlow."""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from deepattn.ops import reference
from deepattn.ops.loader import compat_ops, own_ops


class EnvMat(NamedTuple):
    """Results of `prod_env_mat_a_mix`; rows of ``nloc*nnei`` slots run over atoms, then slots."""

    descrpt: tf.Tensor  # T [nframes, nloc*nnei*4], normalized (1/r, d/r²)·switch
    descrpt_deriv: tf.Tensor  # T [nframes, nloc*nnei*4*3], derivative with respect to the center
    rij: tf.Tensor  # T [nframes, nloc*nnei*3], Å, from the center to the neighbor
    nlist: tf.Tensor  # int32 [nframes, nloc*nnei], -1: padding
    ntype: tf.Tensor  # int32 [nframes, nloc*nnei], type of the neighbor, ntypes: padding
    nmask: tf.Tensor  # bool [nframes, nloc*nnei], True: a neighbor


class EnvMatA(NamedTuple):
    """Results of `prod_env_mat_a`, as in `EnvMat`."""

    descrpt: tf.Tensor
    descrpt_deriv: tf.Tensor
    rij: tf.Tensor
    nlist: tf.Tensor


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
    name: str | None = None,
) -> EnvMat:
    """Environment matrix (arXiv:1805.09003, eq. 5) of the ``nnei`` nearest neighbors of any type.

    Args:
        coord: T ``[nframes, nall*3]``, Å; T is float32 or float64.
        atype: int32 ``[nframes, nall]``; negative marks a virtual atom.
        natoms: int32 ``[ntypes+2]``: nloc, nall, then counts that are not used.
        box: T ``[nframes, 9]``, rows a, b, c, Å; not used without periodicity.
        mesh: int32; length 0 or 1: open boundaries; 6 or 7: periodic; 16: addresses of a neighbor
            list; more: 16 numbers, ``ilist[nloc]``, ``numneigh[nloc]``, then all neighbors.
        davg, dstd: T ``[ntypes, nnei*4]``, subtracted and divided by, per type of the center.
        rcut, rcut_smth: Å; the switch to zero runs from ``rcut_smth`` to ``rcut``. Both are
            rounded to float32.
        nnei: slots per atom; the farthest neighbors beyond are dropped.
        name: name of the graph node.

    Raises:
        tf.errors.InvalidArgumentError: shapes that do not fit, coordinates that are not finite, a
            type that is too high, coinciding atoms, a box without volume, a broken list.
    """
    ops = compat_ops()
    if ops is None:
        return EnvMat(
            *reference.prod_env_mat_a_mix(
                *(coord, atype, natoms, box, mesh, davg, dstd),
                rcut=rcut,
                rcut_smth=rcut_smth,
                nnei=nnei,
            )
        )
    return EnvMat(
        *ops.prod_env_mat_a_mix(
            *(coord, atype, natoms, box, mesh, davg, dstd),
            rcut_a=-1.0,
            rcut_r=rcut,
            rcut_r_smth=rcut_smth,
            sel_a=[nnei],
            sel_r=[0],
            name=name,
        )
    )


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
    sel: Sequence[int],
    name: str | None = None,
) -> EnvMatA:
    """Environment matrix with ``sel[t]`` slots for the nearest neighbors of each type t.

    Everything else is as in `prod_env_mat_a_mix`, with nnei the sum of ``sel``.
    """
    ops = compat_ops()
    if ops is None:
        return EnvMatA(
            *reference.prod_env_mat_a(
                *(coord, atype, natoms, box, mesh, davg, dstd),
                rcut=rcut,
                rcut_smth=rcut_smth,
                sel=list(sel),
            )
        )
    return EnvMatA(
        *ops.prod_env_mat_a(
            *(coord, atype, natoms, box, mesh, davg, dstd),
            rcut_a=-1.0,
            rcut_r=rcut,
            rcut_r_smth=rcut_smth,
            sel_a=list(sel),
            sel_r=[0] * len(sel),
            name=name,
        )
    )


def prod_force_se_a(
    net_deriv: tf.Tensor,
    in_deriv: tf.Tensor,
    nlist: tf.Tensor,
    natoms: tf.Tensor,
    *,
    nnei: int,
    name: str | None = None,
) -> tf.Tensor:
    """Forces T ``[nframes, nall*3]``, eV/Å, from ∂E/∂descrpt.

    Args:
        net_deriv: T ``[nframes, nloc*nnei*4]``, derivative of the energy with respect to descrpt.
        in_deriv: T ``[nframes, nloc*nnei*12]``, `EnvMat.descrpt_deriv`.
        nlist: int32 ``[nframes, nloc*nnei]``.
        natoms: as in `prod_env_mat_a_mix`.
        nnei: slots per atom.
        name: name of the graph node.
    """
    ops = compat_ops()
    if ops is None:
        return reference.prod_force_se_a(net_deriv, in_deriv, nlist, natoms, nnei=nnei)
    return ops.prod_force_se_a(
        net_deriv, in_deriv, nlist, natoms, n_a_sel=nnei, n_r_sel=0, name=name
    )


def prod_virial_se_a(
    net_deriv: tf.Tensor,
    in_deriv: tf.Tensor,
    rij: tf.Tensor,
    nlist: tf.Tensor,
    natoms: tf.Tensor,
    *,
    nnei: int,
    name: str | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Virial Σ r ⊗ f T ``[nframes, 9]`` and the neighbors' shares T ``[nframes, nall*9]``, eV.

    Args:
        rij: T ``[nframes, nloc*nnei*3]``, `EnvMat.rij`; the others as in `prod_force_se_a`.
    """
    ops = compat_ops()
    if ops is None:
        return reference.prod_virial_se_a(net_deriv, in_deriv, rij, nlist, natoms, nnei=nnei)
    virial, atom_virial = ops.prod_virial_se_a(
        net_deriv, in_deriv, rij, nlist, natoms, n_a_sel=nnei, n_r_sel=0, name=name
    )
    return virial, atom_virial


def total_virial(net_deriv: tf.Tensor, in_deriv: tf.Tensor, rij: tf.Tensor) -> tf.Tensor:
    """The virial of `prod_virial_se_a` alone, T ``[nframes, 9]``, of plain TensorFlow ops.

    DeePMD-kit's op, which always adds up the shares of the neighbors too, takes four times as
    long where a graph is run without our libraries.
    """
    derivative = reference.pair_derivative(net_deriv, in_deriv)
    rij = tf.reshape(rij, tf.shape(derivative))
    return tf.reshape(tf.matmul(derivative, rij, transpose_a=True), [-1, 9])


def gelu(x: tf.Tensor, name: str | None = None) -> tf.Tensor:
    """GELU in its tanh form (arXiv:1606.08415), of a float32 or float64 tensor of any shape."""
    ops = compat_ops()
    return reference.gelu(x) if ops is None else ops.gelu_custom(x, name=name)


def neighbor_stat(
    coord: tf.Tensor, atype: tf.Tensor, box: tf.Tensor, *, rcut: float, ntypes: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Neighbor counts and nearest distances.

    Args:
        coord: T ``[nframes, nloc, 3]``, Å.
        atype: int32 ``[nframes, nloc]``; negative marks a virtual atom.
        box: T ``[nframes, 9]``, Å; all zero means open boundaries.
        rcut: Å, rounded to float32.
        ntypes: number of types.

    Returns:
        The nearest neighbor's squared distance T ``[nframes, nloc]`` (Å², 0 where atoms coincide,
        infinite without a neighbor inside ``rcut``) and counts int32 ``[nframes, nloc, ntypes]``.
    """
    ops = own_ops()
    if ops is None:
        return reference.neighbor_stat(coord, atype, box, rcut=rcut, ntypes=ntypes)
    min_dist2, count = ops.deepattn_neighbor_stat(coord, atype, box, rcut=rcut, ntypes=ntypes)
    return min_dist2, count


def first_unsearchable(
    coord: tf.Tensor, atype: tf.Tensor, box: tf.Tensor, *, rcut: float, ntypes: int
) -> int | None:
    """The first frame in which `neighbor_stat` cannot search neighbors, or None.

    Such a cell is too thin for the cutoff, or an atom is too far outside. Arguments are those of
    `neighbor_stat`.
    """
    for row in range(len(coord)):
        frame = (array[row : row + 1] for array in (coord, atype, box))
        try:
            neighbor_stat(*frame, rcut=rcut, ntypes=ntypes)
        except tf.errors.InvalidArgumentError:
            return row
    return None
