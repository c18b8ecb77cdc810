"""One seed for a whole run."""

import hashlib
import logging
import secrets
from dataclasses import replace

from deepattn.config import Config

log = logging.getLogger(__name__)


def settle_seeds(config: Config) -> Config:
    """Give every block that lacks a seed one that follows from ``training.seed``.

    Without ``training.seed`` one is drawn and logged. The result is written to ``out.json``, from
    which the run can be repeated.
    """
    seed = config.training.seed
    if seed is None:
        seed = secrets.randbits(31)
        log.info("training/seed is not set; this run has the seed %d", seed)
    model = config.model
    parts = {
        name: replace(part, seed=_derive(seed, name))
        for name in ("descriptor", "fitting_net", "type_embedding")
        if (part := getattr(model, name)) is not None and part.seed is None
    }
    return replace(
        config,
        model=replace(model, **parts),
        training=replace(config.training, seed=seed),
    )


def _derive(seed: int, block: str) -> int:
    # Blocks with one seed in common would draw the same numbers.
    digest = hashlib.sha256(f"{seed}/{block}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
