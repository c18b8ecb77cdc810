"""Tables in the place of the embedding nets of `SeAtten`."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from deepattn.descriptors.se_atten.compressed import CompressedSeAtten
from deepattn.descriptors.se_atten.compressible import check_tables
from deepattn.descriptors.se_atten.layer import SeAtten
from deepattn.descriptors.smooth_edition.compress import with_tables


def compressed_descriptor(
    descriptor: SeAtten, vectors: tf.Tensor | None, *, fast: bool, **options: float
) -> CompressedSeAtten:
    """The same descriptor with tables instead of embedding nets.

    Args:
        descriptor: The descriptor.
        vectors: The type embedding ``[ntypes + 1, tebd_dim]``.
        fast: See `deepattn.export.compress`.
        **options: ``min_nbor_dist``, ``step`` and ``extrapolate`` of it.

    Raises:
        ConfigError: A descriptor that has no portable tables; a distance that is none; tables that
            would not fit a file.
    """
    if vectors is None:
        raise ValueError("vectors must be given, not None")
    check_tables(descriptor, fast=fast)
    vectors = vectors.numpy().astype(descriptor.compute_dtype)
    if descriptor.type_net is None:
        rows = np.asarray(descriptor.pair_vectors(vectors), np.float64)
        factors = np.zeros((0, descriptor.neuron[-1]))
        smaller = (
            ", or train with tebd_input_mode strip, which has one table for all pairs of types"
        )
    else:
        rows, factors = np.zeros((1, 0)), descriptor.type_factors(vectors).numpy()
        smaller = ""
    return with_tables(
        CompressedSeAtten,
        descriptor,
        [(descriptor.embedding_net, row) for row in rows],
        factors,
        fast=fast,
        smaller=smaller,
        **options,
    )
