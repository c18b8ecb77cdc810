"""How many frames of a system make a batch: every form of ``batch_size``."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from deepattn.config.sampling import BatchRule, read_batch_size
from deepattn.errors import ConfigError


@dataclass(frozen=True)
class BatchSizes:
    """Frames per batch, system by system.

    Args:
        sizes: Frames of a batch drawn from each system; 0 for a system left out.
        mixed: Whether each frame of a batch comes from a system of its own.
        by_hand: Whether the user named the numbers, and should hear of one that is too large.
    """

    sizes: tuple[int, ...]
    mixed: bool = False
    by_hand: bool = False

    def times(self, replicas: int) -> "BatchSizes":
        """Those of batches that so many devices share."""
        return replace(self, sizes=tuple(replicas * size for size in self.sizes))


def batch_sizes(rule: int | str | Sequence[int], natoms: Sequence[int]) -> BatchSizes:
    """Batch sizes by one of DeePMD's rules.

    * an integer, or a list with one for each system: that many frames;
    * ``auto:M``: as few frames as make M atoms; ``auto`` is ``auto:32``;
    * ``max:M``: as many frames as stay within M atoms, at least one;
    * ``filter:M``: as ``max:M``, leaving out systems of more than M atoms;
    * ``mixed:B``: B frames, each from a system drawn anew, padded to the largest.

    Args:
        rule: The value of ``batch_size``.
        natoms: Atoms of each system.

    Raises:
        ConfigError: If the rule is none of these.
    """
    read = read_batch_size(rule, "batch_size")
    if isinstance(read, BatchRule):
        return _by_rule(read, natoms)
    sizes = read * len(natoms) if isinstance(rule, int) else read
    if len(sizes) != len(natoms):
        raise ConfigError(
            f"batch_size lists {len(sizes)} numbers, but {len(natoms)} systems were found"
        )
    return BatchSizes(sizes, by_hand=True)


def _by_rule(rule: BatchRule, natoms: Sequence[int]) -> BatchSizes:
    word, number = rule
    if word == "auto":
        return BatchSizes(tuple(-(-number // count) for count in natoms))
    if word == "mixed":
        return BatchSizes((number,) * len(natoms), mixed=True)
    sizes = tuple(max(1, number // count) for count in natoms)
    if word == "filter":
        sizes = tuple(s if n <= number else 0 for s, n in zip(sizes, natoms, strict=True))
        if not any(sizes):
            raise ConfigError(
                f"batch_size filter:{number} leaves no system: the smallest has {min(natoms)} atoms"
            )
    return BatchSizes(sizes)


def count_batches(set_sizes: Iterable[Sequence[int]], sizes: BatchSizes) -> list[int]:
    """Batches in each system.

    Args:
        set_sizes: Frames in each set of each system.
        sizes: Frames per batch.
    """
    return [
        sum(max(1, nframes // size) for nframes in sets) if size else 0
        for sets, size in zip(set_sizes, sizes.sizes, strict=True)
    ]


def steps_per_pass(sizes: BatchSizes, probabilities: np.ndarray, nframes: Sequence[int]) -> int:
    """Batches that hold as many frames, on average, as the systems drawn from have.

    Args:
        sizes: Frames per batch.
        probabilities: Of drawing from each system.
        nframes: Frames of each system.
    """
    drawn = [index for index, probability in enumerate(probabilities) if probability > 0]
    batch: float = sizes.sizes[0]
    if not sizes.mixed:
        batch = sum(probabilities[k] * min(sizes.sizes[k], nframes[k]) for k in drawn)
    return math.ceil(sum(nframes[k] for k in drawn) / batch)
