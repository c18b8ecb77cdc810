"""The tests of LAMBench that need no data: stability at constant energy, and efficiency.

    python lambench.py --lambench /path/to/LAMBench --output runs

Structures and formulas are those of LAMBench (arXiv:2504.19578, a clone of
github.com/deepmodeling/LAMBench): nine structures at constant energy, 10,000 steps of 1 fs from
300 K, of which a model runs those whose elements it knows; and cells of up to 1,000 atoms, here
those of validation frames of MPtrj. The models are the published OC2M graph, written again with
deepattn's own operations, and the one of ``run.py elements86``. Times are those of the processor,
so the program should have one thread. The results go to ``lambench.json``, from which ``page.py``
makes tables. They are written after each structure, and one that was run is not run again. On one
core OC2M takes half an hour.
"""

import argparse
import math
import runpy
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from command import SHARED, check_folder, make_parser, one_sentence
from record import program_versions, read_json, write_json
from sets import HERE
from training_run import trained_folder

from deepattn import DP
from deepattn.data.atoms import read_atoms
from deepattn.errors import DataError, DeepattnError
from deepattn.export import convert
from deepattn.testing.conservation import constant_energy_run

RESULTS = HERE / "lambench.json"
_STRUCTURES = "lambench/tasks/calculator/nve_md/nve_md_data.py"
_TEMPERATURE = 300.0
_STEPS = 10_000
# Of the steps, what is left out of the drift, and how often energies are taken.
_WARM_UP, _SAMPLES = 0.2, 100
# The drift that counts as none, eV/atom/ps, and what a broken run counts.
_NO_DRIFT, _BROKEN = 5e-4, 5.0
_MOST_ATOMS = 1000
_CELLS = 20


def constant_energy(atoms: Atoms, calculator: Calculator, steps: int) -> dict:
    """One structure at constant energy.

    Args:
        atoms: The structure.
        calculator: The model.
        steps: Of 1 fs.

    Returns:
        ``steps`` that were made, ``drift`` by LAMBench's formula or None, milliseconds of a step.
    """
    atoms = atoms.copy()
    atoms.calc = calculator
    made = 0

    def count(each: Iterable[int]) -> Iterator[int]:
        nonlocal made
        for step in each:
            yield step
            made = step + 1

    found, began = None, time.process_time()
    # A run that breaks does so in many ways: it is a result.
    with suppress(ArithmeticError, ValueError, RuntimeError, DeepattnError):
        run = constant_energy_run(
            atoms, temperature=_TEMPERATURE, timestep=1.0, steps=steps, track=count
        )
        every = max(1, steps // _SAMPLES)
        found = drift(run.energy[int(_WARM_UP * steps) // every * every :: every], every)
    seconds = time.process_time() - began
    return {
        "atoms": len(atoms),
        "steps": made,
        "drift": float(f"{found:.3g}") if found is not None and found < math.inf else None,
        "milliseconds": round(1000 * seconds / max(made, 1), 3),
    }


def drift(energies: np.ndarray, every: int) -> float:
    """|dE/dt| as LAMBench computes it.

    It divides by times in ASE's unit of 10.2 fs and calls a thousand of them a picosecond, so it is
    10.2 times the drift in eV/ps.

    Args:
        energies: Total energies, eV or eV/atom.
        every: Steps of 1 fs between two.
    """
    slope, _ = np.polyfit(np.arange(len(energies)) * every * units.fs, energies, 1)
    return abs(1000 * float(slope))


def instability(runs: Sequence[dict], steps: int = _STEPS) -> float:
    """LAMBench's instability: orders of magnitude above a drift of 5e-4 eV/atom/ps, the mean."""
    found = []
    for run in runs:
        if run["steps"] != steps or run["drift"] is None:
            found.append(_BROKEN)
        else:
            orders = math.log10(max(run["drift"], _NO_DRIFT) / _NO_DRIFT)
            found.append(min(orders, _BROKEN))
    return float(np.mean(found))


def enlarged(atoms: Atoms, most: int) -> Atoms:
    """A cell repeated along the shortest vector, as long as it has no more atoms than `most`."""
    repeats = np.ones(3, int)
    while True:
        axis = int(np.argmin(repeats * atoms.cell.lengths()))
        more = repeats + np.eye(3, dtype=int)[axis]
        if more.prod() * len(atoms) > most:
            return atoms.repeat(repeats)
        repeats = more


def efficiency(cells: Sequence[Atoms], calculator: Calculator) -> dict:
    """Microseconds per atom of energies, forces and stresses of enlarged cells."""
    # Compiles and allocates.
    _evaluate(cells[0], calculator)
    times = [_evaluate(cell, calculator) / len(cell) for cell in cells]
    return {
        "cells": len(cells),
        "atoms": float(np.mean([len(cell) for cell in cells])),
        "microseconds": round(1e6 * float(np.mean(times)), 1),
    }


def _evaluate(cell: Atoms, calculator: Calculator) -> float:
    calculator.reset()
    cell.calc = calculator
    began = time.process_time()
    cell.get_stress()
    return time.process_time() - began


def measure(calculator: DP, options: argparse.Namespace, folder: Path) -> Iterator[dict]:
    """All of a model.

    Args:
        calculator: The model.
        options: Those of the command.
        folder: For the structures that are done.

    Yields:
        What is known so far: the efficiency, and the structures that are done.
    """
    path = check_folder(options.lambench, "give a clone of LAMBench") / _STRUCTURES
    if not path.is_file():
        raise DataError(f"{path}: there is no such file; give a clone of LAMBench")
    structures = runpy.run_path(str(path))["TEST_DATA"]
    folder.mkdir(parents=True, exist_ok=True)
    known = set(calculator.type_dict)
    valid = check_folder(
        options.data / "mptrj/mixed/valid", "give the folder of the data with --data"
    )
    cells = [atoms for atoms in read_atoms(valid) if set(atoms.symbols) <= known]
    found = {
        "program": dict(program_versions()),
        "steps": options.steps,
        "structures": len(structures),
        "runs": {},
        "efficiency": efficiency([enlarged(c, _MOST_ATOMS) for c in cells[:_CELLS]], calculator),
    }
    yield found
    for atoms in structures:
        name = str(atoms.symbols)
        if not set(atoms.symbols) <= known:
            continue
        file = folder / f"{name}-{options.steps}.json"
        if not file.is_file():
            write_json(file, constant_energy(atoms, calculator, options.steps))
        found["runs"][name] = read_json(file, None)
        print(name, found["runs"][name], file=sys.stderr, flush=True)
        yield found


def main(arguments: Sequence[str] | None = None) -> None:
    """Run them."""
    parser = make_parser(__doc__)
    parser.add_argument("--lambench", type=Path, required=True, help="a clone of LAMBench")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument(
        "--steps", type=int, default=_STEPS, help="at constant energy (%(default)s)"
    )
    parser.add_argument(
        "--pretrained",
        type=Path,
        default=SHARED / "pretrained",
        help="folder of the OC2M graph (%(default)s)",
    )
    options = parser.parse_args(arguments)
    with one_sentence():
        for name in options.models:
            calculator = DP(MODELS[name](options))
            for found in measure(calculator, options, options.output / "lambench" / name):
                write_json(RESULTS, read_models() | {name: found})


def fast_graph(source: Path, folder: Path) -> Path:
    """A published graph, written again with deepattn's own operations.

    As it is in the file, it consists of stock operations, which take several times as long for few
    atoms.
    """
    graph = folder / f"{source.stem}-fast.pb"
    if not graph.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        convert(source, graph, fast=True)
    return graph


def read_models() -> dict[str, dict]:
    """What has been recorded, by model."""
    return read_json(RESULTS, {})


# By name, where each is.
MODELS: dict[str, Callable[[argparse.Namespace], Path]] = {
    "OC2M": lambda options: fast_graph(
        options.pretrained / "oc2m_se_atten_f32.pb", options.output / "lambench"
    ),
    "elements86": lambda options: trained_folder(options.output, "elements86"),
}


if __name__ == "__main__":
    main()
