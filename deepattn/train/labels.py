"""Whether the data have the labels that the loss weighs, and which files may have been meant."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterator, Sequence

from deepattn.config.observable import Label
from deepattn.data import DataSet, System
from deepattn.data.keys import key_of, label_name
from deepattn.errors import DataError
from deepattn.losses import Loss

log = logging.getLogger(__name__)

# Names under which labels go elsewhere and that do not look like ours.
_ALIASES = {
    "stress": "virial",
    "stresses": "virial",
    "gradient": "force",
    "gradients": "force",
    "grad": "force",
    "toten": "energy",
    "etot": "energy",
}
_LIKENESS = 0.65
_SHOWN = 3


def check_labels(data: DataSet, loss: Loss, *, kind: str = "training", task: str = "") -> None:
    """Refuse to train on nothing, and warn of labels that the loss weighs and no system has.

    Args:
        data: The data.
        loss: The loss that uses them.
        kind: ``training`` or ``validation``; of the latter a lack is a warning.
        task: Name of the task in a multi-task training.

    Raises:
        DataError: No system of the training data has a label that the loss weighs.
    """
    of_task = f" of {task}" if task else ""
    drawn = [system for system, share in zip(data.systems, data.probs, strict=True) if share > 0]
    labels = {label_name(label): label for label in loss.labels}
    absent = {
        name: [system for system in drawn if not system.has(label).any()]
        for name, label in labels.items()
    }
    lacking = [name for name, systems in absent.items() if len(systems) == len(drawn)]
    if all(set(metric.labels) & set(lacking) for metric in loss.metrics):
        message = (
            f"no {kind} system{of_task} has a label with a prefactor in the loss "
            f"({', '.join(lacking)}){_hint(drawn, [labels[name] for name in lacking])}"
        )
        if kind == "training":
            raise DataError(message)
        log.warning("%s; the model cannot be validated", message)
        return
    for name, systems in absent.items():
        hint = _hint(systems, [labels[name]])
        if name in lacking:
            log.warning(
                "no %s system%s has %s, although the loss has a prefactor for it%s",
                kind,
                of_task,
                name,
                hint,
            )
        elif hint:
            log.warning(
                "%d of %d %s systems%s lack %s, although the loss has a prefactor for it%s",
                len(systems),
                len(drawn),
                kind,
                of_task,
                name,
                hint,
            )


def _hint(systems: Sequence[System], labels: Sequence[str | Label]) -> str:
    """Which files look like these labels."""
    found = [f"{place} looks like {name}" for s in systems for place, name in _alike(s, labels)]
    if not found:
        return ""
    more = f", and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"; {', '.join(found[:_SHOWN])}{more}: only arrays of the right name are read"


def _alike(system: System, labels: Sequence[str | Label]) -> Iterator[tuple[str, str]]:
    """Unused arrays, each with the label that its name resembles."""
    names = [label_name(label) for label in labels]
    wanted = {
        spelling: name
        for name, label in zip(names, labels, strict=True)
        for spelling in key_of(label).spellings()
    }
    for entry, place in system.unread():
        stem = entry.partition(".")[0].lower()
        near = difflib.get_close_matches(stem, wanted, 1, _LIKENESS)
        if near:
            yield place, wanted[near[0]]
        elif _ALIASES.get(stem) in names:
            yield place, _ALIASES[stem]
