"""Labels of the codes themselves, and of outputs that they wrote, where there are any."""

import importlib.util
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from deepattn.distill.potential import Labels
from deepattn.learn.labels.config import LABELS, LabelsConfig
from deepattn.learn.labels.source import StoredLabeler
from deepattn.learn.labels.store import LabelStore, Unusable
from deepattn.registry import resolve

from . import outputs

PW = (
    "&CONTROL\n/\n&SYSTEM\n ecutwfc = 24\n/\n&ELECTRONS\n conv_thr = 1e-9\n/\n"
    "ATOMIC_SPECIES\n Si 28.086 Si.pz-vbc.UPF\n"
)
# A box that is large enough for one point alone.
CP2K = """&GLOBAL
&END GLOBAL
&FORCE_EVAL
  METHOD QS
  &DFT
    BASIS_SET_FILE_NAME GTH_BASIS_SETS
    POTENTIAL_FILE_NAME GTH_POTENTIALS
    &MGRID
      CUTOFF 280
      REL_CUTOFF 60
    &END MGRID
    &SCF
      EPS_SCF 1e-6
    &END SCF
    &XC
      &XC_FUNCTIONAL PADE
      &END XC_FUNCTIONAL
    &END XC
  &END DFT
  &SUBSYS
    &KIND H
      BASIS_SET SZV-GTH
      POTENTIAL GTH-PADE-q1
    &END KIND
  &END SUBSYS
&END FORCE_EVAL
"""
GPAW = {
    "mode": {"name": "pw", "ecut": 400},
    "xc": "LDA",
    "convergence": {"density": 1e-5},
    "symmetry": "off",
}


def _silicon():
    atoms = bulk("Si")
    atoms.set_cell(atoms.cell @ [[1, 0.04, 0], [0, 1, 0.02], [0.03, 0, 1]], scale_atoms=True)
    atoms.positions[1] += [0.1, 0.05, -0.1]
    return atoms


def _hydrogen():
    cell = [[4.5, 0.2, 0], [0, 4.5, 0], [0.3, 0, 4.5]]
    return Atoms("H2", [[0.1, 0, 0], [0.85, 0.6, 0.2]], cell=cell, pbc=True)


# The program, the command, the template, k-points, the frame, and how exact a force may be, which
# depends on the cutoff: the derivative of an energy with a grid is another one.
CODES = {
    "espresso": ("pw.x", "pw.x -in pw.in > pw.out", {"pw.in": PW}, 1.0, _silicon, 2e-3),
    "cp2k": (
        *("cp2k.psmp", "cp2k.psmp -i cp2k.inp -o cp2k.out", {"cp2k.inp": CP2K}),
        *(3.0, _hydrogen, 3e-2),
    ),
    "gpaw": (
        *("gpaw", "PYTHONPATH= gpaw python label.py", {"gpaw.json": json.dumps(GPAW)}),
        *(3.0, _hydrogen, 1e-2),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", CODES)
def test_forces_and_virials_are_derivatives_of_the_energy(kind, tmp_path, monkeypatch):
    program, command, template, kspacing, make, exact = CODES[kind]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    if importlib.util.find_spec("dpdispatcher") is None:
        pytest.skip("dpdispatcher is not installed")
    folder = tmp_path / "template"
    folder.mkdir()
    for name, text in template.items():
        (folder / name).write_text(text)
    if kind == "espresso":
        potential = Path("/usr/share/espresso/pseudo/Si.pz-vbc.UPF")
        if not potential.exists():
            pytest.skip(f"{potential} is not installed")
        shutil.copy(potential, folder)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    given = {"type": kind, "template": str(folder), "command": command}
    full = LabelsConfig.complete({**given, "kspacing": kspacing, "wait": 0.5}, "learn/labels")
    source = LABELS[kind].from_dict(full).open()
    atoms, step, strain = make(), 0.02, 0.01
    moved = [atoms]
    for sign in (-1, 1):
        other = atoms.copy()
        other.positions[1, 0] += sign * step
        moved.append(other)
    for sign in (-1, 1):
        other = atoms.copy()
        sheared = np.eye(3)
        sheared[1, 0] = sign * strain
        other.set_cell(atoms.cell @ sheared, scale_atoms=True)
        moved.append(other)
    store = LabelStore(tmp_path / "labels")
    labels = StoredLabeler(source, store).label(moved, tmp_path / "batch", title="").labels
    slope = (labels[2].energy - labels[1].energy) / (2 * step)
    assert labels[0].force[1, 0] == pytest.approx(-slope, abs=exact)
    assert np.abs(labels[0].force[1, 0]) > 0.1
    np.testing.assert_allclose(labels[0].force.sum(axis=0), 0, atol=exact)
    # A shear keeps the volume; the set of plane waves changes a bit, and the energy with it.
    shear = -(labels[4].energy - labels[3].energy) / (2 * strain)
    assert labels[0].virial.reshape(3, 3)[0, 1] == pytest.approx(shear, rel=0.1)
    assert abs(shear) > 0.1
    found = json.loads((store.place(atoms) / "label.json").read_text())
    assert found["energy"] == labels[0].energy


@pytest.fixture(scope="module")
def written_by_codes():
    """Outputs in the tests of dpdata (github.com/deepmodeling/dpdata), which are not ours."""
    shared = os.environ.get("DEEPATTN_SHARED", Path(__file__).resolve().parents[4] / "shared")
    path = Path(shared) / "data" / "dpdata"
    if not path.is_dir():
        pytest.skip(f"outputs of codes are absent: {path}, the folder tests of dpdata")
    return path


def _frame(system):
    data = system.data
    names = [data["atom_names"][kind] for kind in data["atom_types"]]
    periodic = not data.get("nopbc", False)
    cell = data["cells"][0] if periodic else None
    return Atoms(names, data["coords"][0], cell=cell, pbc=periodic)


# Kind, file in dpdata's tests, dpdata's format, where a run has it.
REAL = {
    "cp2k": ("cp2k/cp2k_2025_output/cp2k_2025_output", "cp2k/output", "cp2k.out"),
    "gaussian": ("gaussian/methane.gaussianlog", "gaussian/log", "gaussian.log"),
    "vasp": ("poscars/OUTCAR.h2o.md", "vasp/outcar", "OUTCAR"),
}


def _code(kind, tmp_path, names):
    """A code whose template has some elements."""
    template = outputs.write_template(kind, tmp_path, [*names, "He"][:2])
    full = LabelsConfig.complete(outputs.section(kind, template), "learn/labels")
    return resolve(LABELS[kind].code)(LABELS[kind].from_dict(full))


@pytest.mark.parametrize("kind", REAL)
def test_outputs_of_codes(kind, written_by_codes, tmp_path):
    import dpdata

    file, form, place = REAL[kind]
    system = dpdata.LabeledSystem(str(written_by_codes / file), fmt=form)
    system = system[len(system) - 1]
    atoms = _frame(system)
    code = _code(kind, tmp_path, list(dict.fromkeys(atoms.symbols)))
    code.write(atoms, tmp_path)
    shutil.copy(written_by_codes / file, tmp_path / place)
    found = code.read(atoms, tmp_path)
    assert isinstance(found, Labels), found
    assert found.energy == system.data["energies"][0]
    np.testing.assert_allclose(found.force, system.data["forces"][0])
    if "virials" in system.data:
        np.testing.assert_allclose(found.virial, system.data["virials"][0].ravel(), atol=1e-8)


@pytest.mark.parametrize(
    ("kind", "file", "place"),
    [
        ("cp2k", "cp2k/cp2k_nocon_output", "cp2k.out"),
        ("gaussian", "gaussian/noncoveraged.gaussianlog", "gaussian.log"),
        ("abacus", "abacus.scf/OUT.ch4fail/running_scf.log", "OUT.ABACUS/running_scf.log"),
    ],
)
def test_outputs_of_codes_that_did_not_converge(kind, file, place, written_by_codes, tmp_path):
    code = _code(kind, tmp_path, ["C", "H"])
    atoms = Atoms("CH4", np.eye(5, 3), cell=None if kind == "gaussian" else np.eye(3) * 9)
    atoms.pbc = kind != "gaussian"
    code.write(atoms, tmp_path)
    (tmp_path / place).parent.mkdir(exist_ok=True)
    shutil.copy(written_by_codes / file, tmp_path / place)
    assert code.read(atoms, tmp_path) == Unusable("the electrons did not converge")


@pytest.mark.parametrize("folder", ["abacus.scf/OUT.ch4", "abacus.spin/OUT.ABACUS"])
def test_outputs_of_abacus(folder, written_by_codes, tmp_path):
    """Its log has no positions, which are those of the input."""
    log = (written_by_codes / folder / "running_scf.log").read_text()
    lines = log.splitlines()
    first = max(k for k, line in enumerate(lines) if "TOTAL-FORCE (eV/Angstrom)" in line)
    rows = [line.split() for line in lines[first + 1 : first + 12]]
    rows = [row for row in rows if len(row) == 4 and row[0][0].isalpha() and row[0][-1].isdigit()]
    names = [row[0].rstrip("0123456789") for row in rows]
    code = _code("abacus", tmp_path, list(dict.fromkeys(names)))
    places = 2.0 * np.arange(3 * len(names)).reshape(-1, 3) % 7
    atoms = Atoms(names, places, cell=[9, 9, 9], pbc=True)
    code.write(atoms, tmp_path)
    (tmp_path / "OUT.ABACUS").mkdir()
    (tmp_path / "OUT.ABACUS" / "running_scf.log").write_text(log)
    found = code.read(atoms, tmp_path)
    assert isinstance(found, Labels), found
    np.testing.assert_allclose(found.force, np.array([row[1:] for row in rows], float))
    assert np.isfinite(found.energy)
