"""Draw what ``deepattn test -d`` wrote: predictions against labels."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from deepattn.errors import DataError
from deepattn.plots.figure import save_figure

# Ending of a detail file: columns of labels in it, name of the quantity, unit.
_PANELS = {
    "e_peratom": (1, "energy", "eV/atom"),
    "f": (3, "force", "eV/Å"),
    "v_peratom": (9, "virial", "eV/atom"),
}
# Told apart without colour vision, and by shape in grey.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
_MARKERS = ("o", "^", "s", "D")


def read_parity(prefix: str | os.PathLike, kind: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Read one detail file of ``deepattn test -d PREFIX``, or of ``dp test``.

    Args:
        prefix: what followed ``-d``.
        kind: ``e_peratom`` (eV/atom), ``f`` (eV/Å) or ``v_peratom`` (eV/atom).

    Returns:
        Labels and predictions, both ``[number of components]``; None if the file is absent or
        the data had no such label, which DeePMD writes as zeros.

    Raises:
        DataError: the file does not hold the columns of its kind.
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
            f"{path}: found {len(table)} lines of {table.shape[1]} numbers, expected lines of "
            f"{2 * width}; make it with deepattn test -d."
        )
    label, prediction = table[:, :width].ravel(), table[:, width:].ravel()
    return (label, prediction) if label.any() else None


def plot_parity(prefixes: Sequence[str | os.PathLike], picture: str | os.PathLike) -> Path:
    """Draw energies, forces and virials against their labels, from detail files.

    The title of a panel gives the root mean square error of each set. Markers grow smaller and
    fainter with their number, so that dense regions show.

    Args:
        prefixes: what followed ``-d`` in one or more runs of ``deepattn test``; at most four.
        picture: file to write; its ending gives the format.

    Returns:
        The path of the picture.

    Raises:
        DataError: there are no detail files, one of them does not hold its columns, or there are
            more prefixes than can be told apart.
    """
    if not 1 <= len(prefixes) <= len(_COLOURS):
        raise DataError(f"{len(prefixes)} sets: between 1 and {len(_COLOURS)} fit into a picture.")
    panels = {}
    for kind in _PANELS:
        sets = {Path(prefix).name: read_parity(prefix, kind) for prefix in prefixes}
        panels[kind] = {name: pair for name, pair in sets.items() if pair is not None}
    panels = {kind: sets for kind, sets in panels.items() if sets}
    if not panels:
        names = ", ".join(str(prefix) for prefix in prefixes)
        raise DataError(f"{names}: no detail files with labels; make them with deepattn test -d.")
    return draw_parity(panels, picture)


def draw_parity(
    panels: Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray]]],
    picture: str | os.PathLike,
    *,
    errors: Mapping[str, float] | None = None,
) -> Path:
    """Draw predictions against labels, and how the errors are distributed, one column a quantity.

    Args:
        panels: by the kinds of `read_parity`, by the name of each set, labels and predictions.
        picture: file to write; its ending gives the format.
        errors: root mean square errors by kind, where the sets are samples of something larger.

    Returns:
        The path of the picture.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.7 * len(panels), 6.4), layout="constrained")
    rows = figure.subplots(2, len(panels), squeeze=False, height_ratios=[3.4, 1.6])
    ordered = [(kind, panels[kind]) for kind in _PANELS if kind in panels]
    for above, below, (kind, sets) in zip(*rows, ordered, strict=True):
        _draw_panel(above, kind, sets, None if errors is None else errors[kind])
        _draw_errors(below, kind, sets)
    return save_figure(figure, picture)


def _draw_panel(
    axes, kind: str, sets: Mapping[str, tuple[np.ndarray, np.ndarray]], known: float | None
) -> None:
    """One square panel; ``axes`` is a matplotlib Axes."""
    _, quantity, unit = _PANELS[kind]
    values = np.concatenate([np.concatenate(pair) for pair in sets.values()])
    margin = 0.04 * np.ptp(values) or 1.0
    limits = (values.min() - margin, values.max() + margin)
    axes.plot(limits, limits, color="0.45", linewidth=0.8, zorder=1)
    errors = []
    for (name, (label, prediction)), colour, marker in zip(
        sets.items(), _COLOURS, _MARKERS, strict=False
    ):
        error = np.sqrt(np.mean((prediction - label) ** 2)) if known is None else known
        errors.append(f"{name}: RMSE {_with_unit(error, unit)}")
        axes.scatter(
            label,
            prediction,
            s=float(np.clip(6000 / label.size, 3, 22)),
            alpha=float(np.clip(120 / np.sqrt(label.size) / 4, 0.2, 0.8)),
            color=colour,
            marker=marker,
            linewidths=0,
            rasterized=True,
            label=name,
            zorder=2,
        )
    axes.set(
        xlim=limits,
        ylim=limits,
        aspect="equal",
        xlabel=f"{quantity}, label ({unit})",
        ylabel=f"{quantity}, predicted ({unit})",
    )
    # Total energies are large numbers close to one another: few ticks, written out.
    axes.locator_params(nbins=5)
    axes.ticklabel_format(useOffset=False)
    axes.set_title("\n".join(errors), fontsize="medium")
    axes.grid(alpha=0.3)
    if len(sets) > 1:
        legend = axes.legend(frameon=False, loc="upper left", markerscale=1.5)
        for handle in legend.legend_handles:
            handle.set_alpha(1)


def _draw_errors(axes, kind: str, sets: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Histogram of the errors; a logarithmic axis shows the few that are far off."""
    _, quantity, unit = _PANELS[kind]
    errors = [prediction - label for label, prediction in sets.values()]
    largest = max(float(np.abs(error).max()) for error in errors) or 1.0
    scale, prefix = (1.0, "") if largest >= 1 else (1000.0, "m")
    count = int(np.clip(2 * np.sqrt(max(error.size for error in errors)), 10, 60))
    bins = np.linspace(-scale * largest, scale * largest, count + 1)
    for error, colour in zip(errors, _COLOURS, strict=False):
        axes.hist(scale * error, bins, color=colour, histtype="step", linewidth=1.3)
    axes.set(xlabel=f"error of the {quantity} ({prefix}{unit})", ylabel="number", yscale="log")
    axes.set_ylim(bottom=0.7)
    axes.grid(alpha=0.3)


def _with_unit(error: float, unit: str) -> str:
    """Three digits, in meV where that reads better."""
    return f"{error:.3g} {unit}" if error >= 1 else f"{1000 * error:.3g} m{unit}"
