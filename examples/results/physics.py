"""Beyond errors: elastic constants of four metals, by their labels and by the trained model.

    python physics.py --output runs

Needs the trained model of ``run.py monbtaw`` in the same folder, and writes
``physics-metals.json``, from which ``page.py`` makes a table.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase.build import bulk
from command import check_folder, make_parser, one_sentence
from elastic import from_frames, from_model
from record import write_json
from sets import HERE
from training_run import trained_folder

from deepattn import DP
from deepattn.data import System

METALS = ("Nb", "Mo", "Ta", "W")
_PARTS = ("train", "valid")
FILE = HERE / "physics-metals.json"


def metals(options: argparse.Namespace) -> dict:
    """Lattice and elastic constants of each metal, by labels and by the model."""
    found = {}
    calculator = DP(trained_folder(options.output, "monbtaw"))
    for name in METALS:
        folders = [options.data / "monbtaw/npy" / part / f"unary/{name}2" for part in _PARTS]
        frames = [_cells(folder) for folder in folders]
        labels = from_frames(*(np.concatenate(arrays) for arrays in zip(*frames, strict=True)))
        cell = bulk(name, "bcc", a=labels.a, cubic=True)
        cell.calc = calculator
        model = from_model(cell)

        found[name] = {
            "labels": labels._asdict(),
            "model": model._asdict(),
        }
        print(name, found[name], file=sys.stderr)
    return found


def _cells(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    system = System(str(check_folder(folder, "give the folder of the data with --data")))
    rows = range(system.nframes)
    return tuple(system.load(name, rows).reshape(-1, 3, 3) for name in ("box", "virial"))


def main(arguments: Sequence[str] | None = None) -> None:
    """Compute them."""
    parser = make_parser(__doc__)
    options = parser.parse_args(arguments)
    with one_sentence():
        write_json(FILE, metals(options))


if __name__ == "__main__":
    main()
