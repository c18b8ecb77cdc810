"""Make the data set of this example: Ag-Pd-Au alloys labeled with an analytic potential.

Every frame is a 32-atom face-centered cubic cell with random site occupation and random strain,
taken from a short run of molecular dynamics. Energies, forces and virials are those of a closed
formula, the second-moment potential of Cleri and Rosato (Phys. Rev. B 48, 22 (1993)), which costs
nothing. It is *not* first-principles data: good for learning the program, not for learning about
alloys. In DeePMD's npy layout the script writes

``data/train``
    the three elements and their binaries,
``data/valid``
    the same compositions, other runs,
``data/unseen``
    ternaries, which training never sees.

Run it in an environment that has deepattn: ``python make_data.py``, one minute.
"""

import argparse
from functools import cache
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.build import bulk

TYPE_MAP = ("Ag", "Pd", "Au")
# A, ξ (eV), p, q and the lattice constant (Å) of each element; means for mixed pairs.
PARAMETERS = {
    "A": (0.1028, 0.1746, 0.2061),
    "xi": (1.178, 1.718, 1.790),
    "p": (10.928, 10.867, 10.229),
    "q": (3.139, 3.742, 4.036),
    "a": (4.085, 3.890, 4.079),
}
TABLE = {key: np.add.outer(row, row) / 2 for key, row in PARAMETERS.items()}
CUTOFF, INNER = 4.5, 3.4  # Å; interactions are switched off smoothly in between
NATOMS = 32
ELEMENTS = ((32, 0, 0), (0, 32, 0), (0, 0, 32))
BINARIES = tuple(
    tuple(np.roll((n, NATOMS - n, 0), shift).tolist()) for shift in range(3) for n in (8, 16, 24)
)
TERNARIES = ((10, 11, 11), (16, 8, 8), (8, 16, 8), (8, 8, 16))
FRAMES_PER_RUN = 2
# folder: (compositions, frames of each, number that separates the random streams)
PARTS = {
    "train": (ELEMENTS + BINARIES, 72, 1),
    "valid": (ELEMENTS + BINARIES, 8, 2),
    "unseen": (TERNARIES, 20, 3),
}


def switch(distance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One up to ``INNER``, zero from ``CUTOFF``, twice differentiable; and the derivative."""
    u = np.clip((distance - INNER) / (CUTOFF - INNER), 0, 1)
    return 1 + u**3 * (-6 * u**2 + 15 * u - 10), -30 * u**2 * (1 - u) ** 2 / (CUTOFF - INNER)


def pairs(atoms: Atoms) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices i and j of pairs within ``CUTOFF``, and the vectors from i to j.

    Tries 27 images, which is quick for 32 atoms and right for cells wider than the cutoff.
    """
    images = (np.indices((3, 3, 3)).reshape(3, -1).T - 1) @ atoms.cell.array
    vector = atoms.positions[None, :, None] + images - atoms.positions[:, None, None]
    square = np.sum(vector**2, axis=-1)
    near = (square > 0) & (square < CUTOFF**2)
    i, j, _ = np.nonzero(near)
    return i, j, vector[near]


def evaluate(atoms: Atoms) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Energies of the atoms (eV), forces ``[natoms, 3]`` (eV/Å) and virial ``[3, 3]`` (eV).

    An atom has the energy ``sum_j A exp(-p x) - sqrt(sum_j ξ² exp(-2 q x))``, ``x = r / r0 - 1``.
    """
    i, j, vector = pairs(atoms)
    distance = np.linalg.norm(vector, axis=1)
    types = np.array([TYPE_MAP.index(symbol) for symbol in atoms.symbols])
    A, xi, p, q, a = (table[types[i], types[j]] for table in TABLE.values())
    r0 = a / np.sqrt(2)
    x = distance / r0 - 1
    on, slope = switch(distance)
    repulsion, hopping = A * np.exp(-p * x), xi**2 * np.exp(-2 * q * x)
    band = np.sqrt(np.bincount(i, hopping * on, len(atoms)))
    energy = np.bincount(i, repulsion * on, len(atoms)) - band
    derivative = repulsion * (slope - p / r0 * on)
    derivative -= hopping * (slope - 2 * q / r0 * on) / (2 * band[i])
    pull = (derivative / distance)[:, None] * vector
    force = np.zeros((len(atoms), 3))
    np.add.at(force, i, pull)
    np.add.at(force, j, -pull)
    return energy, force, -vector.T @ pull


def random_cell(counts: tuple[int, ...], rng: np.random.Generator) -> Atoms:
    """A strained fcc cell; atoms are listed by element, their sites are drawn at random."""
    types = np.repeat(np.arange(len(TYPE_MAP)), counts)
    constant = np.mean(np.take(PARAMETERS["a"], types))
    atoms = bulk("Cu", "fcc", a=constant, cubic=True).repeat(2)
    atoms.positions = atoms.positions[rng.permutation(NATOMS)]
    atoms.symbols = np.take(TYPE_MAP, types)
    strain = np.diag(rng.uniform(-0.03, 0.04) + rng.normal(0, 0.015, 3))
    shear = np.triu(rng.normal(0, 0.015, (3, 3)), 1)
    strain += shear + shear.T
    atoms.set_cell(atoms.cell @ (np.eye(3) + strain), scale_atoms=True)
    return atoms


def run(counts: tuple[int, ...], rng: np.random.Generator) -> list[Atoms]:
    """Run MD for one random cell (velocity Verlet, 5 fs); take frames 0.1 ps apart."""
    atoms = random_cell(counts, rng)
    mass = atoms.get_masses()[:, None]
    kelvin = rng.uniform(200, 1500)
    # From lattice sites: half of the kinetic energy becomes potential energy within a vibration.
    velocity = np.sqrt(2 * units.kB * kelvin / mass) * rng.standard_normal((NATOMS, 3))
    velocity -= np.sum(mass * velocity, axis=0) / mass.sum()
    step = 5 * units.fs
    force = evaluate(atoms)[1]
    frames = []
    for count in range(1, 20 * FRAMES_PER_RUN + 1):
        velocity += step / 2 * force / mass
        atoms.positions += step * velocity
        force = evaluate(atoms)[1]
        velocity += step / 2 * force / mass
        if count % 20 == 0:
            frames.append(atoms.copy())
    return frames


@cache
def crystal_energy(symbol: str) -> float:
    """Energy of an atom in the crystal of its element (eV)."""
    constant = PARAMETERS["a"][TYPE_MAP.index(symbol)]
    return evaluate(bulk(symbol, "fcc", a=constant, cubic=True).repeat(2))[0][0]


def label(frame: Atoms) -> dict[str, np.ndarray]:
    """A frame as stored, in float32, with the labels for exactly these numbers.

    Energies count from those of the elements' crystals.
    """
    box = frame.cell.array.astype(np.float32)
    coord = frame.positions.astype(np.float32)
    energy, force, virial = evaluate(Atoms(frame.symbols, positions=coord, cell=box, pbc=True))
    return {
        "box": box.ravel(),
        "coord": coord.ravel(),
        "energy": energy.sum() - sum(crystal_energy(symbol) for symbol in frame.symbols),
        "force": force.astype(np.float32).ravel(),
        "virial": virial.astype(np.float32).ravel(),
    }


def make_system(counts: tuple[int, ...], nframes: int, rng: np.random.Generator) -> dict:
    """The arrays of one composition, frame first."""
    frames = [frame for _ in range(nframes // FRAMES_PER_RUN) for frame in run(counts, rng)]
    labeled = [label(frame) for frame in frames]
    return {key: np.stack([one[key] for one in labeled]) for key in labeled[0]}


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
            arrays = make_system(counts, nframes, rng)
            write_system(args.output / part / formula(counts), counts, arrays)
            print(part, formula(counts), nframes, flush=True)


if __name__ == "__main__":
    main()
