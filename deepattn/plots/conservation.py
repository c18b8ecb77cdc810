"""Draw the total energy of runs at constant energy."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from deepattn.plots.figure import save_figure

_COLOURS = ("#0072B2", "#D55E00", "#009E73")


def plot_conservation(
    runs: Mapping[str, tuple[np.ndarray, np.ndarray]], picture: str | os.PathLike
) -> Path:
    """Draw energies against time.

    Args:
        runs: by their names, time (ps) and total energy less that of the start (eV/atom).
        picture: file to write; its ending gives the format.

    Returns:
        The path of the picture.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    for (name, (time, energy)), colour in zip(runs.items(), _COLOURS, strict=False):
        axes.plot(time, 1e6 * energy, color=colour, linewidth=0.9, label=name)
    axes.set(xlabel="time (ps)", ylabel="total energy − that of the start (µeV/atom)")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return save_figure(figure, picture)
