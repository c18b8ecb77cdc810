"""Runs inside DeePMD-kit's Python: models of magnetic moments on frames with moments.

``python spin.py JOBS.json``: a list of ``{"commands": [[...]], "models": [file], "cases": npz,
"output": npz}``: command lines of ``dp``, whose log is ``log``, and models to evaluate after them.
The cases hold ``coord [nframes, natoms, 3]``, ``box [nframes, 9]``, ``atype [natoms]`` and
``spin [nframes, natoms, 3]``; the output has ``<number of the model>/<name>``.
"""

import contextlib
import json
import sys

import numpy as np
from deepmd.infer import DeepPot
from deepmd.main import main as dp

NAMES = ("energy", "force", "virial", "atom_energy", "atom_virial", "force_mag", "mask_mag")


def main(jobs: str) -> None:
    with open(jobs) as file:
        for job in json.load(file):
            with open("log", "a") as output, contextlib.redirect_stderr(output):
                for command in job["commands"]:
                    dp(command)
            case, results = np.load(job["cases"]), {}
            nframes = len(case["coord"])
            for number, model in enumerate(job["models"]):
                values = DeepPot(model).eval(
                    case["coord"].reshape(nframes, -1),
                    case["box"],
                    case["atype"].tolist(),
                    atomic=True,
                    spin=case["spin"].reshape(nframes, -1),
                )
                for name, value in zip(NAMES, values, strict=True):
                    results[f"{number}/{name}"] = np.asarray(value)
            np.savez(job["output"], **results)


if __name__ == "__main__":
    main(sys.argv[1])
