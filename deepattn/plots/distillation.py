"""Plots of a distillation: errors of its rounds, deviations, radial distributions."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from deepattn.plots.figure import COLORS, INK, look, plain, save_figure

# Teacher and student, distinguishable without color vision and, by their lines, in gray.
_TEACHER = {"color": INK, "alpha": 0.6, "linewidth": 2.2}
_STUDENT = {"color": COLORS[1], "linewidth": 1.2, "linestyle": "--"}
_MOST_PAIRS = 6


@look()
def draw_rounds(
    force: Sequence[float], frames: Sequence[int], threshold: float, picture: str | os.PathLike
) -> Path:
    """Draw the error on new frames after each round.

    Args:
        force: Root mean square errors of the forces, eV/Å; NaN of a round without new frames.
        frames: How many frames each student was trained on.
        threshold: Threshold of the force error, eV/Å.
        picture: File to write; its ending gives the format.

    Returns:
        The path of the picture.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 3.4), layout="constrained")
    axes = figure.subplots()
    rounds = np.arange(len(force))
    errors = 1e3 * np.array(force, float)
    axes.plot(rounds, errors, "o-", color=COLORS[0], linewidth=1.2)
    axes.axhline(1e3 * threshold, color=INK, linewidth=0.9, linestyle="--")
    axes.annotate(
        "wanted",
        (0.99, 1e3 * threshold),
        xycoords=("axes fraction", "data"),
        ha="right",
        va="bottom",
    )
    top = np.nanmax([*errors, 1e3 * threshold])
    axes.set(
        xlabel="round (frames trained on)",
        ylabel="force RMSE, new frames (meV/Å)",
        ylim=(0, 1.15 * top),
        xlim=(-0.5, len(force) - 0.5),
    )
    axes.set_xticks(rounds, [f"{k}\n({count})" for k, count in zip(rounds, frames, strict=True)])
    axes.grid()
    return save_figure(figure, picture)


@look()
def draw_deviations(
    deviations: Sequence[np.ndarray],
    low: float,
    high: float,
    picture: str | os.PathLike,
    *,
    quantity: str = "force deviation",
) -> Path:
    """Draw how far forces on new frames deviate, one row per round.

    Args:
        deviations: Of each round the largest deviation of a force in each frame, eV/Å.
        low: The deviation from which frames are selected, eV/Å.
        high: To which they are.
        picture: File to write; its ending gives the format.
        quantity: What is drawn in their place, such as expected errors.

    Returns:
        The path of the picture.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 1.2 + 1.3 * len(deviations)), layout="constrained")
    rows = figure.subplots(len(deviations), 1, squeeze=False, sharex=True)[:, 0]
    known = np.concatenate(deviations)
    bins = np.geomspace(max(known.min(), 1e-3) * 0.9, known.max() * 1.1 + 1e-3, 40)
    for number, (axes, values) in enumerate(zip(rows, deviations, strict=True)):
        axes.axvspan(low, high, color=INK, alpha=0.1, linewidth=0, zorder=0)
        axes.hist(values, bins, color=COLORS[0])
        axes.set(xscale="log", ylabel=f"round {number}", yticks=[])
    rows[0].set_title(f"frames by {quantity}; shaded: selection range", fontsize="medium")
    rows[-1].set_xlabel(f"maximum {quantity} of a frame (eV/Å)")
    return save_figure(figure, picture)


@look()
def draw_distributions(
    r: np.ndarray,
    teacher: Mapping[tuple[str, str], np.ndarray],
    student: Mapping[tuple[str, str], np.ndarray],
    picture: str | os.PathLike,
) -> Path:
    """Draw radial distribution functions of both models' dynamics, a panel for each pair.

    Args:
        r: Distances, Å.
        teacher: By pairs of elements, the function at these distances.
        student: The same.
        picture: File to write; its ending gives the format.

    Returns:
        The path of the picture.
    """
    from matplotlib.figure import Figure

    pairs = [pair for pair in teacher if pair in student][:_MOST_PAIRS]
    columns = min(3, len(pairs))
    nrows = -(-len(pairs) // columns)
    figure = Figure(figsize=(0.6 + 3.1 * columns, 0.5 + 2.4 * nrows), layout="constrained")
    panels = figure.subplots(nrows, columns, squeeze=False, sharex=True).ravel()
    for axes in panels[len(pairs) :]:
        axes.set_visible(False)
    for axes, pair in zip(panels, pairs, strict=False):
        axes.plot(r, teacher[pair], label="teacher", **_TEACHER)
        axes.plot(r, student[pair], label="student", **_STUDENT)
        axes.set(xlabel="r (Å)", ylabel=f"g(r), {plain('–'.join(pair))}")
        axes.set_ylim(bottom=0)
        axes.grid()
    panels[0].legend()
    return save_figure(figure, picture)
