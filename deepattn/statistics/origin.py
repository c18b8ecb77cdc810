"""The data that a cache of statistics comes from."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter

import numpy as np

from deepattn.data import DataSet, System
from deepattn.errors import DataError
from deepattn.statistics.stat_file import StatFile

log = logging.getLogger(__name__)


def check_origin(stat_file: StatFile, data: DataSet) -> None:
    """Refuse statistics of other data; a cache that is empty becomes one of these.

    Systems are told apart by their sizes and by their first and last frames, wherever they are. A
    cache that DeePMD-kit has written does not say what it is of, and is taken as it is.

    Args:
        stat_file: The cache.
        data: The training data.

    Raises:
        DataError: The statistics are of other data.
    """
    digests = [digest_of(system) for system in data.systems]
    stored = stat_file.read_systems()
    if stored is None and stat_file.is_empty():
        # First of all, so that a killed run leaves no statistics of unknown data.
        stat_file.write_systems(digests)
        return
    if stored is None:
        log.info("stat_file %s does not record its data; it is taken as it is", stat_file.path)
        return
    missing, unknown = Counter(stored) - Counter(digests), Counter(digests) - Counter(stored)
    if missing or unknown:
        raise DataError(
            f"stat_file {stat_file.path} has the statistics of other data: of its "
            f"{len(stored)} systems {missing.total()} are not among the training data, and of "
            f"their {len(digests)} systems it lacks {unknown.total()}; delete it, or set "
            "stat_file_mode to read to use it all the same"
        )


def digest_of(system: System) -> str:
    """A digest of the size of a system and of its first and last frame."""
    frames = [0, system.nframes - 1]
    inputs, labels = system.frames(frames, labels=["energy"])
    digest = hashlib.sha256(f"{system.nframes} {system.natoms} {system.periodic}".encode())
    for array in (inputs["coord"], inputs["box"], inputs["atype"], labels["energy"]):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:32]
