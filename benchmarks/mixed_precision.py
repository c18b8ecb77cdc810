"""What products in bfloat16 cost in accuracy, and their time on this machine.

``python benchmarks/mixed_precision.py [--steps N] [--seeds N]`` trains the example of the alloy in
float32 and with ``mixed_precision``, and prints the errors on its validation data: in the training
(in bfloat16, for the second), and of the checkpoint, which computes in float32.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from deepattn.config import read_input, upgrade
from deepattn.infer.testing import measure_errors
from deepattn.train import Trainer
from deepattn.train.evaluation import Evaluation

ALLOY = Path(__file__).resolve().parents[1] / "examples" / "alloy"


def run(seed: int, steps: int, *, mixed: bool) -> dict[str, float]:
    """Errors in meV/atom and meV/Å, and seconds per step, of one training."""
    data = json.loads((ALLOY / "input.json").read_text())
    for name in ("training_data", "validation_data"):
        section = data["training"][name]
        section["systems"] = str(ALLOY / section["systems"])
    for part in ("type_embedding", "descriptor", "fitting_net"):
        data["model"][part]["seed"] = seed
    data["training"] |= {"numb_steps": steps, "disp_freq": steps, "save_freq": steps, "seed": seed}
    if mixed:
        data["training"]["mixed_precision"] = {"compute_prec": "bfloat16"}
    trainer = Trainer(read_input(upgrade(data)), skip_neighbor_stat=True)
    began = time.monotonic()
    trainer.train()
    took = (time.monotonic() - began) / steps
    training = Evaluation(trainer.tasks[0])()
    valid = [system.path for system in trainer.validation_data.systems]
    file = measure_errors("model.ckpt", valid).average
    return {
        "e, training": 1e3 * training["rmse_ea"][0],
        "f, training": 1e3 * training["rmse_f"][0],
        "e, file": 1e3 * file["rmse_ea"][0],
        "f, file": 1e3 * file["rmse_f"][0],
        "s/step": took,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    for mixed in (False, True):
        rows = []
        for seed in range(1, options.seeds + 1):
            with tempfile.TemporaryDirectory() as folder:
                os.chdir(folder)
                rows.append(run(seed, options.steps, mixed=mixed))
                os.chdir(ALLOY)
        for name in rows[0]:
            values = ", ".join(f"{row[name]:.4g}" for row in rows)
            mean = np.mean([row[name] for row in rows])
            print(f"{'bfloat16' if mixed else 'float32'}: {name}: {values}; mean {mean:.4g}")


if __name__ == "__main__":
    main()
