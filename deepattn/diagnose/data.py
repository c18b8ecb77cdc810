"""Causes in the data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from deepattn.check import FAULT, Finding
from deepattn.diagnose.cause import Cause
from deepattn.diagnose.labels import LabelStatistics

# One frame in a hundred has so much of all squared forces; of so many frames at least.
_DOMINANT = 0.3
_FRAMES = 50
# Ranks of what `deepattn check` finds: faults, what a model cannot do anything about, and the rest.
_FAULT, _LIMITING, _DOUBT = 0.95, 0.5, 0.3
_LIMITS = ("sel", "units", "lengths", "energy", "force")


def outliers(statistics: LabelStatistics, title: str) -> Iterator[Cause]:
    """A few frames have most of the forces.

    Args:
        statistics: Of the data.
        title: ``training`` or ``validation``.
    """
    squares = statistics.squares
    if len(squares) < _FRAMES or not squares.any():
        return
    count = len(squares) // 100 + 1
    top = np.argsort(squares)[-count:]
    part = float(squares[top].sum() / squares.sum())
    if part < _DOMINANT:
        return
    worst = int(statistics.largest.argmax())
    yield Cause(
        "outliers",
        0.7,
        f"{count} of {len(squares)} {title} frames have {part:.0%} of the sum of squared forces "
        f"(the largest force is {statistics.largest[worst]:.3g} eV/Å, in frame "
        f"{statistics.numbers[worst]} of {statistics.paths[worst]}): remove them if they are not "
        "intended, or set loss/use_huber or relative_f",
    )


def unseen_elements(train: LabelStatistics, valid: LabelStatistics) -> Iterator[Cause]:
    """Elements that occur in the validation data alone."""
    found = [
        f"{name} ({count} frames)"
        for name, count in valid.elements.items()
        if count and not train.elements.get(name)
    ]
    if found:
        yield Cause(
            "elements without training frames",
            0.8,
            f"only the validation data contain {', '.join(found)}: add training frames with "
            f"{'it' if len(found) == 1 else 'them'}",
        )


def checked(findings: Iterable[Finding], command: str) -> Iterator[Cause]:
    """What `deepattn check` has found, one cause for each kind.

    Args:
        findings: Its findings.
        command: The command that lists them.
    """
    kinds: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        # Types without frames do no harm.
        if not finding.message.startswith("no frame contains"):
            kinds.setdefault((finding.level, finding.check), []).append(finding)
    for (level, check), alike in kinds.items():
        first = alike[0]
        where = f"{first.system}: " if first.system else ""
        more = f" (and {len(alike) - 1} more)" if len(alike) > 1 else ""
        rank = _FAULT if level == FAULT else _LIMITING if check in _LIMITS else _DOUBT
        yield Cause(
            f"data, {check}", rank, f"{where}{first.message}{more}; {command} lists what is known"
        )
