"""Files of a run of LAMMPS."""

from __future__ import annotations

# Given.
INPUT, DATA, MODEL = "in.lammps", "data.lmp", "model.pb"
# Found: the dump, the step and volume at the end, which only a run that was not cut short writes,
# and LAMMPS's own log.
DUMP, END, LOG = "dump.lammps", "end.txt", "log.lammps"
