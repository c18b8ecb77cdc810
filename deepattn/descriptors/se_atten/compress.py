"""Tables in the place of the embedding nets of `SeAtten`."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from deepattn.descriptors.se_atten.compressed import CompressedSeAtten
from deepattn.descriptors.se_atten.compressible import DISTILL, check_tables
from deepattn.descriptors.se_atten.layer import SeAtten
from deepattn.errors import ConfigError
from deepattn.layers.tables import TableRange, table_of, table_range
from deepattn.ops.reference import quintic_switch
from deepattn.progress import tracked

log = logging.getLogger(__name__)

# A graph is one message, which can have 2 GiB.
_MOST_BYTES = 1 << 30


def compressed_descriptor(
    descriptor: SeAtten,
    vectors: tf.Tensor | None,
    *,
    min_nbor_dist: float,
    step: float,
    extrapolate: float,
    fast: bool,
) -> CompressedSeAtten:
    """The same descriptor with tables instead of embedding nets.

    Args:
        descriptor: The descriptor.
        vectors: The type embedding ``[ntypes + 1, tebd_dim]``.
        min_nbor_dist, step, extrapolate, fast: See `deepattn.descriptors.se_atten.compress`.

    Raises:
        ConfigError: A descriptor that has no portable tables; a distance that is none; tables that
            would not fit a file.
    """
    if vectors is None:
        raise ValueError("vectors must be given, not None")
    check_tables(descriptor, fast=fast)
    span = _range(descriptor, min_nbor_dist=min_nbor_dist, step=step, extrapolate=extrapolate)
    compressed = CompressedSeAtten(
        **descriptor.get_config(), nintervals=span.nintervals, stock=not fast
    )
    _check_size(compressed, span)
    compressed.build()
    own = set(compressed.named_variables())
    for name, variable in descriptor.named_variables().items():
        if name in own:
            compressed.named_variables()[name].assign(variable)
    _fill(compressed, descriptor, span, vectors.numpy())
    return compressed


def _range(
    descriptor: SeAtten, *, min_nbor_dist: float, step: float, extrapolate: float
) -> TableRange:
    """Range of the normalized inverse distance, from the cutoff to the shortest distance."""
    if not 0 < min_nbor_dist < descriptor.rcut:
        raise ConfigError(
            f"min_nbor_dist is {min_nbor_dist:g} Å; it must be between 0 and the cutoff "
            f"radius ({descriptor.rcut:g} Å): give the shortest distance in the training data"
        )
    average, deviation = descriptor.davg.numpy()[:, 0], descriptor.dstd.numpy()[:, 0]
    largest = _switch(min_nbor_dist, descriptor.rcut_smth, descriptor.rcut) / min_nbor_dist
    return table_range(
        math.floor(np.min(-average / deviation)),
        # The range behind it is a multiple of it, and must not be empty.
        max(math.ceil(np.max((largest - average) / deviation)), 1),
        step=step,
        extrapolate=extrapolate,
        dtype=descriptor.compute_dtype,
    )


def _switch(r: float, rcut_smth: float, rcut: float) -> float:
    """The factor that takes inverse distances to zero at the cutoff."""
    u = min(max((r - rcut_smth) / (rcut - rcut_smth), 0.0), 1.0)
    return quintic_switch(u)[0]


def _check_size(compressed: CompressedSeAtten, span: TableRange) -> None:
    ntables = 1 if compressed.tebd_input_mode == "strip" else compressed.npairs
    size = ntables * span.nintervals * 6 * compressed.stride
    size *= np.dtype(compressed.variable_dtype).itemsize
    if size <= _MOST_BYTES:
        return
    other = ", or train with tebd_input_mode strip, which has one table for all pairs of types"
    raise ConfigError(
        f"the tables ({ntables} of {span.nintervals} intervals) would need "
        f"{size / 2**30:.1f} GiB, but a file can hold only {_MOST_BYTES / 2**30:.0f}; "
        "use a larger step" + (other if ntables > 1 else "") + f", or {DISTILL}"
    )


def _fill(
    compressed: CompressedSeAtten, descriptor: SeAtten, span: TableRange, vectors: np.ndarray
) -> None:
    """Set tables and factors from the nets and the type embedding ``[ntypes + 1, tebd_dim]``."""
    vectors = vectors.astype(descriptor.compute_dtype)
    if descriptor.type_net is None:
        rows = np.asarray(descriptor.pair_vectors(vectors), np.float64)
        factors = np.zeros((0, descriptor.neuron[-1]))
    else:
        rows = np.zeros((1, 0))
        factors = descriptor.type_factors(vectors).numpy()
    net = descriptor.embedding_net
    tables = np.stack([table_of(net, row, span.nodes) for row in tracked(list(rows), "tables")])
    if compressed.stock:
        tables = tables[0].swapaxes(1, 2).reshape(span.nintervals, -1)
    compressed.table.assign(_filled_up(tables, compressed.table.shape))
    compressed.table_info.assign(span.info())
    compressed.factors.assign(_filled_up(factors, compressed.factors.shape))
    log.info(
        "tables from %g to %g in steps of %g, to %g in steps of %g: %d intervals",
        *span.info()[[0, 1, 3, 2, 4]],
        span.nintervals,
    )


def _filled_up(array: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """The array with zeros behind its rows."""
    return np.pad(array, [(0, size - had) for had, size in zip(array.shape, shape, strict=True)])
