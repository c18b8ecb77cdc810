"""The file ``lcurve.out`` and the log lines of a display step, in DeePMD-kit's format."""

import datetime
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from deepattn.config.loss import TOTAL, Metric
from deepattn.train.monitoring.resumed_log import cut_after

Values = Mapping[str, float]


class Shown(NamedTuple):
    """Metrics of one task at a display step.

    Attributes:
        name: Name of the task; empty in a single-task training.
        train: Metrics of a training batch, in the order of the columns.
        valid: Metrics of the validation data; None if there are none.
        metrics: Their descriptions, without the total.
    """

    name: str
    train: Values
    valid: Values | None
    metrics: Sequence[Metric] = ()

    @property
    def ending(self) -> str:
        """Suffix of the names of its columns."""
        return f"_{self.name}" if self.name else ""


def average(results: Iterable[tuple[Values, float]]) -> dict[str, float]:
    """Combine the metrics of several batches, weighted by atoms per frame.

    Args:
        results: Pairs of metrics by name and atoms per frame.

    Returns:
        Weighted means of the metrics (of the errors, not of their squares); one NaN makes a NaN.
    """
    sums: dict[str, float] = {}
    total = 0.0
    for values, natoms in results:
        total += natoms
        for name, value in values.items():
            sums[name] = sums.get(name, 0.0) + float(value) * natoms
    return {name: value / total for name, value in sums.items()}


class LearningCurve:
    """Writes ``lcurve.out``: a header, then a line per display step.

    Args:
        path: The file. Its folder is made if need be.
        after: Step that an earlier run is resumed at, whose lines up to it are kept; with None the
            file begins anew.
    """

    def __init__(self, path: str | os.PathLike, *, after: int | None = None) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._header = ""
        if after is not None and self.path.is_file():
            self._header = cut_after(self.path, after)
        self._file = open(self.path, "w" if after is None else "a", encoding="utf-8")

    def write(self, step: int, shown: Sequence[Shown], learning_rate: float) -> None:
        """Add the line of a step.

        Args:
            step: Number of updates done.
            shown: Metrics of each task.
            learning_rate: Rate of the next step.
        """
        header = _header(shown)
        if header != self._header:
            self._file.write(header)
            self._header = header
        line = f"{step:7d}"
        for _, train, valid, _ in shown:
            for name, value in train.items():
                line += "   "
                if valid is not None:
                    line += f"{valid[name]:11.2e} "
                line += f"{value:11.2e}"
        self._file.write(f"{line}   {learning_rate:8.1e}\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> "LearningCurve":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _header(shown: Sequence[Shown]) -> str:
    line = f"# {'step':5s}"
    for task in shown:
        for name in task.train:
            line += "   "
            if task.valid is not None:
                line += f"{name + '_val' + task.ending:>11s} "
            line += f"{name + '_trn' + task.ending:>11s}"
    return (
        f"{line}   {'lr':8s}\n"
        "# If there is no available reference data, rmse_*_{val,trn} will print nan\n"
    )


def batch_line(step: int, task: str, values: Values, learning_rate: float | None = None) -> str:
    """The log line with the metrics of a display step; ``task`` is, e.g., ``trn`` or ``a_val``."""
    text = ", ".join(f"{name} = {values[name]:8.2e}" for name in sorted(values))
    if learning_rate is not None:
        text += f", lr = {learning_rate:8.2e}"
    return f"Batch {step:7d}: {task}: {text}"


def short_lines(step: int, shown: Sequence[Shown], learning_rate: float) -> list[str]:
    """The lines of a display step on a terminal, one per task: r.m.s. errors in handy units."""
    lines = []
    for task, train, valid, metrics in shown:
        parts = [f"step {step:6d}"] + ([f"{task}:"] if task else [])
        found = [
            (metric.name, *metric.short)
            for metric in metrics
            if metric.short and not math.isnan(train[metric.name])
        ]
        for name, title, factor, unit in found or [(TOTAL.name, TOTAL.name, 1.0, "")]:
            text = f"{title} {_brief(factor * train[name])}"
            if valid is not None:
                text += f" (val {_brief(factor * valid[name])})"
            parts.append(f"{text} {unit}".rstrip())
        lines.append("  ".join([*parts, f"lr {learning_rate:.1e}"]))
    return lines


def _brief(value: float) -> str:
    return f"{value:.0f}" if 100 <= value < 1e5 else f"{value:.3g}"


def time_line(step: int, wall_time: float, eta: float, now: datetime.datetime) -> str:
    """The log line with the time since the last display step and the time left, both in seconds."""
    left = datetime.timedelta(seconds=int(eta))
    finish = (now + left).strftime("%Y-%m-%d %H:%M")
    return f"Batch {step:7d}: total wall time = {wall_time:.2f} s, eta = {left} at {finish}"
