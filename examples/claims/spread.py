"""Results of runs with several seeds: means, spreads, tables."""

from collections.abc import Sequence

import numpy as np

# By quantity: unit in tables and figures, and the factor from eV/atom and eV/Å.
UNITS = {"energy": ("meV/atom", 1000.0), "force": ("meV/Å", 1000.0)}


def over_seeds(
    rows: Sequence[dict], keys: Sequence[str], test: str, quantity: str
) -> dict[tuple, np.ndarray]:
    """Errors of the seeds, by the values that the runs have under some keys.

    Args:
        rows: Results of runs.
        keys: What tells the runs apart, but for the seed.
        test: Name of the test.
        quantity: ``energy`` or ``force``.

    Returns:
        By the values, in the order of their first appearance, ``[seeds]`` in the units of `UNITS`.
    """
    factor = UNITS[quantity][1]
    found: dict[tuple, list[float]] = {}
    for row in rows:
        values = tuple(row[key] for key in keys)
        found.setdefault(values, []).append(factor * row["errors"][test][quantity])
    return {values: np.array(errors) for values, errors in found.items()}


def as_markdown(rows: Sequence[dict], keys: Sequence[str]) -> str:
    """A table with the mean over seeds and, after ±, the largest deviation of one of several."""
    tests = list(rows[0]["errors"])
    columns = [(test, quantity) for test in tests for quantity in UNITS]
    header = [*keys, *(f"{quantity}, {test} ({UNITS[quantity][0]})" for test, quantity in columns)]
    tables = [over_seeds(rows, keys, test, quantity) for test, quantity in columns]
    lines = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    for values in tables[0]:
        errors = [table[values] for table in tables]
        cells = map(mean_and_spread, errors)
        lines.append(f"| {' | '.join([*map(str, values), *cells])} |")
    return "\n".join(lines)


def mean_and_spread(errors: np.ndarray) -> str:
    """The mean, and after ± the largest deviation of one of several."""
    mean = f"{errors.mean():.1f}"
    return mean if len(errors) == 1 else f"{mean} ± {np.abs(errors - errors.mean()).max():.1f}"
