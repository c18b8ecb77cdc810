"""Runs inside DeePMD-kit's Python: models of observables, trained, tested and evaluated.

``python observables.py JOBS.json``: a list of ``{"commands": [...], "evaluate": [...]}``. A command
is ``{"arguments": [...], "folder": path, "output": file}``, a command line of ``dp``; the file gets
what it logged. An evaluation is ``{"model": pb, "cases": npz, "output": npz}`` with cases as for
``evaluate.py``; the output gets, for each name, what the class of the model gives: ``<name>/0``,
``<name>/1``, …; with ``"full": false`` no derivatives of tensors.
"""

import contextlib
import json
import os
import sys

import numpy as np
from deepmd.infer import DeepEval
from deepmd.main import main as dp


def run(arguments: list, folder: str, output: str) -> None:
    """A command line of ``dp``."""
    os.chdir(folder)
    with open(output, "w") as file, contextlib.redirect_stderr(file):
        dp(arguments)


def evaluate(model: str, cases: str, output: str, full: bool = True) -> None:
    """One model, all cases of one file, with all that its class gives."""
    deep = DeepEval(model)
    method = (full and getattr(deep, "eval_full", None)) or deep.eval
    results = {}
    with np.load(cases) as given:
        names = sorted({key.rsplit("/", 1)[0] for key in given.files})
        for name in names:
            coord, atype = given[f"{name}/coord"], given[f"{name}/atype"]
            box = given[f"{name}/box"] if f"{name}/box" in given.files else None
            if atype.ndim != 1:
                continue
            values = method(
                coord.reshape(len(coord), -1),
                None if box is None else box.reshape(len(coord), 9),
                atype.tolist(),
                atomic=True,
            )
            for place, value in enumerate(values if isinstance(values, tuple) else [values]):
                results[f"{name}/{place}"] = np.asarray(value)
    np.savez(output, **results)


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        jobs = json.load(file)
    for job in jobs:
        for command in job.get("commands", []):
            run(**command)
        for evaluation in job.get("evaluate", []):
            evaluate(**evaluation)
