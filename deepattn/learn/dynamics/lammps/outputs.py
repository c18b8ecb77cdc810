"""The frames of a run of LAMMPS, and why it ended."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ase import Atoms

from deepattn.distill.dynamics import (
    DIVERGED,
    GROWN,
    TOO_CLOSE,
    TOO_HOT,
    Trajectory,
    fault,
    kept_frame,
)
from deepattn.distill.explore import Run
from deepattn.distill.overlap import too_close
from deepattn.errors import DataError
from deepattn.foreign.dump import read_dump
from deepattn.foreign.frames import StoredFrames
from deepattn.learn.dispatch.script import ERRORS, OUTPUT
from deepattn.learn.dynamics.jobs import last_error
from deepattn.learn.dynamics.lammps.files import DUMP, END, LOG

# What a run is said to have ended by if LAMMPS itself failed.
FAILED = "LAMMPS failed"
# Å. LAMMPS writes all digits.
_SAME = 1e-6
_LOOP = re.compile(r"Loop time of (\S+) on \d+ procs for (\d+) steps with (\d+) atoms")


class End(NamedTuple):
    """Step and volume (Å³) at the end of a run."""

    step: int
    volume: float


def read_end(folder: Path) -> End | None:
    """The end of a run; None if LAMMPS failed before it."""
    words = (folder / END).read_text(encoding="utf-8").split()
    return End(int(words[0]), float(words[1])) if len(words) == 2 else None


def stored_frames(folder: Path) -> StoredFrames:
    """All complete frames of the dump, the first of them where the run starts.

    Raises:
        DataError: There are none.
    """
    return read_dump(str(folder / DUMP), interrupted=True)


def read_trajectory(folder: Path, run: Run, *, steps: int, closest: float) -> Trajectory:
    """Frames of a run, in the orientation of its structure, up to the first that is unphysical.

    Args:
        folder: Of the run.
        run: The run.
        steps: Steps that it was to have.
        closest: See `too_close`.

    Raises:
        DataError: The dump does not begin with the structure of the run.
    """
    stored = stored_frames(folder)
    periodic, start = bool(run.atoms.pbc.all()), run.atoms
    coords, cells = stored.arrays["coord"], stored.arrays.get("box", np.zeros((1, 3, 3)))
    # LAMMPS has cells that are lower triangular, and open atoms in a box.
    turn = np.linalg.solve(cells[0], start.cell.array) if periodic else np.eye(3)
    names = [stored.names[kind] for kind in stored.atype]
    shift = start.positions - coords[0] @ turn if coords.shape[1] == len(start) else None
    if names != start.get_chemical_symbols() or shift is None or np.ptp(shift, 0).max() > _SAME:
        raise DataError(
            f"{folder / DUMP}: does not begin with the structure of the run; remove this folder "
            "and call the same command again"
        )
    volume, end = start.get_volume() if periodic else None, read_end(folder)
    trajectory = Trajectory([], _why_ended(end, steps, volume))
    for row, step in enumerate(stored.arrays["timestep"]):
        if step == 0:
            continue
        if end is not None and trajectory.stopped and step >= end.step:
            break
        frame = Atoms(start.numbers, coords[row] @ turn + shift)
        if periodic:
            frame.set_cell(cells[row] @ turn)
            frame.pbc = True
        reason = fault(frame, run.condition.temperature, volume)
        if not reason and too_close(frame, closest):
            reason = TOO_CLOSE
        if reason:
            trajectory.stopped = reason
            break
        trajectory.frames.append(kept_frame(frame, run.condition, int(step)))
    return trajectory


def why_failed(folder: Path) -> str:
    """The error that LAMMPS reported, or else the last line that its command printed as one."""
    for name in (LOG, OUTPUT, ERRORS):
        text = (folder / name).read_text(encoding="utf-8", errors="replace")
        for line in text.splitlines():
            if line.startswith("ERROR"):
                return line.strip()
    return last_error(folder)


def atom_steps(folder: Path) -> tuple[int, float]:
    """Atoms times steps, and the seconds that they took; zeros if LAMMPS failed."""
    found = _LOOP.search((folder / LOG).read_text(encoding="utf-8", errors="replace"))
    if found is None:
        return 0, 0.0
    return int(found[2]) * int(found[3]), float(found[1])


def _why_ended(end: End | None, steps: int, volume: float | None) -> str:
    """Why a run ended before its time, or an empty string."""
    if end is None:
        return FAILED
    if end.step >= steps:
        return ""
    grown = volume is not None and not 1 / GROWN < end.volume / volume < GROWN
    return DIVERGED if grown else TOO_HOT
