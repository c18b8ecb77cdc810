"""Molecular dynamics by a DeePMD-kit's LAMMPS, in parts that are not repeated."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io.lammpsdata import write_lammps_data

from deepattn.errors import DataError
from deepattn.foreign.dump import read_dump
from deepattn.testing.conservation import Trajectory

_START = """
read_data start.data
velocity all create {temperature} {seed} mom yes rot no dist gaussian
"""
_RESTART = """
read_restart part-{before}.restart
"""
_SCRIPT = """
units metal
atom_style atomic
atom_modify map yes
{begin}
pair_style deepmd {graph}
pair_coeff * * {names}
neighbor 1.0 bin
timestep {timestep}
thermo {every}
thermo_style custom step temp pe etotal press
thermo_modify format float %.15g
dump out all custom {every} part-{part}.dump id element xu yu zu
dump_modify out element {names} sort id format float %.7f
fix move all {fix}
run {steps}
write_restart part-{part}.restart.new
"""
_NVT = "nvt temp {temperature} {temperature} 0.1"


@dataclass(frozen=True)
class Dynamics:
    """A run at constant energy, after some time in a thermostat.

    Attributes:
        atoms: The start, in a periodic cell.
        elements: In the order of the model's types.
        temperature: K.
        timestep: ps.
        equilibration: In the thermostat, ps.
        parts: Number of parts at constant energy.
        length: Of a part, ps.
        every: Time between frames, ps.
        seed: Of the velocities.
        kept: When it is farther from the start, the energy has not been conserved, eV/atom.
    """

    atoms: Atoms
    elements: tuple[str, ...]
    temperature: float
    timestep: float
    equilibration: float = 5.0
    parts: int = 10
    length: float = 10.0
    every: float = 0.05
    seed: int = 1
    kept: float = 1e-3

    def carry_out(self, lmp: Path, graph: Path, folder: Path, plugin: str) -> None:
        """Run the parts that have not been run, until the energy is not conserved any more.

        Args:
            lmp: LAMMPS with DeePMD-kit.
            graph: The frozen model.
            folder: For the files.
            plugin: Library of operations that the graph needs; empty for none.

        Raises:
            DataError: LAMMPS is missing or has failed.
        """
        folder.mkdir(parents=True, exist_ok=True)
        write_lammps_data(
            folder / "start.data",
            self.atoms,
            specorder=list(self.elements),
            masses=True,
            atom_style="atomic",
        )
        for part in range(self.parts + 1):
            done = folder / f"part-{part}.restart"
            if done.is_file():
                continue
            if self._done(folder) and self.broke_at(folder) is not None:
                return
            (folder / "in.lammps").write_text(self._script(part, graph.resolve()))
            command = [str(lmp), "-in", "in.lammps", "-log", f"part-{part}.log", "-screen", "none"]
            environment = os.environ | ({"DP_PLUGIN_PATH": plugin} if plugin else {})
            try:
                subprocess.run(
                    command, cwd=folder, env=environment, check=True, capture_output=True
                )
            except FileNotFoundError:
                raise DataError(
                    f"{lmp}: there is no such program; give DeePMD-kit's LAMMPS with --lmp"
                ) from None
            except subprocess.CalledProcessError as error:
                log = folder / f"part-{part}.log"
                said = re.findall(r"ERROR.*", log.read_text()) if log.is_file() else []
                reason = said[-1] if said else f"status {error.returncode}"
                raise DataError(f"{log}: LAMMPS failed: {reason}") from None
            done.with_suffix(".restart.new").replace(done)

    def _script(self, part: int, graph: Path) -> str:
        length = self.length if part else self.equilibration
        begin = (
            _RESTART.format(before=part - 1)
            if part
            else _START.format(temperature=self.temperature, seed=self.seed)
        )
        return _SCRIPT.format(
            begin=begin,
            graph=graph,
            names=" ".join(self.elements),
            timestep=self.timestep,
            every=round(self.every / self.timestep),
            part=part,
            fix="nve" if part else _NVT.format(temperature=self.temperature),
            steps=round(length / self.timestep),
        )

    def broke_at(self, folder: Path) -> float | None:
        """The time at constant energy after which it was not conserved, ps; None if it was."""
        rows = self._thermo(folder)
        whole = self._whole(rows)
        return None if whole == len(rows) else (rows[whole, 0] * self.timestep - self.equilibration)

    def energies(self, folder: Path) -> tuple[Trajectory, np.ndarray]:
        """Total energies while they were conserved, and temperatures in K, ``[n]``."""
        rows = self._thermo(folder)
        step, temperature, _, total, _ = rows[: self._whole(rows)].T
        return (
            Trajectory(step * self.timestep, (total - total[0]) / len(self.atoms)),
            temperature,
        )

    def frames(self, folder: Path) -> list[Atoms]:
        """Frames while the energy was conserved, with unwrapped coordinates."""
        found: list[Atoms] = []
        for part in self._done(folder):
            stored = read_dump(str(folder / f"part-{part}.dump"))
            symbols = [stored.names[kind] for kind in stored.atype]
            # The first frame of a part is the last of the one before.
            found += [
                Atoms(symbols, coord, cell=self.atoms.cell, pbc=True)
                for coord in stored.arrays["coord"][1:]
            ]
        return found[: self._whole(self._thermo(folder))]

    def seconds_per_step(self, folder: Path) -> float:
        """LAMMPS' loop time of a step at constant energy."""
        logs = self._logs(folder)
        return sum(map(_loop_time, logs)) / (len(logs) * round(self.length / self.timestep))

    def processor_seconds_per_step(self, folder: Path) -> float:
        """Processor time of a step at constant energy, which other programs change little."""
        logs = self._logs(folder)
        used = [_loop_time(log) * float(_found(r"([\d.]+)% CPU use", log)) / 100 for log in logs]
        return sum(used) / (len(logs) * round(self.length / self.timestep))

    def _logs(self, folder: Path) -> list[str]:
        return [(folder / f"part-{part}.log").read_text() for part in self._done(folder)]

    def _done(self, folder: Path) -> list[int]:
        """Parts at constant energy that have been run."""
        parts = range(1, self.parts + 1)
        return [part for part in parts if (folder / f"part-{part}.restart").is_file()]

    def _thermo(self, folder: Path) -> np.ndarray:
        """Rows of LAMMPS' tables; the first of a part is the last of the one before."""
        rows = []
        for log in self._logs(folder):
            table = _found(r"\n *Step +Temp.*?\n(.*?)\nLoop time", log)
            rows.append(np.array([line.split() for line in table.splitlines()]).astype(float)[1:])
        return np.concatenate(rows)

    def _whole(self, rows: np.ndarray) -> int:
        """The number of rows until the energy is not conserved."""
        away = np.abs(rows[:, 3] - rows[0, 3]) > self.kept * len(self.atoms)
        return int(away.argmax()) if away.any() else len(rows)


def _loop_time(log: str) -> float:
    """Seconds of all steps of a run."""
    return float(_found(r"Loop time of ([\d.eE+-]+) on", log))


def _found(pattern: str, log: str) -> str:
    """What the group of a pattern matches in a log of LAMMPS."""
    match = re.search(pattern, log, re.DOTALL)
    if match is None:
        raise DataError(f"a log of LAMMPS has no {pattern}; delete its folder and run it again")
    return match[1]


def mean_square_displacement(frames: list[Atoms], element: str, longest: int) -> np.ndarray:
    """Of the atoms of an element against the lag, Å², ``[longest + 1]``; the drift is removed.

    Args:
        frames: Unwrapped, at equal times apart.
        element: Its symbol.
        longest: Lag, in frames.
    """
    positions = np.array([atoms.positions for atoms in frames])
    masses = frames[0].get_masses()
    positions -= np.average(positions, axis=1, weights=masses)[:, None]
    chosen = positions[:, np.array(frames[0].get_chemical_symbols()) == element]
    lags = [
        np.mean(np.sum((chosen[lag:] - chosen[:-lag]) ** 2, axis=-1))
        for lag in range(1, longest + 1)
    ]
    return np.array([0.0, *lags])
