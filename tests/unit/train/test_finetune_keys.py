"""What holds a fine-tuning back: frozen weights, the pull towards the start."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepattn.config import normalize, upgrade
from deepattn.errors import ConfigError
from deepattn.formats.checkpoint import read_checkpoint
from deepattn.train import train
from deepattn.train.anchor import Anchor

from . import toy


@pytest.fixture
def base(here, systems):
    """A model to start from, in the working folder; its weights."""
    toy.write_finetuning(
        systems, numb_steps=2, save_ckpt="base/model.ckpt", disp_file="base/lcurve.out"
    )
    return train("input.json").model.get_arrays()


def moved(before, after):
    return {name for name, array in after.items() if not np.array_equal(array, before[name])}


def test_weights_of_a_pattern_stay(base, systems, caplog):
    caplog.set_level("INFO")
    toy.write_finetuning(systems, {"freeze": ["filter_type_all/*", "layer_0/bias"]})
    after = train("input.json", init_model="base/model.ckpt").model.get_arrays()
    found = moved(base, after)
    kept = {name for name in base if name.startswith("filter_type_all/")} | {"layer_0/bias"}
    assert not found & kept
    assert "layer_0/matrix" in found and "type_embed_net/matrix_1" in found
    assert "not trained: filter_type_all/matrix_1" in caplog.text
    # They have no state of the optimizer either.
    arrays, _ = read_checkpoint("model.ckpt")
    assert not any(name.startswith("optimizer/filter_type_all") for name in arrays)


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (["descriptor/*"], "'descriptor/\\*', which matches no trained weight; their names are"),
        (["descrpt_attr/t_avg"], "matches no trained weight"),
        (["*"], "leaves no weight to train"),
    ],
)
def test_patterns_that_make_no_sense(base, systems, patterns, message):
    toy.write_finetuning(systems, {"freeze": patterns})
    with pytest.raises(ConfigError, match=message):
        train("input.json", init_model="base/model.ckpt")


@pytest.mark.parametrize("finetune", [{"freeze": ["layer_0/*"]}, {"l2_sp": 0.1}])
def test_from_scratch_there_is_nothing_to_keep(here, systems, finetune):
    toy.write_finetuning(systems, finetune)
    with pytest.raises(ConfigError, match="training/finetune keeps what weights of a file know"):
        train("input.json")


def test_the_pull_is_the_gradient_of_the_penalty():
    start = np.array([1.0, -2.0])
    pulled, free = (keras.Variable(start, dtype="float64") for _ in range(2))
    anchor = Anchor({"w": pulled}, 0.3, arrays={})
    pulled.assign([2.0, 0.5])
    gradients = [tf.constant([0.1, 0.2], tf.float64), tf.constant([0.3, 0.4], tf.float64)]
    found = anchor(gradients, [pulled, free], 1e-3)
    np.testing.assert_allclose(found[0], [0.1 + 0.3 * 1.0, 0.2 + 0.3 * 2.5], rtol=1e-15)
    np.testing.assert_array_equal(found[1], gradients[1])


def distance(before, after):
    trained = [name for name in moved(before, after) if "bias_atom" not in name]
    return np.sqrt(sum(np.sum((after[name] - before[name]) ** 2) for name in trained))


def test_a_pull_keeps_the_weights_near_the_start(base, systems):
    distances = []
    for strength in (0.0, 1e4):
        toy.write_finetuning(systems, {"l2_sp": strength})
        trainer = train("input.json", init_model="base/model.ckpt")
        distances.append(distance(base, trainer.model.get_arrays()))
    assert 0 < distances[1] < 0.5 * distances[0]


def test_a_resumed_run_is_pulled_to_the_same_place(base, systems, here, monkeypatch):
    for folder, numbers in (("whole", (12,)), ("parts", (7, 12))):
        Path(here, folder).mkdir()
        monkeypatch.chdir(here / folder)
        for number in numbers:
            toy.write_finetuning(
                systems, {"l2_sp": 10.0, "freeze": ["layer_1/*"]}, numb_steps=number
            )
            first = number == numbers[0]
            start = {"init_model": "../base/model.ckpt"} if first else {"restart": "model.ckpt"}
            train("input.json", **start)
    toy.assert_equal_checkpoints(here / "whole/model.ckpt", here / "parts/model.ckpt")
    arrays, _ = read_checkpoint(here / "parts/model.ckpt")
    np.testing.assert_array_equal(arrays["start/layer_0/matrix"], base["layer_0/matrix"])
    assert "start/layer_1/matrix" not in arrays


def write_replay(systems, finetune):
    """Two branches with one model, for new data and for old ones."""
    data = toy.make_input(systems, rate={"start_lr": 0.01}, numb_steps=6)
    model, training = data["model"], data["training"]
    section = training.pop("training_data")
    training["data_dict"] = {
        name: {"training_data": {**section, "systems": [system]}}
        for name, system in zip(("new", "old"), systems, strict=True)
    }
    training["finetune"] = finetune
    branch = {"type_map": "types", "descriptor": "net", "fitting_net": "fit"}
    data["model"] = {
        "type_embedding": model["type_embedding"],
        "convention": "tensorflow",
        "shared_dict": {
            "types": model["type_map"],
            "net": model["descriptor"],
            "fit": model["fitting_net"],
        },
        "model_dict": {name: {**branch, "finetune_head": "Default"} for name in ("new", "old")},
    }
    del data["loss"]
    Path("input.json").write_text(json.dumps(data))


@pytest.mark.parametrize("pattern", ["filter_type_all/*", "old/filter_type_all/*"])
def test_old_data_in_a_branch_with_the_same_model(base, systems, pattern):
    write_replay(systems, {"freeze": [pattern], "l2_sp": 1e-3})
    new, old = train("input.json", finetune="base/model.ckpt").tasks
    after = new.model.get_arrays()
    found = moved(base, after)
    assert found and not any(name.startswith("filter_type_all/") for name in found)
    shared = {name for name in after if "bias_atom" not in name}
    assert not moved({n: old.model.get_arrays()[n] for n in shared}, {n: after[n] for n in shared})
    arrays, _ = read_checkpoint("model.ckpt")
    starts = {name.partition("/")[2] for name in arrays if name.startswith("start/")}
    # Each once, by the name in the first branch.
    assert starts and all(name.startswith("new/") for name in starts)


def test_branches_share_an_update_of_low_rank(base, systems):
    write_replay(systems, {"lora": {"matrices": ["layer_?/matrix"], "rank": 1}})
    new, old = train("input.json", finetune="base/model.ckpt").tasks
    after = new.model.get_arrays()
    trained = {name for name in moved(base, after) if "bias_atom" not in name}
    assert trained == {"layer_0/matrix", "layer_1/matrix"}
    assert not moved(
        {n: old.model.get_arrays()[n] for n in trained}, {n: after[n] for n in trained}
    )
    arrays, _ = read_checkpoint("model.ckpt")
    assert {name for name in arrays if name.endswith("/first")} == {
        f"lora/new/{name}/first" for name in trained
    }
    data = json.loads(Path("input.json").read_text())
    data["training"]["numb_steps"] = 7
    Path("input.json").write_text(json.dumps(data))
    train("input.json", restart="model.ckpt")
    again, _ = read_checkpoint("model.ckpt")
    name = "lora/new/layer_0/matrix"
    np.testing.assert_array_equal(again[f"{name}/first"], arrays[f"{name}/first"])
    update = again["weights/old/layer_0/matrix"] - again[f"{name}/first"]
    assert np.linalg.matrix_rank(update, tol=1e-12) == 1


def test_old_frames_of_several_branches_are_refused(base, systems):
    write_replay(systems, {"ewc": {"strength": 1.0, "systems": systems[1]}})
    with pytest.raises(ConfigError, match="ewc needs one model that knows the old frames, but"):
        train("input.json", finetune="base/model.ckpt")


@pytest.mark.parametrize(
    ("finetune", "message"),
    [
        ({"l2_sp": -1}, "l2_sp is -1.0; it must be at least 0"),
        ({"freeze": [""]}, "must have patterns"),
        ({"lora": 4}, "lora"),
        ({"keep": 4}, "keep"),
    ],
)
def test_invalid_sections(finetune, message):
    data = toy.make_input(["a"])
    data["training"]["finetune"] = finetune
    with pytest.raises(ConfigError, match=message):
        normalize(upgrade(data))
