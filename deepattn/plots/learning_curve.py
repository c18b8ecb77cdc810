"""Draw a ``lcurve.out``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deepattn.config import LOSSES
from deepattn.config.loss import TOTAL
from deepattn.errors import ConfigError, DataError
from deepattn.formats.learning_curve import read_learning_curve
from deepattn.plots.figure import COLORS, INK, look, plain, save_figure, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LINES = {"_trn": "training", "_val": "validation"}
# Of several runs or branches each has a color, and validation is dashed.
_DASHES = {"_trn": (None, None), "_val": (3, 1.5)}
# Rows from which a running mean is drawn, and how many there are of its windows.
_SMOOTHED_FROM = 40
_WINDOWS = 40


@look()
def plot_learning_curve(
    paths: str | os.PathLike | Sequence[str | os.PathLike], picture: str | os.PathLike
) -> Path:
    """Draw the errors of training and validation, and the learning rate, against the step.

    Long curves are drawn faint, with a running mean over them: each figure is of one batch, and
    they scatter. Several runs, and the branches of one, have a color each.

    Args:
        paths: ``lcurve.out``, or those of several runs.
        picture: File to write; its ending gives the format.

    Returns:
        The path of the picture.

    Raises:
        DataError: A file cannot be read, there is no error that can be drawn, or there are more
            curves than colors.
    """
    from matplotlib.figure import Figure

    paths = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    curves = [read_learning_curve(path) for path in paths]
    names = _distinct_parts(paths)
    series = [
        (curve, ending, " ".join(filter(None, (name, ending[1:]))))
        for curve, name in zip(curves, names, strict=True)
        for ending in _endings(curve)
    ]
    if len(series) > len(COLORS):
        raise DataError(f"{len(series)} curves: at most {len(COLORS)} can be drawn together.")
    labels_of = _axis_labels()
    shown = [
        name
        for name in labels_of
        if any(np.isfinite(curve.get(f"{name}_trn{end}", np.nan)).any() for curve, end, _ in series)
    ]
    if not shown:
        files = ", ".join(map(str, paths))
        raise DataError(f"{files}: has no column of energies, forces or virials to draw.")
    rated = any("lr" in curve for curve in curves)
    figure = Figure(figsize=(4.2 * (len(shown) + rated), 3.6), layout="constrained")
    panels = list(figure.subplots(1, len(shown) + rated, squeeze=False)[0])
    for axes, name in zip(panels, shown, strict=False):
        for number, (curve, ending, title) in enumerate(series):
            for suffix, kind in _LINES.items():
                if f"{name}{suffix}{ending}" in curve:
                    alone = len(series) == 1
                    color = COLORS[number if not alone else list(_LINES).index(suffix)]
                    style: dict[str, Any] = {} if alone else {"dashes": _DASHES[suffix]}
                    errors = curve[f"{name}{suffix}{ending}"]
                    label = plain(short(f"{title} {kind}".lstrip()))
                    _draw_errors(axes, curve["step"], errors, label, color=color, **style)
        axes.set(xlabel="step", ylabel=labels_of[name], yscale="log")
    if rated:
        first = 0  # of the series of a run
        for number, curve in enumerate(curves):
            count = len(_endings(curve))
            if "lr" in curve and (count or len(curves) == 1):
                color = INK if len(curves) == 1 else COLORS[first]
                style = {"linewidth": 1.2, "zorder": 3 - number / 10}
                panels[-1].plot(curve["step"], curve["lr"], color=color, **style)
            first += count
        panels[-1].set(xlabel="step", ylabel="learning rate", yscale="log")
    for axes in panels:
        axes.grid()
        _label_few_ticks(axes)
    handles, labels = panels[0].get_legend_handles_labels()
    # A run may lack the quantity of a panel.
    for axes in panels[1:]:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            if label not in labels:
                handles.append(handle)
                labels.append(label)
    figure.legend(handles, labels, loc="outside upper center", ncols=min(4, len(labels)))
    return save_figure(figure, picture)


def _axis_labels() -> dict[str, str]:
    """The metrics of all losses that have a panel, with the label of its axis."""
    kinds = []
    for name in LOSSES.names():
        try:
            kinds.append(LOSSES[name])
        except ConfigError:  # of a package that is broken
            continue
    return {metric.name: metric.axis for kind in kinds for metric in kind.metrics if metric.axis}


def _draw_errors(
    axes: Axes, step: np.ndarray, errors: np.ndarray, label: str, **style: Any
) -> None:
    known = np.isfinite(errors) & (errors > 0)
    step, errors = step[known], errors[known]
    if len(step) < _SMOOTHED_FROM:
        axes.plot(step, errors, label=label, linewidth=1.2, **style)
        return
    axes.plot(step, errors, color=style["color"], linewidth=0.6, alpha=0.3)
    axes.plot(step, _running_mean(errors), label=label, linewidth=1.5, **style)


def _running_mean(values: np.ndarray) -> np.ndarray:
    """Means over the rows around each row."""
    half = max(1, len(values) // _WINDOWS // 2)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    rows = np.arange(len(values))
    first, behind = np.maximum(rows - half, 0), np.minimum(rows + half + 1, len(values))
    return (sums[behind] - sums[first]) / (behind - first)


def _label_few_ticks(axes: Axes) -> None:
    """Numbers at an axis that is logarithmic, where matplotlib writes all or none."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    low, high = axes.get_ylim()
    if high / low > 100:
        return
    few = LogLocator(subs=(1, 2, 5)) if high / low > 5 else MaxNLocator(5)
    axes.yaxis.set_major_locator(few)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _distinct_parts(paths: Sequence[str | os.PathLike]) -> list[str]:
    """The parts in which several paths differ; empty for one path."""
    if len(paths) == 1:
        return [""]
    parts = [list(Path(path).parts) for path in paths]
    while all(parts) and len({part[-1] for part in parts}) == 1:
        for part in parts:
            part.pop()
    while all(len(part) > 1 for part in parts) and len({part[0] for part in parts}) == 1:
        for part in parts:
            part.pop(0)
    if not all(parts):
        return [os.fspath(path) for path in paths]
    return ["/".join(part) for part in parts]


def _endings(curve: Mapping[str, np.ndarray]) -> list[str]:
    """Suffix of ``rmse_trn`` in the names of the columns: empty, or ``_`` and a branch."""
    total = f"{TOTAL.name}_trn"
    return [name.removeprefix(total) for name in curve if name.startswith(total)]
