"""Seeds of the parts of a layer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def seeds_from(seed: int | None) -> Iterator[int | None]:
    """Independent seeds for one part after the other; ``None`` for each if there is none."""
    sequence = None if seed is None else np.random.SeedSequence(seed)
    while True:
        if sequence is None:
            yield None
        else:
            # 31 bits, and room for the seeds that a part counts on from its own.
            [child] = sequence.spawn(1)
            yield int(child.generate_state(1)[0] >> 1)
