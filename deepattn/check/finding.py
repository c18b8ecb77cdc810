"""What a check of data has to say."""

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
        check: what was looked at, in a word.
        system: path of the system; empty if all systems are meant.
        message: the sentence.
        frames: numbers of the frames concerned, counted through all sets; empty if all are.
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
    """What was found, and what could not be looked for.

    Attributes:
        not_tested: tests that could not be made, by test and in the order of the systems.
    """

    def __init__(self, found: Iterable[Finding] = ()) -> None:
        super().__init__(found)
        self.not_tested: list[Finding] = []


class Tally:
    """Frames with the same complaint: one finding a system, in the words of the worst of them.

    Args:
        level: as of `Finding`.
        check: as of `Finding`.
        hint: what to do, the end of every sentence.
    """

    def __init__(self, level: str, check: str, hint: str = "") -> None:
        self._level = level
        self._check = check
        self._hint = hint
        self._found: dict[str, list[tuple[float, int, str]]] = {}

    def add(self, path: str, frame: int, sentence: str, *, badness: float = 0.0) -> None:
        """Take in a frame and what is wrong with it."""
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
