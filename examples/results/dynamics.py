"""Beyond errors: the models of water and of Nb–Mo–Ta–W in LAMMPS for 100 ps.

    python dynamics.py --lmp /path/to/deepmd-kit/bin/lmp --output runs

Needs the trained models of ``run.py water monbtaw`` in the same folder. Each is compressed and run
by DeePMD-kit's LAMMPS at constant energy; the results go to ``dynamics.json``, from which
``page.py`` and ``pictures.py`` make tables and a picture. A run is in parts of 10 ps; a second call
repeats none of them.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from command import check_folder, make_parser, one_sentence
from configurational import configurational_temperature
from lammps_run import Dynamics, mean_square_displacement
from record import RUNS, program_versions, read_json, write_json
from training_run import trained_folder

from deepattn import DP, ops
from deepattn.data import System
from deepattn.data.atoms import read_atoms
from deepattn.distill.rdf import radial_distribution
from deepattn.export import compress_model
from deepattn.models import open_model_file

_WATER = ("train/data_0", "train/data_1", "valid/data_2")
_METALS = ("Nb", "Mo", "Ta", "W")
# Longest bond of a molecule of water, Å.
_BOND = 1.3
# Lags between which the mean square displacement is a line, ps.
_LINEAR = (2.0, 10.0)


def water(options: argparse.Namespace) -> dict:
    """Structure and diffusion of the liquid at the temperature of the data."""
    frames = labeled_water(options.data)
    sampled = configurational_temperature(frames, ("H", "O"))
    temperature = float(sampled.mean())
    run = Dynamics(frames[-1], ("O", "H"), temperature, timestep=5e-4)
    folder = _run(run, "water", options)
    own = run.frames(folder)
    labels, model = (radial_distribution(part, width=0.05) for part in (frames, own))
    lags = np.arange(round(_LINEAR[1] / run.every) + 1) * run.every
    displacement = mean_square_displacement(own, "O", len(lags) - 1)
    linear = lags >= _LINEAR[0]
    slope = np.polyfit(lags[linear], displacement[linear], 1)[0]
    return summary(run, folder) | {
        "temperature_of_labels": [
            round(temperature, 1),
            round(float(sampled.std() / np.sqrt(len(sampled))), 1),
        ],
        "frames_of_labels": len(frames),
        "diffusion": round(float(slope / 6), 4),
        "molecules": [whole_molecules(atoms) for atoms in (own[0], own[-1])],
        "r": labels.r.round(3).tolist(),
        "labels": as_lists(labels.g),
        "model": as_lists(model.g),
    }


def alloy(options: argparse.Namespace) -> dict:
    """A disordered alloy of all four metals, which no frame of the data has together, when hot."""
    atoms = bulk("Nb", "bcc", a=3.25, cubic=True) * (4, 4, 4)
    random = np.random.default_rng(1)
    atoms.symbols = random.permutation(np.resize(_METALS, len(atoms)))
    relaxed = atoms.copy()
    relaxed.calc = DP(trained_folder(options.output, "monbtaw"))
    BFGS(FrechetCellFilter(relaxed, hydrostatic_strain=True), logfile=None).run(fmax=0.02, steps=60)
    atoms = Atoms(relaxed.symbols, relaxed.positions, cell=relaxed.cell, pbc=True)
    run = Dynamics(atoms, _METALS, temperature=2000.0, timestep=2e-3, every=0.1)
    folder = _run(run, "monbtaw", options)
    return summary(run, folder) | {"a": round(float(atoms.cell.lengths()[0] / 4), 4)}


def labeled_water(data: Path) -> list[Atoms]:
    """All frames of water, with their forces."""
    frames = []
    for part in _WATER:
        folder = check_folder(data / "water" / part, "give the folder of the data with --data")
        system = System(str(folder))
        for row, atoms in enumerate(read_atoms(folder)):
            force = system.load("force", [row]).reshape(-1, 3)
            atoms.calc = SinglePointCalculator(atoms, forces=force)
            frames.append(atoms)
    return frames


def _run(run: Dynamics, name: str, options: argparse.Namespace) -> Path:
    """Compress the model of a data set and run it; the folder of the run."""
    folder = options.output / f"{name}-dynamics"
    folder.mkdir(parents=True, exist_ok=True)
    graph = folder / "model.pb"
    if not graph.is_file():
        compress_model(open_model_file(trained_folder(options.output, name)), graph, fast=True)
    run.carry_out(options.lmp, graph, folder, str(ops.fast_library()))
    return folder


def summary(run: Dynamics, folder: Path) -> dict:
    """What is recorded of every run."""
    trajectory, temperatures = run.energies(folder)
    slope, error = trajectory.drift
    return {
        "program": dict(program_versions()),
        "atoms": len(run.atoms),
        "timestep": run.timestep,
        "time": run.parts * run.length,
        "broke_at": run.broke_at(folder),
        "temperature": round(float(temperatures.mean()), 1),
        "drift": [float(f"{1e6 * value:.2g}") for value in (slope, error)],
        "milliseconds": round(1000 * run.seconds_per_step(folder), 2),
    }


def whole_molecules(atoms: Atoms) -> int:
    """Oxygen atoms with two hydrogen atoms bonded to them, and to no other oxygen."""
    distances = atoms.get_all_distances(mic=True)
    symbols = np.array(atoms.get_chemical_symbols())
    bonded = distances[np.ix_(symbols == "O", symbols == "H")] < _BOND
    shared = bonded.sum(axis=0) > 1
    return int(np.count_nonzero((bonded.sum(axis=1) == 2) & ~np.any(bonded & shared, axis=1)))


def as_lists(curves: dict[tuple[str, str], np.ndarray]) -> dict[str, list[float]]:
    """Radial distribution functions by names of the pairs, for a file."""
    return {"–".join(pair): curve.round(4).tolist() for pair, curve in curves.items()}


SYSTEMS = {"water": water, "alloy": alloy}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run them."""
    parser = make_parser(__doc__)
    parser.add_argument("systems", nargs="*", metavar="SYSTEM", help=f"of {', '.join(SYSTEMS)}")
    parser.add_argument(
        "--lmp", type=Path, default=Path("lmp"), help="LAMMPS with DeePMD-kit 3.0 or later"
    )
    options = parser.parse_args(arguments)
    with one_sentence():
        known = read_json(RUNS, {})
        for name in options.systems or SYSTEMS:
            known[name] = SYSTEMS[name](options)
            print(name, known[name] | {"labels": "", "model": "", "r": ""}, file=sys.stderr)
            write_json(RUNS, known)


if __name__ == "__main__":
    main()
