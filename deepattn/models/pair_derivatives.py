"""Forces and virials of energies that depend on the vectors to neighbors."""

from __future__ import annotations

import tensorflow as tf

from deepattn.layers import Environment
from deepattn.models.derivatives import force_and_virial


def pair_derivatives(
    by_vector: tf.Tensor,
    of_pairs: tf.Tensor,
    environment: Environment,
    natoms: tf.Tensor,
    *,
    nnei: int,
) -> dict[str, tf.Tensor]:
    """Forces and virials from derivatives by vectors.

    The neighbor has all of the virial of a slot, as in DeePMD-kit, but that the energies of pairs
    share theirs between the two atoms.

    Args:
        by_vector: Derivatives of the energy by ``environment.rij``, ``[nframes, nloc, 3 * nnei]``.
        of_pairs: What of them is of energies of pairs.
        environment: Neighborhoods of all atoms.
        natoms: int32 ``[2 + ntypes]``.
        nnei: Number of neighbor slots of an atom.

    Returns:
        ``force``, ``virial`` and ``atom_virial``, as of `deepattn.models.EnergyModel`.
    """
    vectors = environment.of_vectors()
    half = of_pairs / 2
    force, virial, _ = force_and_virial(four_columns(by_vector), vectors, natoms, nnei=nnei)
    *_, of_neighbors = force_and_virial(four_columns(by_vector - half), vectors, natoms, nnei=nnei)
    nframes, nloc, _ = tf.unstack(tf.shape(by_vector))
    rows = [nframes, nloc, nnei, 3]
    of_centers = -tf.matmul(
        tf.reshape(environment.rij, rows), tf.reshape(half, rows), transpose_a=True
    )
    of_centers = tf.reshape(of_centers, [nframes, nloc, 9])
    ghosts = [[0, 0], [0, natoms[1] - natoms[0]], [0, 0]]
    return {
        "force": force,
        "virial": virial,
        "atom_virial": of_neighbors + tf.pad(of_centers, ghosts),
    }


def four_columns(by_vector: tf.Tensor) -> tf.Tensor:
    """Derivatives by vectors as those by rows ``(0, vector)``, ``[nframes, nloc * nnei * 4]``."""
    nframes, nloc, size = tf.unstack(tf.shape(by_vector))
    rows = tf.pad(tf.reshape(by_vector, [-1, 3]), [[0, 0], [1, 0]])
    return tf.reshape(rows, [nframes, nloc * size // 3 * 4])
