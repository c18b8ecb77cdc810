"""Input and data file of a run of LAMMPS."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io.lammpsdata import write_lammps_data

from deepattn.data.atoms import thermal_momenta
from deepattn.distill.dynamics import GROWN, P_TAU, T_TAU, Condition, hottest
from deepattn.distill.explore import Run
from deepattn.formats.files import write_whole
from deepattn.learn.dynamics.lammps.files import DATA, DUMP, END, INPUT, LOG, MODEL

# LAMMPS's limit of seeds.
_SEEDS = 900_000_000
# From open atoms to the faces of their box, which grows where they leave it, Å.
_MARGIN = 5.0
_BAR = 1e4  # in a GPa
_PS = 1e-3  # in a fs


def write_inputs(
    run: Run, elements: Sequence[str], folder: Path, *, timestep: float, steps: int, every: int
) -> None:
    """Write the files that LAMMPS needs besides the model.

    Args:
        run: The run. Its initial velocities are those of ASE's dynamics.
        elements: Of its atoms, in the order of LAMMPS's types.
        folder: Where they go.
        timestep: fs.
        steps: Number of steps.
        every: Steps from one frame kept to the next.
    """
    random = np.random.default_rng(run.seed)
    atoms = run.atoms.copy()
    momenta = thermal_momenta(atoms.get_masses(), run.condition.temperature, random)
    if not atoms.pbc.all():
        _put_into_box(atoms)
    atoms.set_momenta(momenta)
    with write_whole(folder / DATA, "w") as file:
        write_lammps_data(file, atoms, specorder=list(elements), masses=True, velocities=True)
    volume = atoms.get_volume() if atoms.pbc.all() else None
    text = _commands(
        run.condition,
        elements,
        volume=volume,
        seed=int(random.integers(1, _SEEDS)),
        timestep=timestep,
        steps=steps,
        every=every,
    )
    with write_whole(folder / INPUT, "w") as file:
        file.write(text)


def _put_into_box(atoms: Atoms) -> None:
    """Give open atoms a cell, and move them into it."""
    low, high = atoms.positions.min(axis=0), atoms.positions.max(axis=0)
    atoms.set_cell(np.diag(high - low + 2 * _MARGIN))
    atoms.positions += _MARGIN - low


def _commands(
    condition: Condition,
    elements: Sequence[str],
    *,
    volume: float | None,
    seed: int,
    timestep: float,
    steps: int,
    every: int,
) -> str:
    """The input: Langevin dynamics, with a barostat that changes the volume and not the shape.

    As for ASE, three degrees of freedom of each atom count for the temperature, since the
    thermostat moves the center of mass too, and a run ends that gets too hot, or whose volume
    diverges. The step and volume at its end are printed to a file.
    """
    names, temperature = " ".join(elements), condition.temperature
    if condition.pressure is None:
        integrator = ["fix move all nve"]
    else:
        pressure = condition.pressure * _BAR
        integrator = [
            f"fix move all nph iso {pressure:.10g} {pressure:.10g} {P_TAU * _PS:g} flip no",
            "compute_modify move_temp extra/dof 0",
            f'variable growth equal "abs(ln(vol/{volume:.17g}))"',
            f"fix growth all halt 1 v_growth > {math.log(GROWN):.10g} error soft message no",
        ]
    lines = [
        "units metal",
        "atom_style atomic",
        f"boundary {'m m m' if volume is None else 'p p p'}",
        "box tilt large",
        f"log {LOG}",
        f"read_data {DATA}",
        f"pair_style deepmd {MODEL}",
        f"pair_coeff * * {names}",
        "neighbor 1.0 bin",
        "neigh_modify every 1 delay 0 check yes",
        f"timestep {timestep * _PS:.10g}",
        "compute_modify thermo_temp extra/dof 0",
        *integrator,
        f"fix heat all langevin {temperature:.10g} {temperature:.10g} {T_TAU * _PS:g} {seed}",
        "variable heat equal temp",
        f"fix hot all halt 1 v_heat > {hottest(temperature):.10g} error soft message no",
        f"thermo {every}",
        "thermo_style custom step temp pe press vol",
        f"dump frames all custom {every} {DUMP} id element xu yu zu",
        f"dump_modify frames element {names} sort id format float %.17g",
        f"run {steps}",
        f'print "$(step) $(vol)" file {END}',
    ]
    return "\n".join(lines) + "\n"
