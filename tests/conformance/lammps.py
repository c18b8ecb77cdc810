"""LAMMPS files: writing configurations and inputs, reading dumps and logs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

NKTV2P = 1.6021765e6  # bar Å³/eV, LAMMPS' constant for metal units
MASSES = {
    "O": 16.0,
    "H": 2.0,
    "C": 12.0,
    "OW": 16.0,
    "HW": 1.0,
    "Ag": 107.9,
    "Pd": 106.4,
    "Au": 197.0,
}


def write_data(
    path: Path, coord: np.ndarray, names: list[str], elements: list[str], box: np.ndarray | None
) -> None:
    """A data file.

    Args:
        path: Of the file.
        coord: ``[natoms, 3]``, Å.
        names: Element of each atom.
        elements: Elements of LAMMPS' types 1, 2, …
        box: Cell vectors as rows, lower triangular, Å; ``None`` for open boundaries.
    """
    low = np.zeros(3)
    if box is None:
        low, high = coord.min(axis=0) - 1.0, coord.max(axis=0) + 1.0
        box = np.diag(high - low)
    lines = ["made by the tests", f"{len(coord)} atoms", f"{len(elements)} atom types"]
    for axis, label in enumerate("xyz"):
        lines.append(f"{low[axis]:.17g} {low[axis] + box[axis, axis]:.17g} {label}lo {label}hi")
    lines.append(f"{box[1, 0]:.17g} {box[2, 0]:.17g} {box[2, 1]:.17g} xy xz yz")
    lines += ["", "Masses", ""]
    lines += [f"{kind} {MASSES[name]}" for kind, name in enumerate(elements, 1)]
    lines += ["", "Atoms # atomic", ""]
    for index, (name, place) in enumerate(zip(names, coord, strict=True), 1):
        numbers = " ".join(f"{value:.17g}" for value in place)
        lines.append(f"{index} {elements.index(name) + 1} {numbers}")
    path.write_text("\n".join(lines) + "\n")


def script(
    model: Path,
    coefficients: str,
    *,
    steps: int = 0,
    periodic: bool = True,
    parameters: str = "",
    timestep: float = 0.0005,
    every: int = 1,
    mapped: bool = False,
    aparam: np.ndarray | None = None,
) -> str:
    """An input that reads ``data.lmp`` and runs ``steps`` of constant energy at 300 K.

    ``mapped``: whether LAMMPS knows the owners of ghosts, as messages between atoms need.
    ``aparam``: parameters of the atoms, one each, which they have as a property.
    """
    boundary = "p p p" if periodic else "f f f"
    mapped = mapped or aparam is not None
    given = ""
    if aparam is not None:
        parameters += " aparam_from_compute given"
        rows = [f"set atom {k} d_given {value:.17g}" for k, value in enumerate(aparam, 1)]
        given = "\n".join(["fix given all property/atom d_given", *rows])
        given += "\ncompute given all property/atom d_given"
    return f"""
units metal
atom_style atomic
{"atom_modify map yes" if mapped else ""}
boundary {boundary}
box tilt large
read_data data.lmp
{given}
pair_style deepmd {model} {parameters}
pair_coeff * * {coefficients}
neighbor 1.0 bin
timestep {timestep}
compute pe all pe/atom
compute vir all pressure NULL virial
thermo {every}
thermo_style custom step pe etotal vol c_vir[1] c_vir[2] c_vir[3] c_vir[4] c_vir[5] c_vir[6]
thermo_modify format float %.17g
dump out all custom {every} dump.txt id x y z fx fy fz c_pe
dump_modify out sort id format float %.17g
{"velocity all create 300 4928459 loop geom" if steps else ""}
fix run all nve
run {steps}
"""


def read_dump(folder: Path) -> np.ndarray:
    """Rows ``x y z fx fy fz pe`` of all atoms in their order: ``[nsteps, natoms, 7]``."""
    steps, rows = [], []
    for line in (folder / "dump.txt").read_text().splitlines():
        if line.startswith("ITEM: TIMESTEP"):
            rows = []
            steps.append(rows)
        words = line.split()
        if len(words) == 8 and words[0] != "ITEM:":
            rows.append([float(word) for word in words[1:]])
    return np.array(steps)


def read_thermo(folder: Path) -> dict[str, np.ndarray]:
    """Columns of the log: ``step``, ``pe``, ``etotal``, ``vol`` and ``virial [nrows, 9]`` (eV)."""
    rows, inside = [], False
    for line in (folder / "log.lammps").read_text().splitlines():
        words = line.split()
        if words[:1] == ["Step"]:
            inside = True
        elif words[:2] == ["Loop", "time"]:
            inside = False
        elif inside and len(words) == 10:
            rows.append([float(word) for word in words])
    step, pe, etotal, volume, *pressure = np.array(rows).T
    xx, yy, zz, xy, xz, yz = np.array(pressure) * volume / NKTV2P
    virial = np.stack([xx, xy, xz, xy, yy, yz, xz, yz, zz], axis=1)
    return {"step": step, "pe": pe, "etotal": etotal, "vol": volume, "virial": virial}
