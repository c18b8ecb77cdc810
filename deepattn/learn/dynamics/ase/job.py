"""Dynamics of a model in the working folder: ``python -m deepattn.learn.dynamics.ase.job``.

``task.json`` says what to do, see `AseJobs`; the frames and a summary are written beside it.
"""

from __future__ import annotations

import json
from pathlib import Path

from deepattn.distill.config import ExploreConfig
from deepattn.distill.explore import explore
from deepattn.distill.potential import ModelPotential
from deepattn.distill.workdir import read_frames, write_frames, write_json
from deepattn.learn.dynamics.ase.files import FRAMES, RESULT, STRUCTURES, TASK


def main() -> None:
    """Run the dynamics."""
    task = json.loads(Path(TASK).read_text(encoding="utf-8"))
    explored = explore(
        ModelPotential(task["model"], task["head"]),
        read_frames(Path(STRUCTURES)),
        ExploreConfig.from_dict(task["explore"]),
        steps=task["steps"],
        every=task["every"],
        closest=task["closest"],
        seed=task["seed"],
        title="dynamics",
        numbers=task["numbers"],
    )
    write_frames(Path(FRAMES), explored.frames)
    summary = {
        "runs": explored.runs,
        "stopped": explored.stopped,
        "atom_steps": explored.atom_steps,
        "seconds": explored.seconds,
    }
    write_json(Path(RESULT), summary)


if __name__ == "__main__":
    main()
