"""Write tables and picture of docs/keeps.md from the recorded results, or check the tables."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from record import RESULTS, Record, read_records
from tables import as_table, write_or_check
from ways import SETS, WAYS

from deepattn.plots.figure import COLORS, MARKERS, look, save_figure

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = DOCS / "keeps.md"
PICTURE = DOCS / "images" / "keeps.png"
# Goals: errors on new frames, and drift, as multiples of those of a plain fine-tuning.
LOST, DRIFTED = 1.1, 1 / 3


def ways(records: Sequence[Record]) -> str:
    """Every way on every data set: what is learned, and what is lost."""
    rows = []
    for name, data in SETS.items():
        groups = compared(records, name)
        for (way, strength), own in groups.items():
            cells = [data.title, way, f"{strength:g}" if strength else "", str(len(own))]
            if way == "pretrained":
                cells += [_mean(own, "new", "force"), "", "–", "", "–", "", "–"]
            else:
                plain = groups["plain", 0.0]
                for part, key in (("new", "force"), ("drift", "force"), ("drift", "energy")):
                    cells += [_mean(own, part, key), _ratio(own, plain, part, key)]
                cells.append(_mean(own, "new", "energy"))
            rows.append([*cells, _mean(own, "other", "force")])
    header = [
        "new data",
        "way",
        "strength",
        "seeds",
        "force error, new (meV/Å)",
        "of plain",
        "drift, forces (meV/Å)",
        "of plain",
        "drift, energy (meV/atom)",
        "of plain",
        "energy error, new (meV/atom)",
        "force error, other (meV/Å)",
    ]
    return as_table(header, rows)


def strengths(records: Sequence[Record]) -> str:
    """The fine-tunings by which the strengths were chosen."""
    rows = [
        [
            SETS[record.set].title,
            record.way,
            f"{record.strength:g}",
            *(f"{1000 * record.new[key]:.1f}" for key in ("force", "energy")),
            *(f"{1000 * record.drift[key]:.1f}" for key in ("force", "energy")),
            f"{60 * record.core_minutes:.0f}",
        ]
        for name in SETS
        for way in WAYS
        for record in sorted(records, key=lambda record: record.strength)
        if record.set == name and record.way == way and record.seed == 0
    ]
    header = [
        "new data",
        "way",
        "strength",
        "force error, new (meV/Å)",
        "energy error, new (meV/atom)",
        "drift, forces (meV/Å)",
        "drift, energy (meV/atom)",
        "core-seconds",
    ]
    return as_table(header, rows)


TABLES: dict[str, Callable[[Sequence[Record]], str]] = {"ways": ways, "strengths": strengths}


def compared(records: Sequence[Record], name: str) -> dict[tuple[str, float], list[Record]]:
    """Records of a data set by way and strength, without those of the trials."""
    groups: dict[tuple[str, float], list[Record]] = {}
    order = ("pretrained", *WAYS)
    for record in sorted(records, key=lambda r: (order.index(r.way), r.strength, r.seed)):
        if record.set == name and (record.seed > 0 or record.way == "pretrained"):
            groups.setdefault((record.way, record.strength), []).append(record)
    return groups


@look()
def draw(records: Sequence[Record], path: Path) -> None:
    """Draw errors on new frames against drift, a panel for each data set."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    for axes, (name, data) in zip(figure.subplots(1, len(SETS)), SETS.items(), strict=True):
        groups = compared(records, name)
        limits = [
            factor
            * 1000
            * np.mean([getattr(record, part)["force"] for record in groups["plain", 0.0]])
            for factor, part in ((DRIFTED, "drift"), (LOST, "new"))
        ]
        axes.axvline(limits[0], color="0.6", linestyle="--", linewidth=1)
        axes.axhline(limits[1], color="0.6", linestyle="--", linewidth=1)
        for way, color, marker in zip(WAYS, COLORS, MARKERS, strict=False):
            own = [r for group in groups.values() for r in group if r.way == way]
            tried = sorted(
                (r for r in records if (r.set, r.way, r.seed) == (name, way, 0)),
                key=lambda record: record.strength,
            )
            axes.plot(*_points(tried), color=color, linewidth=1, alpha=0.4)
            axes.scatter(*_points(tried), color=color, marker=marker, s=12, alpha=0.4, linewidths=0)
            axes.scatter(*_points(own), color=color, marker=marker, s=36, linewidths=0, label=way)
        axes.set(
            title=data.title,
            xlabel="drift of forces on other frames (meV/Å)",
            ylabel="force error on new frames (meV/Å)",
        )
        axes.set_xlim(left=0)
    names = axes.get_legend_handles_labels()
    figure.legend(*names, frameon=False, loc="outside upper center", ncols=len(WAYS))
    save_figure(figure, path)


def _points(records: Sequence[Record]) -> tuple[list[float], list[float]]:
    return (
        [1000 * record.drift["force"] for record in records],
        [1000 * record.new["force"] for record in records],
    )


def _values(records: Sequence[Record], part: str, key: str) -> np.ndarray:
    return 1000 * np.array([getattr(record, part)[key] for record in records])


def _mean(records: Sequence[Record], part: str, key: str) -> str:
    """Mean over seeds, and after ± the largest deviation of one of several."""
    values = _values(records, part, key)
    deviation = np.abs(values - values.mean()).max()
    return f"{values.mean():.1f}" + (f" ± {deviation:.1f}" if len(values) > 1 else "")


def _ratio(records: Sequence[Record], plain: Sequence[Record], part: str, key: str) -> str:
    """Of the means over the seeds that the records have."""
    seeds = [record.seed for record in records]
    same = [record for record in plain if record.seed in seeds]
    ratio = _values(records, part, key).mean() / _values(same, part, key).mean()
    return f"{ratio:.2f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write tables and picture, or compare the tables with the results."""
    if write_or_check(__doc__, [PAGE], tables(), arguments):
        draw(read_records(RESULTS), PICTURE)


def tables() -> dict[str, Callable[[], str]]:
    """The tables of the page, of the records that there are."""
    records = read_records(RESULTS)
    return {name: partial(write, records) for name, write in TABLES.items()}


if __name__ == "__main__":
    main()
