"""Reference implementation of the potential of a compressed model in one operation."""

from collections.abc import Sequence

import tensorflow as tf

from deepattn.ops.reference.env_mat import prod_env_mat_a, prod_env_mat_a_mix
from deepattn.ops.reference.fitting_nets import factor_weights, fitting_energies
from deepattn.ops.reference.pairs import prod_force_se_a, prod_virial_se_a
from deepattn.ops.reference.tabulated import tabulated_contraction


def tabulated_potential(
    coord: tf.Tensor,
    atype: tf.Tensor,
    natoms: tf.Tensor,
    box: tf.Tensor,
    mesh: tf.Tensor,
    davg: tf.Tensor,
    dstd: tf.Tensor,
    keep: tf.Tensor,
    switch_range: tf.Tensor,
    table: tf.Tensor,
    table_info: tf.Tensor,
    factors: tf.Tensor,
    count: tf.Tensor,
    type_offset: tf.Tensor,
    frame_offset: tf.Tensor,
    atom_offset: tf.Tensor,
    matrices: Sequence[tf.Tensor],
    biases: Sequence[tf.Tensor],
    steps: Sequence[tf.Tensor],
    last_matrices: Sequence[tf.Tensor],
    last_biases: Sequence[tf.Tensor],
    bases: Sequence[tf.Tensor],
    origins: Sequence[tf.Tensor],
    roots: Sequence[tf.Tensor],
    *,
    rcut: float,
    rcut_smth: float,
    sel: Sequence[int],
    width: int,
    axis: int,
    sees_center: bool,
    switch: str,
    excluded_is_average: bool,
    copies: Sequence[int],
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, list[tf.Tensor]]:
    """Atomic energies, forces, virial, atomic virials, and distances if there is a basis.

    `deepattn.ops.tabulated_potential` explains the arguments; here offsets that are missing have
    no rows, a layer without bias or time step has one of length 0, ``keep`` may have length 0, and
    there is one basis or none.
    """
    ntypes, dtype, nnei = natoms.shape[0] - 2, table.dtype, sum(sel)
    arguments = (coord, atype, natoms, box, mesh, davg, dstd)
    if len(sel) == 1:
        environment = prod_env_mat_a_mix(*arguments, rcut=rcut, rcut_smth=rcut_smth, nnei=nnei)
        descrpt, deriv, rij, nlist, ntype, _ = environment
        ntype = tf.reshape(ntype, [-1, nnei])
    else:
        descrpt, deriv, rij, nlist = prod_env_mat_a(
            *arguments, rcut=rcut, rcut_smth=rcut_smth, sel=list(sel)
        )
        of_slots = tf.repeat(tf.range(ntypes), sel)
        ntype = tf.tile(of_slots[tf.newaxis], [tf.size(nlist) // nnei, 1])
    nframes, nloc = tf.shape(coord)[0], natoms[0]
    local = atype[:, :nloc]
    center = tf.reshape(tf.clip_by_value(local, 0, ntypes - 1), [-1])
    real = tf.reshape(local >= 0, [-1, 1])
    pair = center[:, tf.newaxis] * (ntypes + 1) + ntype
    with tf.GradientTape() as tape:
        tape.watch(descrpt)
        matrix = tf.reshape(descrpt, [-1, nnei, 4])
        shift, scale = tf.gather(davg[:, :1], center), tf.gather(dstd[:, :1], center)
        mask = tf.reshape(nlist >= 0, [-1, nnei])
        inverse = matrix[:, :, 0] * scale + shift
        vectors = tf.reshape(rij, [-1, nnei, 3])
        weight = factor_weights(switch, switch_range, inverse, vectors, mask)
        if keep.shape.num_elements():
            kept = tf.gather(tf.reshape(keep, [-1]), pair)
            matrix *= kept[:, :, tf.newaxis]
            weight *= kept
            if excluded_is_average:
                matrix += ((1.0 - kept) * shift)[:, :, tf.newaxis]
        rows = tf.cast(matrix, dtype)
        contracted = tabulated_contraction(
            table,
            table_info,
            rows[:, :, 0],
            tf.cast(weight, dtype),
            pair if sees_center else ntype,
            factors,
            rows,
            width=width,
        )
        contracted /= count
        x = tf.matmul(contracted, contracted[:, :, :axis], transpose_a=True)
        x = tf.reshape(x, [-1, width * axis])
        energy = fitting_energies(
            x,
            center,
            nloc,
            (type_offset, frame_offset, atom_offset),
            (matrices, biases, steps, last_matrices, last_biases),
            copies=copies,
        )
        energy = tf.cast(energy, coord.dtype)
        energy = tf.where(real, energy, tf.zeros_like(energy))
        total = tf.reduce_sum(energy)
    gradient = tape.gradient(total, descrpt)
    force = prod_force_se_a(gradient, deriv, nlist, natoms, nnei=nnei)
    virial, atom_virial = prod_virial_se_a(gradient, deriv, rij, nlist, natoms, nnei=nnei)
    distances = []
    for basis, origin, root in zip(bases, origins, roots, strict=True):
        offset = tf.matmul(x, basis) - tf.gather(origin, center)
        product = tf.matmul(offset[:, tf.newaxis], tf.gather(root, center))[:, 0]
        distance = tf.norm(tf.cast(product, coord.dtype), axis=1, keepdims=True)
        distance = tf.where(real, distance, tf.zeros_like(distance))
        distances.append(tf.reshape(distance, [nframes, nloc]))
    return tf.reshape(energy, [nframes, nloc]), force, virial, atom_virial, distances
