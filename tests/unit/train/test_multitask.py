"""Multi-task trainings, complete and in parts."""

import json

import h5py
import numpy as np
import pytest
from small_models import dpa2

from deepattn.cli.main import main
from deepattn.config import read_input, upgrade
from deepattn.data import System
from deepattn.errors import ModelFileError
from deepattn.formats.checkpoint import read_checkpoint
from deepattn.formats.weight_names import BIAS
from deepattn.infer import DeepPot
from deepattn.models import load_model, read_model
from deepattn.plots.learning_curve import plot_learning_curve, read_learning_curve
from deepattn.statistics.env_mat import env_mat_sums
from deepattn.statistics.input_blocks import input_blocks
from deepattn.statistics.moments import normalization
from deepattn.train import Trainer, train

from . import toy


def make_input(systems, *, model=None, descriptor=None, branches=None, valid=None, **training):
    """Two branches with a system each, that share all but biases and case vectors."""
    single = toy.make_input(systems, descriptor=descriptor, **training)
    section = single["model"]
    branch = {"type_map": "types", "descriptor": "net", "fitting_net": "fit"}
    data = {
        name: {"training_data": {"systems": [system], "batch_size": size}}
        for name, system, size in zip(("b", "a"), systems, (1, 2), strict=True)
    }
    if valid is not None:
        data["a"]["validation_data"] = {"systems": valid, "batch_size": 1}
    del single["loss"], single["training"]["training_data"]
    single["training"]["data_dict"] = data
    single["model"] = {
        "type_embedding": section["type_embedding"],
        "shared_dict": {
            "types": section["type_map"],
            "net": section["descriptor"],
            "fit": {**section["fitting_net"], "dim_case_embd": 2},
        },
        "model_dict": {"b": dict(branch), "a": dict(branch, model_branch_alias=["alpha"])},
        **(model or {}),
    }
    single["model"]["model_dict"] |= branches or {}
    return single


def run(folder, content, **start):
    """Train by an input in a folder, the working one."""
    (folder / "input.json").write_text(json.dumps(content))
    return train("input.json", **start)


@pytest.fixture(scope="module")
def trained(systems, tmp_path_factory):
    """Folder of a short training of two branches, with validation data of one of them."""
    folder = tmp_path_factory.mktemp("trained")
    content = make_input(
        systems,
        valid=systems[:1],
        descriptor={"tebd_input_mode": "strip", "smooth_type_embedding": True},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run(folder, content)
    return folder


def test_the_learning_curve_has_columns_of_every_branch(trained, tmp_path):
    curve = read_learning_curve(trained / "lcurve.out")
    metrics = ("rmse", "rmse_e", "rmse_f")
    expected = ["step", *(f"{name}_trn_b" for name in metrics)]
    expected += [f"{name}_{kind}_a" for name in metrics for kind in ("val", "trn")]
    assert list(curve) == [*expected, "lr"]
    assert all(np.isfinite(column).all() for column in curve.values())
    picture = plot_learning_curve(trained / "lcurve.out", tmp_path / "curve.svg")
    text = picture.read_text()
    assert picture.stat().st_size > 0 and "svg" in text


def test_what_branches_share_is_stored_once(trained):
    with h5py.File(trained / "model.ckpt.h5") as file:
        weights = file["weights"]
        own = {"fitting_attr/t_bias_atom_e", "fitting_attr/t_case_embd"}
        for name in read_model(trained / "model.ckpt.h5", head="a").arrays:
            assert (weights["a"][name] == weights["b"][name]) == (name not in own), name


@pytest.mark.slow
def test_every_branch_can_be_frozen(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    frame = rng.uniform(0, 5, (1, 6, 3)), np.eye(3).reshape(1, 9) * 5.0, [0, 1, 1, 0, 1, 1]
    checkpoint = str(trained / "model.ckpt")
    energies = []
    for head in ("a", "b"):
        with DeepPot(checkpoint, head=head) as model:
            expected = model.eval(*frame, atomic=True)
        for target in (f"{head}.dp", f"{head}.pb"):
            assert main(["freeze", "-c", checkpoint, "-o", target, "--head", head]) == 0
            with DeepPot(target) as model:
                for got, wanted in zip(model.eval(*frame, atomic=True), expected, strict=True):
                    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-12)
        energies.append(expected[0].item())
    assert abs(energies[0] - energies[1]) > 1e-3


def test_show_tells_the_branches(trained, capsys):
    checkpoint = str(trained / "model.ckpt")
    assert main(["show", checkpoint, "model-branch", "type-map"]) == 0
    out = capsys.readouterr().out
    assert "Available model branches are ['b', 'a', 'RANDOM']" in out
    assert "alpha" in out
    assert "The type_map of branch b is ['O', 'H']" in out
    assert main(["show", checkpoint, "type-map", "--head", "alpha", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"type-map": ["O", "H"]}


def test_change_bias_changes_that_of_one_branch(trained, tmp_path):
    checkpoint, output = str(trained / "model.ckpt"), str(tmp_path / "changed.h5")
    assert main(["change-bias", checkpoint, "--head", "alpha", "-b", "O=1.5", "-o", output]) == 0
    before, after = read_checkpoint(checkpoint)[0], read_checkpoint(output)[0]
    changed = [name for name in before if not np.array_equal(before[name], after[name])]
    assert changed == [f"weights/a/{BIAS}"]


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (
            ["freeze", "-c", "CKPT", "-o", "x.dp"],
            "holds a multi-task model; choose a branch with",
        ),
        (["change-bias", "CKPT", "--head", "c", "-b", "O=1"], "has no branch 'c'; there are b, a"),
        (["show", "CKPT", "--plot", "x.png"], "--plot is of one type embedding"),
        (["train", "input.json", "-r", "CKPT"], "has the branches b, a, but the input has b, a, c"),
        (["train", "input.json", "-f", "CKPT"], "--init-frz-model is for single-task inputs"),
        (["train", "input.json", "-t", "CKPT"], "c/finetune_head is 'q', which"),
        (["train", "input.json", "-t", "CKPT", "--head", "a"], "set finetune_head in each branch"),
        (["train", "single.json", "-r", "CKPT"], "but this is a single-task input"),
        (["train", "single.json", "-t", "CKPT", "--head", "q"], "there are b, a, RANDOM"),
        (["train", "single.json", "--head", "a"], "--model-branch needs --finetune"),
    ],
)
def test_one_clear_sentence(trained, here, systems, capsys, command, sentence):
    branch = {"type_map": "types", "descriptor": "net", "fitting_net": "fit", "finetune_head": "q"}
    content = make_input(systems, branches={"c": branch})
    content["training"]["data_dict"]["c"] = content["training"]["data_dict"]["a"]
    content["model"]["shared_dict"]["fit"]["dim_case_embd"] = 0
    (here / "input.json").write_text(json.dumps(content))
    (here / "single.json").write_text(json.dumps(toy.make_input(systems)))
    words = [str(trained / "model.ckpt") if word == "CKPT" else word for word in command]
    before = set(here.iterdir())
    assert main(words) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("deepattn: error:") and sentence in error
    assert set(here.iterdir()) == before


def test_statistics_are_pooled_and_biases_are_not(here, systems):
    content = make_input(systems, descriptor={"set_davg_zero": False, "sel": "auto"})
    trainer = Trainer(read_input(upgrade(content)))
    sel = {task.config.model.descriptor.sel for task in trainer.tasks}
    assert len(sel) == 1
    first, second = trainer.tasks
    assert len(first.data.systems) == len(second.data.systems) == 1
    (block,) = input_blocks(first.config.model)
    sums = sum_first, sum_second = [
        env_mat_sums((batch for _, batch in task.data.statistics_batches(10)), block.shape)
        for task in trainer.tasks
    ]
    assert not np.array_equal(*(part.number for part in sums))
    expected = normalization(sum_first + sum_second, block.shape, set_davg_zero=False)
    for task in trainer.tasks:
        arrays = task.model.get_arrays()
        np.testing.assert_allclose(arrays[block.davg], expected.davg)
        np.testing.assert_allclose(arrays[block.dstd], expected.dstd)
    # Every frame of a system has the same composition.
    for task in trainer.tasks:
        inputs, labels = task.data.systems[0].frames(range(4))
        counts = [(inputs["atype"][0] == kind).sum() for kind in range(2)]
        bias = task.model.get_arrays()[BIAS]
        assert abs(counts @ bias - labels["energy"].mean()) < 0.2


def test_epochs_give_steps_and_weights(here, systems):
    content = make_input(systems)
    del content["training"]["numb_steps"]
    content["training"]["num_epoch_dict"] = {"a": 3, "b": 2.5}
    trainer = Trainer(read_input(upgrade(content)))
    # Five frames in batches of one, four in batches of two.
    assert trainer.config.model_prob == {"b": 12.5, "a": 6.0}
    assert trainer.tasks[0].config.training.numb_steps == 19


def test_other_networks_are_refused_by_name(trained, here, systems):
    content = make_input(systems, descriptor={"rcut": 2.2, "tebd_input_mode": "strip"})
    with pytest.raises(ModelFileError, match=r"model/shared_dict/net/rcut is 2\.4, not 2\.2"):
        run(here, content, finetune=trained / "model.ckpt")


@pytest.mark.slow
@pytest.mark.parametrize("start", ["restart", "init_model"])
@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("shared_dict", "net", "rcut"), 2.3, r"model/shared_dict/net/rcut is 2\.4, not 2\.3"),
        (
            ("shared_dict", "fit", "activation_function"),
            "gelu",
            "model/shared_dict/fit/activation_function is 'tanh', not 'gelu'",
        ),
        (
            ("type_embedding", "activation_function"),
            "gelu",
            "model/model_dict/b/type_embedding/activation_function is 'tanh'",
        ),
    ],
)
def test_another_model_of_the_same_shapes_is_refused(
    trained, here, systems, start, path, value, named
):
    content = json.loads((trained / "input.json").read_text())
    *sections, key = path
    section = content["model"]
    for name in sections:
        section = section[name]
    section[key] = value
    with pytest.raises(ModelFileError, match=named):
        run(here, content, **{start: trained / "model.ckpt"})


@pytest.mark.slow
def test_a_restarted_run_is_the_same_run(trained, here, caplog):
    content = json.loads((trained / "input.json").read_text())
    caplog.set_level("INFO", "deepattn")
    run(here, content, restart=trained / "model.ckpt-5")
    assert "changed since the checkpoint" not in caplog.text
    toy.assert_equal_checkpoints(trained / "model.ckpt-12.h5", "model.ckpt-12.h5")
    last = [(f / "lcurve.out").read_text().splitlines()[-1] for f in (trained, here)]
    assert last[0] == last[1]


@pytest.mark.slow
def test_fine_tuning_of_several_branches(here, systems):
    own = {"fitting_net": {"neuron": [5, 5]}}
    branch = {"type_map": "types", "descriptor": "net", **own}
    content = make_input(systems, branches={"a": branch, "b": branch}, numb_steps=0)
    del content["model"]["shared_dict"]["fit"]
    run(here, {**content, "training": {**content["training"], "save_ckpt": "old.ckpt"}})
    branches = {
        "b": branch,
        "new": branch,
        "copy": {**branch, "finetune_head": "a"},
        "draw": {**branch, "finetune_head": "RANDOM"},
    }
    data = content["training"]["data_dict"]
    content["training"]["data_dict"] = {name: data["b"] for name in branches}
    content["model"]["model_dict"] = branches
    content["training"]["seed"] = 8
    trainer = run(here, content, finetune="old.ckpt")
    old = {head: read_model("old.ckpt", head=head).arrays for head in ("a", "b")}
    changed = {}
    for part in trainer.tasks:
        before = old["a" if part.name == "copy" else "b"]
        arrays = part.model.get_arrays()
        changed[part.name] = {n for n in arrays if not np.array_equal(arrays[n], before[n])}
    assert changed["b"] == set()
    assert changed["copy"] == {BIAS}
    nets = set(trainer.tasks[0].model.fitting.named_variables()) - {BIAS}
    assert changed["new"] - {BIAS} == changed["draw"] - {BIAS} == nets


@pytest.mark.slow
def test_a_single_task_starts_from_a_branch_or_a_new_fitting_net(trained, here, systems):
    content = toy.make_input([systems[1]], numb_steps=0)
    content["model"] = {"type_map": ["O", "H"], "descriptor": {"trainable": False}}
    old = read_model(trained / "model.ckpt", head="a").arrays
    changed = {}
    for head in ("alpha", "RANDOM", None):
        tuned = run(here, content, finetune=trained / "model.ckpt", model_branch=head)
        arrays = tuned.model.get_arrays()
        changed[head] = {name for name in arrays if not np.array_equal(arrays[name], old[name])}
        assert tuned.config.model.descriptor.trainable is False
    assert changed["alpha"] == {BIAS}
    nets = {name for name in old if name.startswith(("layer_", "final_layer"))}
    assert nets <= changed["RANDOM"] & changed[None]
    assert not changed["RANDOM"] & {name for name in old if name.startswith("filter_type")}


@pytest.mark.slow
def test_dpa2_with_a_shared_descriptor(here, systems):
    small = dpa2({"nsel": 14, "use_three_body": False}, {"nsel": 8, "rcut": 2.0, "nlayers": 1})
    # Without the learning curve, which would double the time of tracing.
    content = make_input(systems, numb_steps=4, disp_training=False)
    content["model"]["shared_dict"]["net"] = small
    del content["model"]["type_embedding"]
    trainer = run(here, content)
    for task in trainer.tasks:
        loaded, header = load_model("model.ckpt", head=task.name)
        assert header["config"]["model"]["descriptor"]["type"] == "dpa2"
        arrays = loaded.get_arrays()
        for name, array in task.model.get_arrays().items():
            np.testing.assert_array_equal(arrays[name], array, err_msg=name)
    first, second = (task.model for task in trainer.tasks)
    assert first.descriptor is second.descriptor
    moved = trainer.optimizer.get_arrays(first.descriptor.named_variables())
    assert any(array.any() for name, array in moved.items() if name.endswith("/momentum"))


@pytest.mark.slow
def test_alloys_and_crystals_learn_together(here, shared):
    """Data of two sources, with forces of very different sizes."""
    alloys = [str(shared / "data/monbtaw/npy/train/unary" / name) for name in ("Mo54", "W54")]
    crystals = [str(shared / "data/mptrj/mixed/train" / str(natoms)) for natoms in (8, 10, 12)]
    elements = {"Mo", "W"}.union(*(System(path).type_map for path in crystals))
    descriptor = {"type": "se_atten_v2", "sel": 120, "rcut": 5.0, "rcut_smth": 0.5}
    descriptor |= {"neuron": [8, 16], "axis_neuron": 4, "attn_layer": 0, "set_davg_zero": True}
    branch = {"type_map": "types", "descriptor": "net", "fitting_net": {"neuron": [32, 32]}}
    prefactors = {"start_pref_f": 100, "limit_pref_f": 10, "start_pref_e": 1}
    data = {
        "alloys": {
            "training_data": {"systems": alloys, "batch_size": 1},
            "validation_data": {"systems": alloys, "batch_size": 4, "numb_btch": 6},
        },
        "crystals": {
            "training_data": {"systems": crystals, "batch_size": "mixed:8"},
            "validation_data": {"systems": crystals, "batch_size": "mixed:64"},
        },
    }
    content = {
        "model": {
            "shared_dict": {"types": sorted(elements), "net": descriptor},
            "model_dict": {"alloys": branch, "crystals": branch},
        },
        "learning_rate": {"start_lr": 5e-3, "stop_lr": 1e-3, "decay_steps": 20},
        "loss_dict": {
            "alloys": prefactors,
            "crystals": {**prefactors, "start_pref_e": 10, "limit_pref_e": 10, "start_pref_f": 10},
        },
        "training": {
            "data_dict": data,
            "model_prob": {"alloys": 1, "crystals": 1},
            "numb_steps": 60,
            "disp_freq": 60,
            "seed": 1,
        },
    }
    run(here, content, skip_neighbor_stat=True)
    curve = read_learning_curve("lcurve.out")
    # The crystals are relaxed or nearly so: with few steps only their energies are learned.
    for column, bound in (("e_val_alloys", 0.5), ("f_val_alloys", 0.95), ("e_val_crystals", 0.5)):
        first, last = curve[f"rmse_{column}"]
        assert last < bound * first, column
