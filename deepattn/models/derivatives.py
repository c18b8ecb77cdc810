"""From derivatives by the environment matrix to forces and virials."""

from __future__ import annotations

import tensorflow as tf

from deepattn import ops
from deepattn.layers import Environment


def force_and_virial(
    net_deriv: tf.Tensor, environment: Environment, natoms: tf.Tensor, *, nnei: int
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Negative derivatives of an energy by positions, and its virials.

    Args:
        net_deriv: The derivative by ``environment.descrpt``, of its shape.
        environment: Neighborhoods of all atoms.
        natoms: int32 ``[2 + ntypes]``.
        nnei: Number of neighbor slots of an atom.

    Returns:
        Forces ``[nframes, nall, 3]``, virial ``[nframes, 9]``, and its contributions ``[nframes,
        nall, 9]``.
    """
    nframes = tf.shape(net_deriv)[0]
    force = ops.prod_force_se_a(
        net_deriv, environment.descrpt_deriv, environment.nlist, natoms, nnei=nnei
    )
    virial, atom_virial = ops.prod_virial_se_a(
        net_deriv,
        environment.descrpt_deriv,
        environment.rij,
        environment.nlist,
        natoms,
        nnei=nnei,
    )
    return (
        tf.reshape(force, [nframes, natoms[1], 3]),
        virial,
        tf.reshape(atom_virial, [nframes, natoms[1], 9]),
    )
