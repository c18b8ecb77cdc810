"""How often each system is drawn: ``sys_probs`` and every form of ``auto_prob``."""

from collections.abc import Sequence

import numpy as np

from deepattn.config.sampling import Block, check_probabilities, read_auto_prob
from deepattn.errors import ConfigError


def system_probabilities(
    auto_prob: str, sys_probs: Sequence[float] | None, numb_batches: Sequence[int]
) -> np.ndarray:
    """Probability of each system, float64 ``[nsystems]``, sum 1.

    Args:
        auto_prob: ``prob_uniform``; ``prob_sys_size``, by the number of batches; or
            ``prob_sys_size;0:5:0.3;5:9:0.7``, where systems 0–4 share 0.3 by their numbers of
            batches and 5–8 share 0.7.
        sys_probs: Probabilities that override ``auto_prob``; systems with a negative one share
            what the others leave, by their numbers of batches.
        numb_batches: Batches in each system; a system without any is never drawn.

    Raises:
        ConfigError: If the options do not describe a probability for these systems.
    """
    sizes = np.asarray(numb_batches, np.float64)
    if sys_probs is not None:
        weights = _by_hand(np.asarray(sys_probs, np.float64), sizes)
    elif (blocks := read_auto_prob(auto_prob, "auto_prob")) is None:
        weights = np.ones(len(sizes))
    elif blocks:
        weights = _by_block(blocks, auto_prob, sizes)
    else:
        weights = sizes
    weights = np.where(sizes > 0, weights, 0.0)
    total = weights.sum()
    if not total > 0:
        raise ConfigError("sys_probs and auto_prob give every system the probability 0")
    return weights / total


def _by_hand(given: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    if given.shape != sizes.shape:
        raise ConfigError(f"sys_probs has {len(given)} numbers for {len(sizes)} systems")
    check_probabilities(given.tolist(), "sys_probs")
    free = given < 0
    fixed = given[~free].sum()
    weights = given.copy()
    if free.any():
        share = np.where(free, sizes, 0.0)
        weights[free] = (max(0.0, 1 - fixed) * share / max(share.sum(), 1.0))[free]
    return weights


def _by_block(blocks: Sequence[Block], auto_prob: str, sizes: np.ndarray) -> np.ndarray:
    total = sum(block.weight for block in blocks)
    weights = np.zeros(len(sizes))
    for start, end, weight in blocks:
        inside = sizes[start:end]
        if inside.sum() > 0:
            weights[start:end] += weight / total * inside / inside.sum()
        elif weight > 0:
            raise ConfigError(f"auto_prob {auto_prob!r}: no system is in {start}:{end}")
    return weights
