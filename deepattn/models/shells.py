"""Evaluation of the atoms of one of several processes, whose messages come from ghosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from deepattn.layers import Environment

if TYPE_CHECKING:
    from deepattn.models.energy_model import EnergyModel


def potential_in_shells(
    model: EnergyModel,
    environment: Environment,
    atype: tf.Tensor,
    natoms: tf.Tensor,
    fparam: tf.Tensor | None = None,
    aparam: tf.Tensor | None = None,
    *,
    shells: tf.Tensor,
) -> dict[str, tf.Tensor]:
    """The results of `EnergyModel.results`, where the energy is that of the first atoms only.

    Args:
        model: The model.
        environment, fparam, aparam: As for `EnergyModel.results`.
        atype: int32 ``[nframes, nall]``.
        natoms: int32 ``[2 + ntypes]``; the number of evaluated atoms and of all atoms first.
        shells: int32 ``[len(message_cutoffs) + 1]``: over all frames, how many of the evaluated
            atoms, the first ones, are within 0, 1, … messages of the atoms that have energies.
    """
    evaluated, type_vectors = atype[:, : natoms[0]], model.type_vectors()
    local = evaluated[:, : shells[0] // tf.maximum(tf.shape(atype)[0], 1)]
    # Of atoms beyond the outermost shell no features are needed.
    inside = tf.where(environment.nlist < natoms[0], environment.nlist, 0)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(environment.descrpt)
        features = model.descriptor.features_in_shells(
            environment._replace(nlist=inside), evaluated, type_vectors, shells
        )
        atom_energy = model.of_contributing(
            local, model.fitting(features.invariant, local, type_vectors, fparam, aparam)
        )
        total = tf.reduce_sum(atom_energy)
    net_deriv = tape.gradient(total, environment.descrpt)
    return model.outputs(environment, local, natoms, atom_energy, net_deriv, features.invariant)
