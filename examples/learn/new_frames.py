"""Test the models of the loop on frames that nothing was trained on.

Frames of the student's last dynamics are drawn at random and labeled with the settings of the loop:

    python new_frames.py [COUNT]
"""

import sys
from pathlib import Path

import numpy as np

from deepattn.distill.potential import ModelPotential
from deepattn.distill.validate import errors
from deepattn.distill.workdir import read_frames
from deepattn.learn import read_learn
from deepattn.learn.labels.source import StoredLabeler
from deepattn.learn.labels.store import LabelStore

LEARN, NEW = Path("learn"), Path("new")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    explored = sorted((LEARN / "student").glob("round-*/explored.extxyz"))[-1]
    frames = read_frames(explored)
    rows = np.sort(np.random.default_rng(7).choice(len(frames), count, replace=False))
    config, _ = read_learn("loop.json")
    labeler = StoredLabeler(config.labels.open(), LabelStore(NEW / "labels"))
    data = labeler.label([frames[row] for row in rows], NEW / "batch", title="labels")
    for model in (LEARN / "model.pb", LEARN / "student" / "student.pb"):
        found = errors(ModelPotential(model).evaluate(data.frames), data.labels)
        print(
            f"{model}: RMSE of {len(data.frames)} frames, forces {1e3 * found['force']:.1f} meV/Å, "
            f"energies {1e3 * found['energy']:.1f} meV/atom"
        )


if __name__ == "__main__":
    main()
