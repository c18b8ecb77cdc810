"""A stand-in of ``pw.x``: a pair potential that reads its input and writes such output.

Every run adds a line to the file that ``RUNS`` names and takes ``TAKES`` seconds; electrons of
frames of ``BAD`` atoms do not converge.
"""

import sys
from pathlib import Path

from ase.calculators.morse import MorsePotential

TEMPLATE = """&CONTROL
  calculation = 'scf'
/
&SYSTEM
  ibrav = 2, celldm(1) = 7.5, nat = 1, ntyp = 1
  ecutwfc = 15.0
/
&ELECTRONS
/
ATOMIC_SPECIES
 Cu 63.5 Cu.UPF
 Au 197.0 Au.UPF
ATOMIC_POSITIONS alat
 Cu 0 0 0
K_POINTS automatic
 2 2 2 0 0 0
"""
PROGRAM = """import os, sys, time
from ase.calculators.morse import MorsePotential
from ase.io import read
from ase.units import Bohr, Ry, bar

with open(os.environ["RUNS"], "a") as runs:
    runs.write(os.path.basename(os.getcwd()) + "\\n")
time.sleep(float(os.environ.get("TAKES", "0")))
atoms = read("pw.in", format="espresso-in")
bad = len(atoms) == int(os.environ.get("BAD", "0"))
atoms.calc = MorsePotential(epsilon=0.3, r0=2.6, rho0=4.0, rcut1=3.5, rcut2=4.5)
with open("pw.out", "w") as out:
    out.write(f"!    total energy = {atoms.get_potential_energy() / Ry:.10f} Ry\\n\\n")
    if not bad:
        out.write("     convergence has been achieved in   5 iterations\\n\\n")
    out.write("     Forces acting on atoms (cartesian axes, Ry/au):\\n\\n")
    for k, force in enumerate(atoms.get_forces() * Bohr / Ry):
        row = " ".join(f"{x:.10f}" for x in force)
        out.write(f"     atom {k + 1} type  1   force = {row}\\n")
    out.write("\\n     total   stress  (Ry/bohr**3)   (kbar)     P=  0.0\\n")
    for row in -atoms.get_stress(voigt=False) / (1e3 * bar):
        out.write("  0.0  0.0  0.0  " + " ".join(f"{x:.8f}" for x in row) + "\\n")
    out.write("\\n     JOB DONE.\\n")
sys.exit(3 if bad else 0)
"""


def morse():
    """The potential of the stand-in."""
    return MorsePotential(epsilon=0.3, r0=2.6, rho0=4.0, rcut1=3.5, rcut2=4.5)


def write_template(folder: Path) -> Path:
    """A template and, next to it, the program; returns the template."""
    template = folder / "scf"
    template.mkdir()
    (template / "pw.in").write_text(TEMPLATE)
    for name in ("Cu", "Au"):
        (template / f"{name}.UPF").write_text(f"<UPF>{name}</UPF>\n")
    (folder / "pw.py").write_text(PROGRAM)
    return template


def section(folder: Path, **keys) -> dict:
    """A section ``labels`` of the stand-in."""
    return {
        "type": "espresso",
        "template": str(folder / "scf"),
        "command": f"{sys.executable} {folder / 'pw.py'}",
        "wait": 0.2,
        **keys,
    }
