"""Write tables and pictures of docs/claims.md from the recorded results, or check the tables."""

from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

from command import ROOT, one_sentence, read_runs
from curves import SCRATCH
from multi_task import STEPS, is_trial
from pictures import plot_multi_task, plot_transfer
from pretraining import MULTI_TASK, SINGLE_TASK
from spread import UNITS, as_markdown, mean_and_spread, over_seeds
from tables import as_table, write_or_check

# Copies of the files that the scripts have written.
RESULTS = Path(__file__).resolve().parent / "results"
PAGE = ROOT / "docs" / "claims.md"
IMAGES = ROOT / "docs" / "images"


def transfer() -> str:
    """Pairs of elements seen and unseen."""
    return as_markdown(read_runs(RESULTS / "transfer.json"), ["model"])


def from_scratch() -> str:
    """Small models from scratch, with many steps."""
    return as_markdown(read_runs(RESULTS / "from_scratch.json"), ["set", "frames"])


def pretraining() -> str:
    """The pre-trainings, tested on the set that both have seen."""
    rows = read_runs(RESULTS / "multi_task_pretraining.json")
    (test,) = rows[0]["errors"]
    cells = [
        [
            row["way"],
            f"{row['steps']:,}",
            f"{row['core_minutes']:.0f}",
            *(f"{factor * row['errors'][test][name]:.0f}" for name, (_, factor) in UNITS.items()),
        ]
        for row in rows
    ]
    errors = [f"{name}, {test} ({unit})" for name, (unit, _) in UNITS.items()]
    return as_table(["pre-training", "steps", "core-minutes", *errors], cells)


def multi_task() -> str:
    """Fine-tuned and from scratch: errors after half of the steps and after all."""
    whole, half = by_length(read_runs(RESULTS / "multi_task.json"))
    keys = ["frames", "way"]
    errors = {
        (name, part): over_seeds(rows, keys, "valid", name)
        for name in UNITS
        for part, rows in (("half", half), ("all", whole))
    }
    cells = []
    for frames, way in sorted(errors["energy", "all"]):
        own = [row for row in whole if (row["frames"], row["way"]) == (frames, way)]
        minutes = sum(row["core_minutes"] for row in own) / len(own)
        cells.append(
            [
                str(frames),
                way,
                f"{own[0]['steps']:,}",
                str(len(own)),
                f"{minutes:.1f}",
                *(mean_and_spread(table[frames, way]) for table in errors.values()),
            ]
        )
    header = ["frames", "method", "steps", "seeds", "core-minutes"]
    for name, part in errors:
        words = "half of the steps" if part == "half" else "all"
        header.append(f"{name}, {words} ({UNITS[name][0]})")
    return as_table(header, cells)


def paired() -> str:
    """Ratios of the errors of two methods on the same frames, one for each draw of frames."""
    whole, _ = by_length(read_runs(RESULTS / "multi_task.json"))
    found = {
        (row["frames"], name, row["way"], row["seed"]): row["errors"]["valid"][name]
        for row in whole
        for name in UNITS
    }
    pairs = [(MULTI_TASK, SCRATCH), (SINGLE_TASK, SCRATCH), (MULTI_TASK, SINGLE_TASK)]
    cells = []
    for name, frames in product(UNITS, sorted({row["frames"] for row in whole})):
        seeds = sorted({row["seed"] for row in whole if row["frames"] == frames})
        ratios = [
            [found[frames, name, one, k] / found[frames, name, other, k] for k in seeds]
            for one, other in pairs
        ]
        cells.append([name, str(frames), *(", ".join(f"{r:.2f}" for r in own) for own in ratios)])
    header = ["error", "frames", *(f"{one} / {other}" for one, other in pairs)]
    return as_table(header, cells)


def rates() -> str:
    """The trials by which the learning rates of the last table were chosen."""
    trials = [row for row in read_runs(RESULTS / "multi_task.json") if is_trial(row)]
    trials.sort(key=lambda row: (row["seed"], row["way"], row["frames"], row["rate"]))
    return as_markdown(trials, ["way", "frames", "steps", "rate"])


def by_length(rows: Sequence[dict]) -> tuple[list[dict], list[dict]]:
    """The runs of `multi_task.py` with all steps, and those with half of them, without trials."""
    rows = [row for row in rows if not is_trial(row)]
    return (
        [row for row in rows if row["steps"] == STEPS[row["frames"]]],
        [row for row in rows if row["steps"] < STEPS[row["frames"]]],
    )


TABLES: dict[str, Callable[[], str]] = {
    "transfer": transfer,
    "from_scratch": from_scratch,
    "pretraining": pretraining,
    "multi_task": multi_task,
    "paired": paired,
    "rates": rates,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Write tables and pictures, or compare the tables with the results."""
    with one_sentence():
        if write_or_check(__doc__, [PAGE], TABLES, arguments):
            print(
                plot_transfer(read_runs(RESULTS / "transfer.json"), IMAGES / "claims-transfer.png")
            )
            runs = by_length(read_runs(RESULTS / "multi_task.json"))
            print(plot_multi_task(*runs, IMAGES / "claims-multi-task.png"))


if __name__ == "__main__":
    main()
