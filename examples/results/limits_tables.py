"""The tables of what limits the errors: learning curves, and parts of the validation frames."""

from collections.abc import Callable, Sequence

from limits import read_points
from record import Record
from sets import SETS
from tables import as_table


def limits(records: Sequence[Record]) -> str:
    """Learning curves in frames, width and steps."""
    rows: list[list[str]] = []
    for point in read_points():
        errors = point["errors"]
        row = [
            SETS[point["set"]].title,
            _changed(point),
            f"{point['frames']:,}",
            f"{point['parameters']:,}",
            f"{point['steps']:,}",
            f"{point['core_minutes']:.1f}",
            *(
                f"{errors[part][quantity]['rmse']:.1f}"
                for quantity in ("energy", "force")
                for part in ("validation", "training")
            ),
        ]
        # The middle of all curves of a set is one training.
        if row not in rows:
            rows.append(row)
    header = [
        "material",
        "changed",
        "frames",
        "parameters",
        "steps",
        "core-minutes",
        "energy RMSE (meV/atom)",
        "of training frames",
        "force RMSE (meV/Å)",
        "of training frames",
    ]
    return as_table(header, rows)


def surfaces(records: Sequence[Record]) -> str:
    """Energy errors of Nb–Mo–Ta–W, of crystals and of surfaces."""
    rows: list[list[str]] = []
    for point in read_points():
        errors = point["errors"]
        if "surfaces" not in errors:
            continue
        parts = ("validation", "crystals", "surfaces")
        row = [_changed(point), *(f"{errors[part]['energy']['rmse']:.1f}" for part in parts)]
        if row not in rows:
            rows.append(row)
    header = ["changed", "energy RMSE, all frames (meV/atom)", "crystals", "surfaces"]
    return as_table(header, rows)


TABLES: dict[str, Callable[[Sequence[Record]], str]] = {
    "limits": limits,
    "surfaces": surfaces,
}


def _changed(point: dict) -> str:
    return "–" if point["factor"] == 1 else f"{point['axis']} × {point['factor']:g}"
