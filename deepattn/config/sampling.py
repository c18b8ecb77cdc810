"""The grammar of ``batch_size``, ``auto_prob`` and ``sys_probs``, for the input and the data."""

import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from deepattn.config.constraints import require
from deepattn.errors import ConfigError, show

_RULE = re.compile(r"(auto|max|filter|mixed)(?::\s*([0-9]{1,18})\s*)?")
_BLOCK = re.compile(
    r"\s*(-?[0-9]{1,18})\s*:\s*(-?[0-9]{1,18})\s*:"
    r"\s*((?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)\s*"
)
_DEFAULT_ATOMS = 32
# DeePMD-kit's, for sums of rounded decimals such as ten times 0.1.
_TOLERANCE = 1e-8


class BatchRule(NamedTuple):
    """A rule for the sizes of batches, such as ``auto:32``."""

    word: str
    number: int


class Block(NamedTuple):
    """Systems ``start`` to ``end``, as in a slice, that share a weight."""

    start: int
    end: int
    weight: float


def read_batch_size(size: int | str | Sequence[int], path: str) -> BatchRule | tuple[int, ...]:
    """A rule, or numbers: one for all systems or one for each.

    Args:
        size: The value of ``batch_size``.
        path: The key, for messages.

    Raises:
        ConfigError: The value is invalid.
    """
    if isinstance(size, str):
        match = _RULE.fullmatch(size)
        word, number = match.groups() if match else ("", None)
        if number is None and word == "auto":
            return BatchRule(word, _DEFAULT_ATOMS)
        rule = BatchRule(word, int(number or 0))
        require(
            rule.number > 0, path, size, "be auto, auto:M, max:M, filter:M, mixed:B or a number"
        )
        return rule
    sizes: tuple[Any, ...] = tuple(size) if isinstance(size, Sequence) else (size,)
    whole = all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in sizes)
    require(bool(sizes) and whole, path, size, "be at least 1")
    return sizes


def read_auto_prob(style: str, path: str) -> list[Block] | None:
    """The blocks of ``prob_sys_size;…``; none if it is ``prob_sys_size``, None if uniform.

    Args:
        style: The value of ``auto_prob``.
        path: The key, for messages.

    Raises:
        ConfigError: The value is invalid.
    """
    if style == "prob_uniform":
        return None
    name, *texts = style.split(";")
    blocks = [block for block in map(_block, texts) if block is not None]
    require(
        name == "prob_sys_size" and len(blocks) == len(texts),
        path,
        style,
        "be prob_uniform, prob_sys_size or prob_sys_size;start:end:weight;…",
    )
    if blocks:
        total = sum(block.weight for block in blocks)
        require(total > 0, path, style, "have a positive weight")
    return blocks


def check_probabilities(probabilities: Sequence[float], path: str) -> None:
    """Refuse probabilities of systems that do not sum to 1.

    Args:
        probabilities: One for each system; negative ones share what the others leave.
        path: The key, for messages.

    Raises:
        ConfigError: They do not, or one is not finite.
    """
    given = sum(p for p in probabilities if p >= 0)
    open_ones = any(p < 0 for p in probabilities)
    fits = given <= 1 + _TOLERANCE and (open_ones or 1 - given <= _TOLERANCE)
    if not fits or not all(map(math.isfinite, probabilities)):
        share = "at most 1" if open_ones else "1"
        raise ConfigError(
            f"{path} is {show(list(probabilities))}; its non-negative entries must sum to "
            f"{share}, not {given:.9g}."
        )


def _block(text: str) -> Block | None:
    match = _BLOCK.fullmatch(text)
    if match is None:
        return None
    start, end, weight = match.groups()
    block = Block(int(start), int(end), float(weight))
    return block if math.isfinite(block.weight) else None
