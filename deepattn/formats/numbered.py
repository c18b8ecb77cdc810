"""Numbered checkpoints that are not in the list of their folder, the file ``checkpoint``.

They go with those of a training, which are: a checkpoint of the same step follows each.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from deepattn.formats.checkpoint import checkpoints_of, write_arrays
from deepattn.formats.files import replace_link


def write_numbered(
    prefix: Path, step: int, arrays: dict[str, np.ndarray], header: dict, *, keep: int
) -> None:
    """Write ``<prefix>-<step>.h5``, the latest, and remove the oldest ones.

    Args:
        prefix: Path without step and ending; its folder must exist.
        step: Training step, larger than all before.
        arrays: See `deepattn.formats.checkpoint.write_checkpoint`.
        header: See there.
        keep: Number of files that stay; 0 keeps all.
    """
    path = prefix.with_name(f"{prefix.name}-{step}.h5")
    write_arrays(path, arrays, header)
    link_latest(prefix)
    for old in checkpoints_of(prefix)[:-keep] if keep else ():
        old.unlink()


def numbered_after(prefix: Path, step: int) -> list[Path]:
    """The files of later steps, in their order."""
    first = len(f"{prefix.name}-")
    return [path for path in checkpoints_of(prefix) if int(path.name[first:-3]) > step]


def link_latest(prefix: Path) -> None:
    """Make ``<prefix>.h5`` a link to the latest file, or remove it if there is none."""
    files, link = checkpoints_of(prefix), prefix.with_name(f"{prefix.name}.h5")
    if files:
        replace_link(files[-1].name, link)
    else:
        link.unlink(missing_ok=True)
