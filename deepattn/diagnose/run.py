"""All rules on the files of a training: the work of ``deepattn diagnose``."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from deepattn.check import check_data
from deepattn.config import Config
from deepattn.data import System
from deepattn.data.batch_size import batch_sizes, count_batches, steps_per_pass
from deepattn.data.probability import system_probabilities
from deepattn.data.type_map import names_or_numbers
from deepattn.diagnose import balance, data, rate, steps, validation
from deepattn.diagnose.cause import Cause
from deepattn.diagnose.curve import ENOUGH, Curve, at_end, shown, words
from deepattn.diagnose.labels import LabelStatistics, label_statistics
from deepattn.diagnose.sources import Run, find_run
from deepattn.errors import DataError


@dataclass(frozen=True)
class Diagnosis:
    """What was found.

    Attributes:
        causes: The likeliest first.
        summary: Errors at the end of the curve, a line for each task.
        not_done: What could not be looked at, and why.
    """

    causes: tuple[Cause, ...]
    summary: tuple[str, ...]
    not_done: tuple[str, ...] = ()


def diagnose_training(
    path: str | os.PathLike | Run = ".", *, input_file: str | os.PathLike | None = None
) -> Diagnosis:
    """Search learning curve, input and data for the causes of large errors.

    Args:
        path: The folder of the training, its ``lcurve.out``, or its files as from `find_run`.
        input_file: The input; by default that in the same folder. Without one the curve alone is
            judged.

    Raises:
        OSError: The learning curve cannot be read.
        DataError: It is none.
        ConfigError: The input is not valid, or of another training.

    Example:
        >>> for cause in diagnose_training("runs/water").causes:
        ...     print(cause)
    """
    run = path if isinstance(path, Run) else find_run(path, input_file)
    causes: list[Cause] = []
    summary: list[str] = []
    not_done: list[str] = []
    if run.config is None:
        not_done.append(f"no input was found beside {run.curve}, so the data were not looked at")
    tasks = {"": None} if run.config is None else run.config.tasks
    for name, config in tasks.items():
        curve = Curve.of_task(run.columns, f"_{name}" if name else "")
        if curve.metric is None:
            not_done.append(f"{run.curve} has no errors of energies or forces {name}".rstrip())
            continue
        labels: list[LabelStatistics] = []
        if config is not None:
            found, labels, undone = _of_data(run, config)
            causes += [replace(cause, task=name) for cause in found]
            not_done += undone
        causes += [replace(cause, task=name) for cause in _of_curve(curve, config, labels)]
        summary.append(_summary(name, curve, labels))
    ranked = sorted(causes, key=lambda cause: -cause.likelihood)
    return Diagnosis(tuple(ranked), tuple(summary), tuple(not_done))


def _of_curve(
    curve: Curve, config: Config | None, labels: Sequence[LabelStatistics]
) -> Iterator[Cause]:
    """The rules about the learning curve; ``labels`` of training and validation data, if known."""
    if not curve.long:
        yield Cause(
            "short curve",
            0.1,
            f"the learning curve has {len(curve.step)} lines; its shape can be judged from "
            f"{ENOUGH} on: lower training/disp_freq",
        )
    numb_steps = None if config is None else config.training.numb_steps
    unfinished = [] if numb_steps is None else list(steps.unfinished(curve, numb_steps))
    yield from unfinished
    yield from steps.falling(curve)
    yield from rate.diverged(curve)
    yield from rate.jumps(curve)
    yield from rate.ends_early(curve)
    if not unfinished:
        yield from rate.ends_high(curve)
    spreads: Mapping[str, float] = labels[-1].spreads if labels else {}
    metric = curve.metric or ""
    yield from rate.too_low(curve, spreads.get(metric))
    both = [part.spreads[metric] for part in labels if metric in part.spreads]
    yield from validation.gap(curve, spreads=(both[0], both[1]) if len(both) == 2 else None)
    yield from balance.nothing_learned(curve, spreads)
    limit = None if config is None else getattr(config.loss, "limit_pref_e", None)
    yield from balance.energy_behind(curve, spreads, limit)


def _of_data(run: Run, config: Config) -> tuple[list[Cause], list[LabelStatistics], list[str]]:
    """Causes in the data; statistics of training and validation data; what was not done."""
    if config.model.listed_spin is not None:
        return [], [], ["data with virtual atoms (model/spin) are not looked at"]
    if config.model.descriptor.whole_frames:
        return [], [], ["data with masked atoms (use_aparam_as_mask) are not looked at"]
    names = config.model.data_types or None
    sections = [config.training.training_data, config.training.validation_data]
    found = [(s, run.systems(s)) for s in sections if s is not None]
    if missing := [section for section, paths in found if paths is None]:
        listed = ", ".join(missing[0].systems)
        return [], [], [f"no systems were found in {listed}, so the data were not looked at"]
    paths = [path for _, some in found for path in some or ()]
    one = config.model.descriptor.longest_list
    # Slots are for parts of frames where these are evaluated.
    counted = not (isinstance(one.sel, str) or config.model.of_residues)
    sel = np.ravel(one.sel).tolist() if counted else None
    if config.model.given_spin is not None and sel is not None:
        sel = sel[: len(config.model.data_types)]
    findings = check_data(paths, type_map=names, rcut=one.rcut, sel=sel)
    command = f"deepattn check {shlex.quote(str(run.input))}"
    causes = list(data.checked(findings, command))
    try:
        opened = [[System(path, type_map=names) for path in some or ()] for _, some in found]
        ntypes = max(system.ntypes for part in opened for system in part)
        known = names_or_numbers(names or [], ntypes)
        labels = [label_statistics(part, known) for part in opened]
    except DataError as error:
        return causes, [], [f"labels were not looked at: {error}"]
    # Frames with huge forces have been named already.
    if not any(finding.check == "force" for finding in findings):
        for title, part in zip(("training", "validation"), labels, strict=False):
            causes += data.outliers(part, title)
    if len(labels) == 2:
        causes += data.unseen_elements(*labels)
    last = int(run.columns["step"][-1])
    causes += steps.passes(last, _steps_per_pass(config, opened[0]))
    return causes, labels, []


def _steps_per_pass(config: Config, systems: Sequence[System]) -> int:
    section = config.training.training_data
    sizes = batch_sizes(section.batch_size, [system.natoms for system in systems])
    batches = count_batches((system.set_sizes for system in systems), sizes)
    probabilities = system_probabilities(section.auto_prob, section.sys_probs, batches)
    return steps_per_pass(sizes, probabilities, [system.nframes for system in systems])


def _summary(name: str, curve: Curve, labels: Sequence[LabelStatistics]) -> str:
    """Errors at the end, and how they compare with the spread of the labels."""
    spreads = labels[-1].spreads if labels else {}
    parts = balance.relative_errors(curve, spreads)
    of = "validation" if curve.valid else "training"
    texts = []
    for metric in ("rmse_e", "rmse_f", "rmse_v"):
        if metric in curve.train:
            text = f"{words(metric)} {shown(metric, at_end(curve.errors(metric)))}"
            if metric in parts:
                text += f" ({parts[metric]:.1%} of the labels' spread)"
            texts.append(text)
    title = f"{name}: " if name else ""
    return f"{title}{of} errors at step {curve.last}: {', '.join(texts)}"
