"""Draw the learning curves and the parity of all recorded models."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from command import ROOT, one_sentence
from limits import CURVES, MISSED, read_points
from physics_tables import title
from record import ERRORS, RESULTS, Record, read_pairs, read_records, read_runs, read_students
from sets import SETS, DataSet

from deepattn.plots.figure import COLORS, INK, look, save_figure
from deepattn.plots.parity import Fit
from deepattn.plots.parity import draw_parity as draw_panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Data set of the picture in the README.
FIRST = "llzo"
# Its panels: kind, quantity, components for each frame or atom.
_KINDS = (("e_peratom", "energy", "frames", 1), ("f", "force", "atoms", 3))
_COLUMNS = 4
_PANEL = 2.05
# Rows on each side in a running mean.
_HALF = 3


@look()
def draw_curves(records: Sequence[Record], picture: Path) -> Path:
    """Force errors of validation batches against the step, one panel per data set.

    Args:
        records: Those of deepattn; every seed has a line.
        picture: File to write.

    Returns:
        The path of the picture.
    """
    figure, panels = _panels(records)
    for axes, (data_set, own) in panels:
        for record, color in zip(own, COLORS, strict=False):
            # Without the first row, which is that of random weights.
            steps = np.array(record.curve["step"][1:]) / 1000
            force = np.array(record.curve["force"][1:])
            axes.plot(steps, force, color=color, linewidth=0.7, alpha=0.35)
            axes.plot(steps, _running(force), color=color, linewidth=1.4)
            final = record.errors["force"]["rmse"]
            axes.plot(steps[-1], final, "o", color=color, markersize=4)
        if "force" in data_set.goals:
            axes.axhline(data_set.goals["force"], color=INK, linestyle="--", linewidth=0.8)
        axes.set(yscale="log", xlim=(0, None), title=data_set.title.partition(",")[0])
        axes.title.set_fontsize("medium")
        _plain_numbers(axes)
        axes.grid(which="both")
    figure.supxlabel("thousand steps", fontsize="medium")
    figure.supylabel("force RMSE, validation (meV/Å)", fontsize="medium")
    return save_figure(figure, picture)


@look()
def draw_parity(records: Sequence[Record], folder: Path, picture: Path) -> Path:
    """Predicted forces against their labels, one panel per data set.

    Args:
        records: Those of deepattn; the first seed of a set is drawn.
        folder: Where the labels and predictions are.
        picture: File to write.

    Returns:
        The path of the picture.
    """
    figure, panels = _panels(records)
    for axes, (data_set, own) in panels:
        label, prediction = read_pairs(folder / f"{data_set.name}-{own[0].seed}.npz")["f"]
        # The few largest forces would shrink all others to a point.
        most = float(np.quantile(np.abs(label), 0.999)) * 1.1
        axes.plot((-most, most), (-most, most), color=INK, alpha=0.5, linewidth=0.8)
        axes.scatter(
            label, prediction, s=4, alpha=0.35, color=COLORS[0], linewidths=0, rasterized=True
        )
        error = own[0].errors["force"]["rmse"]
        axes.text(
            0.05, 0.95, f"RMSE {error:.0f} meV/Å", transform=axes.transAxes, va="top", size="small"
        )
        title = data_set.title.partition(",")[0]
        axes.set(xlim=(-most, most), ylim=(-most, most), aspect="equal", title=title)
        axes.title.set_fontsize("medium")
        axes.locator_params(nbins=4)
        axes.grid()
    figure.supxlabel("force component, label (eV/Å)", fontsize="medium")
    figure.supylabel("predicted (eV/Å)", fontsize="medium")
    return save_figure(figure, picture)


def draw_first(records: Sequence[Record], folder: Path, picture: Path) -> Path:
    """Energies and forces of `FIRST`: the picture of the README.

    Args:
        records: Those of deepattn.
        folder: Where the labels and predictions are.
        picture: File to write.

    Returns:
        The path of the picture.
    """
    (record,) = (record for record in records if (record.set, record.seed) == (FIRST, 1))
    pairs, data = read_pairs(folder / f"{FIRST}-1.npz"), record.data["validation"]
    panels = {kind: {"": pairs[kind]} for kind, *_ in _KINDS}
    fits = {
        kind: Fit(
            record.errors[name]["rmse"] / 1000,
            record.errors[name]["mae"] / 1000,
            number * data[counted],
        )
        for kind, name, counted, number in _KINDS
    }
    return draw_panels(panels, picture, fits=fits)


@look()
def draw_liquid(
    r: Sequence[float], labels: Mapping, models: Mapping[str, Mapping], picture: Path
) -> Path:
    """Radial distribution functions of water, by the frames of the data and by models.

    Args:
        r: Distances, Å.
        labels: Functions of the data by pair.
        models: Functions by pair of each model, by what it is called.
        picture: File to write.

    Returns:
        The path of the picture.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_PANEL * 3.2, _PANEL * 1.3), layout="constrained")
    panels = figure.subplots(1, 3)
    for axes, pair in zip(panels, labels, strict=True):
        axes.plot(r, labels[pair], "o", color=INK, markersize=2.2, label="first principles")
        for (name, curves), color in zip(models.items(), COLORS, strict=False):
            axes.plot(r, curves[pair], color=color, linewidth=1.3, label=name)
        # The bonds within a molecule, far above, are cut off.
        axes.set(title=pair, xlim=(0.7, 6.0), ylim=(0, 3.6))
        axes.grid()
    lines = panels[0].get_lines()
    figure.legend(handles=lines, fontsize="small", loc="outside upper center", ncols=len(lines))
    figure.supxlabel("distance (Å)", fontsize="medium")
    figure.supylabel("radial distribution", fontsize="medium")
    return save_figure(figure, picture)


@look()
def draw_strained(found: dict, picture: Path) -> Path:
    """Energy of tungsten against strain, by its labels and by teacher and student.

    Args:
        found: Of `read_students`.
        picture: File to write.

    Returns:
        The path of the picture.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_PANEL * 3.2, _PANEL * 1.4), layout="constrained")
    panels = figure.subplots(1, 2)
    for axes, (mode, strains) in zip(panels, found["strains"].items(), strict=True):
        percent = 100 * np.array(strains)
        axes.plot(
            percent, found["labels"][mode], "o", color=INK, markersize=3, label="first principles"
        )
        for (name, model), color in zip(found["models"].items(), COLORS, strict=False):
            # The student is on its teacher.
            style = "--" if name == "student" else "-"
            label = title("tungsten", name)
            axes.plot(
                percent, model["curves"][mode], style, color=color, linewidth=1.3, label=label
            )
        top = 1.15 * max(found["labels"][mode])
        axes.set(xlabel=f"{mode} strain (%)", ylim=(-0.05 * top, top))
        axes.grid()
    panels[0].set_ylabel("energy (meV/atom)")
    panels[0].legend(fontsize="small")
    return save_figure(figure, picture)


@look()
def draw_limits(points: Sequence[dict], picture: Path) -> Path:
    """Errors against the number of frames, the width of the nets and the number of steps.

    Args:
        points: Of `limits.read_points`; the errors are those of the goal that a set misses.
        picture: File to write.

    Returns:
        The path of the picture.
    """
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(point["set"] for point in points))
    figure = Figure(figsize=(_PANEL * 1.25 * len(names), _PANEL * 1.3), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        quantity = MISSED[name]
        for axis, color in zip(CURVES, COLORS, strict=False):
            curve = [point for point in points if (point["set"], point["axis"]) == (name, axis)]
            factors = [point["factor"] for point in curve]
            for part, style in (("validation", "o-"), ("training", "o--")):
                errors = [point["errors"][part][quantity]["rmse"] for point in curve]
                label = axis if part == "validation" else None
                axes.plot(
                    factors, errors, style, color=color, markersize=3, linewidth=1.1, label=label
                )
        axes.axhline(SETS[name].goals[quantity], color=INK, linestyle=":", linewidth=0.8)
        axes.set(xscale="log", yscale="log", title=SETS[name].title.partition(",")[0])
        axes.set_ylabel(f"{quantity} RMSE ({ERRORS[quantity][1]})")
        axes.set_xticks([0.25, 0.5, 1, 2], ["¼", "½", "1", "2"])
        axes.set_xticks([], minor=True)
        axes.title.set_fontsize("medium")
        _plain_numbers(axes)
        axes.grid()
    figure.axes[0].legend(fontsize="small")
    figure.supxlabel("multiple of frames, width or steps", fontsize="medium")
    return save_figure(figure, picture)


def _panels(
    records: Sequence[Record],
) -> tuple["Figure", list[tuple["Axes", tuple[DataSet, list[Record]]]]]:
    """A figure with a panel for each data set that has records."""
    from matplotlib.figure import Figure

    groups = [
        (data_set, own)
        for data_set in SETS.values()
        if (own := [record for record in records if record.set == data_set.name])
    ]
    rows = -(-len(groups) // _COLUMNS)
    size = (_PANEL * min(len(groups), _COLUMNS), _PANEL * rows + 0.3)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, min(len(groups), _COLUMNS), squeeze=False).ravel()
    for empty in grid[len(groups) :]:
        empty.set_axis_off()
    return figure, list(zip(grid, groups, strict=False))


def _running(errors: np.ndarray) -> np.ndarray:
    """Root mean square over a window, narrower at the ends, since each batch is a few systems."""
    squares = errors**2
    places = range(len(errors))
    return np.sqrt([squares[max(k - _HALF, 0) : k + _HALF + 1].mean() for k in places])


def _plain_numbers(axes: "Axes") -> None:
    """Errors as 50, 100, 200 instead of powers of ten."""
    from matplotlib.ticker import LogLocator, NullFormatter, NullLocator, StrMethodFormatter

    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "-o", "--output", type=Path, default=ROOT / "docs/images", help="folder (%(default)s)"
    )
    options = parser.parse_args(arguments)
    with one_sentence():
        records = [record for record in read_records(RESULTS) if record.is_result]
        print(draw_curves(records, options.output / "results-curves.png"))
        print(draw_parity(records, RESULTS, options.output / "results-parity.png"))
        print(draw_first(records, RESULTS, options.output / "results-first.png"))
        run, found = read_runs()["water"], read_students()
        models = {"model": run["model"]}
        picture = options.output / "results-water.png"
        print(draw_liquid(run["r"], run["labels"], models, picture))
        models = {title("water", name): m["curves"] for name, m in found["water"]["models"].items()}
        picture = options.output / "results-students-water.png"
        print(draw_liquid(found["water"]["r"], found["water"]["labels"], models, picture))
        picture = options.output / "results-students-tungsten.png"
        print(draw_strained(found["tungsten"], picture))
        print(draw_limits(read_points(), options.output / "results-limits.png"))


if __name__ == "__main__":
    main()
