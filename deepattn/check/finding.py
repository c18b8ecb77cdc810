"""Findings of the checks of data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

FAULT = "fault"
DOUBT = "doubt"
NOT_TESTED = "not tested"


@dataclass(frozen=True)
class Finding:
    """One sentence about one system, or about all of them.

    Attributes:
        level: ``fault`` if a model must not be trained on it as it is, ``doubt`` if someone should
            look at it, ``not tested`` if a test could not be made.
        check: Name of the check, one word.
        system: Path of the system; empty if all systems are meant.
        message: The sentence.
        frames: Numbers of the frames concerned, counted through all sets; empty if all are.
    """

    level: str
    check: str
    system: str
    message: str
    frames: tuple[int, ...] = ()

    def __str__(self) -> str:
        where = f"{self.system}: " if self.system else ""
        return f"{self.level} ({self.check}): {where}{self.message}"


class Findings(list[Finding]):
    """A finding, or a test that was not possible.

    Attributes:
        not_tested: Tests that could not be made, by test and in the order of the systems.
    """

    def __init__(self, found: Iterable[Finding] = ()) -> None:
        super().__init__(found)
        self.not_tested: list[Finding] = []


class Tally:
    """Frames with the same problem: one finding per system, worded for the worst frame.

    Args:
        level: See `Finding`.
        check: See `Finding`.
        hint: Advice, the end of every sentence.
    """

    def __init__(self, level: str, check: str, hint: str = "") -> None:
        self._level = level
        self._check = check
        self._hint = hint
        self._found: dict[str, list[tuple[float, int, str]]] = {}

    def add(self, path: str, frame: int, sentence: str, *, badness: float = 0.0) -> None:
        """Add a frame and its problem."""
        self._found.setdefault(path, []).append((-badness, int(frame), sentence))

    def report(self) -> Iterator[Finding]:
        """The findings, in the order of the systems."""
        for path, complaints in self._found.items():
            *_, worst = min(complaints)
            message = worst
            if len(complaints) > 1:
                others = len(complaints) - 1
                message += f"; {others} more {'frame is' if others == 1 else 'frames are'} like it"
            frames = tuple(sorted(frame for _, frame, _ in complaints))
            yield Finding(self._level, self._check, path, message + self._hint, frames)
