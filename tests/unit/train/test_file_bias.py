"""Changing the energies of elements in a model file."""

import dataclasses

import numpy as np
import pytest
from small_models import small_model

from deepattn.cli.main import main
from deepattn.config import normalize
from deepattn.errors import DataError, ModelFileError
from deepattn.export import freeze
from deepattn.formats.checkpoint import read_checkpoint, write_checkpoint
from deepattn.formats.frozen import read_frozen
from deepattn.formats.weight_names import BIAS
from deepattn.infer import DeepPot
from deepattn.train import change_bias

LATTICE = 1.8 * np.indices((2, 2, 2)).reshape(3, -1).T


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    """A frozen model of O and H."""
    model = small_model({"attn_layer": 0, "sel": 30})
    path = tmp_path_factory.mktemp("graph") / "model.pb"
    return freeze(model, path, training_script={"model": {}})


@pytest.fixture
def checkpoint(tmp_path, small_input):
    """A checkpoint of the same kind of model."""
    model = small_model({"attn_layer": 0, "sel": 30})
    arrays = {f"weights/{name}": array for name, array in model.get_arrays().items()}
    arrays["optimizer/step"] = np.array(7.0)
    header = {"config": small_input, "interface_dtype": "float64", "min_nbor_dist": 0.5, "step": 7}
    return write_checkpoint(str(tmp_path / "model.ckpt"), 7, arrays, header, keep=5)


@pytest.fixture
def small_input():
    from small_models import model_section

    return normalize(
        {
            "model": model_section({"attn_layer": 0, "sel": 30}),
            "learning_rate": {"start_lr": 1e-3, "stop_lr": 1e-5},
            "training": {"training_data": {"systems": ["data"]}, "numb_steps": 1},
        }
    )


def write_system(folder, energies, *, names=("H", "O"), counts=((8, 0), (6, 2), (3, 5), (4, 4))):
    """A system of mixed types whose map is another than the model's; gives its frames' types."""
    rng = np.random.default_rng(1)
    atype = np.array([[0] * first + [1] * second for first, second in counts], np.int32)
    sets = folder / "set.000"
    sets.mkdir(parents=True)
    (folder / "type.raw").write_text("0 " * 8)
    (folder / "type_map.raw").write_text("\n".join(names))
    np.save(sets / "real_atom_types.npy", atype)
    coord = LATTICE + rng.normal(scale=0.1, size=(len(counts), 8, 3))
    np.save(sets / "coord.npy", coord.reshape(len(counts), -1))
    np.save(sets / "box.npy", np.tile(3.6 * np.eye(3).ravel(), (len(counts), 1)))
    np.save(sets / "energy.npy", energies)
    return coord, np.array(counts), atype


def energies_of(path, coord, atype):
    with DeepPot(path) as model:
        box = np.tile(3.6 * np.eye(3).ravel(), (len(coord), 1))
        return model.eval(coord, box, 1 - atype, mixed_type=True)[:2]


def test_given_energies_shift_atoms_and_nothing_else(graph, tmp_path):
    target = tmp_path / "new.pb"
    changed = change_bias(graph, target, energies={"H": -13.6})
    assert changed["H"][1] == -13.6 and changed["O"][0] == changed["O"][1]
    coord, counts, atype = write_system(tmp_path / "data", np.zeros(4))
    before, after = energies_of(graph, coord, atype), energies_of(target, coord, atype)
    shift = counts[:, 0] * (-13.6 - changed["H"][0])
    np.testing.assert_allclose(after[0][:, 0], before[0][:, 0] + shift, rtol=0, atol=1e-11)
    np.testing.assert_array_equal(after[1], before[1])
    old, new = (read_frozen(path).graph.nodes for path in (graph, target))
    assert list(old) == list(new)
    assert [name for name in old if old[name] != new[name]] == [BIAS]


def test_data_make_up_for_the_errors_by_element(graph, tmp_path):
    """Labels of another level of theory: the model's plus an energy for each element."""
    coord, counts, atype = write_system(tmp_path / "data", np.zeros(4))
    labels = energies_of(graph, coord, atype)[0][:, 0] + counts @ [2.5, -40.0]
    np.save(tmp_path / "data" / "set.000" / "energy.npy", labels)
    changed = change_bias(graph, tmp_path / "new.pb", systems=[str(tmp_path / "data")])
    shifts = {name: after - before for name, (before, after) in changed.items()}
    assert shifts == pytest.approx({"O": -40.0, "H": 2.5}, abs=1e-9)
    after = energies_of(tmp_path / "new.pb", coord, atype)[0][:, 0]
    np.testing.assert_allclose(after, labels, rtol=0, atol=1e-9)


def test_labels_alone(graph, tmp_path):
    counts = np.array([(8, 0), (6, 2), (3, 5), (4, 4)])
    write_system(tmp_path / "data", counts @ [-13.0, -400.0])
    changed = change_bias(graph, tmp_path / "x.pb", systems=[str(tmp_path / "data")], mode="set")
    assert changed["H"][1] == pytest.approx(-13.0) and changed["O"][1] == pytest.approx(-400.0)


@pytest.mark.parametrize("mode", ["change", "set"])
def test_elements_without_data_keep_their_energy(graph, tmp_path, mode):
    given = change_bias(graph, tmp_path / "start.pb", energies={"O": -7.0, "H": 1.0})
    assert given["O"][1] == -7.0
    write_system(tmp_path / "data", np.array([-16.0, -16.0]), counts=((8, 0), (8, 0)))
    changed = change_bias(
        tmp_path / "start.pb", tmp_path / "new.pb", systems=[str(tmp_path / "data")], mode=mode
    )
    assert changed["O"] == (-7.0, -7.0) and changed["H"][0] != changed["H"][1]


def test_checkpoint(checkpoint, tmp_path):
    listed = (tmp_path / "checkpoint").read_bytes()
    change_bias(checkpoint, tmp_path / "new.h5", energies={"O": -3.0})
    old, new = read_checkpoint(checkpoint), read_checkpoint(tmp_path / "new.h5")
    assert old[1] == new[1] and set(old[0]) == set(new[0])
    different = [name for name in old[0] if not np.array_equal(old[0][name], new[0][name])]
    assert different == [f"weights/{BIAS}"]
    assert new[0][f"weights/{BIAS}"][0] == -3.0
    assert (tmp_path / "checkpoint").read_bytes() == listed
    with DeepPot(tmp_path / "new.h5") as model:
        assert model.get_type_map() == ["O", "H"]


def test_frames_are_drawn_the_same_every_time(graph, tmp_path):
    rng = np.random.default_rng(0)
    write_system(tmp_path / "data", rng.normal(size=4))
    settings = {"systems": [str(tmp_path / "data")], "numb_frames": 2}
    first, second = (change_bias(graph, tmp_path / "x.pb", **settings) for _ in range(2))
    assert first == second != change_bias(graph, tmp_path / "x.pb", systems=settings["systems"])


def test_what_cannot_be_changed_is_refused(graph, tmp_path, monkeypatch):
    with pytest.raises(DataError, match="Cu is not one of the model's elements O H"):
        change_bias(graph, tmp_path / "x.pb", energies={"Cu": 1.0})
    with pytest.raises(ValueError, match="mode must be one of"):
        change_bias(graph, tmp_path / "x.pb", mode="scale")
    write_system(tmp_path / "data", np.zeros(4))
    (tmp_path / "data" / "set.000" / "real_atom_types.npy").unlink()
    (tmp_path / "data" / "type_map.raw").unlink()
    with pytest.raises(DataError, match="has no type_map"):
        change_bias(graph, tmp_path / "x.pb", systems=[str(tmp_path / "data")])
    with pytest.raises(DataError, match="no such folder to write to"):
        change_bias(graph, tmp_path / "absent" / "x.pb", energies={"O": 1.0})
    monkeypatch.setattr("deepattn.formats.graphdef.Graph.consumers", lambda *_: [])
    with pytest.raises(ModelFileError, match="last layers"):
        change_bias(graph, tmp_path / "x.pb", energies={"O": 1.0})
    assert not (tmp_path / "x.pb").exists()


def test_command(graph, tmp_path, capsys):
    arguments = ["change-bias", str(graph), "-o", str(tmp_path / "new")]
    assert main([*arguments, "-b", "O=-2.5"]) == 0
    out = capsys.readouterr().out
    assert "-2.50000000" in out and f"written to {tmp_path / 'new.pb'}" in out
    assert main([*arguments, "-b", "-1.5", "4"]) == 0
    assert read_frozen(tmp_path / "new.pb").weights[BIAS].tolist() == [-1.5, 4.0]
    coord, counts, atype = write_system(tmp_path / "data", np.zeros(4))
    labels = energies_of(graph, coord, atype)[0][:, 0] + counts @ [1.0, 2.0]
    np.save(tmp_path / "data" / "set.000" / "energy.npy", labels)
    assert main([*arguments, "-s", str(tmp_path / "data")]) == 0
    after = energies_of(tmp_path / "new.pb", coord, atype)[0][:, 0]
    np.testing.assert_allclose(after, labels, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "values, words",
    [
        (["1"], "1 energies are given, but the model has 2 types: O H"),
        (["O=one"], "could not convert"),
        (["O=1", "2"], "name every element once"),
        (["O=1", "O=2"], "name every element once"),
        (["=1", "=2"], "name every element once"),
        (["O=nan"], "the energy of O is nan"),
        (["O=1", "-m", "set"], "leave out --bias-value"),
    ],
)
def test_command_explains_wrong_values(graph, tmp_path, capsys, values, words):
    assert main(["change-bias", str(graph), "-o", str(tmp_path / "x"), "-b", *values]) == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "x.pb").exists()


def test_other_kind_of_output_is_refused(graph, tmp_path, capsys):
    assert main(["change-bias", str(graph), "-o", str(tmp_path / "x.h5"), "-b", "O=1"]) == 1
    assert "let the name end in .pb" in capsys.readouterr().err


@pytest.mark.parametrize("mode", ["change", "set"])
def test_only_frames_with_energies_count(graph, tmp_path, mode):
    """Oxygen is in frames without a label only, so it keeps its energy; no label is an error."""
    write_system(tmp_path / "a", np.full(2, -16.0), counts=((8, 0), (8, 0)))
    write_system(tmp_path / "b", np.zeros(4))
    (tmp_path / "b" / "set.000" / "energy.npy").unlink()
    both = [str(tmp_path / name) for name in "ab"]
    changed = change_bias(graph, tmp_path / "new.pb", systems=both, mode=mode)
    assert changed["O"][0] == changed["O"][1] and changed["H"][0] != changed["H"][1]
    with pytest.raises(DataError, match="has an energy to fit the bias to"):
        change_bias(graph, tmp_path / "none.pb", systems=both[1:], mode=mode)
    assert not (tmp_path / "none.pb").exists()


def test_scaled_energies_are_refused(graph, tmp_path, monkeypatch):
    scaled = {"model_attr/model_attr/t_out_std": np.array([1.0, 2.0])}
    monkeypatch.setattr(
        "deepattn.models.files.frozen.parse_frozen",
        lambda content, path: dataclasses.replace(
            read_frozen(path), weights={**read_frozen(path).weights, **scaled}
        ),
    )
    with pytest.raises(ModelFileError, match="scales its atomic energies"):
        change_bias(graph, tmp_path / "x.pb", energies={"O": 1.0})


def test_default_output_is_beside_the_model(checkpoint, capsys):
    assert main(["change-bias", str(checkpoint.parent), "-b", "H=1"]) == 0
    assert checkpoint.with_name("model.ckpt-7_updated.h5").is_file()
