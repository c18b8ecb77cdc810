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
from deepattn.infer import DeepPot
from deepattn.infer.inspect import Inspection
from deepattn.models import build_model, read_model
from deepattn.train import train
from deepattn.train.input_blocks import input_blocks
from deepattn.train.statistics import input_statistics

from .toy import make_input, write_system

pytestmark = pytest.mark.xdist_group("dpa2 training")
TYPES = np.array([0, 1, 1, 0, 1, 1])
ONE_LAYER = {"nlayers": 1, "update_g1_has_attn": False}


@pytest.fixture(scope="module", params=["high", "low"])
def folder(request, tmp_path_factory):
    """A training of two steps in either interface precision."""
    folder = tmp_path_factory.mktemp(request.param)
    system = write_system(folder / "data", TYPES, 4)
    data = make_input([system], numb_steps=2, disp_freq=2)
    data["model"] = {
        "type_map": ["O", "H"],
        "descriptor": dpa2(repformer=ONE_LAYER),
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


def test_a_neighbour_list_of_ghosts_gives_the_same(folder):
    """Ghosts have the features of the atoms they are images of."""
    coord, box = frames(folder)
    ghosts = NewPrimitiveNeighborList(cutoffs=[1.5] * len(TYPES), skin=0.2)
    with DeepPot(folder) as pot, DeepPot(folder, neighbor_list=ghosts) as listed:
        expected = pot.eval(coord[:1], box[:1], TYPES, atomic=True)
        found = listed.eval(coord[:1], box[:1], TYPES, atomic=True)
    tolerance = 1e-12 if folder.name.startswith("high") else 1e-5
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=tolerance)


def test_the_checkpoint_tells_its_size(folder):
    size = Inspection(folder).tell(["size"])["size"]
    assert size["type embedding"] == 8
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


@pytest.mark.parametrize("suffix", [".dp", ".yaml", ".pb"])
def test_there_is_no_other_file(folder, tmp_path, suffix):
    with pytest.raises(ModelFileError, match=rf"descriptor dpa2, of which no {suffix} file"):
        convert(folder, tmp_path / f"model{suffix}")
    assert not list(tmp_path.iterdir())


def test_there_is_no_graph(tmp_path):
    with pytest.raises(ConfigError, match="dpa2 cannot be frozen"):
        freeze(small_model(dpa2()), tmp_path / "model.pb", training_script={})
    assert not list(tmp_path.iterdir())
