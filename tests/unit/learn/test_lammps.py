"""LAMMPS as an engine, by a stand-in: its files, its frames, and runs that fail."""

import importlib.util
import json
from types import SimpleNamespace

import numpy as np
import pytest
from ase import Atoms, units
from ase.io.lammpsdata import read_lammps_data
from small_models import dpa2, model_section, small_model

from deepattn.config import ModelConfig, normalize_model
from deepattn.data.atoms import thermal_momenta
from deepattn.errors import ConfigError, DataError
from deepattn.export import freeze
from deepattn.learn import read_learn
from deepattn.learn.config import LearnConfig
from deepattn.learn.dynamics.config import LearnExploreConfig
from deepattn.learn.dynamics.engine import Exploration
from deepattn.models import open_model_file

from .lammps import write_program

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("dpdispatcher") is None, reason="dpdispatcher is not installed"
)
STEPS, EVERY = 8, 2


@pytest.fixture(scope="module")
def potential(tmp_path_factory):
    """A frozen model, which nobody runs."""
    path = tmp_path_factory.mktemp("model") / "graph.pb"
    freeze(small_model({"type": "se_e2_r"}), path, training_script={})
    return SimpleNamespace(file=open_model_file(path), elements=("O", "H"))


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("RUNS", str(tmp_path / "runs"))
    return tmp_path


def runs(folder):
    path = folder / "runs"
    return path.read_text().split() if path.exists() else []


def structures():
    """A cell that is not lower triangular, and a molecule."""
    turn, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
    cell = np.array([[5.0, 0, 0], [-2.0, 6.0, 0], [1.5, -1.0, 7.0]])
    places = np.array([[0.1, 0.2, 0.3], [0.5, 0.6, 1.2], [-0.4, 0.1, 0.8], [0.9, 0.7, 0.4]])
    crystal = Atoms("HOHH", places @ cell @ turn, cell=cell @ turn, pbc=True)
    return [crystal, Atoms("OH", [[0.0, 0.0, 0.0], [0.0, 1.1, 0.4]])]


def explored(potential, folder, command=None, **keys):
    """What the engine finds, and the exploration."""
    engine = {"type": "lammps", "command": command or write_program(folder), "wait": 0.2}
    given = {"temperatures": [500], "pressures": [2], "runs": 2, "engine": engine, **keys}
    config = LearnExploreConfig.from_dict(LearnExploreConfig.complete(given, "explore"))
    exploration = Exploration(
        potential, structures(), config, STEPS, EVERY, closest=0.3, seed=(4, 1), title="dynamics"
    )
    return config.engine.open().explore(exploration, folder / "dynamics"), exploration


def test_frames_are_in_the_orientation_of_their_structures(potential, place):
    found, exploration = explored(potential, place)
    assert (found.runs, found.stopped) == (2, {})
    assert (found.atom_steps, found.seconds) == (STEPS * (4 + 2), 1.0)
    for run in exploration.runs:
        frames = [atoms for atoms in found.frames if atoms.info["run"] == run.number]
        assert [atoms.info["step"] for atoms in frames] == [2, 4, 6, 8]
        for atoms in frames:
            step = atoms.info.pop("step")
            scale = 1 + 1e-3 * step / EVERY if run.atoms.pbc.all() else 1.0
            expected = {"temperature": 500.0, "origin": "dynamics", "run": run.number}
            expected |= {"pressure": 2.0} if run.atoms.pbc.all() else {}
            assert atoms.info == expected
            assert atoms.get_chemical_symbols() == run.atoms.get_chemical_symbols()
            np.testing.assert_allclose(atoms.cell, scale * run.atoms.cell, atol=1e-12)
            # They have all moved by the same vector.
            moved = atoms.positions - scale * run.atoms.positions
            np.testing.assert_allclose(moved - moved[0], 0, atol=1e-12)


def test_inputs(potential, place):
    _, exploration = explored(potential, place, timestep=0.5)
    for run in exploration.runs:
        folder = place / "dynamics" / f"part-{run.number}"
        lines = (folder / "in.lammps").read_text().splitlines()
        assert {"timestep 0.0005", "pair_coeff * * O H", f"run {STEPS}"} <= set(lines)
        [thermostat] = [line for line in lines if "langevin" in line]
        assert thermostat.startswith("fix heat all langevin 500 500 0.1 ")
        periodic = run.atoms.pbc.all()
        assert ("boundary p p p" in lines) == periodic
        barostat = "fix move all nph iso 20000 20000 1 flip no"
        assert (barostat if periodic else "fix move all nve") in lines
        atoms = read_lammps_data(folder / "data.lmp", atom_style="atomic")
        assert list(atoms.symbols) == list(run.atoms.symbols)
        np.testing.assert_allclose(
            atoms.get_all_distances(mic=periodic), run.atoms.get_all_distances(mic=periodic)
        )
        np.testing.assert_allclose(atoms.get_masses(), run.atoms.get_masses())
        momenta = thermal_momenta(run.atoms.get_masses(), 500, np.random.default_rng(run.seed))
        velocities = momenta / run.atoms.get_masses()[:, None]
        np.testing.assert_allclose(
            np.linalg.norm(atoms.get_velocities(), axis=1), np.linalg.norm(velocities, axis=1)
        )
        text = (folder / "data.lmp").read_text()
        first = float(text.split("Velocities")[1].split()[1])
        # Å/ps, in an orientation that is LAMMPS's own.
        speed = np.linalg.norm(velocities[0]) * 1e3 * units.fs
        assert abs(first) <= speed


@pytest.mark.parametrize(
    ("ends", "reason", "steps"),
    [
        ("closer", "atoms too close", [2, 4]),
        ("hot", "too hot", [2]),
        ("lost", "LAMMPS failed", [2, 4]),
    ],
)
def test_runs_that_end_early_keep_the_frames_before(
    potential, place, monkeypatch, caplog, ends, reason, steps
):
    monkeypatch.setenv("ENDS", ends)
    found, _ = explored(potential, place)
    assert found.stopped == {reason: 2}
    assert [atoms.info["step"] for atoms in found.frames] == 2 * steps
    said = "run 1 at 500 K: LAMMPS ended with status 1: ERROR: Lost atoms: original 4 current 3"
    assert (said in caplog.text) == (ends == "lost")
    # What has ended so is not run again.
    again, _ = explored(potential, place)
    assert again.stopped == found.stopped and len(runs(place)) == 2


def test_no_run_that_comes_to_a_frame_is_an_error(potential, place, monkeypatch):
    monkeypatch.setenv("ENDS", "early")
    with pytest.raises(DataError, match=r"LAMMPS failed in 2 of 2 runs, and no run has a frame; "):
        explored(potential, place)


def test_commands_that_fail_are_repeated_by_the_next_call(potential, place, monkeypatch):
    words = r"part-0: dynamics failed: LAMMPS ended with status 127: .*not found; correct the cause"
    with pytest.raises(DataError, match=words):
        explored(potential, place, "no-such-lmp -in in.lammps")
    monkeypatch.setenv("ENDS", "style")
    with pytest.raises(DataError, match=r"status 1: ERROR: Unrecognized pair style 'deepmd' "):
        explored(potential, place)
    with pytest.raises(DataError, match=r"failed: \S+dump.lammps has no line ITEM: TIMESTEP"):
        explored(potential, place, "true")
    monkeypatch.setenv("ENDS", "")
    found, _ = explored(potential, place)
    assert found.stopped == {} and len(found.frames) == 8


def test_runs_that_are_killed_are_run_again_and_others_are_not(potential, place, monkeypatch):
    monkeypatch.setenv("ENDS", "killed")
    found, _ = explored(potential, place)
    assert sorted(runs(place)) == ["part-0", "part-0", "part-1", "part-1"]
    # As the stand-in is killed in the middle, and the second time ends there.
    assert found.stopped == {"too hot": 2}
    monkeypatch.setenv("ENDS", "")
    (place / "dynamics" / "part-1" / "status").unlink()
    found, _ = explored(potential, place)
    assert runs(place)[4:] == ["part-1"] and found.stopped == {"too hot": 1}


def test_dumps_of_another_structure_are_refused(potential, place):
    explored(potential, place)
    path = place / "dynamics" / "part-0" / "dump.lammps"
    text = path.read_text()
    path.write_text(text.replace("1 H ", "1 O ", 1).replace("2 O ", "2 H ", 1))
    with pytest.raises(DataError, match="does not begin with the structure of the run"):
        explored(potential, place)


def test_sections(tmp_path):
    given = {"systems": "a.xyz", "labels": {"type": "calculator", "calculator": "my:emt"}}
    path = tmp_path / "loop.json"

    def read(engine):
        path.write_text(json.dumps({"learn": {**given, "explore": {"engine": engine}}}))
        return read_learn(path)[0].explore.engine

    assert read({"type": "lammps", "command": "lmp -in in.lammps", "parallel": 3}).parallel == 3
    for engine, words in (
        ({"type": "lammps"}, "command"),
        ({"type": "gromacs"}, "use ase or lammps"),
        ({"type": "lammps", "command": "lmp", "machine": {}}, "explore/engine/machine needs learn"),
        ({"type": "lammps", "command": "lmp", "jobs": {}}, "jobs"),
    ):
        with pytest.raises(ConfigError, match=words):
            read(engine)
    assert "explore/engine/command" in LearnConfig.free


def test_models_without_graphs_are_refused():
    section = {"type": "lammps", "command": "lmp -in in.lammps"}
    full = LearnExploreConfig.complete({"engine": section}, "explore")
    engine = LearnExploreConfig.from_dict(full).engine.open()
    engine.check(ModelConfig.from_dict(normalize_model(model_section())))
    with pytest.raises(ConfigError, match="there are none with the descriptor dpa2; set the type"):
        engine.check(ModelConfig.from_dict(normalize_model(model_section(dpa2()))))
