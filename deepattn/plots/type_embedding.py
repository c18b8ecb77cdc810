"""Plot of the type embedding of a model."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deepattn.errors import DataError
from deepattn.periodic_table import place, principal_components
from deepattn.plots.figure import look, save_figure

_PERIODS = range(1, 8)


@look()
def plot_type_embedding(vectors: Mapping[str, Sequence[float]], picture: str | os.PathLike) -> Path:
    """Draw principal components of type vectors, in the plane and in space.

    Points have the color of their element's period and its symbol; a line joins the elements of
    a period in their order. Types that are no elements are left out.

    Args:
        vectors: Vector of each type, at least three of them elements.
        picture: File to write; its ending gives the format.

    Returns:
        The path of the picture.

    Raises:
        DataError: There are fewer than three elements, or the ending is not one of a picture.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    places = {symbol: there for symbol in vectors if (there := place(symbol)) is not None}
    symbols = sorted(places, key=lambda symbol: places[symbol])
    if len(symbols) < 3:
        raise DataError(
            f"{len(symbols)} elements: a picture of the type embedding needs at least three."
        )
    rows = np.array([vectors[symbol] for symbol in symbols], float)
    rows = np.pad(rows, [(0, 0), (0, max(3 - rows.shape[1], 0))])
    points, shares = principal_components(rows, 3)
    colors = colormaps["viridis"](np.linspace(0.0, 0.92, len(_PERIODS)))

    figure = Figure(figsize=(12.0, 5.6), layout="constrained")
    for number, dimensions in ((1, 2), (2, 3)):
        space = {"projection": "3d"} if dimensions == 3 else {}
        axes: Any = figure.add_subplot(1, 2, number, **space)  # texts have two or three places
        for period, color in zip(_PERIODS, colors, strict=True):
            members = [k for k, symbol in enumerate(symbols) if places[symbol][0] == period]
            if not members:
                continue
            line = points[members, :dimensions].T
            axes.plot(*line, color=color, linewidth=0.7, alpha=0.6)
            axes.plot(*line, "o", color=color, markersize=5, label=f"period {period}")
            for k in members:
                axes.text(*points[k, :dimensions], f" {symbols[k]}", fontsize=8)
        for name, share in zip("xyz"[:dimensions], shares, strict=False):
            getattr(axes, f"set_{name}label")(f"component {'xyz'.index(name) + 1} ({share:.0%})")
        if dimensions == 2:
            axes.legend(fontsize=8)
            axes.grid()
    return save_figure(figure, picture)
