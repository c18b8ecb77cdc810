"""Trainings on frames of which some atoms are masked."""

import json

import numpy as np
import pytest

from deepattn.check.inputs import check_paths
from deepattn.data.whole_frames import check_whole_frames
from deepattn.errors import ConfigError, DataError
from deepattn.train import train

TYPES = [1, 0, 0, 1]


def write_system(folder, *, types=TYPES, mask=(1, 1, 0, 0)):
    rng = np.random.default_rng(2)
    natoms, mask = len(types), np.array(mask, float)
    # Masked atoms are at the same place.
    coord = rng.normal(scale=2.0, size=(2, natoms, 3)) * (mask > 0)[:, np.newaxis]
    arrays = {
        "coord": coord,
        "energy": rng.normal(size=(2, 1)),
        "force": rng.normal(size=(2, natoms, 3)),
        "aparam": np.tile(mask, (2, 1)),
        "atom_pref": np.tile(mask, (2, 1)),
    }
    data = folder / "set.000"
    data.mkdir(parents=True)
    (folder / "type.raw").write_text(" ".join(map(str, types)))
    (folder / "nopbc").touch()
    for name, array in arrays.items():
        np.save(data / f"{name}.npy", array.reshape(2, -1))
    return folder


@pytest.fixture
def write_input(tmp_path, monkeypatch):
    """Write an input for a system, in the working folder."""
    monkeypatch.chdir(tmp_path)

    def write(system):
        nets = {"neuron": [2, 4], "axis_neuron": 2}
        content = {
            "model": {
                "type_map": ["O", "H"],
                "descriptor": {"type": "se_a_mask", "sel": [2, 2], **nets},
                "fitting_net": {"neuron": [4], "numb_aparam": 1, "use_aparam_as_mask": True},
            },
            "learning_rate": {"start_lr": 1e-3},
            "loss": {"start_pref_pf": 1.0, "limit_pref_pf": 1.0},
            "training": {
                "training_data": {"systems": [str(system)], "batch_size": 2},
                "numb_steps": 2,
                "disp_freq": 1,
            },
        }
        (tmp_path / "input.json").write_text(json.dumps(content))

    return write


def test_a_training_needs_no_neighbors(write_input, tmp_path):
    write_input(write_system(tmp_path / "system"))
    trainer = train("input.json")
    assert trainer.min_nbor_dist is None
    names = set(trainer.model.named_variables())
    assert not any("t_avg" in name or "aparam" in name for name in names)
    rows = np.loadtxt("lcurve.out")
    assert np.isfinite(rows).all() and len(rows) == 3


@pytest.mark.parametrize(
    ("system", "message"),
    [
        ({"types": [0, 0, 0, 1]}, "system: frame 0 has 3 atoms of O, but all frames of the"),
        ({"mask": (1, 1, 0.5, 0)}, "atom 2 in frame 0 is 0.5; it must be 1 for an atom"),
    ],
)
def test_frames_that_are_refused(write_input, tmp_path, system, message):
    write_input(write_system(tmp_path / "system", **system))
    with pytest.raises(DataError, match=message):
        train("input.json")
    assert not (tmp_path / "lcurve.out").exists()


def test_frames_are_counted_from_the_first():
    types = np.array([[0, 1, 1, 0], [0, 0, 0, 1]])
    with pytest.raises(DataError, match="system: frame 8 has 3 atoms of O"):
        check_whole_frames(types, np.ones((2, 4)), (2, 2), ["O", "H"], "system", first=7)


def test_numbers_that_are_not_finite_are_found(write_input, tmp_path):
    folder = write_system(tmp_path / "system")
    path = folder / "set.000" / "force.npy"
    force = np.load(path)
    force[1, 0] = np.nan
    np.save(path, force)
    write_input(folder)
    with pytest.raises(DataError, match="nan"):
        train("input.json")


def test_other_trainings_are_refused(write_input, tmp_path):
    write_input(write_system(tmp_path / "system"))
    content = json.loads((tmp_path / "input.json").read_text())
    section = content.pop("model")
    content["model"] = {
        "shared_dict": {"types": section.pop("type_map")},
        "model_dict": {"a": {"type_map": "types", **section}},
    }
    data = {"training_data": content["training"].pop("training_data")}
    content["training"]["data_dict"] = {"a": data}
    content["loss_dict"] = {"a": content.pop("loss")}
    (tmp_path / "tasks.json").write_text(json.dumps(content))
    with pytest.raises(ConfigError, match="se_a_mask, which only the TensorFlow backend has"):
        train("tasks.json")


def test_the_data_are_not_checked(write_input, tmp_path):
    write_input(write_system(tmp_path / "system"))
    with pytest.raises(ConfigError, match="se_a_mask, and data with masked atoms are not checked"):
        check_paths(["input.json"])
