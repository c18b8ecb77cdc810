"""Variations of structures, diverse frames, and the input of the loop."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ase.build import bulk, molecule

from deepattn.distill import rounds, student
from deepattn.distill.workdir import WorkDir
from deepattn.errors import ConfigError
from deepattn.learn import read_learn
from deepattn.learn.config import LearnConfig, VariationsConfig
from deepattn.learn.diversity import farthest_points, frame_features
from deepattn.learn.variations import vary

STRUCTURE = {"systems": "start.extxyz", "labels": {"type": "calculator", "calculator": "my:emt"}}


def variations(**keys):
    return VariationsConfig.from_dict(VariationsConfig.complete(keys, "learn/variations"))


def alloy():
    atoms = bulk("Cu", cubic=True, a=3.8)
    atoms.symbols[:2] = "Au"
    return atoms


def test_nothing_is_varied_by_default():
    assert vary([alloy()], variations(), closest=0.6, seed=1) == [alloy()]


def test_volumes_and_vacancies():
    _, smaller, larger, *vacancies = vary(
        [alloy()], variations(volumes=[-0.05, 0.05], vacancies=2), closest=0.6, seed=1
    )
    assert smaller.cell.lengths() == pytest.approx([3.61] * 3)
    assert larger.get_scaled_positions() == pytest.approx(alloy().get_scaled_positions())
    assert [len(atoms) for atoms in vacancies] == [3, 3]
    left = [{tuple(row) for row in atoms.positions} for atoms in vacancies]
    assert left[0] != left[1]


def test_surfaces_are_as_thick_and_as_far_apart_as_asked():
    atoms = bulk("Cu", cubic=True, a=3.6)
    _, slab = vary(
        [atoms], variations(surfaces=[[1, 1, 1]], thickness=7, vacuum=9), closest=0.6, seed=1
    )
    heights = slab.positions @ np.linalg.inv(slab.cell)[:, 2] * slab.cell.lengths()[2]
    normal = slab.get_volume() / np.linalg.norm(np.cross(*slab.cell[:2]))
    extent = np.ptp(heights)
    # Planes of atoms are 3.6/√3 Å apart.
    assert 7 - 3.6 / 3**0.5 <= extent < 7 + 2 * 3.6 * 3**0.5
    assert normal - extent == pytest.approx(9, abs=0.01)
    assert slab.pbc.all()


def test_exchanges_take_elements_of_all_structures():
    found = vary(
        [bulk("Cu", cubic=True), bulk("Au", cubic=True)],
        variations(exchanges=3),
        closest=0.6,
        seed=2,
    )
    others = found[2:]
    assert {symbol for atoms in others for symbol in atoms.symbols} == {"Cu", "Au"}
    assert len({str(atoms.symbols) for atoms in others}) > 1


def test_large_variations_and_open_molecules(caplog):
    water = molecule("H2O")
    found = vary([water], variations(volumes=[0.1], surfaces=[[1, 0, 0]]), closest=0.3, seed=1)
    assert found == [water]
    keys = {"surfaces": [[1, 1, 1]], "most_atoms": 4}
    assert len(vary([alloy()], variations(**keys), closest=0.6, seed=1)) == 1
    assert "more than learn/variations/most_atoms (4) atoms are left out: 1" in caplog.text


def test_points_are_as_far_as_possible_from_those_before():
    points = np.array([[0.0], [1.0], [5.0], [9.0], [10.0]])
    assert list(farthest_points(points, 3, first=1)) == [1, 4, 2]
    assert sorted(farthest_points(points, 5, first=0)) == [0, 1, 2, 3, 4]


def test_features_of_a_frame_do_not_depend_on_the_order_of_its_atoms():
    class Model:
        def descriptors(self, frames):
            return [np.stack([atoms.positions[:, 0], atoms.numbers], 1) for atoms in frames]

    frames = [alloy(), alloy()[[2, 0, 3, 1]], bulk("Cu", cubic=True)]
    features = frame_features(Model(), frames)
    assert features.shape == (3, 4)
    np.testing.assert_allclose(features[0], features[1])
    assert np.abs(features[0] - features[2]).max() > 1


def written(path, **keys):
    path.write_text(json.dumps({"learn": {**STRUCTURE, **keys}}))
    return path


def test_defaults(tmp_path):
    config, model = read_learn(written(tmp_path / "loop.json"))
    assert config.select.criterion == "uncertainty" and config.seed_frames.frames == 40
    assert model["model"]["descriptor"]["type"] == "se_atten_v2"


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"labels": {"type": "calculator", "calculator": "emt"}}, "module:callable"),
        ({"select": {"criterion": "deviation"}}, "learn/ensemble to 2 or more"),
        ({"ensemble": 2}, "uncertainty, which is of one"),
        ({"model_branch": "Alloy"}, "learn/model_branch needs learn/pretrained"),
        ({"seed_frames": {"copies": 0}}, "no first frames"),
        ({"variations": {"surfaces": [[0, 0, 0]]}}, "learn/variations/surfaces"),
        ({"variations": {"surfaces": [[1, 0]]}}, "three whole numbers"),
        ({"student": {"distill": {"round": 1}}}, "learn/student"),
        ({"explore": {"every": 5000}}, "learn/explore/every is larger than steps"),
    ],
)
def test_inputs_that_are_not_valid(tmp_path, keys, words):
    with pytest.raises(ConfigError, match=words):
        read_learn(written(tmp_path / "loop.json", **keys))


def test_where_jobs_run_may_change_in_a_folder_in_use(tmp_path):
    def record(**labels):
        return {"learn": {"rounds": 1, "labels": {"parallel": 1, "command": "pw.x", **labels}}}

    WorkDir(tmp_path, record(), "learn", free=LearnConfig.free)
    WorkDir(
        tmp_path,
        record(parallel=4, machine={"batch_type": "Slurm"}, command="mpirun pw.x"),
        "learn",
        free=LearnConfig.free,
    )
    with pytest.raises(ConfigError, match="started with another learn/labels/kspacing"):
        WorkDir(tmp_path, record(kspacing=0.3), "learn", free=LearnConfig.free)


def test_keys_of_fine_tuning_are_refused(tmp_path):
    path = tmp_path / "loop.json"
    path.write_text(json.dumps({"learn": STRUCTURE, "training": {"finetune": {"l2_sp": 1.0}}}))
    with pytest.raises(ConfigError, match="training/finetune is for deepattn train"):
        read_learn(path)
    path.write_text("{}")
    with pytest.raises(ConfigError, match="the section learn is required"):
        read_learn(path)


def test_the_example_is_valid():
    folder = Path(__file__).resolve().parents[3] / "examples" / "learn"
    config, _ = read_learn(folder / "loop.json")
    assert config.pretrained and config.student
    assert (folder / config.labels.template / "pw.in").is_file()


def test_dynamics_of_a_multi_task_model_takes_the_branch_that_is_fine_tuned(monkeypatch):
    file = SimpleNamespace(branches={"Alloy": None}, branch_of={"Alloy": "Alloy"}.get)
    monkeypatch.setattr(student, "open_model_file", lambda path: file)
    monkeypatch.setattr(student, "ModelPotential", lambda *args: args)
    assert student.PretrainedModel("many.pt", "Alloy").potential() == ("many.pt", "Alloy")
    assert student.PretrainedModel("many.pt", None).potential() is None
    assert student.PretrainedModel("many.pt", "RANDOM").potential() is None
    file.branches = None
    assert student.PretrainedModel("one.pb", None).potential() == ("one.pb",)


@pytest.mark.parametrize(("rank", "warned"), [(0.6, False), (0.1, True), (float("nan"), True)])
def test_uncertainties_that_say_nothing_are_reported(rank, warned, tmp_path, monkeypatch, caplog):
    held_out = {"force_error": {"rank": rank, "found": 0.3}, "beyond": 0.0}
    fitted = SimpleNamespace(record={"held_out": held_out})
    monkeypatch.setattr(rounds, "fit_uncertainty", lambda *_: fitted)
    monkeypatch.setattr(rounds, "write_uncertainty", lambda *_: None)
    monkeypatch.setattr(rounds, "find_systems", lambda _: [])
    (tmp_path / "round-00" / "data").mkdir(parents=True)
    config, _ = read_learn(written(tmp_path / "loop.json"))
    place = SimpleNamespace(path=lambda *parts: tmp_path.joinpath(*parts))
    model = SimpleNamespace(name="model.pb", largest_errors=len)
    here = SimpleNamespace(workdir=place, config=config)
    assert rounds.Rounds._expected_errors(here, [1, 2], model, 0) == 2
    assert ("raise learn/select/judged (10), which calibrates them" in caplog.text) == warned
