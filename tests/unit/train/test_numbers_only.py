"""Types that have numbers and no names, from the input to the graph."""

import json

import numpy as np
import pytest
from ase import Atoms

from deepattn.calculator import DP
from deepattn.cli.main import main
from deepattn.errors import ConfigError, DataError, ModelFileError
from deepattn.export import convert, freeze, save_model
from deepattn.infer import DeepPot
from deepattn.infer.inspect import Inspection
from deepattn.models import load_model
from deepattn.train import change_bias, train

from . import toy


def write_input(folder, systems, **kwargs):
    section = toy.make_input(
        systems, numb_steps=2, save_freq=2, descriptor={"type": "se_e2_a", "sel": [6, 6]}, **kwargs
    )
    del section["model"]["type_map"], section["model"]["type_embedding"]
    for key in ("attn", "attn_layer"):
        del section["model"]["descriptor"][key]
    section["model"]["fitting_net"]["numb_fparam"] = 1
    (folder / "input.json").write_text(json.dumps(section))


def write_system(folder, types=(0, 1, 0, 1, 1), *, names=()):
    path = toy.write_system(folder, list(types), 2)
    np.save(folder / "set.000" / "fparam.npy", np.array([[0.5], [-0.5]]))
    (folder / "type_map.raw").unlink()
    if names:
        (folder / "type_map.raw").write_text("\n".join(names))
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder with data without names, a checkpoint and a graph of a model of them."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        system = write_system(folder / "data")
        write_input(folder, [system], stat_file="stat.hdf5")
        train("input.json")
        model, header = load_model("model.ckpt")
        freeze(model, "model.pb", training_script=header["config"])
        yield folder


@pytest.fixture
def here(run, monkeypatch):
    monkeypatch.chdir(run)
    return run


def frame():
    rng = np.random.default_rng(3)
    return rng.uniform(0, 5, (1, 12)), 5.0 * np.eye(3).reshape(1, 9), [0, 1, 1, 0]


@pytest.mark.parametrize("name", ["model.ckpt", "model.pb"])
def test_a_model_has_types_and_no_names(here, name):
    dp = DeepPot(name)
    assert dp.get_type_map() == []
    assert dp.get_ntypes() == 2
    energy, force, _ = dp.eval(*frame(), fparam=[0.5])
    model, _ = load_model(name)
    coord, box, types = frame()
    inputs = {"coord": coord.reshape(1, 4, 3), "box": box, "atype": np.array([types], np.int32)}
    outputs = model({**inputs, "fparam": np.array([[0.5]])})
    np.testing.assert_allclose(energy[0], outputs["energy"], rtol=1e-12)
    np.testing.assert_allclose(force, outputs["force"], atol=1e-12)
    with pytest.raises(DataError, match="the model has the types 0 to 1"):
        dp.eval(coord, box, [0, 1, 1, 2], fparam=[0.5])


def test_what_is_in_the_files(here):
    assert Inspection("model.pb").type_map() == []
    assert "type_map" not in load_model("model.ckpt")[1]["config"]["model"]


def test_the_commands_take_it(here, capsys):
    assert main(["test", "-m", "model.pb", "-s", "data"]) == 0
    assert "Force  RMSE" in capsys.readouterr().out
    assert main(["show", "model.pb", "type-map"]) == 0
    assert main(["model-devi", "-m", "model.pb", "model.ckpt", "-s", "data", "-o", "devi"]) == 0
    assert np.loadtxt("devi").max(axis=0)[4] < 1e-9
    assert main(["train", "input.json", "--restart", "model.ckpt", "-o", "out.json"]) == 0


def test_the_energies_of_numbers_are_changed(here):
    changed = change_bias("model.pb", "assigned.pb", energies={"1": -3.0})
    assert list(changed) == ["0", "1"] and changed["1"][1] == -3.0
    changed = change_bias("model.ckpt", "fitted.h5", systems=["data"])
    assert list(changed) == ["0", "1"]
    assert DeepPot("assigned.pb").get_type_map() == []


@pytest.mark.parametrize("mode", ["change", "set"])
def test_a_bias_is_not_fitted_to_types_that_the_model_lacks(here, tmp_path, mode):
    system = write_system(tmp_path / "more", types=(0, 1, 2))
    with pytest.raises(DataError, match=r"has the types 0 to 2, but the model has 0 to 1"):
        change_bias("model.pb", tmp_path / "fitted.pb", systems=[system], mode=mode)
    assert not (tmp_path / "fitted.pb").exists()


@pytest.mark.parametrize("start", ["init_model", "init_frz_model"])
def test_names_may_be_given_later(here, tmp_path, monkeypatch, start):
    monkeypatch.chdir(tmp_path)
    write_input(tmp_path, [write_system(tmp_path / "data", names=["O", "H"])])
    content = json.loads((tmp_path / "input.json").read_text())
    content["model"]["type_map"] = ["O", "H"]
    content["training"]["numb_steps"] = 0
    (tmp_path / "input.json").write_text(json.dumps(content))
    train("input.json", **{start: here / ("model.pb" if "frz" in start else "model.ckpt")})
    named, _ = load_model("model.ckpt")
    assert named.type_map == ["O", "H"]
    numbered, _ = load_model(here / "model.ckpt")
    for name, array in numbered.get_arrays().items():
        np.testing.assert_array_equal(named.get_arrays()[name], array)


def test_a_saved_model_has_no_names_either(here):
    model, header = load_model("model.ckpt")
    save_model(model, "model.savedmodel", training_script=header["config"])
    import tensorflow as tf

    loaded = tf.saved_model.load("model.savedmodel")
    assert loaded.get_type_map().numpy().tolist() == []


def test_what_goes_by_names_asks_for_them(here):
    with pytest.raises(ModelFileError, match=r"has no type map.*type_dict"):
        DP("model.pb")
    atoms = Atoms("OH", positions=[[0, 0, 0], [0, 0, 1.0]], info={"fparam": [0.5]})
    atoms.calc = DP("model.pb", type_dict={"O": 0, "H": 1})
    assert np.isfinite(atoms.get_potential_energy())
    with pytest.raises(ConfigError, match="its elements are unknown"):
        train("input.json", finetune="model.pb")
    with pytest.raises(ModelFileError, match="names no elements"):
        convert("model.ckpt", "model.dp")


def test_names_of_the_data_are_not_taken(here, tmp_path, monkeypatch, caplog):
    """As by DeePMD-kit: a number is the type, whatever a system calls it."""
    monkeypatch.chdir(tmp_path)
    write_input(tmp_path, [write_system(tmp_path / "data", names=["H", "O"])])
    train("input.json")
    assert "types are only numbers (in these data 0 is H, 1 is O)" in caplog.text
    assert load_model("model.ckpt")[0].type_map == []


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"types": (0, 1, 2)}, r"has the types 0 to 2, but model/descriptor/sel is for 2"),
        ({"names": ["H", "O"]}, "set model/type_map"),
    ],
)
def test_data_that_do_not_fit(tmp_path, monkeypatch, others, message):
    monkeypatch.chdir(tmp_path)
    systems = [
        write_system(tmp_path / "a", names=["O", "H"]),
        write_system(tmp_path / "b", **others),
    ]
    write_input(tmp_path, systems)
    with pytest.raises(DataError, match=message):
        train("input.json")
