"""Reference implementation of the potential of a compressed model in one operation."""

from collections.abc import Iterator, Sequence

import tensorflow as tf

from deepattn.ops.reference.env_mat import prod_env_mat_a, prod_env_mat_a_mix
from deepattn.ops.reference.pair_embedding import residual_layer
from deepattn.ops.reference.pairs import prod_force_se_a, prod_virial_se_a
from deepattn.ops.reference.switch import switch_of_distance, switch_of_inverse
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
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Atomic energies, forces, virial and atomic virials.

    `deepattn.ops.tabulated_potential` explains the arguments; here offsets that are missing have
    no rows, a layer without bias or time step has one of length 0, and ``keep`` may have length 0.
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
        weight = _switch(switch, switch_range, inverse, vectors, mask)
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
        offset = tf.gather(type_offset, center)
        if frame_offset.shape[0] != 0:
            offset += tf.repeat(frame_offset, nloc, axis=0)
        if atom_offset.shape[0] != 0:
            offset += atom_offset
        nets = _split(len(last_matrices), matrices, biases, steps, last_matrices, last_biases)
        energies = [_fitting_net(x, offset, *net, copies=copies) for net in nets]
        energy = energies[0]
        for net, of_net in enumerate(energies[1:], start=1):
            energy = tf.where(center[:, tf.newaxis] == net, of_net, energy)
        energy = tf.cast(energy, coord.dtype)
        energy = tf.where(real, energy, tf.zeros_like(energy))
        total = tf.reduce_sum(energy)
    gradient = tape.gradient(total, descrpt)
    force = prod_force_se_a(gradient, deriv, nlist, natoms, nnei=nnei)
    virial, atom_virial = prod_virial_se_a(gradient, deriv, rij, nlist, natoms, nnei=nnei)
    return tf.reshape(energy, [nframes, nloc]), force, virial, atom_virial


def _split(number: int, *lists: Sequence[tf.Tensor]) -> Iterator[tuple[Sequence[tf.Tensor], ...]]:
    """The parts of lists that belong to each of ``number`` nets."""
    for k in range(number):
        yield tuple(x[k * len(x) // number : (k + 1) * len(x) // number] for x in lists)


def _fitting_net(
    x: tf.Tensor,
    offset: tf.Tensor,
    matrices: Sequence[tf.Tensor],
    biases: Sequence[tf.Tensor],
    steps: Sequence[tf.Tensor],
    last_matrix: Sequence[tf.Tensor],
    last_bias: Sequence[tf.Tensor],
    *,
    copies: Sequence[int],
) -> tf.Tensor:
    """Output of one net ``[n, 1]``."""
    x = tf.tanh(tf.matmul(x, matrices[0]) + offset)
    if steps[0].shape[0]:
        x *= steps[0]
    others = zip(matrices[1:], biases[1:], steps[1:], copies[1:], strict=True)
    for matrix, bias, step, times in others:
        step = step if step.shape[0] else None
        x = residual_layer(x, matrix, bias, step, function=tf.tanh, copies=times)
    return tf.matmul(x, last_matrix[0]) + last_bias[0]


def _switch(
    kind: str, span: tf.Tensor, inverse: tf.Tensor, vectors: tf.Tensor, mask: tf.Tensor
) -> tf.Tensor:
    """Weights of the factors, functions of the inverse distances."""
    if kind == "none":
        return tf.ones_like(inverse)
    begin, end = tf.unstack(span)
    if kind == "inverse":
        return switch_of_inverse(inverse, rcut_smth=begin)
    weight = switch_of_distance(inverse, vectors, rcut=end, rcut_smth=begin)
    return tf.where(mask, weight, tf.zeros_like(weight))
