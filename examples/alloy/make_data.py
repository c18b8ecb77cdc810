"""Make the data set of this example: Cu-Pd-Au alloys labelled by an analytic potential.

Every frame is a 32-atom face-centred cubic cell with random site occupation and random strain,
taken from a short run of molecular dynamics. Energies, forces and virials are those of ASE's
effective-medium theory (EMT), a closed formula that costs nothing. It is *not* first-principles
data: good for learning the program, not for learning about alloys. In DeePMD's npy layout it
writes

``data/train``
    the three elements and their binaries,
``data/valid``
    the same compositions, other runs,
``data/unseen``
    ternaries, which training never sees.

Run it in an environment that has deepattn: ``python make_data.py``, three minutes.
"""

import argparse
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.md.verlet import VelocityVerlet

TYPE_MAP = ("Cu", "Pd", "Au")
LATTICE = {"Cu": 3.61, "Pd": 3.89, "Au": 4.06}  # Å, at EMT's minimum
NATOMS = 32
ELEMENTS = ((32, 0, 0), (0, 32, 0), (0, 0, 32))
BINARIES = tuple(
    tuple(np.roll((n, NATOMS - n, 0), shift).tolist()) for shift in range(3) for n in (8, 16, 24)
)
TERNARIES = ((10, 11, 11), (16, 8, 8), (8, 16, 8), (8, 8, 16))
FRAMES_PER_RUN = 2
# folder: (compositions, frames of each, number that keeps the random streams apart)
PARTS = {
    "train": (ELEMENTS + BINARIES, 72, 1),
    "valid": (ELEMENTS + BINARIES, 8, 2),
    "unseen": (TERNARIES, 20, 3),
}


def random_cell(counts: tuple[int, ...], rng: np.random.Generator) -> Atoms:
    """A strained fcc cell; atoms are listed by element, their sites are drawn at random."""
    symbols = np.repeat(TYPE_MAP, counts)
    constant = sum(LATTICE[symbol] for symbol in symbols) / NATOMS
    atoms = bulk("Cu", "fcc", a=constant, cubic=True).repeat(2)
    atoms.positions = atoms.positions[rng.permutation(NATOMS)]
    atoms.symbols = symbols
    strain = np.diag(rng.uniform(-0.03, 0.04) + rng.normal(0, 0.015, 3))
    shear = np.triu(rng.normal(0, 0.015, (3, 3)), 1)
    strain += shear + shear.T
    atoms.set_cell(atoms.cell @ (np.eye(3) + strain), scale_atoms=True)
    return atoms


def run(counts: tuple[int, ...], rng: np.random.Generator) -> list[Atoms]:
    """Let one random cell move with a random temperature; take frames 0.1 ps apart."""
    atoms = random_cell(counts, rng)
    atoms.calc = EMT()
    kelvin = rng.uniform(200, 1500)
    # From lattice sites: half of the kinetic energy becomes potential energy within a vibration.
    width = np.sqrt(2 * units.kB * kelvin * atoms.get_masses())[:, None]
    atoms.set_momenta(width * rng.standard_normal((NATOMS, 3)))
    dynamics = VelocityVerlet(atoms, 5 * units.fs)
    frames = []
    for _ in range(FRAMES_PER_RUN):
        dynamics.run(20)
        frames.append(atoms.copy())
    return frames


def label(frame: Atoms) -> dict[str, np.ndarray]:
    """Coordinates (Å) as stored, in float32, and what EMT says of exactly these (eV, eV/Å)."""
    box = frame.cell.array.astype(np.float32)
    coord = frame.positions.astype(np.float32)
    atoms = Atoms(frame.symbols, positions=coord, cell=box, pbc=True, calculator=EMT())
    stress = atoms.get_stress(voigt=False)
    return {
        "box": box.ravel(),
        "coord": coord.ravel(),
        "energy": np.float64(atoms.get_potential_energy()),
        "force": atoms.get_forces().astype(np.float32).ravel(),
        "virial": (-stress * atoms.get_volume()).astype(np.float32).ravel(),
    }


def make_system(counts: tuple[int, ...], nframes: int, rng: np.random.Generator) -> dict:
    """The arrays of one composition, frame first."""
    frames = [frame for _ in range(nframes // FRAMES_PER_RUN) for frame in run(counts, rng)]
    labelled = [label(frame) for frame in frames]
    return {key: np.stack([one[key] for one in labelled]) for key in labelled[0]}


def formula(counts: tuple[int, ...]) -> str:
    return "".join(f"{name}{n}" for name, n in zip(TYPE_MAP, counts, strict=True) if n)


def write_system(folder: Path, counts: tuple[int, ...], arrays: dict) -> None:
    (folder / "set.000").mkdir(parents=True, exist_ok=True)
    types = np.repeat(np.arange(len(TYPE_MAP)), counts)
    (folder / "type.raw").write_text("\n".join(map(str, types)) + "\n")
    (folder / "type_map.raw").write_text("\n".join(TYPE_MAP) + "\n")
    for key, array in arrays.items():
        np.save(folder / "set.000" / f"{key}.npy", array)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    here = Path(__file__).resolve().parent
    parser.add_argument("-o", "--output", type=Path, default=here / "data")
    args = parser.parse_args()
    for part, (compositions, nframes, stream) in PARTS.items():
        for counts in compositions:
            rng = np.random.default_rng([20240808, stream, *counts])
            write_system(
                args.output / part / formula(counts), counts, make_system(counts, nframes, rng)
            )
            print(part, formula(counts), nframes, flush=True)


if __name__ == "__main__":
    main()
