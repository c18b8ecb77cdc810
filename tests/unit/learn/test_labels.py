"""Labels of codes that run as jobs: the right numbers, each once, and bad ones kept apart."""

import importlib.util
import json
import shutil
import subprocess

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from deepattn.distill.potential import CalculatorPotential, Labels
from deepattn.errors import ConfigError, DataError
from deepattn.learn.labels.config import LABELS, LabelsConfig
from deepattn.learn.labels.source import StoredLabeler, check_settings
from deepattn.learn.labels.store import LabelStore, Unusable

from . import slurm
from .codes import morse, section, write_template

# Not imported: it writes a log where it is imported.
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("dpdispatcher") is None, reason="dpdispatcher is not installed"
)


def opened(given):
    full = LabelsConfig.complete(given, "learn/labels")
    kind = LABELS[full["type"]]
    kind.check(full, "learn/labels")
    return kind.from_dict(full).open()


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


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a template; it gives the folders that the code ran in."""
    write_template(tmp_path)
    monkeypatch.setenv("RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def runs(folder):
    path = folder / "runs"
    return path.read_text().split() if path.exists() else []


def test_labels_are_those_of_the_code_in_the_orientation_of_the_frame(place):
    wanted = frames()
    store = LabelStore(place / "labels")
    found = StoredLabeler(opened(section(place, parallel=2)), store).label(
        wanted, place / "batch", title="labels"
    )
    assert found.frames == wanted
    expected = CalculatorPotential(morse(), "Morse").evaluate(wanted)
    for one, other in zip(found.labels, expected, strict=True):
        assert one.energy == pytest.approx(other.energy, abs=1e-6)
        np.testing.assert_allclose(one.force, other.force, atol=1e-6)
        np.testing.assert_allclose(one.virial, other.virial, atol=1e-5)
    assert not list(place.glob("dpdispatcher.log"))
    assert not list((place / "labels").rglob("scratch"))


def test_a_frame_is_labeled_once(place):
    one, two, three = frames()
    store = LabelStore(place / "labels")
    labeler = StoredLabeler(opened(section(place)), store)
    labeler.label([one, two], place / "first", title="")
    labeler.label([two, three, three], place / "second", title="")
    assert sorted(runs(place)) == sorted({store.place(atoms).name for atoms in (one, two, three)})
    # A call that was stopped after the jobs had ended reads what is there.
    for atoms in (one, three):
        (store.place(atoms) / "label.json").unlink()
    labeler.label([one, two, three], place / "third", title="")
    assert len(runs(place)) == 3


def test_bad_labels_are_kept_apart(place, monkeypatch, caplog):
    monkeypatch.setenv("BAD", "3")
    wanted = frames()
    del wanted[1][0]
    store = LabelStore(place / "labels")
    labeler = StoredLabeler(opened(section(place)), store)
    found = labeler.label(wanted, place / "batch", title="")
    assert found.frames == [wanted[0], wanted[2]]
    reason = "the electrons did not converge; the command ended with status 3"
    assert store.find(wanted[1]) == Unusable(reason)
    assert f"{store.place(wanted[1])}: {reason}; this frame is left out" in caplog.text
    with pytest.raises(DataError, match=r"espresso: 1 of 1 frames have no usable labels"):
        labeler.label([wanted[1]], place / "again", title="")
    assert len(runs(place)) == 3


def test_a_frame_whose_folder_is_removed_is_labeled_again(place, monkeypatch):
    monkeypatch.setenv("BAD", "4")
    [atoms] = frames(1)
    store = LabelStore(place / "labels")
    labeler = StoredLabeler(opened(section(place)), store)
    for _ in range(2):
        with pytest.raises(DataError, match=r"remove the folders of these frames"):
            labeler.label([atoms], place / "batch", title="")
    assert len(runs(place)) == 1
    monkeypatch.setenv("BAD", "0")
    shutil.rmtree(store.place(atoms))
    assert labeler.label([atoms], place / "batch", title="").frames == [atoms]
    assert len(runs(place)) == 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: "", "there is no pw.out, so the command has failed"),
        (lambda text: text.replace("JOB DONE", ""), "pw.out has no end"),
        (lambda text: text.replace("force = ", "force = nan"), "pw.out cannot be read"),
        (lambda text: text.replace("total energy = -", "total energy = nan -"), "not finite"),
    ],
)
def test_outputs_that_are_no_labels(place, change, reason):
    code = opened(section(place)).code
    [atoms] = frames(1)
    folder = place / "one"
    folder.mkdir()
    code.write(atoms, folder)
    subprocess.run(["sh", "-c", section(place)["command"]], cwd=folder, check=True)
    assert isinstance(code.read(atoms, folder), Labels)
    path = folder / "pw.out"
    path.write_text(change(path.read_text()))
    assert reason in code.read(atoms, folder).reason


def test_labels_of_another_frame_are_none(place):
    code = opened(section(place)).code
    one, two = frames(2)
    (place / "one").mkdir()
    code.write(one, place / "one")
    subprocess.run(["sh", "-c", section(place)["command"]], cwd=place / "one", check=True)
    fewer, moved = one[:3], one.copy()
    moved.positions[2, 0] += 0.01
    for other, reason in ((two, "cell"), (fewer, "atoms"), (moved, "positions")):
        assert code.read(other, place / "one").reason == (
            f"the output has other {reason} than the frame"
            if reason != "cell"
            else "the output has another cell than the frame"
        )


def test_first_label_is_compared_with_finer_ones(place):
    store = LabelStore(place / "labels")
    source = opened(section(place, kspacing=0.5))
    [atoms] = frames(1)
    changes = check_settings(source, atoms, store, place / "settings", tolerance=1e-3)
    assert set(changes) == {"repeated", "a higher cutoff", "more k-points"}
    assert len(runs(place)) == 4
    inputs = {
        what: (place / "settings" / what.replace(" ", "-")).glob("*/pw.in")
        for what in ("a higher cutoff", "more k-points")
    }
    texts = {what: next(paths).read_text() for what, paths in inputs.items()}
    normal = (store.place(atoms) / "pw.in").read_text()
    assert (
        "ecutwfc          = 15.0" in normal
        and "ecutwfc          = 19.5" in texts["a higher cutoff"]
    )
    mesh, finer = (
        text.split("K_POINTS automatic\n")[1].split()[:3]
        for text in (normal, texts["more k-points"])
    )
    assert all(int(b) > int(a) for a, b in zip(mesh, finer, strict=True))


def test_settings_that_change_forces_are_refused(place, monkeypatch):
    """A code whose results depend on how often it was called."""
    program = place / "pw.py"
    program.write_text(
        program.read_text().replace(
            "EPSILON * e", "EPSILON * len(open(os.environ['RUNS']).readlines()) * e"
        )
    )
    with pytest.raises(DataError, match="different when it is labeled again"):
        check_settings(
            opened(section(place)),
            frames(1)[0],
            LabelStore(place / "labels"),
            place / "settings",
            tolerance=0.01,
        )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"template": "absent"}, "is not a folder"),
        ({"machine": {"batch_type": "Slurm", "context_type": "LazyLocalContext"}}, "resources"),
        (
            {
                "machine": {"batch_type": "Slurm", "context_type": "LazyLocalContext"},
                "resources": {"group_size": "many"},
            },
            "dpdispatcher does not accept machine or resources",
        ),
        ({"tolerance": 0}, "learn/labels/tolerance"),
        ({"type": "expresso"}, "use calculator, espresso or vasp"),
        ({"type": "calculator"}, "template"),
    ],
)
def test_sections_that_are_not_valid(place, change, words):
    with pytest.raises((ConfigError, DataError), match=words):
        opened({**section(place), **change})


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("'scf'", "'relax'", "calculation is 'relax'"),
        ("ecutwfc = 15.0", "", "has no ecutwfc"),
        ("Au.UPF", "Absent.UPF", "has no Absent.UPF"),
        ("K_POINTS automatic\n 2 2 2 0 0 0\n", "", "has no K_POINTS"),
        ("K_POINTS", "CONSTRAINTS\n 1\nK_POINTS", "CONSTRAINTS, which is for one structure"),
    ],
)
def test_templates_that_are_not_usable(place, old, new, words):
    path = place / "scf" / "pw.in"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=words):
        opened(section(place))


def test_elements_and_boundaries_that_the_template_does_not_have(place):
    code = opened(section(place)).code
    with pytest.raises(DataError, match="ATOMIC_SPECIES has no Ag"):
        code.check(bulk("Ag"))
    with pytest.raises(DataError, match="open boundaries"):
        code.check(Atoms("Cu"))


@pytest.mark.parametrize("batch_type", ["Slurm", "PBS", "LSF", "Shell"])
def test_sections_of_clusters_are_accepted(place, batch_type):
    machine = {"batch_type": batch_type, "context_type": "LazyLocalContext"}
    resources = {
        "number_node": 1,
        "cpu_per_node": 4,
        "gpu_per_node": 0,
        "queue_name": "normal",
        "group_size": 5,
    }
    opened(section(place, machine=machine, resources=resources))


INCAR = "ENCUT = 300 ; EDIFF = 1e-6  # tight\nNSW = 100\nKSPACING = 0.3\n"
POTCAR = "".join(
    f"  PAW_PBE {name}\n   TITEL  = PAW_PBE {name} 01Jan2000\n  End of Dataset\n"
    for name in ("Cu", "Au")
)
OUTCAR = """ vasp.5.4.4
   VRHFIN =Au: 5d10
   VRHFIN =Cu: 3d10
   TITEL  = PAW_PBE Cu 01Jan2000
   TITEL  = PAW_PBE Au 01Jan2000
   ions per type =               2   2
   NELM   =     60;   NELMIN=  2
"""


@pytest.fixture
def vasp(tmp_path):
    template = tmp_path / "vasp"
    template.mkdir()
    (template / "INCAR").write_text(INCAR)
    (template / "POTCAR").write_text(POTCAR)
    return template


def test_input_of_vasp(vasp, tmp_path):
    code = opened({"type": "vasp", "template": str(vasp), "command": "vasp"}).code
    [atoms] = frames(1)
    code.write(atoms, tmp_path)
    incar = dict(line.split(" = ") for line in (tmp_path / "INCAR").read_text().splitlines())
    assert incar == {
        **{"ENCUT": "300", "EDIFF": "1e-6", "KSPACING": "0.3"},
        **{"NSW": "0", "IBRION": "-1", "ISIF": "2"},
    }
    lines = (tmp_path / "POSCAR").read_text().splitlines()
    assert lines[5].split() == ["Cu", "Au"] and lines[6].split() == ["2", "2"]
    assert (tmp_path / "POTCAR").read_text() == POTCAR
    assert list(code.order(atoms)) == [0, 2, 1, 3]
    gold = bulk("Au", cubic=True)
    code.write(gold, tmp_path)
    assert (tmp_path / "POTCAR").read_text() == POTCAR[POTCAR.index("  PAW_PBE Au") :]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("KPOINTS", "mesh", "is a mesh for one cell"),
        ("INCAR", "KSPACING = 0.3", "has no ENCUT"),
        ("INCAR", "ENCUT = 300", "has no KSPACING"),
        ("POTCAR", POTCAR + POTCAR, "has two potentials for Cu"),
        ("POTCAR", None, "has no POTCAR"),
    ],
)
def test_templates_of_vasp_that_are_not_usable(vasp, name, text, words):
    if text is None:
        (vasp / name).unlink()
    else:
        (vasp / name).write_text(text)
    with pytest.raises(DataError, match=words):
        opened({"type": "vasp", "template": str(vasp), "command": "vasp"})


@pytest.mark.slow
@pytest.mark.skipif(bool(slurm.missing()), reason=slurm.missing() or "there is a Slurm")
def test_jobs_of_a_cluster_with_slurm(place, tmp_path_factory, monkeypatch):
    resources = {
        "number_node": 1,
        "cpu_per_node": 1,
        "gpu_per_node": 0,
        "queue_name": "normal",
        "group_size": 2,
    }
    machine = {"batch_type": "Slurm", "context_type": "LazyLocalContext"}
    wanted = frames()
    with slurm.cluster(tmp_path_factory.mktemp("slurm")) as environment:
        monkeypatch.setenv("SLURM_CONF", environment["SLURM_CONF"])
        source = opened(section(place, machine=machine, resources=resources))
        labeler = StoredLabeler(source, LabelStore(place / "labels"))
        found = labeler.label(wanted, place / "batch", title="")
        jobs = subprocess.run(
            ["scontrol", "--oneliner", "show", "jobs"],
            env=environment,
            capture_output=True,
            text=True,
        )
    assert found.frames == wanted and len(runs(place)) == 3
    assert jobs.stdout.count("JobState=COMPLETED") == 2


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pw.x") is None, reason="Quantum ESPRESSO (pw.x) is not installed")
def test_quantum_espresso_itself(tmp_path, monkeypatch):
    """Two cells of silicon, one sheared: forces are the derivative of the energy, as printed."""
    from pathlib import Path

    potential = Path("/usr/share/espresso/pseudo/Si.pz-vbc.UPF")
    if not potential.exists():
        pytest.skip(f"{potential} is not installed")
    template = tmp_path / "scf"
    template.mkdir()
    shutil.copy(potential, template)
    (template / "pw.in").write_text(
        "&CONTROL\n/\n&SYSTEM\n ecutwfc = 12\n/\n&ELECTRONS\n conv_thr = 1e-9\n/\n"
        "ATOMIC_SPECIES\n Si 28.086 Si.pz-vbc.UPF\n"
    )
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    source = opened(
        {
            "type": "espresso",
            "template": str(template),
            "command": "pw.x -in pw.in > pw.out",
            "kspacing": 1.0,
            "wait": 0.5,
        }
    )
    atoms = bulk("Si")
    atoms.set_cell(atoms.cell @ [[1, 0.04, 0], [0, 1, 0.02], [0.03, 0, 1]], scale_atoms=True)
    atoms.positions[1] += [0.1, 0.05, -0.1]
    step, moved = 0.02, [atoms]
    for sign in (-1, 1):
        other = atoms.copy()
        other.positions[1, 0] += sign * step
        moved.append(other)
    store = LabelStore(tmp_path / "labels")
    labels = StoredLabeler(source, store).label(moved, tmp_path / "batch", title="").labels
    slope = (labels[2].energy - labels[1].energy) / (2 * step)
    assert labels[0].force[1, 0] == pytest.approx(-slope, abs=5e-3)
    assert np.abs(labels[0].force[1, 0]) > 0.1
    np.testing.assert_allclose(labels[0].force.sum(axis=0), 0, atol=1e-3)
    found = json.loads((store.place(atoms) / "label.json").read_text())
    assert found["energy"] == labels[0].energy
