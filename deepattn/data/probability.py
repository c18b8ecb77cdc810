"""How often each system is drawn: ``sys_probs`` and every form of ``auto_prob``."""

from collections.abc import Sequence

import numpy as np

from deepattn.errors import ConfigError

_TOLERANCE = 1e-6


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
    elif auto_prob == "prob_uniform":
        weights = np.ones(len(sizes))
    elif auto_prob == "prob_sys_size":
        weights = sizes
    elif auto_prob.startswith("prob_sys_size;"):
        weights = _by_block(auto_prob, sizes)
    else:
        raise ConfigError(
            f"auto_prob {auto_prob!r} is none of prob_uniform, prob_sys_size, "
            "prob_sys_size;start:end:weight;..."
        )
    weights = np.where(sizes > 0, weights, 0.0)
    total = weights.sum()
    if not total > 0:
        raise ConfigError("sys_probs and auto_prob leave no system a probability above zero")
    return weights / total


def _by_hand(given: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    if given.shape != sizes.shape:
        raise ConfigError(f"sys_probs lists {len(given)} numbers for {len(sizes)} systems")
    if not np.isfinite(given).all():
        raise ConfigError(f"sys_probs {given.tolist()} holds a number that is not finite")
    free = given < 0
    fixed = given[~free].sum()
    if fixed > 1 + _TOLERANCE or (not free.any() and fixed < 1 - _TOLERANCE):
        raise ConfigError(f"sys_probs add up to {fixed:g}, not to 1")
    weights = given.copy()
    if free.any():
        share = np.where(free, sizes, 0.0)
        weights[free] = (max(0.0, 1 - fixed) * share / max(share.sum(), 1.0))[free]
    return weights


def _by_block(auto_prob: str, sizes: np.ndarray) -> np.ndarray:
    blocks = [_block(text, auto_prob) for text in auto_prob.split(";")[1:] if text.strip()]
    total = sum(weight for _, _, weight in blocks)
    if not total > 0:
        raise ConfigError(f"auto_prob {auto_prob!r}: the weights add up to {total:g}")
    weights = np.zeros(len(sizes))
    for start, end, weight in blocks:
        inside = sizes[start:end]
        if inside.sum() > 0:
            weights[start:end] += weight / total * inside / inside.sum()
        elif weight > 0:
            raise ConfigError(f"auto_prob {auto_prob!r}: no system is in {start}:{end}")
    return weights


def _block(text: str, auto_prob: str) -> tuple[int, int, float]:
    try:
        start, end, weight = text.split(":")
        block = int(start), int(end), float(weight)
    except ValueError:
        raise ConfigError(
            f"auto_prob {auto_prob!r}: {text.strip()!r} is not start:end:weight"
        ) from None
    if not 0 <= block[2] < np.inf:
        raise ConfigError(f"auto_prob {auto_prob!r}: weight {block[2]:g} is not positive")
    return block
