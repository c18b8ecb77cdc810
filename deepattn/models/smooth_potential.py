"""Evaluation of a model without attention by one operation, also in training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from deepattn import ops
from deepattn.layers import Environment

if TYPE_CHECKING:
    from deepattn.models.energy_model import EnergyModel


def energies_in_one_operation(
    model: EnergyModel,
    environment: Environment,
    local: tf.Tensor,
    type_vectors: tf.Tensor | None,
    fparam: tf.Tensor | None,
    aparam: tf.Tensor | None,
    *,
    with_descriptor: bool = False,
) -> tuple[tf.Tensor, ...] | None:
    """Atomic energies and the derivative of their sum by ``environment.descrpt``.

    Args:
        model: The model.
        environment, local, type_vectors, fparam, aparam: As of `EnergyModel.atoms`.
        with_descriptor: Whether to give the descriptors too, ``[nframes, nloc, width]`` in the
            precision of the nets; nothing is differentiated then.

    Returns:
        As of `deepattn.ops.smooth_potential`; None where it is not compiled, or does not have such
        a descriptor or fitting.
    """
    dtype = tf.as_dtype(model.descriptor.compute_dtype)
    if model.descriptor.protection:  # the operation takes the environment matrix
        return None
    if model.fitting.compute_dtype != dtype.name or not ops.has_smooth_potential(
        tf.as_dtype(model.interface_dtype), dtype
    ):
        return None
    descriptor = model.descriptor.embedded(type_vectors)
    found = None if descriptor is None else model.fitting.fitting_nets(type_vectors, fparam, aparam)
    if descriptor is None or found is None:
        return None
    results = ops.smooth_potential(
        environment.descrpt,
        environment.rij,
        environment.nlist,
        environment.ntype,
        local,
        descriptor,
        *found,
        with_descriptor=with_descriptor,
    )
    if not with_descriptor:
        return results
    energy, derivative, flat = results
    shape = [*tf.unstack(tf.shape(local)), model.descriptor.width]
    return energy, derivative, tf.reshape(flat, shape)
