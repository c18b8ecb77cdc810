"""Train a model of each data set, test it on the validation frames, and record the results."""

import argparse
import sys
from collections.abc import Sequence

from command import make_parser, one_sentence
from cost import Budget, add_budget
from record import RESULTS, read_records
from sets import SETS
from training_run import TrainingRun
from variants import VARIANTS

from deepattn.errors import DataError


def main(arguments: Sequence[str] | None = None) -> None:
    """Do the runs that are asked for."""
    parser = make_parser(__doc__)
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"all by default: {' '.join(SETS)}")
    parser.add_argument("--seeds", type=int, nargs="+", help="instead of those of each set")
    parser.add_argument(
        "--variants",
        nargs="+",
        choices=list(VARIANTS),
        default=[""],
        help="train with changes of the input instead",
    )
    add_budget(parser)
    parser.add_argument("--dry-run", action="store_true", help="say what it costs, and do nothing")
    options = parser.parse_args(arguments)
    with one_sentence():
        _run(options)


def _run(options: argparse.Namespace) -> None:
    unknown = [name for name in options.sets if name not in SETS]
    if unknown:
        raise DataError(f"{unknown[0]} is no set; there are {', '.join(SETS)}")
    runs = [
        TrainingRun(SETS[name], seed, options.output, options.data, variant)
        for name in options.sets or SETS
        for seed in options.seeds or SETS[name].seeds
        for variant in options.variants
    ]
    for run in runs:
        # Missing data are found before the first training, not after hours.
        run.config()
    _tell_cost(runs)
    if options.dry_run:
        return
    budget = Budget(options.budget)
    for number, run in enumerate(runs, start=1):
        _say(f"[{number}/{len(runs)}] {run.name}: {run.data_set.title}")
        with budget.of(run) as limit:
            record = run.carry_out(limit)
        errors = ", ".join(f"{name} {error['rmse']:.1f}" for name, error in record.errors.items())
        _say(f"    RMSE (meV/atom, meV/Å): {errors}; {record.core_minutes:.1f} core-minutes")


def _tell_cost(runs: Sequence[TrainingRun]) -> None:
    """Print what the runs cost, from what they have cost before."""
    known: dict[tuple[str, str], float] = {}
    for record in read_records(RESULTS):
        if record.is_own:
            known[record.set, record.variant] = record.core_minutes
    total = 0.0
    for run in runs:
        cost = known.get((run.data_set.name, run.variant))
        left = 0.0 if cost is None or run.finished() else max(cost - run.spent(), 0.0)
        total += left
        words = "not measured yet" if cost is None else f"{left:.0f} core-minutes"
        _say(f"{run.name}: {'trained' if run.finished() else words}")
    _say(f"together {total:.0f} core-minutes of a processor like that of docs/results.md")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
