"""Multi-task files of PyTorch: written, and taken by every command, by branch."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ase import Atoms

from deepattn import DP
from deepattn.cli.main import main
from deepattn.config import read_input, upgrade
from deepattn.errors import ConfigError, ModelFileError
from deepattn.export import convert
from deepattn.formats.checkpoint import write_arrays
from deepattn.formats.torch import TorchFile, encode_torch
from deepattn.formats.weight_names import BIAS, CASE
from deepattn.infer import DeepPot
from deepattn.models import build_models, load_model, open_model_file, read_model

from . import toy
from .test_multitask import make_input, run

# Other files keep the names; this one has them in another order than the alphabet's.
NOTES = {
    "b": {"info": {"description": "the first"}},
    "a": {"model_branch_alias": ["alpha", "Domains_Alloy"], "info": {"elements": ["O", "H"]}},
}


# What PyTorch's files can hold.
DESCRIPTOR = {"tebd_input_mode": "strip", "smooth_type_embedding": True}
EMBEDDING = {"type_embedding": {"neuron": [2], "activation_function": "linear"}}


def write_files(folder, systems, *, model=None):
    """A multi-task checkpoint of random weights, and the same for PyTorch."""
    content = make_input(systems, descriptor=DESCRIPTOR, model={**EMBEDDING, **(model or {})})
    for name, notes in NOTES.items():
        content["model"]["model_dict"][name] |= notes
    config = read_input(upgrade(content))
    arrays, seen = {}, {}
    rng = np.random.default_rng(0)
    for name, model in build_models(config).items():
        for key, variable in model.named_variables().items():
            if key == BIAS:
                variable.assign(rng.normal(size=2))
            array = seen.setdefault(id(variable), (variable, variable.numpy()))[1]
            arrays[f"weights/{name}/{key}"] = array
    header = {"config": config.to_dict(), "interface_dtype": "float64", "min_nbor_dist": 0.9}
    write_arrays(folder / "model.h5", arrays, header)
    convert(folder / "model.h5", folder / "model.pt")


@pytest.fixture(scope="module")
def files(systems, tmp_path_factory):
    """A folder with model.h5, model.pt, and a system."""
    folder = tmp_path_factory.mktemp("files")
    write_files(folder, systems)
    return folder


def tensors(path):
    """The tensors of a file by name."""
    return TorchFile(path.read_bytes(), path)._tensors


def test_branches_there_and_back(files):
    file = open_model_file(files / "model.pt")
    assert list(file.branches) == ["b", "a"]
    assert list(file.branches["a"].aliases) == NOTES["a"]["model_branch_alias"]
    assert file.branches["b"].info == NOTES["b"]["info"]
    for head in ("b", "a"):
        before = read_model(files / "model.h5", head=head)
        after = read_model(files / "model.pt", head=head)
        assert after.header["min_nbor_dist"] == 0.9
        assert set(after.arrays) == set(before.arrays)
        for name, array in before.arrays.items():
            np.testing.assert_array_equal(after.arrays[name], array, name)


def test_what_branches_share_is_stored_once(files):
    found = tensors(files / "model.pt")
    names = [name.removeprefix("a.") for name in found if name.startswith("a.")]
    own = {name for name in names if found[f"a.{name}"].storage != found[f"b.{name}"].storage}
    prefix = "atomic_model"
    assert own == {
        "min_nbor_dist",
        *(f"{prefix}.{name}" for name in ("out_bias", "out_std", "fitting_net.bias_atom_e")),
        f"{prefix}.fitting_net.case_embd",
    }


def test_branches_that_share_only_the_type_embedding(systems, tmp_path):
    model = {"model_dict": {name: {"type_map": "types", "fitting_net": "fit"} for name in "ab"}}
    for name, level in (("a", "net:1"), ("b", "net")):
        model["model_dict"][name]["descriptor"] = level
    write_files(tmp_path, systems, model=model)
    found = tensors(tmp_path / "model.pt")
    shared = {
        name.split(".")[3]
        for name, tensor in found.items()
        if name.startswith("a.atomic_model.descriptor")
        and tensor.shape != (0,)
        and found[f"b.{name.removeprefix('a.')}"].storage == tensor.storage
    }
    assert shared == {"type_embedding"}


@pytest.mark.parametrize(
    "embedding, named",
    [
        ({"activation_function": "tanh"}, "type_embedding/activation_function 'tanh'"),
        ({"neuron": [4, 2], "activation_function": "linear"}, "type_embedding/neuron"),
        ({"resnet_dt": True, "activation_function": "linear"}, "type_embedding/resnet_dt"),
    ],
)
def test_models_for_which_these_files_have_no_keys(systems, tmp_path, embedding, named):
    embedding = {"type_embedding": {"neuron": [2], **embedding}}
    with pytest.raises(ModelFileError, match=rf"no place for model/{named}.*write a \.dp file"):
        write_files(tmp_path, systems, model=embedding)
    assert [path.name for path in tmp_path.iterdir()] == ["model.h5"]


def test_a_file_written_anew_is_the_same(files, tmp_path):
    convert(files / "model.pt", tmp_path / "again.pt")
    assert (tmp_path / "again.pt").read_bytes() == (files / "model.pt").read_bytes()


def test_one_branch_as_a_single_task_model(files, tmp_path):
    source = str(files / "model.pt")
    for target in ("one.pt", "one.dp"):
        target = str(tmp_path / target)
        assert main(["convert-backend", source, target, "--head", "domains_alloy"]) == 0
        assert open_model_file(target).branches is None
        found, wanted = read_model(target).arrays, read_model(source, head="a").arrays
        for name, array in wanted.items():
            np.testing.assert_array_equal(found[name], array, name)
    assert main(["convert-backend", source, str(tmp_path / "x.dp")]) == 1
    assert main(["freeze", "-c", source, "-o", str(tmp_path / "x.yaml"), "--head", "B"]) == 0
    # In a .pt there is a place for all of them.
    assert main(["freeze", "-c", source, "-o", str(tmp_path / "all.pt")]) == 0
    assert (tmp_path / "all.pt").read_bytes() == (files / "model.pt").read_bytes()


def test_the_bias_of_one_branch_is_changed_and_nothing_else(files, tmp_path):
    source, target = tmp_path / "model.pt", tmp_path / "changed.pt"
    file = TorchFile((files / "model.pt").read_bytes(), "")
    optimizer = {"state": {0: {"step": 3}}, "param_groups": [{"lr": 1e-3, "params": [0]}]}
    source.write_bytes(encode_torch({**file._value, "optimizer": optimizer}, file._content))
    command = ["change-bias", str(source), "--head", "Alpha", "-b", "O=1.5", "-o", str(target)]
    assert main(command) == 0
    before, after = (TorchFile(path.read_bytes(), path) for path in (source, target))
    assert after._value["optimizer"] == before._value["optimizer"]
    changed = set()
    for branch in "ab":
        one, other = before.model(branch), after.model(branch)
        assert one.section == other.section
        for name in one.tensors:
            if not np.array_equal(one.array(name), other.array(name)):
                changed.add((branch, name))
    assert changed == {("a", "atomic_model.out_bias")}
    bias = read_model(target, head="a").arrays[BIAS]
    assert bias[0] == 1.5 and bias[1] == read_model(source, head="a").arrays[BIAS][1]


def test_show(files, capsys):
    path = str(files / "model.pt")
    assert main(["show", path, "model-branch"]) == 0
    out = capsys.readouterr().out
    assert "Available model branches are ['b', 'a', 'RANDOM']" in out
    assert "alpha, Domains_Alloy" in out and "description: the first" in out
    assert main(["show", path, "type-map", "size", "--head", "ALPHA", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["type-map"] == ["O", "H"] and answer["size"]["trained parameters"] > 100


@pytest.mark.slow
def test_evaluation(files, systems, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    coord, cell = rng.uniform(0, 5, (6, 3)), np.eye(3) * 5.0
    energies = {}
    for source, head in (("model.h5", "a"), ("model.pt", "Alpha"), ("model.pt", "B")):
        path = files / source
        with DeepPot(path, head=head) as model:
            energies[source, head] = model.eval(coord, cell, [0, 1, 1, 0, 1, 1])[0].item()
        atoms = Atoms("OHHOHH", coord, cell=cell, pbc=True, calculator=DP(path, head=head))
        assert atoms.get_potential_energy() == pytest.approx(energies[source, head], abs=1e-12)
        command = ["test", "-m", str(path), "-s", systems[0], "--head", head, "-d", head]
        assert main(command) == 0
    assert energies["model.h5", "a"] == energies["model.pt", "Alpha"]
    assert abs(energies["model.pt", "B"] - energies["model.pt", "Alpha"]) > 1e-3
    details = {head: (tmp_path / f"{head}.e.out").read_text() for head in ("a", "Alpha", "B")}
    assert details["a"] == details["Alpha"] != details["B"]


def single(systems, **training):
    content = toy.make_input([systems[1]], numb_steps=0, **training)
    content["model"] = {"type_map": ["O", "H"], "descriptor": {}}
    return content


@pytest.mark.parametrize("head", ["alpha", "DOMAINS_alloy", "RANDOM", "random", None])
def test_fine_tuning_from_a_branch(files, systems, here, head):
    tuned = run(here, single(systems), finetune=files / "model.pt", model_branch=head)
    arrays = tuned.model.get_arrays()
    new = head in ("RANDOM", "random", None)
    old = read_model(files / "model.pt", head="b" if new else "a").arrays
    changed = {name for name in arrays if not np.array_equal(arrays[name], old[name])}
    nets = {name for name in old if name.startswith(("layer_", "final_layer"))}
    assert changed - {CASE} == ({BIAS} | nets if new else {BIAS})


def test_branches_that_are_not_there(files, systems, here):
    with pytest.raises(ModelFileError, match=r"no branch 'c'; there are b, a, RANDOM"):
        run(here, single(systems), finetune=files / "model.pt", model_branch="c")
    with pytest.raises(ModelFileError, match="holds a multi-task model; start from one"):
        run(here, single(systems), init_frz_model=files / "model.pt")
    with pytest.raises(ModelFileError, match="start from one of them with --finetune"):
        run(here, single(systems), init_model=files / "model.pt")
    with pytest.raises(ModelFileError, match="choose a branch with --head: b, a"):
        load_model(files / "model.pt")


def test_a_multi_task_training_from_the_weights(files, systems, here):
    content = make_input(systems, descriptor=DESCRIPTOR, model=EMBEDDING, numb_steps=0)
    with pytest.raises(ModelFileError, match="which alone can resume"):
        run(here, content, restart=files / "model.pt")
    trainer = run(here, content, init_model=files / "model.pt")
    for task in trainer.tasks:
        arrays = task.model.get_arrays()
        for name, array in read_model(files / "model.pt", head=task.name).arrays.items():
            if name != "descrpt_attr/original_sel":
                np.testing.assert_array_equal(arrays[name], array, name)
    del content["model"]["model_dict"]["b"], content["training"]["data_dict"]["b"]
    content["model"]["shared_dict"]["fit"]["dim_case_embd"] = 1
    with pytest.raises((ModelFileError, ConfigError), match="has the branches b, a"):
        run(here, content, init_model=files / "model.pt")


def test_the_branch_of_the_alias_default(files, tmp_path):
    """As in DeePMD-kit it is the one that is meant where none is named."""
    file = TorchFile((files / "model.pt").read_bytes(), "")
    file.section("a")["model_branch_alias"] = ["Default"]
    (tmp_path / "model.pt").write_bytes(file.encode({}, "a"))
    found = read_model(tmp_path / "model.pt").arrays
    assert found[CASE].tolist() == read_model(files / "model.pt", head="a").arrays[CASE].tolist()
