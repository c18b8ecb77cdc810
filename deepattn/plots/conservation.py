"""Draw the total energy of runs at constant energy."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from deepattn.plots.figure import COLORS, look, plain, save_figure


@look()
def plot_conservation(
    runs: Mapping[str, tuple[np.ndarray, np.ndarray]], picture: str | os.PathLike
) -> Path:
    """Draw energies against time.

    Args:
        runs: By their names, time (ps) and total energy less that of the start (eV/atom).
        picture: File to write; its ending gives the format.

    Returns:
        The path of the picture.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    for (name, (time, energy)), color in zip(runs.items(), COLORS, strict=False):
        axes.plot(time, 1e6 * energy, color=color, linewidth=0.9, label=plain(name))
    axes.set(xlabel="time (ps)", ylabel=r"$E_\mathrm{tot} - E_\mathrm{tot}(0)$ (µeV/atom)")
    axes.grid()
    figure.legend(loc="outside upper center", ncols=len(runs))
    return save_figure(figure, picture)
