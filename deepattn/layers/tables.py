"""Tables of embedding nets: piecewise polynomials that equal a net, its slope and its curvature."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from deepattn.errors import ConfigError
from deepattn.layers.descriptor import Descriptor
from deepattn.layers.embedding_net import EmbeddingNet
from deepattn.ops.reference import quintic_switch

# A file is one message, which can have 2 GiB.
_MOST_BYTES = 1 << 30
# Nodes at which a net is evaluated at once.
_NODES_AT_ONCE = 2048


@dataclass(frozen=True)
class TableRange:
    """Where the nodes of a table lie; all numbers are as the ops use them.

    Attributes:
        lower: The first node.
        upper: Where the narrow intervals end.
        most: The last node.
        fine: Width of an interval up to ``upper``.
        coarse: Width of an interval from there on.
        nfine: Number of intervals up to ``upper``.
        ncoarse: Number of intervals from there on.
    """

    lower: float
    upper: float
    most: float
    fine: float
    coarse: float
    nfine: int
    ncoarse: int

    @property
    def nintervals(self) -> int:
        """Number of intervals."""
        return self.nfine + self.ncoarse

    @property
    def nodes(self) -> np.ndarray:
        """The left edges of all intervals and the last node."""
        fine = self.lower + self.fine * np.arange(self.nfine)
        coarse = self.upper + self.coarse * np.arange(self.ncoarse + 1)
        return np.concatenate([fine, coarse])

    def __str__(self) -> str:
        return (
            f"from {self.lower:g} to {self.upper:g} in steps of {self.fine:g}, to {self.most:g} in "
            f"steps of {self.coarse:g}: {self.nintervals} intervals"
        )

    def info(self) -> np.ndarray:
        """The six numbers by which an op locates a value in the table; the last is unused."""
        return np.array([self.lower, self.upper, self.most, self.fine, self.coarse, -1.0])


def table_range(
    lower: float, upper: float, *, step: float, extrapolate: float, dtype: str
) -> TableRange:
    """Intervals of a width of ``step`` from ``lower`` to ``upper``, ten times as wide behind.

    Ends are moved outwards to whole intervals. The ops find an interval by a quotient that they
    round down, so widths and ends are moved by single bits until that gives the right number.

    Args:
        lower, upper: Ends of the narrow intervals, ``upper`` positive.
        step: Their width.
        extrapolate: How many times ``upper`` the last node is, 1 at least.
        dtype: Precision of the ops.

    Raises:
        ConfigError: ``extrapolate`` is too small.
    """
    if extrapolate < 1:
        raise ConfigError(f"extrapolate is {extrapolate:g}; it must be at least 1")
    real = np.dtype(dtype).type
    nfine = _whole((upper - lower) / step)
    ncoarse = _whole((extrapolate - 1) * upper / (10 * step))
    low, up = real(lower), real(lower + nfine * step)
    fine, coarse = real(step), real(10 * step)
    while int((up - low) / fine) < nfine:
        fine = np.nextafter(fine, real(0))
    while int((up - low) / fine) > nfine:
        fine = np.nextafter(fine, real(np.inf))
    most = real(up + real(ncoarse) * coarse)
    while ncoarse and int((np.nextafter(most, real(0)) - up) / coarse) >= ncoarse:
        most = np.nextafter(most, real(0))
    return TableRange(
        lower=float(low),
        upper=float(up),
        most=float(most),
        fine=float(fine),
        coarse=float(coarse),
        nfine=nfine,
        ncoarse=ncoarse,
    )


def range_of_distances(
    average: np.ndarray,
    deviation: np.ndarray,
    *,
    rcut: float,
    rcut_smth: float,
    min_nbor_dist: float,
    step: float,
    extrapolate: float,
    dtype: str,
    protection: float = 0.0,
) -> TableRange:
    """Range of the normalized inverse distance, from the cutoff to the shortest distance.

    Args:
        average, deviation: Of the inverse distance, for each type of center, ``[ntypes]``.
        rcut: Cutoff radius, Å.
        rcut_smth: Where switching to zero begins, Å.
        min_nbor_dist: Shortest distance that is expected, Å.
        step, extrapolate, dtype: See `table_range`.
        protection: Added to distances that divide, Å.

    Raises:
        ConfigError: A distance that is none; ``extrapolate`` is too small.
    """
    if not 0 < min_nbor_dist < rcut:
        raise ConfigError(
            f"min_nbor_dist is {min_nbor_dist:g} Å; it must be between 0 and the cutoff "
            f"radius ({rcut:g} Å): give the shortest distance in the training data"
        )
    u = min(max((min_nbor_dist - rcut_smth) / (rcut - rcut_smth), 0.0), 1.0)
    largest = quintic_switch(u)[0] / (min_nbor_dist + protection)
    return table_range(
        math.floor(np.min(-average / deviation)),
        # The range behind it is a multiple of it, and must not be empty.
        max(math.ceil(np.max((largest - average) / deviation)), 1),
        step=step,
        extrapolate=extrapolate,
        dtype=dtype,
    )


def check_size(ntables: int, span: TableRange, stride: int, *, dtype: str, instead: str) -> None:
    """Refuse tables that would not fit a file.

    Args:
        ntables: Number of tables.
        span: Their range.
        stride: Length of a row.
        dtype: Type of the numbers.
        instead: What helps, after "use a larger step".

    Raises:
        ConfigError: They would not.
    """
    size = ntables * span.nintervals * 6 * stride * np.dtype(dtype).itemsize
    if size > _MOST_BYTES:
        raise ConfigError(
            f"the tables ({ntables} of {span.nintervals} intervals) would need "
            f"{size / 2**30:.1f} GiB, but a file can hold only {_MOST_BYTES / 2**30:.0f}; "
            f"use a larger step{instead}"
        )


def keep_variables(descriptor: Descriptor, compressed: Descriptor) -> None:
    """Give a compressed descriptor the weights and statistics that it has still."""
    own = compressed.named_variables()
    for name, variable in descriptor.named_variables().items():
        if name in own:
            own[name].assign(variable)


def filled_up(array: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """The array with zeros behind its rows."""
    return np.pad(array, [(0, size - had) for had, size in zip(array.shape, shape, strict=True)])


def _whole(count: float) -> int:
    """The next whole number, of one that may be a rounded whole number."""
    return math.ceil(count * (1 - 1e-9))


def table_of(net: EmbeddingNet, vector: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """Coefficients of the polynomials of one net.

    Args:
        net: The net.
        vector: Inputs of the net besides the number, ``[input width - 1]``.
        nodes: Ascending, ``[n + 1]``.

    Returns:
        float64 ``[n, 6, width]``, from degree 0 up, of the distance from an interval's left node.
    """
    pieces = range(0, len(nodes), _NODES_AT_ONCE)
    parts = [derivatives(net, vector, nodes[k : k + _NODES_AT_ONCE]) for k in pieces]
    return quintics(np.diff(nodes), *(np.concatenate(part) for part in zip(*parts, strict=True)))


def derivatives(net: EmbeddingNet, vector: np.ndarray, x: np.ndarray) -> list[np.ndarray]:
    """Value, slope and curvature of a net by its first input, float64 ``[n, width]`` each.

    The weights are taken as they are, and everything is computed in float64.
    """
    row = np.column_stack([x, np.tile(vector, (len(x), 1))])
    slope, curvature = np.zeros_like(row), np.zeros_like(row)
    slope[:, 0] = 1.0
    for layer in net.hidden:
        matrix = layer.matrix.numpy().astype(np.float64)
        bias = 0.0 if layer.bias is None else layer.bias.numpy().astype(np.float64)
        step = 1.0 if layer.idt is None else layer.idt.numpy().astype(np.float64)
        value, first, second = _activation(layer.function, row @ matrix + bias)
        inner, outer = slope @ matrix, curvature @ matrix
        results = (value, first * inner, second * inner**2 + first * outer)
        row, slope, curvature = (
            result * step + (np.tile(bypass, layer.copies) if layer.copies else 0.0)
            for result, bypass in zip(results, (row, slope, curvature), strict=True)
        )
    return [row, slope, curvature]


def quintics(
    width: np.ndarray, value: np.ndarray, slope: np.ndarray, curvature: np.ndarray
) -> np.ndarray:
    """Polynomials of degree five with given values and first and second derivatives at both ends.

    Args:
        width: Of the intervals, ``[n]``.
        value, slope, curvature: At the nodes, ``[n + 1, m]``.

    Returns:
        ``[n, 6, m]``, coefficients from degree 0 up.
    """
    h = width[:, np.newaxis]
    # In units of the interval, where all that is missing are the differences at its right end.
    f, d, c = value[:-1], slope[:-1] * h, curvature[:-1] * h**2 / 2
    rest = value[1:] - (f + d + c)
    rest_slope = slope[1:] * h - (d + 2 * c)
    rest_curvature = curvature[1:] * h**2 - 2 * c
    cubic = 10 * rest - 4 * rest_slope + rest_curvature / 2
    quartic = -15 * rest + 7 * rest_slope - rest_curvature
    quintic = 6 * rest - 3 * rest_slope + rest_curvature / 2
    scaled = (f, d, c, cubic, quartic, quintic)
    return np.stack([part / h**degree for degree, part in enumerate(scaled)], axis=1)


def _activation(function: Callable[[tf.Tensor], tf.Tensor], z: np.ndarray) -> list[np.ndarray]:
    """An activation and its first and second derivative."""
    z = tf.constant(z)
    with tf.GradientTape() as outer:
        outer.watch(z)
        with tf.GradientTape() as inner:
            inner.watch(z)
            value = function(z)
        first = inner.gradient(value, z)
    second = outer.gradient(first, z, unconnected_gradients="zero")
    return [value.numpy(), first.numpy(), second.numpy()]
