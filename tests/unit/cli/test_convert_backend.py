"""``deepattn convert-backend`` and the other commands with files of no backend."""

import json

import numpy as np
import pytest
from small_models import model_section, small_batch, small_model

from deepattn import ops
from deepattn.cli.main import main
from deepattn.config import normalize
from deepattn.export import freeze
from deepattn.formats.checkpoint import read_checkpoint, write_checkpoint
from deepattn.infer import DeepPot
from deepattn.models import load_model

DESCRIPTOR = {"attn_layer": 0, "sel": 40}
COMMON = {"type": "se_atten_v2", "attn_layer": 0, "sel": 40}
EMBEDDING = {"type_embedding": {"neuron": [3], "seed": 4}}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with a checkpoint."""
    monkeypatch.chdir(tmp_path)
    section = model_section(DESCRIPTOR, **EMBEDDING)
    script = normalize(
        {
            "model": section,
            "learning_rate": {"start_lr": 1e-3, "stop_lr": 1e-5},
            "training": {"training_data": {"systems": ["data"]}, "numb_steps": 1},
        }
    )
    model = small_model(DESCRIPTOR, **EMBEDDING)
    arrays = {f"weights/{name}": array for name, array in model.get_arrays().items()}
    header = {"config": script, "interface_dtype": "float64", "min_nbor_dist": 0.5, "step": 7}
    write_checkpoint("model.ckpt", 7, arrays, header, keep=5)
    return tmp_path


@pytest.fixture
def compiled():
    if ops.library() is None:
        pytest.skip("graphs need the compiled ops")


def weights(path):
    return load_model(path)[0].get_arrays()


def test_there_and_back(here, compiled):
    assert main(["freeze", "-c", "model.ckpt", "-o", "model.pb"]) == 0
    for source, target in (("pb", "dp"), ("dp", "yaml"), ("yaml", "again.pb")):
        assert main(["convert-backend", f"model.{source}", f"model.{target}"]) == 0
    expected = weights("model.ckpt")
    for path in ("model.dp", "model.yaml", "model.again.pb"):
        for name, array in weights(path).items():
            np.testing.assert_array_equal(array, expected[name], err_msg=name)
        assert load_model(path)[1]["min_nbor_dist"] == 0.5
    inputs, _ = small_batch(nframes=1)
    frame = [inputs[key] for key in ("coord", "box", "atype")]
    with DeepPot("model.dp") as portable, DeepPot("model.again.pb") as graph:
        for one, other in zip(portable.eval(*frame), graph.eval(*frame), strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-10)


def test_other_commands(here, capsys):
    assert main(["freeze", "-c", "model.ckpt", "-o", "model.dp"]) == 0
    assert main(["show", "model.dp", "type-map", "descriptor", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["type-map"] == ["O", "H"] and answer["descriptor"]["sel"] == 40
    assert main(["change-bias", "model.dp", "-b", "O=-93.5", "-o", "new.dp"]) == 0
    changed, before = weights("new.dp"), weights("model.dp")
    assert changed.pop("fitting_attr/t_bias_atom_e").tolist() == [-93.5, 0.0]
    for name, array in changed.items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_a_common_model_as_a_graph_and_compressed(tmp_path, monkeypatch, compiled):
    """Its switch is in the graph, and in that of its tables."""
    monkeypatch.chdir(tmp_path)
    model = small_model(COMMON, convention="common", **EMBEDDING)
    section = model_section(COMMON, convention="common", **EMBEDDING)
    freeze(model, "model.pb", training_script={"model": section}, min_nbor_dist=0.8)
    assert main(["convert-backend", "model.pb", "model.dp"]) == 0
    assert main(["compress", "-i", "model.dp", "-o", "small.pb"]) == 0
    inputs, _ = small_batch(nframes=1)
    expected = model(inputs)
    frame = [inputs[key] for key in ("coord", "box", "atype")]
    for path, bound in (("model.pb", 1e-10), ("small.pb", 1e-6)):
        with DeepPot(path) as potential:
            energy, force, _ = potential.eval(*frame)
        np.testing.assert_allclose(energy[:, 0], expected["energy"], rtol=0, atol=bound)
        np.testing.assert_allclose(force, expected["force"], rtol=0, atol=bound)


REFUSED = {
    "checkpoint": (["convert-backend", "model.ckpt", "model.h5"], "can be written as"),
    "folder": (["convert-backend", "model.ckpt", "nowhere/model.dp"], "no such folder"),
    "fast": (["freeze", "-o", "model.dp", "--fast"], "--fast"),
    "fast folder": (["freeze", "-o", "model.savedmodeltf", "--fast"], "--fast"),
    "missing": (["convert-backend", "none.dp", "model.pb"], "none.dp"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(here, capsys, name):
    arguments, words = REFUSED[name]
    before = sorted(here.iterdir())
    assert main(arguments) == 1
    text = capsys.readouterr().err
    assert words in text and "Traceback" not in text
    assert sorted(here.iterdir()) == before


def test_refused_before_anything_is_written(here, capsys):
    arrays, header = read_checkpoint("model.ckpt")
    header["config"]["model"]["descriptor"]["smooth_type_embedding"] = True
    write_checkpoint("smooth.ckpt", 1, arrays, header, keep=5)
    assert main(["freeze", "-c", "smooth.ckpt", "-o", "model.dp"]) == 1
    assert "smooth_type_embedding has another meaning" in capsys.readouterr().err
    assert not (here / "model.dp").exists()
