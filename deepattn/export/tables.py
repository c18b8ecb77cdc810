"""Tables of embedding nets: piecewise polynomials that equal a net, its slope and its curvature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from deepattn.errors import ConfigError
from deepattn.layers import EmbeddingNet

# Nodes at which a net is evaluated at once.
_NODES_AT_ONCE = 2048


@dataclass(frozen=True, kw_only=True)
class TableRange:
    """Where the nodes of a table lie.

    Attributes:
        lower: the first node.
        upper: where intervals of width ``step`` end.
        extrapolate: the last node is ``extrapolate * upper``; up to there intervals are ten times
            as wide.
        step: width of an interval.
    """

    lower: float
    upper: float
    extrapolate: float
    step: float

    def __post_init__(self) -> None:
        if self.extrapolate < 1:
            raise ConfigError(f"extrapolate is {self.extrapolate:g}; it must be at least 1")
        for name, count in (("up to", self._fine), ("beyond", self._coarse)):
            if abs(count - round(count)) > 1e-6 * max(count, 1):
                raise ConfigError(
                    f"a step of {self.step:g} does not divide the table's range {name} "
                    f"{self.upper:g}, which begins at {self.lower:g} and ends at {self.most:g}; "
                    "take 0.01, or another step that does"
                )

    @property
    def most(self) -> float:
        """The last node."""
        return self.extrapolate * self.upper

    @property
    def nodes(self) -> np.ndarray:
        """The left edges of all intervals and the last node."""
        fine = self.lower + self.step * np.arange(round(self._fine))
        coarse = self.upper + 10 * self.step * np.arange(round(self._coarse) + 1)
        return np.concatenate([fine, coarse])

    @property
    def nintervals(self) -> int:
        """Number of intervals."""
        return round(self._fine) + round(self._coarse)

    def info(self) -> np.ndarray:
        """The six numbers that tell an op where a number lies in the table; the last means none."""
        return np.array([self.lower, self.upper, self.most, self.step, 10 * self.step, -1.0])

    @property
    def _fine(self) -> float:
        return (self.upper - self.lower) / self.step

    @property
    def _coarse(self) -> float:
        return (self.most - self.upper) / (10 * self.step)


def table_of(net: EmbeddingNet, vector: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """Coefficients of the polynomials of one net.

    Args:
        net: the net.
        vector: what the net gets beside the number, ``[input width - 1]``.
        nodes: ascending, ``[n + 1]``.

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
        width: of the intervals, ``[n]``.
        value, slope, curvature: at the nodes, ``[n + 1, m]``.

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


def _activation(function, z: np.ndarray) -> list[np.ndarray]:
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
