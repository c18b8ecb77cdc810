"""Parity plots from the files of ``deepattn test -d``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deepattn.errors import DataError
from deepattn.plots.figure import COLORS, INK, MARKERS, look, plain, save_figure, short, svg_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure

# Ending of a detail file: columns of labels in it, name of the quantity, unit, what is counted.
_PANELS = {
    "e_peratom": (1, "energy", "eV/atom", "frames"),
    "f": (3, "force", "eV/Å", "components"),
    "fr": (3, "force", "eV/Å", "components"),
    "fm": (3, "magnetic force", "eV/μB", "components"),
    "v_peratom": (9, "virial", "eV/atom", "components"),
}
# Sets in a picture, and points of a set from which their density is drawn.
_MOST_SETS = 4
_DENSE = 10_000
# Energies as far from zero as so many times their range are drawn less their mean.
_FAR = 5
_NO_HANDLES = {"handlelength": 0, "handletextpad": 0}


# By the name of each set, labels and predictions.
_Sets = Mapping[str, tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Fit:
    """Agreement of predictions with labels.

    Attributes:
        rmse: Root mean square error.
        mae: Mean absolute error.
        count: How many numbers were compared.
    """

    rmse: float
    mae: float
    count: int


def read_parity(prefix: str | os.PathLike, kind: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Read one detail file of ``deepattn test -d PREFIX``, or of ``dp test``.

    Args:
        prefix: Argument of ``-d``.
        kind: ``e_peratom`` (eV/atom), ``f`` (eV/Å) or ``v_peratom`` (eV/atom).

    Returns:
        Labels and predictions, both ``[number of components]``; None if the file is absent or
        the data lack the label, which DeePMD-kit writes as zeros.

    Raises:
        DataError: The file does not hold the columns of its kind.
    """
    width = _PANELS[kind][0]
    path = Path(prefix).with_suffix(f".{kind}.out")
    if not path.is_file():
        return None
    try:
        table = np.loadtxt(path, ndmin=2)
    except ValueError as error:
        raise DataError(f"{path}: not a table of numbers ({error}).") from error
    if table.shape[1] != 2 * width or not len(table):
        raise DataError(
            f"{path}: found {len(table)} lines of {table.shape[1]} numbers, expected "
            f"{2 * width} per line; write it with deepattn test -d."
        )
    label, prediction = table[:, :width].ravel(), table[:, width:].ravel()
    return (label, prediction) if label.any() else None


def plot_parity(prefixes: Sequence[str | os.PathLike], picture: str | os.PathLike) -> Path:
    """Draw energies, forces and virials against their labels, from detail files.

    Args:
        prefixes: Arguments of ``-d`` in one or more runs of ``deepattn test``; at most four.
        picture: File to write; its ending gives the format.

    Returns:
        The path of the picture.

    Raises:
        DataError: There are no detail files, one of them does not hold its columns, or there are
            too many prefixes to distinguish.
    """
    if not 1 <= len(prefixes) <= _MOST_SETS:
        raise DataError(f"{len(prefixes)} sets: a picture shows between 1 and {_MOST_SETS}.")
    names = [Path(prefix).name for prefix in prefixes]
    if len(set(names)) < len(names):
        names = [os.fspath(prefix) for prefix in prefixes]
    panels = {}
    for kind in _PANELS:
        sets = {
            name: read_parity(prefix, kind) for name, prefix in zip(names, prefixes, strict=True)
        }
        panels[kind] = {name: pair for name, pair in sets.items() if pair is not None}
    panels = {kind: sets for kind, sets in panels.items() if sets}
    if not panels:
        listed = ", ".join(str(prefix) for prefix in prefixes)
        raise DataError(f"{listed}: no detail files with labels; write them with deepattn test -d.")
    return draw_parity(panels, picture)


@look()
def draw_parity(
    panels: Mapping[str, _Sets],
    picture: str | os.PathLike,
    *,
    fits: Mapping[str, Fit] | None = None,
) -> Path:
    """Draw predictions against labels, and how the errors are distributed, one column per quantity.

    Args:
        panels: By the kinds of `read_parity`, by the name of each set, labels and predictions.
        picture: File to write; its ending gives the format.
        fits: By kind, where the sets are samples of something larger.

    Returns:
        The path of the picture.
    """
    return save_figure(_figure(panels, fits), picture)


@look()
def parity_svg(
    panels: Mapping[str, _Sets],
    *,
    fits: Mapping[str, Fit] | None = None,
) -> str:
    """The picture of `draw_parity` as an ``<svg>`` to put into a page."""
    text = svg_of(_figure(panels, fits))
    return text[text.index("<svg") :]


def _figure(panels: Mapping[str, _Sets], fits: Mapping[str, Fit] | None) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    figure = Figure(figsize=(4.0 * len(panels), 5.9), layout="constrained")
    rows = figure.subplots(2, len(panels), squeeze=False, height_ratios=[3.0, 1.3])
    ordered = [(kind, panels[kind]) for kind in _PANELS if kind in panels]
    names = list(dict.fromkeys(name for _, sets in ordered for name in sets))
    styles = {name: (COLORS[k], MARKERS[k]) for k, name in enumerate(names)}
    for above, below, (kind, sets) in zip(*rows, ordered, strict=True):
        _draw_panel(above, kind, sets, styles, None if fits is None else fits[kind])
        _draw_errors(below, kind, sets, styles)
    if len(names) == 1:
        figure.suptitle(plain(short(names[0], 60)), fontsize="large")
    else:
        shown = [
            Line2D([], [], color=color, marker=marker, linestyle="")
            for color, marker in styles.values()
        ]
        texts = [plain(short(name)) for name in names]
        figure.legend(shown, texts, loc="outside upper center", ncols=len(names))
    return figure


def _draw_panel(
    axes: Axes, kind: str, sets: _Sets, styles: Mapping[str, tuple[str, str]], known: Fit | None
) -> None:
    """One square panel."""
    _, quantity, unit, counted = _PANELS[kind]
    mean = _mean_to_subtract(kind, [label for label, _ in sets.values()])
    values = np.concatenate([np.concatenate(pair) for pair in sets.values()]) - mean
    margin = 0.04 * np.ptp(values) or 1.0
    limits = (values.min() - margin, values.max() + margin)
    axes.plot(limits, limits, color=INK, alpha=0.5, linewidth=0.8, zorder=1)
    handles, texts = [], []
    for name, (label, prediction) in sets.items():
        handles.append(_draw_points(axes, label - mean, prediction - mean, limits, *styles[name]))
        fit = _fit(label, prediction) if known is None else known
        lines = [_words(fit, unit), f"{fit.count:,} {counted}{_determination(label, prediction)}"]
        texts.append(lines[0] if len(styles) > 1 else "\n".join(lines))
    subtracted = f" − mean ({mean:.3f})".replace("-", "−") if mean else ""
    axes.set(
        xlim=limits,
        ylim=limits,
        aspect="equal",
        xlabel=f"{quantity}{subtracted}, label ({unit})",
        ylabel=f"{quantity}{subtracted}, predicted ({unit})",
    )
    axes.locator_params(nbins=4)
    axes.ticklabel_format(useOffset=False)
    axes.grid()
    # Where predictions are good, nothing is up there.
    spacing = {"handlelength": 0.8, "handletextpad": 0.4} if len(styles) > 1 else _NO_HANDLES
    legend = axes.legend(handles, texts, loc="upper left", fontsize="small", **spacing)
    for handle in filter(None, legend.legend_handles):
        handle.set(alpha=1, sizes=[22], visible=len(styles) > 1)


def _draw_points(
    axes: Axes,
    label: np.ndarray,
    prediction: np.ndarray,
    limits: tuple[float, float],
    color: str,
    marker: str,
) -> PathCollection:
    """Points, or their density where there are many; what a legend shows for them."""
    from matplotlib.colors import LinearSegmentedColormap, to_rgba

    dense = label.size > _DENSE
    some = slice(0) if dense else slice(None)
    points = axes.scatter(
        label[some],
        prediction[some],
        s=float(np.clip(6000 / label.size, 4, 22)),
        alpha=float(np.clip(30 / np.sqrt(label.size), 0.25, 0.8)),
        color=color,
        marker=marker,
        linewidths=0,
        rasterized=True,
        zorder=2,
    )
    if dense:
        faint = to_rgba(color, 0.25)
        dark = (*(0.35 * channel for channel in to_rgba(color)[:3]), 1.0)
        shades = LinearSegmentedColormap.from_list("density", [faint, to_rgba(color), dark])
        axes.hexbin(
            label,
            prediction,
            gridsize=90,
            extent=(*limits, *limits),
            bins="log",
            mincnt=1,
            cmap=shades,
            linewidths=0.1,
            rasterized=True,
            zorder=2,
        )
    return points


def _draw_errors(axes: Axes, kind: str, sets: _Sets, styles: Mapping[str, tuple[str, str]]) -> None:
    """Histogram of the errors; a logarithmic axis shows the few that are far off."""
    from matplotlib.ticker import NullFormatter

    _, quantity, unit, counted = _PANELS[kind]
    errors = {name: prediction - label for name, (label, prediction) in sets.items()}
    largest = max(float(np.abs(error).max()) for error in errors.values()) or 1.0
    scale, prefix = (1.0, "") if largest >= 1 else (1000.0, "m")
    count = int(np.clip(2 * np.sqrt(max(error.size for error in errors.values())), 10, 60))
    bins = np.linspace(-scale * largest, scale * largest, count + 1).tolist()
    for name, error in errors.items():
        axes.hist(scale * error, bins, color=styles[name][0], histtype="step", linewidth=1.3)
    axes.set(xlabel=f"error of the {quantity} ({prefix}{unit})", ylabel=counted, yscale="log")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(bottom=0.7)
    axes.grid()


def _mean_to_subtract(kind: str, labels: Sequence[np.ndarray]) -> float:
    """The mean of energies that are large numbers close to one another; else 0."""
    values = np.concatenate(labels)
    mean = float(values.mean())
    far = kind == "e_peratom" and abs(mean) > _FAR * np.ptp(values)
    # With the digits that are written at the axis.
    return round(mean, 3) if far else 0.0


def _fit(label: np.ndarray, prediction: np.ndarray) -> Fit:
    error = prediction - label
    return Fit(float(np.sqrt(np.mean(error**2))), float(np.abs(error).mean()), label.size)


def _words(fit: Fit, unit: str) -> str:
    """Errors with three digits, in meV where that reads better."""
    scale, prefix = (1.0, "") if fit.rmse >= 1 else (1000.0, "m")
    return f"RMSE {scale * fit.rmse:.3g}, MAE {scale * fit.mae:.3g} {prefix}{unit}"


def _determination(label: np.ndarray, prediction: np.ndarray) -> str:
    """R², where labels differ."""
    total = float(np.sum((label - label.mean()) ** 2))
    if not total:
        return ""
    value = 1 - float(np.sum((prediction - label) ** 2)) / total
    return f", R² {value:.4f}" if value > -10 else ""
