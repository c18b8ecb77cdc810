"""Molecular dynamics runs in lockstep, whose frames are evaluated as one batch.

ASE's integrators move one system each and request its forces in the middle of a step. Each runs in
a thread of its own, which waits until all others have made their requests; the last evaluates all.
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

T = TypeVar("T")


class _Closed(Exception):
    """The evaluator is closed: another run has failed, or Ctrl-C was pressed."""


class BatchedEvaluator:
    """A barrier for threads that evaluates their frames as one batch.

    Args:
        potential: Evaluates the frames.
        members: Number of threads.

    Attributes:
        evaluations: Frames evaluated after the first batch, which includes the time of setting up.
        atoms: Number of their atoms.
        seconds: Time of their evaluation.
    """

    def __init__(self, potential: Potential, members: int) -> None:
        self.evaluations = self.atoms = 0
        self.seconds = 0.0
        self._potential = potential
        self._members = members
        self._batches = 0
        self._condition = threading.Condition()
        self._requests: dict[int, Atoms] = {}
        self._answers: dict[int, Labels | Exception] = {}
        self._closed = False

    def evaluate(self, member: int, atoms: Atoms) -> Labels:
        """Labels of a frame, once all threads have made their requests.

        Raises:
            DataError: This frame cannot be evaluated.
        """
        with self._condition:
            self._requests[member] = atoms
            self._evaluate_if_complete()
            self._condition.wait_for(lambda: member in self._answers or self._closed)
            if self._closed:
                raise _Closed
            answer = self._answers.pop(member)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def leave(self) -> None:
        """Remove one thread from the barrier."""
        with self._condition:
            self._members -= 1
            self._evaluate_if_complete()

    def close(self) -> None:
        """Stop all waiting threads."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def _evaluate_if_complete(self) -> None:
        if self._closed or not self._requests or len(self._requests) < self._members:
            return
        # In the order of the members, so that the result does not depend on the order of threads.
        members = sorted(self._requests)
        frames = [self._requests[member] for member in members]
        self._requests.clear()
        began = time.monotonic()
        self._answers.update(zip(members, self._answer(frames), strict=True))
        if self._batches:
            self.seconds += time.monotonic() - began
            self.evaluations += len(frames)
            self.atoms += sum(map(len, frames))
        self._batches += 1
        self._condition.notify_all()

    def _answer(self, frames: Sequence[Atoms]) -> list[Labels | Exception]:
        try:
            return list(self._potential.evaluate(frames))
        except DataError as error:
            if len(frames) == 1:
                return [error]
            # One frame at a time, so that only the bad one fails.
            return [self._answer([atoms])[0] for atoms in frames]


class BatchedCalculator(Calculator):
    """An ASE calculator that sends the frames of one system to a `BatchedEvaluator`.

    Args:
        evaluator: The evaluator.
        number: Index of the system.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "forces", "stress"]

    def __init__(self, evaluator: BatchedEvaluator, number: int) -> None:
        super().__init__()
        self._evaluator = evaluator
        self._number = number

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Evaluate the atoms.

        Raises:
            DataError: The atoms cannot be evaluated.
            ConfigError: A stress is requested, and the potential has none.
        """
        super().calculate(atoms, properties, system_changes)
        labels = self._evaluator.evaluate(self._number, self.atoms)
        if "stress" in properties and labels.virial is None:
            raise ConfigError(
                "the teacher provides no stress, so the pressure cannot be controlled; set "
                "distill/explore/pressures to null"
            )
        self.results = {"energy": labels.energy, "forces": labels.force}
        if labels.virial is not None:
            virial = labels.virial.reshape(3, 3)
            stress = -0.5 * (virial + virial.T) / self.atoms.get_volume()
            self.results["stress"] = stress.flat[[0, 4, 8, 5, 2, 1]]


def run_in_lockstep(
    evaluator: BatchedEvaluator, runs: Sequence[Callable[[BatchedCalculator], T]]
) -> list[T]:
    """Execute all runs at the same time.

    Args:
        evaluator: Has as many members as there are runs.
        runs: Each is called with its calculator, in a thread of its own.

    Returns:
        The return values.

    Raises:
        Exception: The first one raised by a run; the others are stopped.
    """

    def one(number: int) -> T:
        try:
            result = runs[number](BatchedCalculator(evaluator, number))
            evaluator.leave()
        except BaseException:
            evaluator.close()
            raise
        return result

    with ThreadPoolExecutor(len(runs)) as pool:
        try:
            futures = [pool.submit(one, number) for number in range(len(runs))]
            errors = [error for future in futures if (error := future.exception()) is not None]
        except BaseException:
            evaluator.close()
            raise
    for error in sorted(errors, key=lambda error: isinstance(error, _Closed)):
        raise error
    return [future.result() for future in futures]
