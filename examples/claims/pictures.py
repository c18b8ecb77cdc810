"""The figures of the claims, drawn from the results of the runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from spread import UNITS, over_seeds

from deepattn.plots.figure import save_figure

# Distinguishable without color vision, and by shape in gray.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
_MARKERS = ("o", "^", "s", "D")


def plot_transfer(rows: Sequence[dict], picture: Path) -> Path:
    """Draw the errors of several models for seen and unseen pairs.

    Args:
        rows: Results with ``model``, ``seed`` and ``errors``.
        picture: File to write.

    Returns:
        The path of the picture.
    """
    from matplotlib.figure import Figure

    tests = list(rows[0]["errors"])
    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    for axes, (quantity, (unit, _)) in zip(figure.subplots(1, 2), UNITS.items(), strict=True):
        errors = [over_seeds(rows, ["model"], test, quantity) for test in tests]
        names = [values[0] for values in errors[0]]
        for k, (values, color, marker) in enumerate(
            zip(errors[0], _COLORS, _MARKERS, strict=False)
        ):
            means = [test[values].mean() for test in errors]
            axes.plot(range(len(tests)), means, color=color, linewidth=1.2, zorder=2)
            for place, test in enumerate(errors):
                shift = 0.03 * (k - (len(names) - 1) / 2)
                axes.scatter(
                    np.full(len(test[values]), place + shift),
                    test[values],
                    color=color,
                    marker=marker,
                    s=26,
                    alpha=0.75,
                    linewidths=0,
                    label=values[0] if place == 0 else None,
                    zorder=3,
                )
        axes.set(
            xticks=range(len(tests)),
            xticklabels=tests,
            xlim=(-0.35, len(tests) - 0.65),
            ylabel=f"RMSE of the {quantity} ({unit})",
            yscale="log",
        )
        _write_out(axes)
    _add_legend(figure, axes, ncols=len(names))
    return save_figure(figure, picture)


def plot_sample_efficiency(
    rows: Sequence[dict], lines: Mapping[str, Mapping[str, float]], picture: Path
) -> Path:
    """Draw errors against the number of frames trained on, one column per data set.

    Points are single seeds, lines go through their means.

    Args:
        rows: Results with ``set``, ``way``, ``frames``, ``seed`` and ``errors``.
        lines: By data set, force errors (eV/Å) of what is not trained, by its name.
        picture: File to write.

    Returns:
        The path of the picture.
    """
    from matplotlib.figure import Figure

    sets = list(dict.fromkeys(row["set"] for row in rows))
    figure = Figure(figsize=(3.6 * len(sets), 5.8), layout="constrained")
    panels = figure.subplots(2, len(sets), squeeze=False, sharex="col")
    for column, name in enumerate(sets):
        chosen = [row for row in rows if row["set"] == name]
        for axes, quantity in zip(panels[:, column], ("force", "energy"), strict=True):
            unit, factor = UNITS[quantity]
            _draw_ways(axes, over_seeds(chosen, ["way", "frames"], "valid", quantity))
            if quantity == "force":
                axes.set_title(name)
                for (label, value), style in zip(lines[name].items(), (":", "--"), strict=False):
                    axes.axhline(
                        factor * value, color="0.4", linestyle=style, linewidth=1, label=label
                    )
            axes.set(ylabel=f"RMSE of the {quantity} ({unit})", xscale="log", yscale="log")
            _write_out(axes)
        axes.set(xlabel="frames trained on")
        counts = sorted({row["frames"] for row in chosen})
        axes.set_xticks(counts, [str(count) for count in counts])
        axes.minorticks_off()
    _add_legend(figure, panels[0, 0], ncols=2 * len(sets))
    return save_figure(figure, picture)


def plot_multi_task(whole: Sequence[dict], half: Sequence[dict], picture: Path) -> Path:
    """Draw errors against the number of frames trained on, by the start of the training.

    Args:
        whole: Results of the whole trainings, with ``way``, ``frames``, ``seed`` and ``errors``;
            points are single seeds, lines go through their means.
        half: Those with half of the steps, whose means are dashed.
        picture: File to write.

    Returns:
        The path of the picture.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.8), layout="constrained")
    for axes, quantity in zip(figure.subplots(1, 2), ("force", "energy"), strict=True):
        _draw_ways(axes, over_seeds(whole, ["way", "frames"], "valid", quantity))
        shorter = over_seeds(half, ["way", "frames"], "valid", quantity)
        for way, color in zip(dict.fromkeys(way for way, _ in shorter), _COLORS, strict=False):
            curve = sorted((count, e.mean()) for (name, count), e in shorter.items() if name == way)
            axes.plot(*zip(*curve, strict=True), color=color, linestyle="--", linewidth=0.9)
        counts = sorted({row["frames"] for row in whole})
        unit = UNITS[quantity][0]
        axes.set(xlabel="frames trained on", ylabel=f"RMSE of the {quantity} ({unit})")
        axes.set(xscale="log", yscale="log")
        _write_out(axes)
        axes.set_xticks(counts, [str(count) for count in counts])
        axes.minorticks_off()
    axes.plot([], [], color="0.4", linestyle="--", linewidth=0.9, label="half of the steps")
    _add_legend(figure, axes, ncols=4)
    return save_figure(figure, picture)


def _draw_ways(axes, errors: Mapping[tuple[str, int], np.ndarray]) -> None:
    """Curves of the methods; ``axes`` is a matplotlib Axes."""
    ways = dict.fromkeys(way for way, _ in errors)
    for way, color, marker in zip(ways, _COLORS, _MARKERS, strict=False):
        curve = sorted((count, values) for (name, count), values in errors.items() if name == way)
        counts = [count for count, _ in curve]
        axes.plot(
            counts,
            [values.mean() for _, values in curve],
            color=color,
            marker=marker,
            markersize=6,
            linewidth=1.4,
            label=way,
        )
        for count, values in curve:
            axes.scatter(
                np.full(len(values), count), values, color=color, marker=marker, s=9, alpha=0.6
            )


def _add_legend(figure, axes, ncols: int) -> None:
    """A common legend above all panels."""
    names = axes.get_legend_handles_labels()
    figure.legend(*names, frameon=False, loc="outside upper center", ncols=ncols)


def _write_out(axes) -> None:
    """Errors as plain numbers: 20, 50, 100 instead of powers of ten."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="y", which="minor", length=0)
    axes.grid(alpha=0.3)
