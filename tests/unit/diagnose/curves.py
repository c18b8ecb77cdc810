"""Learning curves with and without a cause of large errors."""

from pathlib import Path

import numpy as np

from deepattn.diagnose import Curve

LINES, STEPS = 41, 20000
STEP = np.linspace(0, STEPS, LINES)
COSINE = 1e-5 + (5e-3 - 1e-5) * (1 + np.cos(np.pi * STEP / STEPS)) / 2


def flat(floor, *, start=10.0, scatter=0.03, seed=0):
    """Errors that fall fast and are then flat."""
    random = np.random.default_rng(seed)
    errors = floor * (1 + start * np.exp(-STEP / (0.008 * STEPS)))
    return errors * (1 + scatter * random.normal(size=LINES))


def healthy(**changes):
    """Columns of the curve of a good training; ``changes`` replaces some."""
    columns = {"step": STEP}
    for number, (name, floor) in enumerate({"rmse": 1.0, "rmse_e": 2e-3, "rmse_f": 0.08}.items()):
        columns[f"{name}_val"] = flat(1.1 * floor, seed=2 * number)
        columns[f"{name}_trn"] = flat(floor, seed=2 * number + 1)
    return {**columns, "lr": COSINE, **changes}


def curve(**changes):
    """The curve of these columns."""
    return Curve.of_task(healthy(**changes))


def write(path, columns):
    """Write ``lcurve.out``."""
    lines = ["# step  " + "  ".join(name for name in columns if name != "step")]
    for row in zip(*columns.values(), strict=True):
        lines.append(" ".join([f"{int(row[0])}", *(f"{value:.2e}" for value in row[1:])]))
    Path(path).write_text("\n".join(lines) + "\n")
