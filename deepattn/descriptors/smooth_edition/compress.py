"""Making of the tables that replace embedding nets."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from deepattn.descriptors.smooth_edition.compressed import Tabulated
from deepattn.descriptors.smooth_edition.compressible import DISTILL
from deepattn.descriptors.smooth_edition.layer import SmoothEdition
from deepattn.layers.embedding_net import EmbeddingNet
from deepattn.layers.tables import (
    check_size,
    filled_up,
    keep_variables,
    range_of_distances,
    table_of,
)
from deepattn.progress import tracked

log = logging.getLogger(__name__)

_Compressed = TypeVar("_Compressed", bound=Tabulated)


def with_tables(
    kind: type[_Compressed],
    descriptor: SmoothEdition,
    functions: Sequence[tuple[EmbeddingNet | None, np.ndarray]],
    factors: np.ndarray,
    *,
    min_nbor_dist: float,
    step: float,
    extrapolate: float,
    fast: bool,
    smaller: str = "",
) -> _Compressed:
    """The same descriptor with tables instead of embedding nets.

    Args:
        kind: The class of the result.
        descriptor: The descriptor.
        functions: For each table the net, None for zeros, and the rest of its input.
        factors: Scaling of the functions for each pair of types.
        min_nbor_dist, step, extrapolate, fast: See `deepattn.export.compress`.
        smaller: What else helps if the tables are too large, after "use a larger step".

    Raises:
        ConfigError: A distance that is none; tables that would not fit a file.
    """
    span = range_of_distances(
        descriptor.davg.numpy()[:, 0],
        descriptor.dstd.numpy()[:, 0],
        rcut=descriptor.rcut,
        rcut_smth=descriptor.rcut_smth,
        min_nbor_dist=min_nbor_dist,
        step=step,
        extrapolate=extrapolate,
        dtype=descriptor.compute_dtype,
    )
    compressed = kind(**descriptor.get_config(), nintervals=span.nintervals, stock=not fast)
    check_size(
        *(compressed.ntables, span, compressed.stride),
        dtype=compressed.variable_dtype,
        instead=f"{smaller}, or {DISTILL}",
    )
    compressed.build()
    keep_variables(descriptor, compressed)
    shape = (span.nintervals, 6, descriptor.neuron[-1])
    tables = np.stack(
        [
            np.zeros(shape) if net is None else table_of(net, row, span.nodes)
            for net, row in tracked(list(functions), "tables")
        ]
    )
    if compressed.stock:
        tables = tables.swapaxes(2, 3).reshape(compressed.table.shape)
    compressed.table.assign(filled_up(tables, compressed.table.shape))
    compressed.table_info.assign(span.info())
    compressed.factors.assign(filled_up(factors, compressed.factors.shape))
    log.info("tables %s", span)
    return compressed
