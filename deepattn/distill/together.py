"""Many molecular dynamics at once, whose frames are evaluated together.

ASE's integrators move one system each and ask for its forces in the middle of a step. Each runs in
a thread of its own, which waits until all others have asked too; the last one evaluates for all.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar, TypeVar

from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from deepattn.distill.potential import Labels, Potential
from deepattn.errors import ConfigError, DataError

Result = TypeVar("Result")


class _Left(Exception):
    """The others are gone: one of them has failed, or Ctrl-C was pressed."""


class Meeting:
    """Where threads meet to have their frames evaluated together.

    Args:
        potential: what evaluates.
        members: number of threads.

    Attributes:
        evaluations: frames evaluated after the first meeting, whose time is that of setting up.
        atoms: their atoms.
        seconds: time that it took.
    """

    def __init__(self, potential: Potential, members: int) -> None:
        self.evaluations = self.atoms = 0
        self.seconds = 0.0
        self._potential = potential
        self._members = members
        self._met = 0
        self._condition = threading.Condition()
        self._asked: dict[int, Atoms] = {}
        self._answers: dict[int, Labels | Exception] = {}
        self._closed = False

    def evaluate(self, member: int, atoms: Atoms) -> Labels:
        """Labels of a frame, once all members have asked.

        Raises:
            DataError: this frame cannot be evaluated.
        """
        with self._condition:
            self._asked[member] = atoms
            self._evaluate_if_all_asked()
            self._condition.wait_for(lambda: member in self._answers or self._closed)
            if self._closed:
                raise _Left
            answer = self._answers.pop(member)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def leave(self) -> None:
        """One member less, for whom nobody waits any more."""
        with self._condition:
            self._members -= 1
            self._evaluate_if_all_asked()

    def close(self) -> None:
        """Send all home."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def _evaluate_if_all_asked(self) -> None:
        if self._closed or not self._asked or len(self._asked) < self._members:
            return
        # In the order of the members, so that the order of threads changes nothing.
        members = sorted(self._asked)
        frames = [self._asked[member] for member in members]
        self._asked.clear()
        began = time.monotonic()
        self._answers.update(zip(members, self._answers_to(frames), strict=True))
        if self._met:
            self.seconds += time.monotonic() - began
            self.evaluations += len(frames)
            self.atoms += sum(map(len, frames))
        self._met += 1
        self._condition.notify_all()

    def _answers_to(self, frames: Sequence[Atoms]) -> list[Labels | Exception]:
        try:
            return list(self._potential.evaluate(frames))
        except DataError as error:
            if len(frames) == 1:
                return [error]
            # One frame at a time: only that which cannot be evaluated fails.
            return [self._answers_to([atoms])[0] for atoms in frames]


class Member(Calculator):
    """ASE's view of a meeting, for one system.

    Args:
        meeting: the meeting.
        number: place of the system among the members.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "forces", "stress"]

    def __init__(self, meeting: Meeting, number: int) -> None:
        super().__init__()
        self._meeting = meeting
        self._number = number

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Have the atoms evaluated.

        Raises:
            DataError: the atoms cannot be evaluated.
            ConfigError: a stress is asked for, and the potential has none.
        """
        super().calculate(atoms, properties, system_changes)
        labels = self._meeting.evaluate(self._number, self.atoms)
        if "stress" in properties and labels.virial is None:
            raise ConfigError(
                "the teacher gives no stress, without which there is no pressure; set "
                "distill/explore/pressures to null"
            )
        self.results = {"energy": labels.energy, "forces": labels.force}
        if labels.virial is not None:
            virial = labels.virial.reshape(3, 3)
            stress = -0.5 * (virial + virial.T) / self.atoms.get_volume()
            self.results["stress"] = stress.flat[[0, 4, 8, 5, 2, 1]]


def run_together(meeting: Meeting, runs: Sequence[Callable[[Member], Result]]) -> list[Result]:
    """Do all runs at the same time.

    Args:
        meeting: with as many members as there are runs.
        runs: each is called with its calculator, in a thread of its own.

    Returns:
        What they return.

    Raises:
        Exception: what the first of them raised; the others are stopped.
    """

    def one(number: int) -> Result:
        try:
            result = runs[number](Member(meeting, number))
            meeting.leave()
        except BaseException:
            meeting.close()
            raise
        return result

    with ThreadPoolExecutor(len(runs)) as pool:
        try:
            futures = [pool.submit(one, number) for number in range(len(runs))]
            errors = [error for future in futures if (error := future.exception()) is not None]
        except BaseException:
            meeting.close()
            raise
    for error in sorted(errors, key=lambda error: isinstance(error, _Left)):
        raise error
    return [future.result() for future in futures]
