"""Systems of copper and gold on disk, with energies, forces and virials of ASE's EMT."""

from pathlib import Path

import numpy as np
from ase.build import bulk
from ase.calculators.emt import EMT

from deepattn.check import check_data

NAMES = ("Cu", "Au")
ALLOY = ["Cu", "Au"] * 4
COPPER = ["Cu"] * 8


def frames(symbols, *, nframes=12, seed=0, shake=0.05, strain=0.01):
    """Arrays of cells of 8 atoms, shaken (Å) and strained about a state with forces."""
    random = np.random.default_rng(seed)
    off = 0.1 * random.normal(size=(8, 3))
    made = {"coord": [], "box": [], "energy": [], "force": [], "virial": []}
    for _ in range(nframes):
        atoms = bulk("Cu", cubic=True, a=3.8).repeat((2, 1, 1))
        atoms.symbols = symbols
        atoms.set_cell(
            atoms.cell @ (np.eye(3) + strain * random.normal(size=(3, 3))), scale_atoms=True
        )
        atoms.positions += off + shake * random.normal(size=(8, 3))
        atoms.calc = EMT()
        made["coord"].append(atoms.positions.ravel())
        made["box"].append(atoms.cell.array.ravel())
        made["energy"].append(atoms.get_potential_energy())
        made["force"].append(atoms.get_forces().ravel())
        made["virial"].append((-atoms.get_volume() * atoms.get_stress(voigt=False)).ravel())
    return {name: np.array(values) for name, values in made.items()}


def write(folder, symbols, arrays, *, names=NAMES):
    """Write a system in the layout of directories."""
    folder = Path(folder)
    (folder / "set.000").mkdir(parents=True)
    (folder / "type_map.raw").write_text("\n".join(names))
    (folder / "type.raw").write_text("\n".join(str(names.index(symbol)) for symbol in symbols))
    for name, array in arrays.items():
        np.save(folder / "set.000" / f"{name}.npy", array)
    return str(folder)


def check(folder, arrays, **settings):
    """The findings of one system."""
    return check_data([write(folder / "data", ALLOY, arrays)], rcut=4.0, **settings)
