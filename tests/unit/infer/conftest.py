"""Small models with random weights, as files of every kind."""

import numpy as np
import pytest

from deepattn.config import Config, normalize
from deepattn.export import freeze
from deepattn.formats.checkpoint import write_checkpoint
from deepattn.models import build_model

ATTENTION = {"type": "se_atten", "sel": 30, "attn": 5, "attn_layer": 1, "axis_neuron": 3}
TWO_BODY = {"type": "se_e2_a", "sel": [14, 28], "axis_neuron": 3}


class Files:
    """One model: a frozen graph and a checkpoint of the same weights."""

    def __init__(self, folder, descriptor, fitting=None):
        descriptor = {"rcut": 3.0, "rcut_smth": 0.5, "neuron": [4, 8], "seed": 1, **descriptor}
        section = {
            "type_map": ["O", "H"],
            "descriptor": descriptor,
            "fitting_net": {"neuron": [6, 6], "seed": 2, **(fitting or {})},
        }
        script = normalize(
            {
                "model": section,
                "learning_rate": {"type": "exp", "start_lr": 1e-3, "stop_lr": 1e-8},
                "loss": {"type": "ener"},
                "training": {"training_data": {"systems": ["."]}, "numb_steps": 1},
            }
        )
        model = build_model(Config.from_dict(script).model)
        self.graph = folder / "model.pb"
        freeze(model, self.graph, training_script=script, min_nbor_dist=0.9)
        arrays = {f"weights/{name}": array for name, array in model.get_arrays().items()}
        header = {"config": script, "interface_dtype": "float64", "min_nbor_dist": 0.9}
        self.checkpoint = write_checkpoint(str(folder / "model.ckpt"), 1, arrays, header, keep=1)


@pytest.fixture(scope="session")
def attention(tmp_path_factory):
    return Files(tmp_path_factory.mktemp("attention"), ATTENTION)


@pytest.fixture(scope="session")
def two_body(tmp_path_factory):
    return Files(tmp_path_factory.mktemp("two_body"), TWO_BODY)


@pytest.fixture(scope="session")
def with_parameters(tmp_path_factory):
    fitting = {"numb_fparam": 2, "numb_aparam": 1}
    return Files(tmp_path_factory.mktemp("parameters"), ATTENTION, fitting)


@pytest.fixture
def frames():
    """Three frames of 8 atoms in a triclinic box, as the arguments of ``eval``."""
    rng = np.random.default_rng(0)
    lattice = 2.0 * np.indices((2, 2, 2)).reshape(3, -1).T
    box = np.array([4.2, 0, 0, 0.5, 4.4, 0, -0.3, 0.6, 5.0])
    coords = lattice + rng.normal(scale=0.15, size=(3, 8, 3))
    return coords, np.tile(box, (3, 1)), np.array([1, 0, 0, 1, 1, 1, 0, 1])
