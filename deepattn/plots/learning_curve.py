"""Draw a ``lcurve.out``."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from deepattn.errors import DataError
from deepattn.plots.figure import save_figure

# Columns that are worth a line, with their unit.
_UNITS = {
    "rmse_e": "energy (eV/atom)",
    "rmse_ae": "atomic energy (eV)",
    "rmse_f": "force (eV/Å)",
    "rmse_v": "virial (eV/atom)",
}


_LINES = {"_trn": "training", "_val": "validation"}
# Of several branches each has a colour, and validation is dashed.
_DASHES = {"_trn": (None, None), "_val": (3, 1.5)}


def read_learning_curve(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read ``lcurve.out``, ours or DeePMD-kit's.

    A restart adds a second header and may repeat steps; the last line of a step counts.

    Args:
        path: the file.

    Returns:
        Columns by name (``step``, ``rmse_val``, ``rmse_trn``, …, ``lr``), ordered by step.

    Raises:
        DataError: the file has no header, no lines, or a line that does not fit its header.
    """
    names: list[str] = []
    rows: dict[float, list[float]] = {}
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            words = line.split()
            if line.startswith("#"):
                if words[1:2] == ["step"]:
                    if names and words[1:] != names:
                        raise DataError(f"{path}, line {number}: a restart changed the columns.")
                    names = words[1:]
                continue
            try:
                row = [float(word) for word in words]
            except ValueError:
                row = []
            if not row or len(row) != len(names):
                raise DataError(f"{path}, line {number}: expected {len(names)} numbers.")
            rows[row[0]] = row
    if not rows:
        raise DataError(f"{path}: there is no line of figures in it.")
    table = np.array([rows[step] for step in sorted(rows)])
    return dict(zip(names, table.T, strict=True))


def plot_learning_curve(path: str | os.PathLike, picture: str | os.PathLike) -> Path:
    """Draw the errors of training and validation against the step, of one branch or several.

    Args:
        path: ``lcurve.out``.
        picture: file to write; its ending gives the format.

    Returns:
        The path of the picture.

    Raises:
        DataError: the file cannot be read, or holds no error that can be drawn.
    """
    from matplotlib.figure import Figure

    curve = read_learning_curve(path)
    endings = _endings(curve)
    shown = [
        name
        for name in _UNITS
        if any(np.isfinite(curve.get(f"{name}_trn{end}", np.nan)).any() for end in endings)
    ]
    if not shown:
        raise DataError(f"{path}: no column of energies, forces or virials to draw.")
    figure = Figure(figsize=(4.2 * len(shown), 3.4), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        for number, ending in enumerate(endings):
            for suffix, label in _LINES.items():
                errors = curve.get(f"{name}{suffix}{ending}")
                if errors is None:
                    continue
                style = {} if ending == "" else {"color": f"C{number}", "dashes": _DASHES[suffix]}
                text = f"{ending[1:]} {label}".lstrip()
                axes.plot(curve["step"], errors, label=text, linewidth=1.2, **style)
        axes.set(xlabel="step", ylabel=f"RMSE of {_UNITS[name]}", yscale="log")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    return save_figure(figure, picture)


def _endings(curve: Mapping[str, np.ndarray]) -> list[str]:
    """What follows ``rmse_trn`` in the names of the columns: nothing, or ``_`` and a branch."""
    return [name.removeprefix("rmse_trn") for name in curve if name.startswith("rmse_trn")]
