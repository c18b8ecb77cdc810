"""A stand-in of ``pw.x``: a pair potential that reads its input and writes such output.

It is that of ASE's ``MorsePotential``, without NumPy, whose import takes longer than the work.
Every run adds a line to the file that ``RUNS`` names and takes ``TAKES`` seconds; electrons of
frames of ``BAD`` atoms do not converge.
"""

import sys
from pathlib import Path

import numpy as np
from ase.build import bulk
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
PROGRAM = """import math, os, sys, time
from itertools import product

BOHR, RYDBERG, KILOBAR = 0.5291772105638411, 13.605693012183622, 6.241509125883258e-4
EPSILON, R0, RHO = 0.3, 2.6, 4.0
INNER, OUTER = 3.5 * R0, 4.5 * R0

def cross(a, b):
    return [a[i - 2] * b[i - 1] - a[i - 1] * b[i - 2] for i in range(3)]

def dot(a, b):
    return sum(x * y for x, y in zip(a, b))

def morse(cell, places):
    volume = dot(cell[0], cross(cell[1], cell[2]))
    faces = [cross(cell[i - 2], cell[i - 1]) for i in range(3)]
    # The atoms of a cell are at most its diagonals apart.
    far = OUTER + max(math.dist(a, b) for a in places for b in places)
    ranges = [range(-n, n + 1) for n in (math.ceil(far * math.hypot(*f) / volume) for f in faces)]
    shifts = [[dot(n, column) for column in zip(*cell)] for n in product(*ranges)]
    energy, forces, stress = 0.0, [[0.0] * 3 for _ in places], [[0.0] * 3 for _ in range(3)]
    for i, one in enumerate(places):
        for other in places:
            for shift in shifts:
                vector = [b + s - a for a, b, s in zip(one, other, shift)]
                distance = math.hypot(*vector)
                if not 1e-6 < distance < OUTER:
                    continue
                e = math.exp(RHO * (1 - distance / R0))
                s = min(1.0, 1 - (distance - INNER) / (OUTER - INNER))
                cut, slope = s**3 * (6 * s * s - 15 * s + 10), 30 * s * s * (s - 1) ** 2
                pair = EPSILON * e * (e - 2)
                energy += 0.5 * pair * cut
                slope = 2 * EPSILON * RHO / R0 * e * (1 - e) * cut - pair * slope / (OUTER - INNER)
                for k in range(3):
                    forces[i][k] += slope * vector[k] / distance
                    for m in range(3):
                        stress[k][m] += 0.5 * slope * vector[k] * vector[m] / distance / volume
    return energy, forces, stress

with open(os.environ["RUNS"], "a") as runs:
    runs.write(os.path.basename(os.getcwd()) + "\\n")
time.sleep(float(os.environ.get("TAKES", "0")))
lines = [line.split() for line in open("pw.in")]
start = lines.index(["CELL_PARAMETERS", "angstrom"]) + 1
cell = [[float(x) for x in words] for words in lines[start : start + 3]]
start = lines.index(["ATOMIC_POSITIONS", "angstrom"]) + 1
places = [[float(x) for x in words[1:]] for words in lines[start:] if words]
bad = len(places) == int(os.environ.get("BAD", "0"))
energy, forces, stress = morse(cell, places)
with open("pw.out", "w") as out:
    out.write(f"!    total energy = {energy / RYDBERG:.10f} Ry\\n\\n")
    if not bad:
        out.write("     convergence has been achieved in   5 iterations\\n\\n")
    out.write("     Forces acting on atoms (cartesian axes, Ry/au):\\n\\n")
    for k, force in enumerate(forces):
        row = " ".join(f"{x * BOHR / RYDBERG:.10f}" for x in force)
        out.write(f"     atom {k + 1} type  1   force = {row}\\n")
    out.write("\\n     total   stress  (Ry/bohr**3)   (kbar)     P=  0.0\\n")
    for row in stress:
        out.write("  0.0  0.0  0.0  " + " ".join(f"{-x / KILOBAR:.8f}" for x in row) + "\\n")
    out.write("\\n     JOB DONE.\\n")
sys.exit(3 if bad else 0)
"""


def morse():
    """The potential of the stand-in."""
    return MorsePotential(epsilon=0.3, r0=2.6, rho0=4.0, rcut1=3.5, rcut2=4.5)


def frames(count=3, names="CuAu"):
    """Sheared cells with atoms of both elements in turn."""
    found = []
    for k in range(count):
        atoms = bulk("Cu", cubic=True, a=3.7)
        atoms.symbols[1], atoms.symbols[3] = "Au", "Au"
        atoms.rattle(0.1, seed=k)
        shear = np.eye(3) + 0.05 * np.random.default_rng(k).uniform(-1, 1, (3, 3))
        atoms.set_cell(atoms.cell @ shear, scale_atoms=True)
        found.append(atoms)
    return found


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
        "command": f"{sys.executable} -I -S {folder / 'pw.py'}",
        "wait": 0.2,
        **keys,
    }
