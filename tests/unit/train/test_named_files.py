"""Training on a file of another code is training on its conversion."""

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from deepattn.cli.main import main

from . import toy


def write_frames(path):
    rng = np.random.default_rng(4)
    frames = []
    for symbols in ["OH2", "O2H4", "OH2", "O2H4"]:
        atoms = Atoms(symbols, cell=5.0 * np.eye(3), pbc=True)
        places = np.indices((2, 2, 2)).reshape(3, -1).T[: len(atoms)]
        atoms.positions = 1.6 * places + rng.uniform(-0.1, 0.1, (len(atoms), 3))
        forces = rng.normal(size=(len(atoms), 3))
        atoms.calc = SinglePointCalculator(atoms, energy=-2.0 * len(atoms), forces=forces)
        frames.append(atoms)
    ase.io.write(path, frames)


def test_weights_are_equal_bit_for_bit(here):
    write_frames("frames.extxyz")
    assert main(["convert", "frames.extxyz", "-o", "data"]) == 0
    checkpoints = []
    for systems in ("frames.extxyz", "data"):
        toy.run(here, systems, numb_steps=5)
        checkpoints.append((here / "model.ckpt.h5").resolve().rename(f"{systems}.h5"))
    toy.assert_equal_checkpoints(*checkpoints)
