"""``deepattn compress``: files, report, and what it refuses."""

import json
import logging

import numpy as np
import pytest
from small_models import model_section, small_model

from deepattn.cli.main import main
from deepattn.config import normalize_model
from deepattn.export import freeze
from deepattn.formats.frozen import read_frozen

DESCRIPTOR = {"attn_layer": 0, "tebd_input_mode": "strip", "smooth_type_embedding": True}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a system, an input that names it, and the graph of a model."""
    monkeypatch.chdir(tmp_path)
    system = tmp_path / "data"
    (system / "set.000").mkdir(parents=True)
    (system / "type_map.raw").write_text("O\nH\n")
    np.savetxt(system / "type.raw", [0, 1, 1, 0, 1], fmt="%d")
    rng = np.random.default_rng(0)
    lattice = 1.7 * np.indices((2, 2, 2)).reshape(3, -1).T[:5]
    arrays = {
        "coord": lattice + rng.uniform(-0.2, 0.2, (3, 5, 3)),
        "box": np.tile(6 * np.eye(3), (3, 1, 1)),
        "energy": np.zeros((3, 1)),
        "force": np.zeros((3, 15)),
    }
    for name, array in arrays.items():
        np.save(system / "set.000" / f"{name}.npy", array.reshape(3, -1))
    section = model_section(DESCRIPTOR)
    training = {"training_data": {"systems": ["data"]}, "numb_steps": 1}
    script = {"model": section, "training": training, "learning_rate": {"start_lr": 1e-3}}
    (tmp_path / "input.json").write_text(json.dumps(script))
    return tmp_path


def write_model(path, **options):
    script = {"model": normalize_model(model_section(DESCRIPTOR))}
    return freeze(small_model(DESCRIPTOR), path, training_script=script, **options)


def test_compares_with_the_original(folder, capsys, caplog):
    write_model(folder / "frozen_model.pb", min_nbor_dist=0.9)
    assert main(["compress", "-o", "small", "--data", "data", "-n", "2"]) == 0
    frozen = read_frozen(folder / "small.pb")
    assert (frozen.model_type, frozen.min_nbor_dist) == ("compressed_model", 0.9)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2 frames of 1 systems; the largest deviations are"
    for line, name, most in zip(
        lines[1:4], ("energy", "force", "virial"), (1e-9, 1e-8, 1e-8), strict=True
    ):
        words = line.split()
        assert words[0] == name and 0 <= float(words[1]) < most
    assert lines[4].startswith("time: ")
    assert "are less exact" not in caplog.text


def test_warns_of_pairs_that_are_nearer_than_in_training(folder, caplog):
    write_model(folder / "frozen_model.pb", min_nbor_dist=2.0)
    with caplog.at_level(logging.WARNING):
        assert main(["compress", "--data", "data", "--frequency", "3"]) == 0
    nearest, ignored = sorted(r.message for r in caplog.records if r.levelno == logging.WARNING)
    assert "--frequency is ignored" in nearest + ignored
    assert "the fine part of the tables is for distances down to 2.000 Å" in nearest + ignored


def test_the_distance_comes_from_the_training_data_if_need_be(folder, capsys):
    write_model(folder / "frozen_model.pb")
    assert main(["compress"]) == 1
    assert "does not say how near atoms came in training" in capsys.readouterr().err
    assert not (folder / "frozen_model_compressed.pb").exists()
    assert main(["compress", "-t", "input.json"]) == 0
    distance = read_frozen(folder / "frozen_model_compressed.pb").min_nbor_dist
    coord = np.load("data/set.000/coord.npy").reshape(3, 5, 3)
    pairs = np.linalg.norm(coord[:, :, None] - coord[:, None] + 9 * np.eye(5)[..., None], axis=-1)
    assert distance == pytest.approx(pairs.min(), rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-i", "none.pb"], "there is no such"),
        (["-o", "none/small.pb"], "there is no such folder"),
        (["--data", "none"], "none"),
        (["-e", "0.5"], "extrapolate is 0.5"),
        (["-o", "frozen_model.pb"], "frozen_model.pb: is the model to compress"),
    ],
)
def test_what_it_refuses(folder, capsys, arguments, message):
    path = write_model(folder / "frozen_model.pb", min_nbor_dist=0.9)
    before = path.read_bytes()
    assert main(["compress", *arguments]) == 1
    assert message in capsys.readouterr().err
    assert path.read_bytes() == before
    assert not list(folder.glob("*compressed*"))
