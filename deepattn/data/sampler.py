"""Which frames make the next batch: a random order that one integer fixes on every machine."""

import hashlib
import secrets
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from deepattn.data.dataset import Batch, DataSet

# Streams of random numbers that share a seed and are otherwise independent.
TRAINING = 0
STATISTICS = 1
BRANCHES = 2

Draw = list[tuple[int, np.ndarray]]


def choose(bounds: np.ndarray, seed: int, stream: int, number: int) -> int:
    """Choice number ``number`` of a stream, by the sums of the weights up to each possibility."""
    (raw,) = _random(1, seed, 0, 2 * stream, number)
    # 53 bits fill the mantissa of a float64 in [0, 1).
    fraction = float(raw >> np.uint64(11)) * 2.0**-53
    return int(np.searchsorted(bounds, fraction * bounds[-1], side="right"))


def share(draw: Draw, place: int, count: int) -> Draw:
    """One of ``count`` equal parts of a draw, in its order.

    A draw that cannot be divided, because a system has fewer frames than are wanted, is filled up
    from its beginning.

    Args:
        draw: The draw of a sampler.
        place: Which part, from 0.
        count: Number of parts.
    """
    if count == 1:
        return draw
    frames = [(system, row) for system, rows in draw for row in rows]
    size = -(-len(frames) // count)
    mine = [frames[k % len(frames)] for k in range(place * size, (place + 1) * size)]
    return [
        (system, np.array([row for _, row in part]))
        for system, part in groupby(mine, key=lambda frame: frame[0])
    ]


class Sampler:
    """An endless iterator over batches.

    For each batch a system is drawn by its probability, then frames of it that were not drawn
    in its current epoch; a remainder smaller than a batch is dropped and the epoch ends. With
    ``batch_size: "mixed:B"`` a system is drawn for every frame, all periodic or all open.

    All random numbers are raw output of Philox, a counter-based generator whose stream NumPy
    guarantees: number k of a stream needs none before it, so a state is a few counters.

    Args:
        dataset: The data set to draw from.
        seed: Fixes the order; None takes one from the operating system.
        stream: :data:`TRAINING` or :data:`STATISTICS`.
    """

    def __init__(
        self, dataset: "DataSet", *, seed: int | None = None, stream: int = TRAINING
    ) -> None:
        self.dataset = dataset
        self.seed = secrets.randbits(63) if seed is None else seed % 2**64
        self._stream = stream
        self._choices = 0
        self._position: dict[int, tuple[int, int]] = {}
        self._orders: dict[int, tuple[int, np.ndarray]] = {}
        self._bounds = np.cumsum(dataset.probs)
        periodic = np.array([system.periodic for system in dataset.systems])
        self._bounds_of_kind = {
            kind: np.cumsum(np.where(periodic == kind, dataset.probs, 0.0))
            for kind in (True, False)
        }

    def __iter__(self) -> Iterator["Batch"]:
        return self

    def __next__(self) -> "Batch":
        return self.dataset.batch(self.draw())

    def draw(self) -> Draw:
        """The next batch as ``(system, frames)``, without reading it."""
        if not self.dataset.batch_sizes.mixed:
            system = self._choose(self._bounds)
            return [self.draw_from(system, self.dataset.batch_sizes.sizes[system])]
        count = self.dataset.batch_sizes.sizes[0]
        first = self._choose(self._bounds)
        bounds = self._bounds_of_kind[self.dataset.systems[first].periodic]
        chosen = [first, *(self._choose(bounds) for _ in range(count - 1))]
        return [self.draw_from(system, 1) for system in chosen]

    def draw_from(self, system: int, count: int) -> tuple[int, np.ndarray]:
        """The next ``count`` frames of a system, or all of it if it has fewer."""
        epoch, start, end = self._advance(system, count)
        return system, self._order(system, epoch)[start:end]

    def follow(self, draw: Draw) -> None:
        """Go to where a sampler stands that was here, and has drawn that; no number is random."""
        for system, rows in draw:
            self._choices += 1
            self._advance(system, len(rows))

    def state(self) -> dict:
        """Where the sampler stands, for :meth:`restore`; fit for JSON."""
        return {
            "seed": self.seed,
            "choices": self._choices,
            "position": {str(key): list(value) for key, value in self._position.items()},
            "data": self._fingerprint(),
        }

    def restore(self, state: dict) -> bool:
        """Go on exactly where :meth:`state` was taken.

        Returns:
            Whether that is possible. If the numbers of frames have changed since, it is not, and
            the order starts over.
        """
        if state["data"] != self._fingerprint():
            return False
        self.seed = state["seed"]
        self._choices = state["choices"]
        self._position = {int(key): tuple(value) for key, value in state["position"].items()}
        self._orders.clear()
        return True

    def _fingerprint(self) -> str:
        frames = [len(copies) for copies in self.dataset.frame_lists]
        return hashlib.sha256(repr(frames).encode()).hexdigest()[:16]

    def _choose(self, bounds: np.ndarray) -> int:
        self._choices += 1
        return choose(bounds, self.seed, self._stream, self._choices - 1)

    def _advance(self, system: int, count: int) -> tuple[int, int, int]:
        """Use frames of a system; their epoch, and their places in its order."""
        epoch, start = self._position.get(system, (0, 0))
        length = len(self.dataset.frame_lists[system])
        end = start + min(count, length)
        if end > length:
            epoch, start, end = epoch + 1, 0, end - start
        self._position[system] = epoch, end
        return epoch, start, end

    def _order(self, system: int, epoch: int) -> np.ndarray:
        cached = self._orders.get(system)
        if cached is None or cached[0] != epoch:
            frames = self.dataset.frame_lists[system]
            raw = _random(len(frames), self.seed, system, 2 * self._stream + 1, epoch)
            cached = epoch, frames[np.argsort(raw, kind="stable")]
            self._orders[system] = cached
        return cached[1]


def _random(count: int, seed: int, system: int, purpose: int, number: int) -> np.ndarray:
    philox = np.random.Philox(key=[seed, purpose], counter=[0, 0, system, number])
    return philox.random_raw(count)
