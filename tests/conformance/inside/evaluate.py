"""Runs inside DeePMD-kit's Python: evaluate graphs on the cases of ``.npz`` files.

``python evaluate.py JOBS.json``: a list of ``{"model": pb, "cases": npz, "output": npz}``. The
cases file holds, for each name, ``<name>/coord [nframes, natoms, 3]``, ``/atype [natoms]`` or
``[nframes, natoms]`` (mixed type), and optionally ``/box [nframes, 9]``, ``/fparam``, ``/aparam``;
the output gets ``<name>/energy``, ``/force``, ``/virial``, ``/atom_energy`` and ``/atom_virial``.
"""

import json
import sys

import numpy as np
from deepmd.infer import DeepPot

KEYS = ("energy", "force", "virial", "atom_energy", "atom_virial")
PER_ATOM = ("force", "atom_energy", "atom_virial")


def evaluate(model: str, cases: str, output: str) -> None:
    """One graph, all cases of one file."""
    pot = DeepPot(model)
    results = {}
    with np.load(cases) as given:
        names = sorted({key.rsplit("/", 1)[0] for key in given.files})
        for name in names:

            def part(key, name=name):
                return given[name + "/" + key] if name + "/" + key in given.files else None

            coord, atype, box = part("coord"), part("atype"), part("box")
            nframes, natoms = coord.shape[:2]
            options = {key: part(key) for key in ("fparam", "aparam") if part(key) is not None}
            if "aparam" in options:
                options["aparam"] = options["aparam"].reshape(nframes, -1)
            if atype.ndim == 2:
                options["mixed_type"] = True
            values = pot.eval(
                coord.reshape(nframes, -1),
                None if box is None else box.reshape(nframes, 9),
                atype if atype.ndim == 2 else atype.tolist(),
                atomic=True,
                **options,
            )
            for key, value in zip(KEYS, values, strict=True):
                shape = [nframes, natoms, -1] if key in PER_ATOM else [nframes, -1]
                if key == "atom_energy":  # virtual atoms of magnetic moments have none
                    shape = [nframes, -1, 1]
                results[name + "/" + key] = np.asarray(value).reshape(shape)
            for key in ("energy", "atom_energy"):
                results[name + "/" + key] = results[name + "/" + key][..., 0]
    np.savez(output, **results)


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        jobs = json.load(file)
    for job in jobs:
        print("evaluating", job["model"], flush=True)
        evaluate(**job)
