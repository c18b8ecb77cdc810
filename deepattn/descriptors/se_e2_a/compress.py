"""Tables in the place of the embedding nets of `SeE2A`."""

from __future__ import annotations

import numpy as np

from deepattn.descriptors.se_e2_a.compressed import CompressedSeE2A
from deepattn.descriptors.se_e2_a.layer import SeE2A
from deepattn.descriptors.smooth_edition.compress import with_tables
from deepattn.descriptors.smooth_edition.compressible import DISTILL
from deepattn.errors import ConfigError


def compressed_descriptor(descriptor: SeE2A, *, fast: bool, **options: float) -> CompressedSeE2A:
    """The same descriptor with tables instead of embedding nets.

    Args:
        descriptor: The descriptor.
        fast: See `deepattn.export.compress`.
        **options: ``min_nbor_dist``, ``step`` and ``extrapolate`` of it.

    Raises:
        ConfigError: A descriptor with a type embedding; a distance that is none; tables that would
            not fit a file.
    """
    if descriptor.type_net is not None:
        raise ConfigError(
            "se_a_ebd_v2 cannot be compressed; train se_atten with attn_layer 0 instead, or "
            f"{DISTILL}"
        )
    if descriptor.tebd_dim:
        raise ConfigError(
            "the model has se_e2_a with type_embedding, for which DeePMD-kit has no compressed "
            "graphs; train se_atten with attn_layer 0 instead"
        )
    centers = ["all"] if descriptor.type_one_side else range(descriptor.ntypes)
    # None: an excluded pair, and the type of empty slots, which have that of their block here.
    nets = [
        descriptor.nets.get(f"{center}_{t}")
        for center in centers
        for t in range(descriptor.ntypes + 1)
    ]
    return with_tables(
        CompressedSeE2A,
        descriptor,
        [(net, np.zeros(0)) for net in nets],
        np.zeros((0, descriptor.neuron[-1])),
        fast=fast,
        smaller="" if descriptor.type_one_side else ", or train with type_one_side",
        **options,
    )
