"""Evaluation of a compressed model without attention by one operation."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from deepattn import ops
from deepattn.layers.environment import real_types
from deepattn.models.energy_model import EnergyModel


def potential_in_one_operation(
    model: EnergyModel, inputs: Mapping[str, tf.Tensor]
) -> dict[str, tf.Tensor] | None:
    """Energies, forces and virials of `EnergyModel.call`, for inference.

    Args:
        model: The model.
        inputs: As for `EnergyModel`, with ``natoms`` and ``mesh``.

    Returns:
        ``energy``, ``atom_energy``, ``force``, ``virial`` and ``atom_virial``; None for a model
        whose descriptor, fitting or exclusions the operation does not have.
    """
    descriptor = model.descriptor.tabulated()
    dtype = tf.as_dtype(model.descriptor.compute_dtype)
    # The operation finds all neighbors by itself.
    if (
        descriptor is None
        or model.excludes
        or not model.of_descriptor_alone
        or model.fitting.compute_dtype != dtype.name
        or not ops.fits_whole_potentials(tf.as_dtype(model.interface_dtype), dtype)
    ):
        return None
    found = model.fitting.fitting_nets(
        model.type_vectors(), inputs.get("fparam"), inputs.get("aparam")
    )
    if found is None:
        return None
    nets, of_types = found
    atype, natoms = inputs["atype"], inputs["natoms"]
    nframes, nall = tf.unstack(tf.shape(atype))
    coord = tf.reshape(inputs["coord"], [nframes, 3 * nall])
    atoms = (coord, atype, natoms, inputs["box"], inputs["mesh"])
    potential = ops.tabulated_potential(*atoms, descriptor, nets)
    local = atype[:, : natoms[0]]
    own = tf.reshape(tf.gather(of_types, real_types(local, model.ntypes)), tf.shape(local))
    energy = tf.where(local >= 0, potential.atom_energy + own, tf.zeros_like(own))
    return {
        "energy": tf.reduce_sum(tf.cast(energy, tf.float64), axis=1),
        "atom_energy": energy,
        "force": tf.reshape(potential.force, [nframes, nall, 3]),
        "virial": potential.virial,
        "atom_virial": tf.reshape(potential.atom_virial, [nframes, nall, 9]),
    }
