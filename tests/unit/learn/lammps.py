"""A stand-in of ``lmp``: it reads the files that it is given, and atoms drift along x.

Every run adds a line to the file that ``RUNS`` names and takes ``TAKES`` seconds. ``ENDS`` says how
it ends: ``closer``, two atoms meet after the second frame; ``hot``, LAMMPS halts it in the middle;
``lost``, LAMMPS fails there; ``early``, it fails before there is a frame to keep; ``style``, it has
no ``pair_style deepmd``; ``killed``, it is killed the first time.
"""

import sys
from pathlib import Path

PROGRAM = """import os, signal, sys, time

with open(os.environ["RUNS"], "a") as runs:
    runs.write(os.path.basename(os.getcwd()) + "\\n")
with open(os.environ["RUNS"]) as runs:
    earlier = runs.read().split().count(os.path.basename(os.getcwd())) - 1
time.sleep(float(os.environ.get("TAKES", "0")))
ends = os.environ.get("ENDS", "")
words = [line.split() for line in open("in.lammps")]
given = {row[0]: row[1:] for row in words}
log = open("log.lammps", "w")

def fail(message):
    log.write("ERROR: " + message + "\\nLast input line: run\\n")
    log.close()
    sys.exit(1)

if ends == "style" or not os.path.isfile("model.pb"):
    fail("Unrecognized pair style 'deepmd' (src/force.cpp:275)")
steps, every = int(given["run"][0]), int(given["thermo"][0])
moving = any(row[:5] == ["fix", "move", "all", "nph", "iso"] for row in words)
periodic = given["boundary"] == ["p", "p", "p"]
names = given["pair_coeff"][2:]
lines = [line.split() for line in open("data.lmp")]
box = {tuple(row[len(row) // 2 :]): [float(x) for x in row[: len(row) // 2]] for row in lines
       if row and row[-1] in ("xhi", "yhi", "zhi", "yz")}
(_, lx), (_, ly), (_, lz) = (box[(a + "lo", a + "hi")] for a in "xyz")
xy, xz, yz = box.get(("xy", "xz", "yz"), (0.0, 0.0, 0.0))
start = lines.index(["Atoms", "#", "atomic"]) + 2
atoms = []
for row in lines[start:]:
    if not row:
        break
    atoms.append((int(row[0]), names[int(row[1]) - 1], [float(x) for x in row[2:5]]))
dump = open("dump.lammps", "w")
last = steps // 2 if ends in ("hot", "lost", "killed") else 0 if ends == "early" else steps
for step in range(0, last + 1, every):
    s = 1 + 1e-3 * step / every if moving else 1.0
    low = (s * min(0, xy, xz, xy + xz), s * min(0, yz), 0.0)
    high = (s * (lx + max(0, xy, xz, xy + xz)), s * (ly + max(0, yz)), s * lz)
    kind = "pp pp pp" if periodic else "mm mm mm"
    dump.write(f"ITEM: TIMESTEP\\n{step}\\nITEM: NUMBER OF ATOMS\\n{len(atoms)}\\n")
    dump.write(f"ITEM: BOX BOUNDS xy xz yz {kind}\\n")
    for a, b, tilt in zip(low, high, (xy, xz, yz)):
        dump.write(f"{a!r} {b!r} {s * tilt!r}\\n")
    dump.write("ITEM: ATOMS id element xu yu zu\\n")
    for number, name, (x, y, z) in reversed(atoms):
        if ends == "closer" and step > 2 * every and number == 2:
            x, y, z = atoms[0][2]
            x += 1e-3
        dump.write(f"{number} {name} {s * (x + 1e-3 * step)!r} {s * y!r} {s * z!r}\\n")
if ends == "lost":
    # It is killed in the middle of a line.
    dump.write(f"ITEM: TIMESTEP\\n{last + every}\\nITEM: NUMBER OF ATOMS\\n{len(atoms)}\\nITEM: BO")
dump.close()
if ends in ("lost", "early"):
    fail("Lost atoms: original 4 current 3 (src/thermo.cpp:494)")
if ends == "killed" and not earlier:
    os.kill(os.getpid(), signal.SIGKILL)
log.write(f"Loop time of 0.5 on 1 procs for {last} steps with {len(atoms)} atoms\\n")
log.close()
with open("end.txt", "w") as file:
    file.write(f"{last} {lx * ly * lz * s**3}\\n")
"""


def write_program(folder: Path) -> str:
    """The command that runs it."""
    (folder / "lmp.py").write_text(PROGRAM)
    return f"{sys.executable} -I -S {folder / 'lmp.py'} -in in.lammps"
