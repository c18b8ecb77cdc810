"""Codes that label frames: their inputs, their outputs, and outputs that are no labels."""

import json
import re

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from deepattn.distill.potential import CalculatorPotential, Labels
from deepattn.errors import ConfigError, DataError
from deepattn.learn.labels.config import LABELS, LabelsConfig

from . import outputs
from .codes import frames, morse

KINDS = ("abacus", "cp2k", "gaussian", "gpaw", "vasp")
# The file of each that a run writes, and the one that a user would change the settings in.
FILES = {
    "abacus": ("OUT.ABACUS/running_scf.log", "INPUT"),
    "cp2k": ("cp2k.out", "cp2k.inp"),
    "gaussian": ("gaussian.log", "gaussian.gjf"),
    "gpaw": ("gpaw.txt", "gpaw.json"),
    "vasp": ("OUTCAR", "INCAR"),
}


def opened(given):
    full = LabelsConfig.complete(given, "learn/labels")
    kind = LABELS[full["type"]]
    kind.check(full, "learn/labels")
    # The code alone, which needs no dpdispatcher.
    from deepattn.registry import resolve

    return resolve(kind.code)(kind.from_dict(full))


def frame_for(kind):
    """A sheared cell whose atoms are not sorted by element; for molecules without the cell."""
    [atoms] = frames(1)
    if kind == "gaussian":
        atoms.set_cell(None)
        atoms.pbc = False
    return atoms


def run(kind, folder, atoms, code, *, converged=True):
    """Write input and output of a run; gives the labels."""
    [labels] = CalculatorPotential(morse(), "Morse").evaluate([atoms])
    code.write(atoms, folder)
    order = code.order(atoms)
    sorted_labels = labels._replace(force=labels.force[order])
    outputs.write_output(kind, folder, atoms[order], sorted_labels, converged)
    return labels


@pytest.fixture(params=KINDS)
def case(request, tmp_path):
    """A kind, its code, a frame, and a folder for a run."""
    template = outputs.write_template(request.param, tmp_path)
    folder = tmp_path / "run"
    folder.mkdir()
    code = opened(outputs.section(request.param, template))
    return request.param, code, frame_for(request.param), folder


def test_labels_in_the_order_and_orientation_of_the_frame(case):
    kind, code, atoms, folder = case
    expected = run(kind, folder, atoms, code)
    found = code.read(atoms, folder)
    assert isinstance(found, Labels), found
    assert found.energy == pytest.approx(expected.energy, abs=1e-6)
    np.testing.assert_allclose(found.force, expected.force, atol=1e-6)
    if kind == "gaussian":
        assert found.virial is None
    else:
        # Cells of CP2K have three digits.
        np.testing.assert_allclose(found.virial, expected.virial, atol=1e-5)


def test_electrons_that_did_not_converge(case):
    kind, code, atoms, folder = case
    run(kind, folder, atoms, code, converged=False)
    assert code.read(atoms, folder).reason == "the electrons did not converge"


def test_runs_that_crashed(case):
    kind, code, atoms, folder = case
    run(kind, folder, atoms, code)
    path = folder / FILES[kind][0]
    if kind != "gpaw":
        lines = path.read_text().splitlines()
        path.write_text("\n".join(lines[:-1]) + "\n")
        assert code.read(atoms, folder).reason == f"{FILES[kind][0]} has no end"
    else:
        (folder / "labels.traj").unlink()
        assert "there is no labels.traj" in code.read(atoms, folder).reason
    path.write_text("")
    assert code.read(atoms, folder).reason == (
        f"there is no {FILES[kind][0]}, so the command has failed"
    )


def test_outputs_of_other_atoms(case):
    kind, code, atoms, folder = case
    run(kind, folder, atoms, code)
    moved, strained = atoms.copy(), atoms.copy()
    moved.positions[2, 0] += 0.01
    strained.set_cell(atoms.cell * 1.01, scale_atoms=True)
    others = {"positions": moved, "atoms": atoms[:3], "cell": strained}
    if kind == "gaussian":
        del others["cell"]
    for what, other in others.items():
        assert "is not as it was written" in code.read(other, folder).reason
        # The input is that of the frame, and only the output is not.
        code.write(other, folder)
        found = code.read(other, folder)
        if kind != "abacus":
            assert re.fullmatch(
                f"the output has (other|another) {what} than the frame", found.reason
            )
        elif what == "atoms":
            # Its output has no positions, and names of atoms with the forces alone.
            assert "cannot be read" in found.reason
        run(kind, folder, atoms, code)


def test_values_that_are_not_finite(case):
    kind, code, atoms, folder = case
    [labels] = CalculatorPotential(morse(), "Morse").evaluate([atoms])
    run(kind, folder, atoms, code)
    for bad in (labels._replace(energy=np.nan), labels._replace(force=labels.force * np.nan)):
        outputs.write_output(kind, folder, atoms[code.order(atoms)], bad)
        reason = code.read(atoms, folder).reason
        assert "not finite" in reason or "cannot be read" in reason


def test_runs_with_other_settings(case):
    kind, code, atoms, folder = case
    run(kind, folder, atoms, code)
    path = folder / FILES[kind][1]
    path.write_text(path.read_text().replace("0", "1", 1))
    assert code.read(atoms, folder).reason.startswith(f"{path.name} is not as it was written")


def test_a_higher_cutoff_and_more_k_points(tmp_path):
    """Each refinement changes the input, and the settings, which may not be mixed."""
    from deepattn.registry import resolve

    for kind in KINDS:
        given = outputs.section(kind, outputs.write_template(kind, tmp_path))
        full = LabelsConfig.complete(given, "learn/labels")
        make, config = resolve(LABELS[kind].code), LABELS[kind].from_dict(full)
        texts = {}
        for finer in ("", *make(config).can_be_finer()):
            folder = tmp_path / f"{kind}-{finer.replace(' ', '-')}"
            folder.mkdir()
            code = make(config, finer=finer)
            code.write(frame_for(kind), folder)
            texts[finer] = {path.name: path.read_text() for path in folder.iterdir()}
        expected = {"gaussian": 1, "vasp": 2}.get(kind, 3)
        assert len(texts) == len({str(text) for text in texts.values()}) == expected, kind


def test_input_of_cp2k(tmp_path):
    code = opened(outputs.section("cp2k", outputs.write_template("cp2k", tmp_path)))
    [atoms] = frames(1)
    code.write(atoms, tmp_path)
    text = (tmp_path / "cp2k.inp").read_text()
    for line in (
        "RUN_TYPE ENERGY_FORCE",
        "CUTOFF [Ry] 80",
        "STRESS_TENSOR ANALYTICAL",
        "&FORCES ON",
        "&RESTART OFF",
        "BASIS_SET SZV",
        "SCHEME MONKHORST-PACK 4 4 4",
    ):
        assert line in text
    assert "ABC" not in text and text.count("&CELL") == text.count("&COORD") == 1
    lines = [line.split() for line in text.splitlines()]
    assert [float(x) for x in lines[lines.index(["&COORD"]) + 3][1:]] == pytest.approx(
        list(atoms.positions[2])
    )
    code.write(bulk("Cu", a=30), tmp_path)
    assert "KPOINTS" not in (tmp_path / "cp2k.inp").read_text()


def test_input_of_abacus(tmp_path):
    code = opened(outputs.section("abacus", outputs.write_template("abacus", tmp_path)))
    [atoms] = frames(1)
    code.write(atoms, tmp_path)
    tags = dict(line.split(None, 1) for line in (tmp_path / "INPUT").read_text().splitlines()[1:])
    assert tags["ecutwfc"] == "60" and tags["basis_type"] == "lcao" and "ntype" not in tags
    assert (tags["cal_force"], tags["cal_stress"], tags["suffix"]) == ("1", "1", "ABACUS")
    text = (tmp_path / "STRU").read_text()
    assert "\nCu\n0.5\n2\n" in text and "\nAu\n0.0\n2\n" in text
    assert (tmp_path / "KPT").read_text() == "K_POINTS\n0\nGamma\n4 4 4 0 0 0\n"
    assert [path.name for path in code.files()] == ["Au.orb", "Au.upf", "Cu.orb", "Cu.upf"]
    code.write(bulk("Au"), tmp_path)
    assert not re.search(r"\bCu", (tmp_path / "STRU").read_text())


def test_input_of_gaussian(tmp_path):
    code = opened(outputs.section("gaussian", outputs.write_template("gaussian", tmp_path)))
    code.write(Atoms("Cu2", [[0, 0, 0], [0, 0, 2.2]]), tmp_path)
    head, title, molecule, basis, end = (tmp_path / "gaussian.gjf").read_text().split("\n\n")
    assert head == "%mem=1GB\n# b3lyp/gen scf=tight force nosymm geom=printinputorient"
    assert title == "two metals" and molecule.startswith("0 1\nCu 0.000000000000") and end == ""
    assert basis.startswith("Cu Au 0")
    assert "%mem" not in json.dumps(code.settings())
    with pytest.raises(DataError, match="labels molecules only"):
        code.check(bulk("Cu"))


@pytest.mark.parametrize(
    ("kind", "name", "old", "new", "words"),
    [
        ("cp2k", "cp2k.inp", "CUTOFF [Ry] 80", "", "has no CUTOFF in FORCE_EVAL/DFT/MGRID"),
        ("cp2k", "cp2k.inp", "RUN_TYPE ENERGY", "RUN_TYPE MD", "RUN_TYPE is MD"),
        ("cp2k", "cp2k.inp", "&KIND CU", "&KIND Cu1", "which is no element"),
        ("cp2k", "cp2k.inp", "METHOD QS", "@INCLUDE 'x'", "write out what the preprocessor sets"),
        ("cp2k", "cp2k.inp", "&DFT", "&DFT\n&END\n&DFT", "Multiple DFT sections"),
        ("cp2k", "cp2k.inp", None, None, "has no cp2k.inp"),
        ("abacus", "INPUT", "ecutwfc 60", "", "has no ecutwfc"),
        ("abacus", "INPUT", "ntype 2", "calculation md", "calculation is 'md'"),
        ("abacus", "INPUT", "ntype 2", "gamma_only 1", "gamma_only, which learn/labels/kspacing"),
        ("abacus", "STRU", "Au.upf", "Absent.upf", "has no Absent.upf, which STRU names"),
        ("abacus", "STRU", "Cu 63.5 Cu.upf", "Cu 63.5", "has no ATOMIC_SPECIES with"),
        ("abacus", "STRU", "Cu.orb\n", "", "has 1 orbitals for 2 elements"),
        ("gaussian", "gaussian.gjf", "# b3lyp", "b3lyp", "has no route"),
        ("gaussian", "gaussian.gjf", "b3lyp", "opt b3lyp", "the route has opt"),
        ("gaussian", "gaussian.gjf", "0 1\n", "", "no line with charge and multiplicity"),
        ("gpaw", "gpaw.json", '"ecut"', '"cut"', "has no cutoff"),
        ("gpaw", "gpaw.json", "{", "", "is no JSON"),
    ],
)
def test_templates_that_are_not_usable(tmp_path, kind, name, old, new, words):
    template = outputs.write_template(kind, tmp_path)
    path = template / name
    if old is None:
        path.unlink()
    else:
        path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=words):
        opened(outputs.section(kind, template))


def test_kspacing_of_molecules_is_refused(tmp_path):
    given = outputs.section("gaussian", outputs.write_template("gaussian", tmp_path))
    with pytest.raises(ConfigError, match="kspacing is for cells"):
        opened({**given, "kspacing": 0.3})
    for kind, name in (("gpaw", "kpts"), ("abacus", "KPT")):
        given = outputs.section(kind, outputs.write_template(kind, tmp_path))
        with pytest.raises(DataError, match=f"has no {name}; add"):
            opened({**given, "kspacing": None})


def test_input_of_vasp(tmp_path):
    template = outputs.write_template("vasp", tmp_path)
    code = opened({"type": "vasp", "template": str(template), "command": "vasp"})
    [atoms] = frames(1)
    code.write(atoms, tmp_path)
    incar = dict(line.split(" = ") for line in (tmp_path / "INCAR").read_text().splitlines())
    assert incar == {
        **{"ENCUT": "300", "EDIFF": "1e-6", "KSPACING": "0.3"},
        **{"NSW": "0", "IBRION": "-1", "ISIF": "2"},
    }
    lines = (tmp_path / "POSCAR").read_text().splitlines()
    assert lines[5].split() == ["Cu", "Au"] and lines[6].split() == ["2", "2"]
    assert (tmp_path / "POTCAR").read_text() == outputs.POTCAR
    assert list(code.order(atoms)) == [0, 2, 1, 3]
    code.write(bulk("Au", cubic=True), tmp_path)
    gold = outputs.POTCAR[outputs.POTCAR.index("  PAW_PBE Au") :]
    assert (tmp_path / "POTCAR").read_text() == gold


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("KPOINTS", "mesh", "is a mesh for one cell"),
        ("INCAR", "KSPACING = 0.3", "has no ENCUT"),
        ("INCAR", "ENCUT = 300", "has no KSPACING"),
        ("POTCAR", outputs.POTCAR * 2, "has two potentials for Cu"),
        ("POTCAR", None, "has no POTCAR"),
    ],
)
def test_templates_of_vasp_that_are_not_usable(tmp_path, name, text, words):
    template = outputs.write_template("vasp", tmp_path)
    if text is None:
        (template / name).unlink()
    else:
        (template / name).write_text(text)
    with pytest.raises(DataError, match=words):
        opened({"type": "vasp", "template": str(template), "command": "vasp"})
