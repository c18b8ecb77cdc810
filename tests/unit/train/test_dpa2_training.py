"""Training of DPA-2: from an input to a checkpoint that all readers take."""

import json

import numpy as np
import pytest
from ase.neighborlist import NewPrimitiveNeighborList
from small_models import dpa2, small_model

from deepattn.config import Config, normalize
from deepattn.data import Batch
from deepattn.errors import ConfigError, ModelFileError
from deepattn.export import convert, freeze
from deepattn.formats.weight_names import BIAS
from deepattn.infer import DeepPot
from deepattn.infer.inspect import Inspection
from deepattn.models import build_model, load_model, read_model
from deepattn.statistics.input_blocks import input_blocks
from deepattn.statistics.moments import input_statistics
from deepattn.train import train
from deepattn.train.file_bias import change_bias

from .toy import make_input, write_system

TYPES = np.array([0, 1, 1, 0, 1, 1])
MINIMAL = {"descriptor": {}, "fitting_net": {}}
ONE_LAYER = {"nlayers": 1, "update_g1_has_attn": False}


@pytest.fixture(scope="module", params=["high", "low"])
def folder(request, tmp_path_factory):
    """A training of two steps in either interface precision."""
    folder = tmp_path_factory.mktemp(request.param)
    system = write_system(folder / "data", TYPES, 4)
    data = make_input([system], numb_steps=2, disp_freq=2)
    data["model"] = {
        "type_map": ["O", "H"],
        "descriptor": dpa2({"tebd_dim": 8}, ONE_LAYER),
        "fitting_net": {"neuron": [5, 5]},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("DP_INTERFACE_PREC", request.param)
        (folder / "input.json").write_text(json.dumps(data))
        train("input.json")
    return folder


def frames(folder):
    data = folder / "data" / "set.000"
    return np.load(data / "coord.npy"), np.load(data / "box.npy")


def tolerance(folder):
    return 1e-12 if folder.name.startswith("high") else 1e-5


def test_steps_change_every_weight(folder):
    """No branch of the descriptor is cut off from the gradient of the forces."""
    curve = np.loadtxt(folder / "lcurve.out", skiprows=2)
    assert curve[-1][0] == 2
    assert np.isfinite(curve).all()
    stored = read_model(folder)
    model = build_model(stored.config, interface_dtype=stored.interface_dtype)
    constants = {v.path for v in model.non_trainable_variables}
    for name, variable in model.named_variables().items():
        moved = np.any(stored.arrays[name] != variable.numpy())
        assert moved or variable.path in constants, name


def test_the_complete_input_says_all(folder):
    complete = json.loads((folder / "out.json").read_text())
    assert complete["model"]["descriptor"]["repformer"]["g2_dim"] == 5
    assert Config.from_dict(normalize(complete)).to_dict() == complete


def test_a_neighbor_list_of_ghosts_gives_the_same(folder):
    """Ghosts have the features of the atoms they are images of."""
    coord, box = frames(folder)
    ghosts = NewPrimitiveNeighborList(cutoffs=[1.5] * len(TYPES), skin=0.2)
    with DeepPot(folder) as pot, DeepPot(folder, neighbor_list=ghosts) as listed:
        expected = pot.eval(coord[:1], box[:1], TYPES, atomic=True)
        found = listed.eval(coord[:1], box[:1], TYPES, atomic=True)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=tolerance(folder))


def test_the_checkpoint_tells_its_size(folder):
    size = Inspection(folder).tell(["size"])["size"]
    assert size["type embedding"] == 16
    assert size["statistics"] == 2 * 2 * 4 * (30 + 10 + 20) + 2
    assert size["descriptor"] > 500


def test_a_type_that_the_data_lack(folder):
    complete = json.loads((folder / "out.json").read_text())
    config = Config.from_dict(complete).model
    coord, box = frames(folder)
    inputs = {"coord": coord.reshape(4, -1, 3), "box": box, "atype": np.zeros((4, 6), np.int32)}
    blocks = input_blocks(config)
    assert len(blocks) == 3
    for block in blocks:
        found = input_statistics([Batch(inputs, {})], block.shape, set_davg_zero=True)
        assert np.all(found.dstd[1] == 0.1)
        assert np.all(found.dstd[0] != 0.1)


def test_files_of_no_backend(folder, tmp_path):
    paths = [convert(folder, tmp_path / f"model{suffix}") for suffix in (".dp", ".yaml")]
    trees = [read_model(path).arrays for path in paths]
    for name, array in read_model(folder).arrays.items():
        for arrays in trees:
            np.testing.assert_array_equal(arrays[name], array, err_msg=name)
    coord, box = frames(folder)
    with DeepPot(folder) as pot, DeepPot(paths[0]) as other:
        # Such a file is evaluated in double precision, whatever its weights are.
        expected, found = (model.eval(coord, box, TYPES) for model in (pot, other))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance(folder))


def test_there_is_no_file_of_a_graph(folder, tmp_path):
    with pytest.raises(ModelFileError, match="descriptor dpa2, for which DeePMD-kit has no"):
        convert(folder, tmp_path / "model.pb")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def start(folder, tmp_path, monkeypatch):
    """A file of the trained model, and a training from it without steps."""
    path = str(convert(folder, tmp_path / "model.dp"))
    monkeypatch.chdir(tmp_path)
    data = json.loads((folder / "out.json").read_text())
    data["training"] |= {"numb_steps": 0, "training_data": {}}

    def begin(model=None, *, system=None, **mode):
        script = {**data, "model": model or data["model"]}
        script["training"]["training_data"]["systems"] = [system or str(folder / "data")]
        (tmp_path / "input.json").write_text(json.dumps(script))
        return train("input.json", **{key: path for key in mode}).model

    return read_model(path).arrays, begin


def test_a_training_starts_from_such_a_file(start):
    before, begin = start
    after = begin(init_frz_model=True).get_arrays()
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array, err_msg=name)


def test_such_a_file_is_fine_tuned(start):
    """The model is that of the file; the energies of elements are fitted."""
    before, begin = start
    after = begin({**MINIMAL, "type_map": ["H", "O"]}, finetune=True).get_arrays()
    for name, array in before.items():
        assert np.array_equal(after[name], array) == (name != BIAS), name


def test_elements_are_added_to_such_a_file(folder, start, tmp_path):
    """Frames of the known ones have the energies that they had, but for the bias."""
    before, begin = start
    system = write_system(tmp_path / "sulfur", np.array([2, 0, 1, 2, 1, 1]), 4, seed=8)
    (tmp_path / "sulfur" / "type_map.raw").write_text("O\nH\nS\n")
    model = begin({**MINIMAL, "type_map": ["O", "H", "S"]}, system=system, finetune=True)
    after = model.get_arrays()
    for name, array in before.items():
        if name != BIAS:
            np.testing.assert_array_equal(after[name][: len(array)], array, err_msg=name)
    rows = after["type_embed_net/matrix_1"]
    np.testing.assert_array_equal(rows[2], rows[0])  # that of oxygen
    for block in ("repinit", "repinit_three_body", "repformers"):
        spread = after[f"descriptor/{block}_variable/dstd"]
        assert not np.isin(spread[2, 0, :2], [0.1, *spread[:2, 0].ravel()]).any()
    model.set_arrays({**after, BIAS: np.append(before[BIAS], 5.0)})
    coord, box = frames(folder)
    old, _ = load_model(folder)
    inputs = {"coord": coord.reshape(4, -1, 3), "box": box, "atype": np.tile(TYPES, (4, 1))}
    for name in ("energy", "force"):
        found, expected = model(inputs)[name], old(inputs)[name]
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance(folder))


def test_the_bias_of_such_a_file_changes(folder, tmp_path):
    path = convert(folder, tmp_path / "model.dp")
    change_bias(path, tmp_path / "new.dp", energies={"H": -7.5})
    before, after = (read_model(tmp_path / name).arrays for name in ("model.dp", "new.dp"))
    for name, array in before.items():
        assert np.array_equal(after[name], array) == (name != BIAS), name
    assert after[BIAS][1] == -7.5


def test_there_is_no_graph(tmp_path):
    with pytest.raises(ConfigError, match="DPA2 cannot be frozen"):
        freeze(small_model(dpa2()), tmp_path / "model.pb", training_script={})
    assert not list(tmp_path.iterdir())
