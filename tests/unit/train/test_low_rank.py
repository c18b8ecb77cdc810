"""LoRA: updates of low rank of chosen matrices, folded into plain weights."""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import processes
import pytest
import tensorflow as tf

from deepattn.config import normalize, upgrade
from deepattn.errors import ConfigError, ModelFileError
from deepattn.formats.checkpoint import WEIGHTS, part_of, read_checkpoint
from deepattn.train import train
from deepattn.train.low_rank import LowRank, _Matrix

from . import toy

LORA = {"matrices": ["layer_?/matrix", "filter_type_all/matrix_2"], "rank": 2, "scale": 3.0}
CHOSEN = {"layer_0/matrix", "layer_1/matrix", "filter_type_all/matrix_2"}


def test_steps_are_those_of_the_factors():
    """Against automatic differentiation of a loss by the factors, with an optimizer of moments."""
    rng = np.random.default_rng(0)
    first, a, b, x = (rng.normal(size=shape) for shape in [(5, 4), (5, 2), (2, 4), (3, 5)])
    scale = 0.7
    weight, start, left, right, bias = (
        keras.Variable(array, dtype="float64")
        for array in (first + scale * a @ b, first, a, b, np.zeros(4))
    )
    low_rank = LowRank({"w": _Matrix(weight, start, left, right)}, scale)
    optimizers = [keras.optimizers.Adam(0.1) for _ in range(2)]
    moved, groups = low_rank.replace([weight, bias], [0, 1])
    assert moved == [left, right, bias] and groups == [0, 0, 1]
    optimizers[0].build(moved)
    own = [keras.Variable(array, dtype="float64") for array in (a, b, np.zeros(4))]
    optimizers[1].build(own)
    for _ in range(4):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.tanh(tf.matmul(x, weight) + bias) ** 2)
        slopes = tape.gradient(loss, [weight.value, bias.value])
        low_rank.apply(optimizers[0], slopes, [weight, bias])
        with tf.GradientTape() as tape:
            matrix = first + scale * tf.matmul(own[0], own[1])
            loss = tf.reduce_sum(tf.tanh(tf.matmul(x, matrix) + own[2]) ** 2)
        optimizers[1].apply(tape.gradient(loss, [variable.value for variable in own]), own)
    for found, expected in zip(moved, own, strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-9)
    np.testing.assert_allclose(
        weight.numpy(), first + scale * left.numpy() @ right.numpy(), rtol=1e-12
    )


def test_chosen_matrices_get_an_update_of_the_rank(short_run, here, systems, caplog):
    caplog.set_level("INFO")
    stored, _ = read_checkpoint(short_run)
    before = part_of(stored, WEIGHTS)
    toy.write_finetuning(systems, {"lora": LORA})
    after = train("input.json", init_model=short_run).model.get_arrays()
    assert set(after) == set(before)
    assert {name for name in after if not np.array_equal(after[name], before[name])} == CHOSEN
    arrays, _ = read_checkpoint("model.ckpt")
    for name in CHOSEN:
        update = after[name] - before[name]
        assert np.linalg.matrix_rank(update, tol=1e-12) == 2, name
        first, a, b = (arrays[f"lora/{name}/{part}"] for part in ("first", "a", "b"))
        np.testing.assert_array_equal(first, before[name])
        np.testing.assert_allclose(arrays[f"weights/{name}"], first + 3.0 * a @ b, rtol=1e-13)
        assert f"optimizer/lora/{name}/a/momentum" in arrays
        assert f"optimizer/{name}/momentum" not in arrays
    sizes = [before[name].shape for name in CHOSEN]
    count = sum(2 * sum(shape) for shape in sizes)
    assert "updates of rank 2: " in caplog.text and f", {count} parameters" in caplog.text


def test_a_resumed_run_makes_the_same_steps(short_run, systems, here, monkeypatch):
    finetune = {"lora": LORA, "l2_sp": 0.1}
    for folder, numbers in (("whole", (12,)), ("parts", (7, 12))):
        Path(here, folder).mkdir()
        monkeypatch.chdir(here / folder)
        for number in numbers:
            toy.write_finetuning(systems, finetune, numb_steps=number)
            first = number == numbers[0]
            start = {"init_model": short_run} if first else {"restart": "model.ckpt"}
            train("input.json", **start)
    toy.assert_equal_checkpoints(here / "whole/model.ckpt", here / "parts/model.ckpt")
    for change in ({"rank": 1}, {"scale": 2.0}, {"matrices": ["layer_0/matrix"]}):
        toy.write_finetuning(systems, {**finetune, "lora": {**LORA, **change}}, numb_steps=13)
        with pytest.raises(ModelFileError, match="was trained with another training/finetune/lora"):
            train("input.json", restart="model.ckpt")
    # As a start it has plain weights, of which an update begins anew.
    toy.write_finetuning(systems, finetune, numb_steps=1)
    start, _ = read_checkpoint("model.ckpt")
    train("input.json", init_model="model.ckpt")
    arrays, _ = read_checkpoint("model.ckpt")
    name = "layer_1/matrix"
    np.testing.assert_array_equal(arrays[f"lora/{name}/first"], start[f"weights/{name}"])
    assert not np.array_equal(arrays[f"lora/{name}/a"], start[f"lora/{name}/a"])


_MIRRORED = """
import sys
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from deepattn.train import train

with tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"]).scope():
    train("input.json", init_model=sys.argv[1])
"""


@pytest.mark.slow
def test_two_devices_make_the_steps_of_one(short_run, here, systems, monkeypatch):
    finetune = {"lora": LORA, "ewc": {"strength": 0.1, "systems": systems[1], "frames": 2}}
    for folder, size in (("two", 1), ("one", 2)):
        Path(here, folder).mkdir()
        monkeypatch.chdir(here / folder)
        toy.write_finetuning(systems[:1], finetune, numb_steps=6)
        data = json.loads(Path("input.json").read_text())
        data["training"]["training_data"]["batch_size"] = size
        data["learning_rate"]["scale_by_worker"] = "none"
        Path("input.json").write_text(json.dumps(data))
        if folder == "one":
            train("input.json", init_model=short_run)
            continue
        command = [sys.executable, "-c", _MIRRORED, str(short_run)]
        done = processes.run(command, cwd=here / folder, timeout=120)
        assert done.returncode == 0, done.stderr
    one, two = (read_checkpoint(here / folder / "model.ckpt")[0] for folder in ("one", "two"))
    assert set(one) == set(two)
    for name, array in one.items():
        scale = np.abs(array).max(initial=0)
        np.testing.assert_allclose(two[name], array, rtol=0, atol=1e-11 * scale, err_msg=name)
    name = "layer_0/matrix"
    assert not np.array_equal(one[f"weights/{name}"], one[f"lora/{name}/first"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"matrices": ["descriptor/*"]}, "'descriptor/\\*', which matches no trained matrix"),
        ({"matrices": ["layer_0/bias"]}, "matches no trained matrix; their names are"),
        ({"rank": 4}, "rank is 4, more than filter_type_all/matrix_2 of 3 rows and 6 columns"),
    ],
)
def test_what_makes_no_sense_for_a_model(short_run, here, systems, change, message):
    toy.write_finetuning(systems, {"lora": {**LORA, **change}})
    with pytest.raises(ConfigError, match=message):
        train("input.json", init_model=short_run)


def test_from_scratch_there_is_nothing_to_update(here, systems):
    toy.write_finetuning(systems, {"lora": LORA})
    with pytest.raises(ConfigError, match="training/finetune keeps what weights of a file know"):
        train("input.json")


@pytest.mark.parametrize(
    ("finetune", "message"),
    [
        ({"lora": {"matrices": []}}, "must have patterns"),
        ({"lora": {"rank": 2}}, "matrices"),
        ({"lora": {**LORA, "rank": 0}}, "rank is 0; it must be at least 1"),
        ({"lora": {**LORA, "scale": 0.0}}, "scale is 0.0; it must be positive"),
        ({"lora": LORA, "freeze": ["layer_0/*"]}, "has freeze and lora"),
    ],
)
def test_invalid_sections(finetune, message):
    data = toy.make_input(["a"])
    data["training"]["finetune"] = finetune
    with pytest.raises(ConfigError, match=message):
        normalize(upgrade(data))
