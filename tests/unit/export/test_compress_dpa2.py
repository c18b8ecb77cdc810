"""Compressed DPA-2: the same potential, in Keras and as a SavedModel, and what is refused."""

import logging
import re

import numpy as np
import pytest
from small_models import dpa2, model_section, small_batch, small_model

from deepattn import ops
from deepattn.cli.main import main
from deepattn.config import normalize_model
from deepattn.errors import ConfigError
from deepattn.export import compress, compress_model
from deepattn.formats.checkpoint import write_checkpoint
from deepattn.formats.saved_model import parse_saved_model
from deepattn.infer import DeepPot
from deepattn.layers.tables import range_of_distances

SHORTEST = 0.9
STRIP = {"tebd_input_mode": "strip"}
MODELS = {
    "strip": dpa2(STRIP),
    "one side": dpa2(
        {**STRIP, "type_one_side": True, "use_three_body": False}, exclude_types=[[0, 1]]
    ),
    "not smooth": dpa2({**STRIP, "resnet_dt": True, "neuron": [5, 7, 9]}, smooth=False),
    "protected": dpa2({**STRIP, "activation_function": "gelu"}, env_protection=0.3),
    "shifted": dpa2({**STRIP, "set_davg_zero": False}),
}
SMALLER = dpa2({**STRIP, "use_three_body": False}, {"nlayers": 1, "update_g2_has_attn": False})


def dpa2_model(descriptor, **kwargs):
    """A model with statistics as of a training, of types that differ."""
    model = small_model(descriptor, **kwargs)
    matrix = model.descriptor.repinit.matrix
    shape = matrix.dstd.shape
    matrix.dstd.assign(np.broadcast_to([[[0.15]], [[0.25]]], shape))
    if not descriptor["repinit"].get("set_davg_zero", True):
        mean = np.array([[[0.1]], [[0.2]]]) * np.array([1.0, 0, 0, 0])
        matrix.davg.assign(np.broadcast_to(mean, shape))
    return model


def write_model(path, descriptor, **header):
    section = normalize_model(model_section(descriptor))
    weights = {f"weights/{k}": v for k, v in dpa2_model(descriptor).get_arrays().items()}
    header = {"min_nbor_dist": SHORTEST, "interface_dtype": "float64", "step": 1, **header}
    write_checkpoint(path, 1, weights, {"config": {"model": section}, **header}, keep=1)


def assert_same(found, expected):
    for key, allowed in {"energy": 1e-10, "force": 1e-10, "virial": 1e-9}.items():
        np.testing.assert_allclose(found[key], expected[key], rtol=0, atol=allowed, err_msg=key)


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("options", MODELS)
@pytest.mark.parametrize("periodic", [True, False])
def test_a_compressed_model_is_the_same_potential(periodic, options, plain, monkeypatch):
    model = dpa2_model(MODELS[options])
    inputs, _ = small_batch()
    if not periodic:
        # From none to five neighbors, one atom alone.
        inputs["box"][:] = 0
        inputs["coord"][:, -1] += 20.0
    expected = model(inputs)
    compressed = compress(model, min_nbor_dist=SHORTEST)
    assert not any("repinit_variable/embeddings" in name for name in compressed.get_arrays())
    if plain:
        from deepattn.ops import tabulated

        monkeypatch.setattr(tabulated, "own_ops", lambda: None)
    elif ops.fast_library() is None:
        pytest.skip("the op libraries are not built: python -m deepattn.ops.build")
    assert_same(compressed(inputs), expected)


def test_in_float32():
    model = dpa2_model({**MODELS["strip"], "precision": "float32"})
    inputs, _ = small_batch()
    found, expected = compress(model, min_nbor_dist=SHORTEST)(inputs), model(inputs)
    for key in ("energy", "force", "virial"):
        np.testing.assert_allclose(found[key], expected[key], rtol=0, atol=1e-5, err_msg=key)


def test_a_wider_step_is_less_exact():
    model = dpa2_model(MODELS["strip"])
    inputs, _ = small_batch()
    expected = model(inputs)["force"]
    errors = [
        abs(compress(model, min_nbor_dist=SHORTEST, step=step)(inputs)["force"] - expected)
        for step in (2.0, 0.5)
    ]
    coarse, fine = (error.numpy().max() for error in errors)
    assert 1e-10 < fine < coarse / 100


def test_protected_distances_have_a_shorter_range():
    zero, one = np.zeros(2), np.full(2, 0.1)
    options = {"rcut": 4.0, "rcut_smth": 0.5, "min_nbor_dist": 1.0, "step": 0.01}
    options |= {"extrapolate": 5.0, "dtype": "float64"}
    spans = [range_of_distances(zero, one, **options, protection=q) for q in (0.0, 1.0)]
    assert [span.upper for span in spans] == [10, 5]


def test_the_saved_model(tmp_path):
    write_model(tmp_path / "model.ckpt", SMALLER)
    inputs, _ = small_batch()
    arguments = [inputs[key] for key in ("coord", "box", "atype")]
    found = compress_model(tmp_path / "model.ckpt", tmp_path / "small", parallel=True)
    assert found.path == tmp_path / "small.savedmodeltf" and found.min_nbor_dist == SHORTEST
    saved = parse_saved_model((found.path / "saved_model.pb").read_bytes(), "")
    assert saved.number("get_min_nbor_dist") == SHORTEST
    # That of messages, and that of neighbors.
    assert saved.number("get_rcut") > saved.number("get_neighbor_rcut") == 3.0
    results = []
    for path in (tmp_path / "model.ckpt", found.path):
        with DeepPot(path) as potential:
            values = potential.eval(*arguments, mixed_type=True)
            results.append(dict(zip(("energy", "force", "virial"), values, strict=True)))
    assert_same(results[1], results[0])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a checkpoint and a system."""
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "model.ckpt", SMALLER)
    inputs, labels = small_batch()
    data = tmp_path / "data" / "set.000"
    data.mkdir(parents=True)
    (tmp_path / "data" / "type_map.raw").write_text("O\nH\n")
    np.savetxt(tmp_path / "data" / "type.raw", inputs["atype"][0], fmt="%d")
    arrays = {"coord": inputs["coord"], "box": inputs["box"], **labels}
    for name in ("coord", "box", "energy", "force"):
        np.save(data / f"{name}.npy", np.reshape(arrays[name], (2, -1)))
    return tmp_path


def test_compares_with_a_saved_model_of_the_original(folder, capsys, caplog):
    with caplog.at_level(logging.INFO):
        assert main(["compress", "-i", "model.ckpt", "--data", "data"]) == 0
    assert (folder / "frozen_model_compressed.savedmodeltf").is_dir()
    assert "original" not in caplog.text
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2 frames of 1 systems; the largest deviations are"
    assert all(float(line.split()[1]) < 1e-9 for line in lines[1:4])
    assert lines[4].startswith("time: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "small.pb"], "to a SavedModel, .* write small.savedmodeltf"),
        (["--fast"], "dpa2 have no graphs, .* omit --fast"),
        (["-o", "none/small"], "there is no such folder"),
        (["-e", "0.5"], "extrapolate is 0.5"),
    ],
)
def test_what_the_command_refuses(folder, capsys, arguments, message):
    assert main(["compress", "-i", "model.ckpt", *arguments]) == 1
    error = capsys.readouterr().err
    assert re.search(message, error), error
    assert not list(folder.glob("*.savedmodeltf"))


@pytest.mark.parametrize(
    ("descriptor", "options", "message"),
    [
        (dpa2(), {}, "has tebd_input_mode concat in repinit, .* train with strip"),
        (MODELS["strip"], {"fast": True}, "omit --fast"),
        (MODELS["strip"], {"min_nbor_dist": 3.0}, r"between 0 and the cutoff radius \(3 Å"),
        (MODELS["strip"], {"step": 1e-8}, r"the tables \(1 of .* use a larger step, or distill"),
    ],
)
def test_what_cannot_be_compressed_is_refused(descriptor, options, message):
    with pytest.raises(ConfigError, match=message):
        compress(small_model(descriptor), **{"min_nbor_dist": SHORTEST, **options})


def test_a_compressed_model_is_not_compressed_again():
    compressed = compress(dpa2_model(MODELS["strip"]), min_nbor_dist=SHORTEST)
    with pytest.raises(ConfigError, match="already compressed; use the original model"):
        compress(compressed, min_nbor_dist=SHORTEST)


def test_a_graph_is_neither_a_saved_model_nor_parallel(tmp_path):
    descriptor = {"attn_layer": 0, "tebd_input_mode": "strip"}
    section = normalize_model(model_section(descriptor))
    weights = {f"weights/{k}": v for k, v in small_model(descriptor).get_arrays().items()}
    header = {"config": {"model": section}, "interface_dtype": "float64", "step": 1}
    path = tmp_path / "model.ckpt"
    write_checkpoint(path, 1, weights, {**header, "min_nbor_dist": SHORTEST}, keep=1)
    with pytest.raises(ConfigError, match=r"compressed to a graph; write small.pb"):
        compress_model(path, tmp_path / "small.savedmodeltf")
    with pytest.raises(ConfigError, match=r"only a SavedModel can be parallel; omit --parallel"):
        compress_model(path, tmp_path / "small.pb", parallel=True)
