"""How many frames of a system make a batch: every form of ``batch_size``."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from deepattn.errors import ConfigError

_AUTO = 32


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
    if isinstance(rule, str):
        return _by_word(rule, natoms)
    if isinstance(rule, int):
        return BatchSizes((_positive(rule),) * len(natoms), by_hand=True)
    if len(rule) != len(natoms):
        raise ConfigError(
            f"batch_size lists {len(rule)} numbers, but {len(natoms)} systems were found"
        )
    return BatchSizes(tuple(_positive(size) for size in rule), by_hand=True)


def _by_word(rule: str, natoms: Sequence[int]) -> BatchSizes:
    word, colon, text = rule.partition(":")
    number = int(text) if text.strip().isdecimal() else 0
    if word not in ("auto", "max", "filter", "mixed"):
        raise ConfigError(
            f"batch_size {rule!r} is not a rule: give an integer, a list of integers, "
            "auto[:M], max:M, filter:M or mixed:B"
        )
    if number < 1 and (colon or word != "auto"):
        raise ConfigError(f"batch_size {rule!r} needs a positive integer after {word}:")
    if word == "auto":
        atoms = number or _AUTO
        return BatchSizes(tuple(-(-atoms // count) for count in natoms))
    if word == "mixed":
        return BatchSizes((number,) * len(natoms), mixed=True)
    sizes = tuple(max(1, number // count) for count in natoms)
    if word == "filter":
        sizes = tuple(s if n <= number else 0 for s, n in zip(sizes, natoms, strict=True))
        if not any(sizes):
            raise ConfigError(
                f"batch_size {rule!r} leaves no system: the smallest has {min(natoms)} atoms"
            )
    return BatchSizes(sizes)


def _positive(size: object) -> int:
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise ConfigError(f"batch_size {size!r} is not a positive integer")
    return size
