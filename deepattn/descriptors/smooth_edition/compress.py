"""Making of the tables that replace embedding nets."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from deepattn.descriptors.smooth_edition.compressed import Tabulated
from deepattn.descriptors.smooth_edition.compressible import DISTILL
from deepattn.descriptors.smooth_edition.layer import SmoothEdition
from deepattn.errors import ConfigError
from deepattn.layers.embedding_net import EmbeddingNet
from deepattn.layers.tables import TableRange, table_of, table_range
from deepattn.ops.reference import quintic_switch
from deepattn.progress import tracked

log = logging.getLogger(__name__)

# A graph is one message, which can have 2 GiB.
_MOST_BYTES = 1 << 30

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
    span = _range(descriptor, min_nbor_dist=min_nbor_dist, step=step, extrapolate=extrapolate)
    compressed = kind(**descriptor.get_config(), nintervals=span.nintervals, stock=not fast)
    _check_size(compressed, span, smaller)
    compressed.build()
    own = compressed.named_variables()
    for name, variable in descriptor.named_variables().items():
        if name in own:
            own[name].assign(variable)
    shape = (span.nintervals, 6, descriptor.neuron[-1])
    tables = np.stack(
        [
            np.zeros(shape) if net is None else table_of(net, row, span.nodes)
            for net, row in tracked(list(functions), "tables")
        ]
    )
    if compressed.stock:
        tables = tables.swapaxes(2, 3).reshape(compressed.table.shape)
    compressed.table.assign(_filled_up(tables, compressed.table.shape))
    compressed.table_info.assign(span.info())
    compressed.factors.assign(_filled_up(factors, compressed.factors.shape))
    log.info(
        "tables from %g to %g in steps of %g, to %g in steps of %g: %d intervals",
        *span.info()[[0, 1, 3, 2, 4]],
        span.nintervals,
    )
    return compressed


def _range(
    descriptor: SmoothEdition, *, min_nbor_dist: float, step: float, extrapolate: float
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


def _check_size(compressed: Tabulated, span: TableRange, smaller: str) -> None:
    size = compressed.ntables * span.nintervals * 6 * compressed.stride
    size *= np.dtype(compressed.variable_dtype).itemsize
    if size <= _MOST_BYTES:
        return
    raise ConfigError(
        f"the tables ({compressed.ntables} of {span.nintervals} intervals) would need "
        f"{size / 2**30:.1f} GiB, but a file can hold only {_MOST_BYTES / 2**30:.0f}; "
        f"use a larger step{smaller}, or {DISTILL}"
    )


def _filled_up(array: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """The array with zeros behind its rows."""
    return np.pad(array, [(0, size - had) for had, size in zip(array.shape, shape, strict=True)])
