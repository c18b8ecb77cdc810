"""Reading a ``lcurve.out``."""

from __future__ import annotations

import os

import numpy as np

from deepattn.errors import DataError


def read_learning_curve(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read ``lcurve.out``, ours or DeePMD-kit's.

    A restart adds a second header and may repeat steps; the last line of a step counts.

    Args:
        path: The file.

    Returns:
        Columns by name (``step``, ``rmse_val``, ``rmse_trn``, …, ``lr``), ordered by step.

    Raises:
        DataError: The file has no header, no lines, or a line that does not fit its header.
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
        raise DataError(f"{path}: contains no line of numbers.")
    table = np.array([rows[step] for step in sorted(rows)])
    return dict(zip(names, table.T, strict=True))
