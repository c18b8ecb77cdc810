"""Labels of codes that run as jobs: the right numbers, each once, and bad ones kept apart."""

import importlib.util
import os
import shutil
import subprocess

import numpy as np
import pytest
import slurm
from ase import Atoms
from ase.build import bulk

from deepattn.distill.potential import CalculatorPotential, Labels
from deepattn.errors import ConfigError, DataError
from deepattn.learn.dispatch.dispatcher import Dispatcher
from deepattn.learn.labels.config import LABELS, LabelsConfig
from deepattn.learn.labels.source import StoredLabeler, check_settings
from deepattn.learn.labels.store import LabelStore, Unusable

from .codes import frames, morse, section, write_template
from .schedulers import write_scheduler

# Not imported: it writes a log where it is imported.
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("dpdispatcher") is None, reason="dpdispatcher is not installed"
)


# Of jobs on a cluster.
HERE = {"context_type": "LazyLocalContext"}
RESOURCES = {
    "number_node": 1,
    "cpu_per_node": 4,
    "gpu_per_node": 0,
    "queue_name": "normal",
    "group_size": 2,
}


def opened(given):
    full = LabelsConfig.complete(given, "learn/labels")
    kind = LABELS[full["type"]]
    kind.check(full, "learn/labels")
    return kind.from_dict(full).open()


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
    for other in (two, fewer, moved):
        assert code.read(other, place / "one").reason.startswith("pw.in is not as it was written")


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
    """A code whose results depend on the time."""
    program = place / "pw.py"
    program.write_text(
        program.read_text().replace("with open", "EPSILON *= 1 + time.time() % 1\n\nwith open", 1)
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
        ({"type": "expresso"}, "use abacus, calculator, cp2k"),
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


@pytest.mark.parametrize(
    ("machine", "resources", "words"),
    [
        ({"batch_type": "Kubernetes"}, {}, "batch_type is 'Kubernetes', which dpdispatcher does"),
        ({"batch_type": "PBS", "remote": "/"}, {}, "undefined key `remote`"),
        ({"batch_type": "PBS"}, {"queue": "normal"}, "undefined key `queue`"),
        ({"batch_type": "Slurm"}, {"kwargs": {"gpu_line": 1}}, "gpu_line"),
        ({"batch_type": "LSF"}, {"cpu_per_node": "four"}, "cpu_per_node"),
        ({"batch_type": "PBS", "context_type": "Carrier"}, {}, "Carrier"),
    ],
)
def test_sections_of_clusters_that_are_not_valid(place, machine, resources, words):
    with pytest.raises(ConfigError, match=words):
        opened(section(place, machine={**HERE, **machine}, resources={**RESOURCES, **resources}))


@pytest.mark.parametrize(
    ("batch_type", "lines"),
    [
        ("PBS", ["#PBS -l select=1:ncpus=4", "#PBS -q normal"]),
        ("LSF", ["#BSUB -n 4", "#BSUB -q normal"]),
    ],
)
def test_jobs_of_other_schedulers(place, batch_type, lines, monkeypatch):
    """By stand-ins of their commands, which lose the first job."""
    programs = write_scheduler(place / "scheduler")
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    machine = {**HERE, "batch_type": batch_type}
    source = opened(section(place, machine=machine, resources=RESOURCES))
    wanted = frames()
    labeler = StoredLabeler(source, LabelStore(place / "labels"))
    assert labeler.label(wanted, place / "batch", title="").frames == wanted
    # Two jobs of two frames and one, and the lost one again.
    scripts = sorted(programs.glob("*.script"))
    assert len(scripts) == 3 and len(runs(place)) == 3
    assert all(line in scripts[0].read_text() for line in lines)


@pytest.mark.parametrize("lost", [1, 9])
def test_jobs_that_ended_without_their_commands_are_submitted_again(place, lost, monkeypatch):
    """As where one job is submitted twice, and the second ends well before the first."""
    submit, calls = Dispatcher._submit, []

    def submitted(*args):
        calls.append(args[4])
        if len(calls) > lost:
            submit(*args)

    monkeypatch.setattr(Dispatcher, "_submit", submitted)
    [atoms] = frames(1)
    labeler = StoredLabeler(opened(section(place)), LabelStore(place / "labels"))
    if lost == 1:
        assert labeler.label([atoms], place / "batch", title="").frames == [atoms]
        assert len(runs(place)) == 1
    else:
        with pytest.raises(DataError, match="the job has ended, and its command has not"):
            labeler.label([atoms], place / "batch", title="")
    # Each is another submission to dpdispatcher.
    assert len(set(calls)) == len(calls) == (2 if lost == 1 else 4)


@pytest.mark.slow
@pytest.mark.skipif(bool(slurm.missing()), reason=slurm.missing() or "there is a Slurm")
def test_jobs_of_a_cluster_with_slurm(place, tmp_path_factory, monkeypatch):
    machine = {**HERE, "batch_type": "Slurm"}
    resources = {**RESOURCES, "cpu_per_node": 1}
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
