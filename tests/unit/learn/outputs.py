"""Templates of codes, and outputs as these codes write them, cut to what is read.

Each code has a template, the section of an input, and a function that writes the output of a run in
a folder, from a frame and its labels in the order of the code.
"""

import json
import re
from pathlib import Path

import numpy as np
from ase import units
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

HARTREE = units.Hartree / units.Bohr

CP2K = """&GLOBAL
  RUN_TYPE ENERGY ! of the template
&END GLOBAL
&FORCE_EVAL
  METHOD QS
  &DFT
    &MGRID
      CUTOFF [Ry] 80
    &END MGRID
    &SCF
      EPS_SCF 1e-7
    &END SCF
  &END DFT
  &SUBSYS
    &CELL
      ABC 4 4 4
    &END CELL
    &COORD
      Cu 0 0 0
    &END COORD
    &KIND CU
      BASIS_SET SZV
    &END KIND
    &KIND Au
      BASIS_SET SZV
    &END KIND
  &END SUBSYS
&END FORCE_EVAL
"""
ABACUS = {
    "INPUT": "INPUT_PARAMETERS\n# Cu and Au\necutwfc 60 // Ry\nbasis_type lcao\nntype 2\n",
    "STRU": (
        "ATOMIC_SPECIES\nCu 63.5 Cu.upf\nAu 197.0 Au.upf # heavy\n\n"
        "NUMERICAL_ORBITAL\nCu.orb\nAu.orb\n\nLATTICE_CONSTANT\n1.0\n\n"
        "LATTICE_VECTORS\n4 0 0\n0 4 0\n0 0 4\n\n"
        "ATOMIC_POSITIONS\nDirect\n\nCu\n0.5\n1\n0 0 0 1 1 1\n"
    ),
    **{f"{name}.{kind}": name for name in ("Cu", "Au") for kind in ("upf", "orb")},
}
GAUSSIAN = (
    "%mem=1GB\n# b3lyp/gen\nscf=tight\n\ntwo metals\n\n0 1\nCu 0 0 0\n\nCu Au 0\nLANL2DZ\n****\n"
)
GPAW = {"mode": {"name": "pw", "ecut": 200}, "xc": "LDA", "txt": "-"}
INCAR = "ENCUT = 300 ; EDIFF = 1e-6  # tight\nNSW = 100\nKSPACING = 0.3\n"
POTCAR = "".join(
    f"  PAW_PBE {name}\n   TITEL  = PAW_PBE {name} 01Jan2000\n  End of Dataset\n"
    for name in ("Cu", "Au")
)


def write_template(kind: str, folder: Path, names=("Cu", "Au")) -> Path:
    """The template of a code, for two elements."""
    template = folder / f"template-{kind}"
    template.mkdir()
    contents = {
        "abacus": ABACUS,
        "cp2k": {"cp2k.inp": CP2K},
        "gaussian": {"gaussian.gjf": GAUSSIAN},
        "gpaw": {"gpaw.json": json.dumps(GPAW)},
        "vasp": {"INCAR": INCAR, "POTCAR": POTCAR},
    }[kind]
    for name, text in contents.items():
        for old, new in zip(
            ("Cu", "CU", "Au"), (names[0], names[0].upper(), names[1]), strict=True
        ):
            name, text = (re.sub(rf"\b{old}\b", new, part) for part in (name, text))
        (template / name).write_text(text)
    return template


def section(kind: str, template: Path) -> dict:
    """A section ``labels``."""
    spacing = {} if kind in ("gaussian", "vasp") else {"kspacing": 0.5}
    return {"type": kind, "template": str(template), "command": "run", **spacing}


def write_output(kind: str, folder: Path, atoms, labels, converged=True) -> None:
    """The output of a run: forces and virial are those of the labels."""
    _WRITERS[kind](folder, atoms, labels, converged)


def _cp2k(folder, atoms, labels, converged):
    kinds = list(dict.fromkeys(atoms.symbols))
    lines = [" DBCSR| CPU Multiplication driver    BLAS (U)"]
    for name, row in zip("abc", atoms.cell.array, strict=True):
        lines.append(
            f" CELL| Vector {name} [angstrom]: {row[0]:.3f} {row[1]:.3f} {row[2]:.3f} |{name}|"
        )
    lines += [f"  {k + 1}. Atomic kind: {name}  Number of atoms: 1" for k, name in enumerate(kinds)]
    lines += ["  Atom  Kind  Element       X           Y           Z          Z(eff)", ""]
    for k, (name, place) in enumerate(zip(atoms.symbols, atoms.positions, strict=True)):
        lines.append(f"  {k + 1} {kinds.index(name) + 1} {name} 29 {_row(place)} 11.0 63.5")
    word = "converged in" if converged else "NOT converged in"
    lines += ["", f"  *** SCF run {word}     9 steps ***", ""]
    lines.append(
        f" ENERGY| Total FORCE_EVAL ( QS ) energy [a.u.]: {labels.energy / units.Hartree:.12f}"
    )
    lines += ["", " ATOMIC FORCES in [a.u.]", "", " # Atom   Kind   Element     X     Y     Z"]
    for k, (name, force) in enumerate(zip(atoms.symbols, labels.force / HARTREE, strict=True)):
        lines.append(f"  {k + 1} {kinds.index(name) + 1} {name} {_row(force)}")
    lines += [" SUM OF ATOMIC FORCES   0.0 0.0 0.0", "", " STRESS| Analytical stress tensor [GPa]"]
    stress = labels.virial.reshape(3, 3) / atoms.get_volume() / units.GPa
    lines += [" STRESS|      x      y      z"]
    lines += [f" STRESS|  {name} {_row(row)}" for name, row in zip("xyz", stress, strict=True)]
    lines += ["", "  **** **** ******  **  PROGRAM ENDED AT"]
    _write(folder / "cp2k.out", lines)


def _abacus(folder, atoms, labels, converged):
    bar = "-" * 60
    lines = [
        " charge density convergence is achieved"
        if converged
        else " convergence has NOT been achieved!",
        f" final etot is {labels.energy:.12f} eV",
        " TOTAL-FORCE (eV/Angstrom)",
        bar,
    ]
    counts: dict[str, int] = {}
    for name, force in zip(atoms.symbols, labels.force, strict=True):
        counts[name] = counts.get(name, 0) + 1
        lines.append(f" {name}{counts[name]} {_row(force)}")
    lines += [bar, "", " TOTAL-STRESS (KBAR)", bar]
    lines += map(_row, labels.virial.reshape(3, 3) / atoms.get_volume() / (1e-1 * units.GPa))
    lines += [bar, " Finish Time  : Fri May  7 16:19:08 2021"]
    (folder / "OUT.ABACUS").mkdir(exist_ok=True)
    _write(folder / "OUT.ABACUS" / "running_scf.log", lines)


def _gaussian(folder, atoms, labels, converged):
    bar = " " + "-" * 69
    lines = ["                          Input orientation:", bar]
    lines += [
        " Center     Atomic      Atomic      Coordinates (Angstroms)",
        " Number     Number",
        bar,
    ]
    for k, (number, place) in enumerate(zip(atoms.numbers, atoms.positions, strict=True)):
        lines.append(f"{k + 1:7d}{number:11d}{0:12d}    " + "".join(f"{x:12.6f}" for x in place))
    lines.append(bar)
    if not converged:
        lines.append(" >>>>>>>>>> Convergence criterion not met.")
    lines.append(
        f" SCF Done:  E(RB3LYP) =  {labels.energy / units.Hartree:.10f}     A.U. after    8 cycles"
    )
    lines += [
        " Center     Atomic                   Forces (Hartrees/Bohr)",
        " Number     Number",
        bar,
    ]
    for k, force in enumerate(labels.force / HARTREE):
        row = "".join(f"{x:15.9f}" for x in force)
        lines.append(f"{k + 1:7d}{atoms.numbers[k]:9d}       {row}")
    lines += [bar, " Normal termination of Gaussian 16 at Tue Jun 25 00:14:07 2019."]
    _write(folder / "gaussian.log", lines)


def _gpaw(folder, atoms, labels, converged):
    if not converged:
        _write(folder / "gpaw.txt", ["Did not converge!"])
        return
    _write(folder / "gpaw.txt", ["Converged after 12 iterations."])
    found = atoms.copy()
    stress = -labels.virial.reshape(3, 3) / atoms.get_volume()
    found.calc = SinglePointCalculator(
        found,
        energy=labels.energy,
        free_energy=labels.energy,
        forces=labels.force,
        stress=stress.flat[[0, 4, 8, 5, 2, 1]],
    )
    write(folder / "labels.traj", found)


def _vasp(folder, atoms, labels, converged):
    names = list(dict.fromkeys(atoms.symbols))
    counts = [atoms.get_chemical_symbols().count(name) for name in names]
    lines = [" vasp.6.3.0", *(f"   TITEL  = PAW_PBE {name} 01Jan2000" for name in names)]
    lines += [f"   ions per type =               {'   '.join(map(str, counts))}"]
    lines += ["   NELM   =     60;   NELMIN=  2", "   NWRITE =      2    write-flag"]
    last = 12 if converged else 60
    lines += [f"---------- Iteration      1(  {last})  ----------"]
    reached = "because EDIFF is reached" if converged else "EDIFF was not reached (unconverged)"
    lines += [f"------------------------ aborting loop {reached} -----"]
    virial = labels.virial.reshape(3, 3)
    kbar = (virial / atoms.get_volume() / (1e-1 * units.GPa)).flat[[0, 4, 8, 1, 5, 2]]
    lines += [
        "  FORCE on cell =-STRESS in cart. coord.  units (eV):",
        *[""] * 13,
        f"  in kB {_row(kbar)}",
    ]
    lines += [" VOLUME and BASIS-vectors are now :", *[""] * 4, *map(_row, atoms.cell.array)]
    lines += [" POSITION          TOTAL-FORCE (eV/Angst)", " ----"]
    for place, force in zip(atoms.positions, labels.force, strict=True):
        lines.append(f" {_row(place)} {_row(force)}")
    lines += ["  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)"]
    lines += [f"  free  energy   TOTEN  = {labels.energy:.8f} eV", ""]
    lines += [" General timing and accounting informations for this job:"]
    _write(folder / "OUTCAR", lines)


_WRITERS = {
    "abacus": _abacus,
    "cp2k": _cp2k,
    "gaussian": _gaussian,
    "gpaw": _gpaw,
    "vasp": _vasp,
}


def _row(values) -> str:
    return " ".join(f"{value:.9f}" for value in np.asarray(values))


def _write(path: Path, lines) -> None:
    path.write_text("\n".join(lines) + "\n")
