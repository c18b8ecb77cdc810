"""``deepattn init`` on data on disk: facts, files, the command."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from deepattn.cli.main import main
from deepattn.config import read_config
from deepattn.errors import ConfigError, DataError
from deepattn.suggest import StepTime, suggest_input, survey_data, write_input
from deepattn.suggest import suggestion as module

from ..data.write_systems import to_hdf5, write_system

ROOT = Path(__file__).resolve().parents[3]
ALLOY = ROOT / "examples" / "alloy" / "data"


@pytest.fixture
def clock(monkeypatch):
    """A clock that measures nothing."""
    monkeypatch.setattr(module, "time_steps", lambda content, facts: StepTime(0.05, 5, 10.0))


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Water with virials, and a molecule of other elements in open boundaries."""
    monkeypatch.chdir(tmp_path)
    write_system("train/water", types=(0, 1, 1), sets=(5, 3))
    write_system("train/molecule", types=(2, 0), names=("O", "H", "C"), periodic=False)
    write_system("valid/water", types=(0, 1, 1), sets=(4,), seed=9)
    return tmp_path


def test_facts(data):
    facts = survey_data(["train"])
    assert facts.paths == ("train/molecule", "train/water")
    assert facts.elements == ("O", "H", "C") and not facts.mixed_types and not facts.metal
    assert (facts.natoms, facts.nframes, facts.frames) == ((2, 3), (5, 8), 13)
    assert facts.periodic_frames == 8 and facts.sampled == 13
    # A virial without a cell does not count.
    assert facts.labeled == {"energy": 13, "force": 13, "virial": 8}
    assert facts.shares["H"] == pytest.approx(16 / 34)
    assert facts.density == pytest.approx(3 / 1000)
    assert "2 systems; 13 frames; 2 to 3 atoms" in facts.summary()


def test_distances_and_neighbors_are_counted_with_images(tmp_path):
    coord = np.tile([0, 0, 0, 0, 0, 1.5, 0, 0, 3.0], (2, 1)).astype(float)
    write_system(tmp_path / "s", sets=(2,), coord=coord, box=np.tile(4 * np.eye(3).ravel(), (2, 1)))
    facts = survey_data([str(tmp_path)])
    # Through the boundary the last atom is 1 Å from the first.
    assert facts.nearest == {"O": 1.0, "H": pytest.approx(1.25)}
    mean, most = facts.neighbors[5.0]
    assert mean == pytest.approx(most, rel=0.2) and most > 20


def test_other_layouts(tmp_path, data):
    write_system(tmp_path / "mixed", types=(1, 1, 0), names=("O", "H", "Na"), mixed=True)
    mixed = survey_data([str(tmp_path / "mixed")])
    assert mixed.mixed_types and mixed.elements == ("O", "H")
    to_hdf5("train/water", "all.hdf5", "water")
    assert survey_data(["all.hdf5"]).elements == ("O", "H")


def test_a_virial_of_zeros_is_none(tmp_path):
    write_system(tmp_path / "s", virial=np.zeros((5, 9)))
    assert survey_data([str(tmp_path)]).labeled == {"energy": 5, "force": 5, "virial": 0}


def test_types_need_names(tmp_path):
    write_system(tmp_path / "s", names=None)
    with pytest.raises(DataError, match=r"s: the types have no names .*--type-map O H"):
        survey_data([str(tmp_path)])
    assert survey_data([str(tmp_path)], type_map=["O", "H"]).elements == ("O", "H")


def test_input_can_be_read_and_says_why(data, clock):
    suggestion = suggest_input(["train"], valid=["valid"], minutes=7)
    write_input(suggestion, "input.json")
    config = read_config("input.json")
    assert config.model.type_map == ("O", "H", "C")
    assert config.loss.limit_pref_v == 5 and config.training.numb_steps == 6900
    written = json.loads(Path("input.json").read_text())
    reasons = written["_reasons"]
    assert "measured: 0.05 s per step" in reasons["training/numb_steps"]
    assert "7 given" in reasons["training/numb_steps"]
    assert list(written) == ["_comment", "model", "learning_rate", "loss", "training", "_reasons"]


def test_elements_of_the_validation_are_types_too(data, clock):
    write_system("valid/salt", types=(0, 1), names=("Na", "Cl"))
    suggestion = suggest_input(["train"], valid=["valid"])
    assert suggestion.content["model"]["type_map"] == ["O", "H", "C", "Na", "Cl"]


def test_an_input_is_not_overwritten(data, clock):
    suggestion = suggest_input(["train"])
    Path("input.json").write_text("mine")
    with pytest.raises(ConfigError, match=r"input.json exists; remove it or name another"):
        write_input(suggestion, "input.json")
    assert Path("input.json").read_text() == "mine"
    with pytest.raises(ConfigError, match=r"must end in .json"):
        write_input(suggestion, "input.yaml")


def test_lengths_in_other_units(tmp_path, clock):
    folder, content = write_system(tmp_path / "s")
    for name in ("coord", "box"):
        np.save(folder / "set.000" / f"{name}.npy", 100 * content[0][name])
    with pytest.raises(DataError, match=r"no atom has a neighbor within 6 Å in 5 frames; are the"):
        suggest_input([str(folder)])


def test_command(data, clock, capsys, caplog):
    caplog.set_level("INFO")
    assert main(["init", "train", "--minutes", "3"]) == 0
    out = capsys.readouterr().out
    assert "model/descriptor/type" in out and '"se_e2_a"' in out and "none are set aside" in out
    assert "next: deepattn train input.json" in caplog.text
    assert main(["init", "train"]) == 1
    assert "input.json exists" in capsys.readouterr().err
    assert main(["init", "absent", "-o", "b.json"]) == 1
    assert "system absent does not exist" in capsys.readouterr().err
    assert sorted(os.listdir()) == ["input.json", "train", "valid"]
    with pytest.raises(SystemExit):
        main(["init", "train", "--minutes", "0"])


@pytest.mark.slow
def test_alloy_trains_without_another_edit(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    data = [str(ALLOY / "train"), "--valid", str(ALLOY / "valid")]
    # The time that is measured makes a handful of steps.
    assert main(["init", *data, "--minutes", "0.5"]) == 0
    content = json.loads(Path("input.json").read_text())
    content["training"] |= {"numb_steps": 20, "disp_freq": 10}
    Path("input.json").write_text(json.dumps(content))
    assert main(["train", "input.json"]) == 0
    last = np.loadtxt("lcurve.out")[-1]
    assert last[0] == 20 and np.isfinite(last).all()


SETS = ["water", "monbtaw/mixed", "hea25/mixed", "mapbi3/npy", "llzo/npy", "organic/3bpa"]
SETS += ["organic/ethanol_methanol/npy", "mptrj/mixed", "alexandria/mixed", "tp/mixed"]
# Kind and cutoff of the inputs that examples/results has for them.
TUNED = {
    "water": ("se_e2_a", 5.0),
    "monbtaw/mixed": ("se_atten_v2", 5.0),
    "hea25/mixed": ("se_atten_v2", 5.0),
    "mapbi3/npy": ("se_e2_a", 6.0),
    "llzo/npy": ("se_e2_a", 5.0),
    "organic/3bpa": ("se_e2_a", 5.0),
    "organic/ethanol_methanol/npy": ("se_e2_a", 5.0),
    "mptrj/mixed": ("se_atten_v2", 5.0),
    "tp/mixed": ("se_atten_v2", 5.0),
}


@pytest.mark.parametrize("name", SETS)
def test_real_data(shared, name, clock, tmp_path):
    folder = shared / "data" / name
    suggestion = suggest_input([str(folder / "train")], valid=[str(folder / "valid")])
    write_input(suggestion, tmp_path / "input.json")
    config = read_config(tmp_path / "input.json")
    descriptor = config.model.descriptor
    assert descriptor.jump is None
    if name in TUNED:
        assert (descriptor.type, descriptor.rcut) == TUNED[name]
    has_virials = any((folder / "train").rglob("virial.npy"))
    assert (config.loss.limit_pref_v > 0) == has_virials
