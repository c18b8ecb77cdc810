"""Advice on fine-tuning, and parts that it leaves alone."""

import json

import numpy as np
import pytest

from deepattn.config import Config, normalize
from deepattn.export import freeze
from deepattn.optimizers import AdamConfig
from deepattn.train import train
from deepattn.train.initialize.advice import advice, rate_advice, smoothness_advice

from . import toy

ADAM = AdamConfig.from_dict({"type": "Adam"})


@pytest.mark.parametrize(
    "start_lr, numb_steps, steps_per_pass, words",
    [
        (1e-4, 1000, 100, []),
        (1e-5, 100, 100, []),
        (1e-5, 100_000, 100, []),
        (2e-4, 1000, 100, ["start_lr is 0.0002"]),
        (
            1e-4,
            99,
            100,
            ["numb_steps gives 99 steps, but one pass over the training data takes 100"],
        ),
        (1e-4, 100_100, 100, ["about 1001 passes over the training data; 100000 are plenty"]),
        (1e-3, 5, 100, ["start_lr is 0.001", "numb_steps gives 5 steps"]),
        (1e-3, 0, 100, []),
    ],
)
@pytest.mark.parametrize("key", ["numb_steps", "numb_epoch"])
def test_rules(start_lr, numb_steps, steps_per_pass, words, key):
    lengths = {"numb_steps": numb_steps, "steps_per_pass": steps_per_pass}
    found = advice(ADAM, start_lr=start_lr, **lengths, key=key)
    assert len(found) == len(words)
    for line, part in zip(found, words, strict=True):
        assert part.replace("numb_steps", key) in line


# The energy bias is fitted before the training, whatever is frozen in it.
CONSTANTS = ("descrpt_attr/", "fitting_attr/")


@pytest.fixture(scope="module")
def pretrained(systems, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pretrained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        trainer = toy.run(folder, systems, numb_steps=0, descriptor={"attn_layer": 1})
    script = trainer.config.to_dict()
    path = freeze(trainer.model, folder / "old.pb", training_script=script, min_nbor_dist=1.0)
    return str(path), trainer.model.get_arrays()


@pytest.mark.parametrize(
    "flags, frozen",
    [
        ({"descriptor": False}, ("filter_type_all/", "attention_layer_0/")),
        (
            {"type_embedding": False, "fitting_net": [True, False, True]},
            ("type_embed_net/", "layer_1/"),
        ),
    ],
)
def test_frozen_parts_stay_as_they_are(here, systems, pretrained, flags, frozen, caplog):
    path, before = pretrained
    data = toy.make_input(systems, numb_steps=2)
    data["model"] = {name: {"trainable": flag} for name, flag in flags.items()}
    (here / "input.json").write_text(json.dumps(data))
    with caplog.at_level("WARNING", "deepattn"):
        after = train("input.json", finetune=path).model.get_arrays()
    for name, array in before.items():
        if not name.startswith(CONSTANTS):
            assert np.array_equal(after[name], array) == name.startswith(frozen), name
    assert {part for part in frozen if any(name.startswith(part) for name in before)} == set(frozen)
    assert "learning_rate/start_lr is 0.001: the first steps of Adam" in caplog.text
    assert "numb_steps gives 2 steps, but one pass over the training data takes 5" in caplog.text


@pytest.mark.parametrize(("stop_lr", "warned"), [(1e-5, False), (1e-3, False), (2e-3, True)])
def test_a_rate_that_does_not_fall(stop_lr, warned):
    content = toy.make_input(["data"], rate={"stop_lr": stop_lr})
    lines = rate_advice(Config.from_dict(normalize(content)).learning_rate)
    assert [line.split(":")[0] for line in lines] == [
        "learning_rate/stop_lr is 0.002, above start_lr (0.001)"
    ][: int(warned)]


@pytest.mark.parametrize(
    ("descriptor", "reason"),
    [
        ({"type": "se_atten_v2"}, None),
        ({"type": "se_atten"}, "fully or not at all; set smooth_type_embedding"),
        ({"type": "se_atten", "attn_layer": 0, "set_davg_zero": False}, "set set_davg_zero, or"),
        (
            {"type": "hybrid", "list": [{"type": "se_e2_a"}, {"type": "se_atten"}]},
            "set smooth_type_embedding",
        ),
    ],
)
def test_energies_that_jump_at_the_cutoff(descriptor, reason):
    parts = descriptor.get("list", [descriptor])
    for part in parts:
        part |= {"sel": [8, 8] if part["type"] == "se_e2_a" else 16}
    content = toy.make_input(["data"])
    content["model"]["descriptor"] = descriptor
    config = Config.from_dict(normalize(content)).model
    lines = smoothness_advice(config, new=True)
    assert len(lines) == (reason is not None)
    for line in lines:
        assert line.startswith(f"energies of this {descriptor['type']} jump") and reason in line
        # A model that is there cannot be changed.
        assert smoothness_advice(config, new=False) == [line.partition("; set ")[0]]


def test_energies_of_the_second_network_may_jump():
    content = toy.make_input(["data"])
    own = content["model"]
    own["descriptor"] |= {"type": "se_atten_v2", "sel": 16}
    other = {**own, "descriptor": {**own["descriptor"], "type": "se_atten", "attn_layer": 1}}
    names = own["type_map"]
    content["model"] = {"type": "linear_ener", "models": [own, other], "weights": "sum"}
    content["model"]["type_map"] = names
    [line] = smoothness_advice(Config.from_dict(normalize(content)).model, new=True)
    assert line.startswith("energies of this se_atten jump")
