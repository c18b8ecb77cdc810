"""A table in the place of the first embedding net of `DPA2`."""

from __future__ import annotations

import logging

import numpy as np
import tensorflow as tf

from deepattn.descriptors.dpa2.compressed import CompressedDPA2
from deepattn.descriptors.dpa2.compressible import check_tables
from deepattn.descriptors.dpa2.layer import DPA2
from deepattn.descriptors.smooth_edition.compressible import DISTILL
from deepattn.layers.tables import (
    check_size,
    filled_up,
    keep_variables,
    range_of_distances,
    table_of,
)

log = logging.getLogger(__name__)


def compressed_descriptor(
    descriptor: DPA2,
    vectors: tf.Tensor | None,
    *,
    min_nbor_dist: float,
    step: float,
    extrapolate: float,
    fast: bool,
) -> CompressedDPA2:
    """The same descriptor with a table instead of the nets of its first block.

    Args:
        descriptor: The descriptor.
        vectors: The type embedding ``[ntypes + 1, tebd_dim]``.
        min_nbor_dist, step, extrapolate, fast: See `deepattn.export.compress`.

    Raises:
        ConfigError: A descriptor that has no such table; a distance that is none; a table that
            would not fit a file.
    """
    block = descriptor.repinit
    check_tables(block.tebd_input_mode, fast=fast)
    if vectors is None or block.type_net is None:
        raise ValueError("vectors must be given, not None")
    matrix = block.matrix
    span = range_of_distances(
        matrix.davg.numpy()[:, 0, 0],
        matrix.dstd.numpy()[:, 0, 0],
        rcut=matrix.rcut,
        rcut_smth=matrix.rcut_smth,
        protection=matrix.protection,
        min_nbor_dist=min_nbor_dist,
        step=step,
        extrapolate=extrapolate,
        dtype=block.compute_dtype,
    )
    config = descriptor.get_config()
    config["repinit"] = {**config["repinit"], "nintervals": span.nintervals}
    compressed = CompressedDPA2(**config)
    tables = compressed.repinit
    check_size(*(1, span, tables.stride), dtype=block.variable_dtype, instead=f", or {DISTILL}")
    compressed.build()
    keep_variables(descriptor, compressed)
    table = table_of(block.embedding_net, np.zeros(0), span.nodes)
    factors = block.type_net(block.pair_vectors(tf.cast(vectors, block.compute_dtype)))
    values = {"table": table[np.newaxis], "table_info": span.info(), "factors": factors.numpy()}
    for name, value in values.items():
        variable = tables.tables[name]
        variable.assign(filled_up(value, variable.shape))
    log.info("table %s", span)
    return compressed
