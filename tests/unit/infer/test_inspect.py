"""``deepattn show``: output for graphs and checkpoints."""

import dataclasses
import json

import numpy as np
import pytest

from deepattn.cli.main import main
from deepattn.formats.frozen import read_frozen
from deepattn.infer import DeepPot
from deepattn.infer.inspect import PARTS, Inspection
from deepattn.models.files.frozen import is_unused_time_step

from .model_files import ATTENTION, Files


def run(capsys, *arguments):
    status = main(["show", *map(str, arguments)])
    captured = capsys.readouterr()
    return captured.out, captured.err, status


def test_graph_and_checkpoint_say_the_same(attention):
    graph = Inspection(attention.graph).tell(list(PARTS))
    checkpoint = Inspection(attention.checkpoint).tell(list(PARTS))
    assert graph["type-map"] == checkpoint["type-map"] == ["O", "H"]
    assert graph["descriptor"] == checkpoint["descriptor"]
    assert graph["fitting-net"] == checkpoint["fitting-net"]
    assert graph["type-embedding"] == checkpoint["type-embedding"]
    by_name = [{row["name"]: row for row in part["weights"]} for part in (graph, checkpoint)]
    assert {"filter_type_all/matrix_1", "layer_0/matrix"} <= by_name[0].keys()
    assert by_name[0] == by_name[1]
    assert {**graph["size"], "bytes": 0} == {**checkpoint["size"], "bytes": 0}


def test_sizes_are_those_of_the_arrays(attention):
    weights = {
        name: array
        for name, array in read_frozen(attention.graph).weights.items()
        if not is_unused_time_step(name, read_frozen(attention.graph).weights)
    }
    size = Inspection(attention.graph).tell(["size"])["size"]
    assert size["type embedding"] == weights["type_embed_net/matrix_1"].size
    attention_layer = [a.size for n, a in weights.items() if n.startswith("attention_layer_")]
    assert size["descriptor"] > sum(attention_layer) > 0
    assert size["trained parameters"] + size["statistics"] == sum(a.size for a in weights.values())
    assert size["bytes"] == attention.graph.stat().st_size


def test_vectors_are_those_of_the_model(attention):
    shown = Inspection(attention.graph).tell(["type-embedding"])["type-embedding"]
    with DeepPot(attention.graph) as model:
        np.testing.assert_array_equal(list(shown.values()), model.eval_typeebd()[:-1])


def test_types_that_the_training_data_had(attention, tmp_path, capsys):
    changed = tmp_path / "changed.pb"
    assert main(["change-bias", str(attention.graph), "-b", "O=0", "H=-3", "-o", str(changed)]) == 0
    capsys.readouterr()
    out, _, _ = run(capsys, changed, "observed-type")
    assert out == "The number of observed types is 1\nThe observed types are ['H']\n"


def test_the_file_says_which_types_it_has_seen(attention):
    model = Inspection(attention.graph)
    model.file.model_section()["info"] = {"observed_type": ["O"]}
    assert model.observed_type() == ["O"]


def test_an_overview_is_a_table(attention, capsys):
    out, _, status = run(capsys, attention.graph.with_suffix(""))
    assert status == 0
    assert out.startswith("The type_map is ['O', 'H']\nThe descriptor is\n  ")
    rows = dict(line.split(maxsplit=1) for line in out.splitlines() if line.startswith("  "))
    assert rows["rcut"] == "3.0" and rows["neuron"] == "[6, 6]" and rows["trainable"] == "true"
    assert "\nThe fitting net is\n" in out and "{" not in out
    assert "\nThe size is\n" in out and "weights" not in out


def test_weights_and_vectors_are_tables(attention, capsys):
    out, _, _ = run(capsys, attention.checkpoint, "weights", "type-embedding")
    assert "  layer_0/matrix " in out
    oxygen = next(line for line in out.splitlines() if line.startswith("  O  "))
    assert len(oxygen.split()) == 1 + 8


def test_json_is_one_object(attention, capsys):
    out, _, _ = run(capsys, attention.graph, "size", "type-map", "--json")
    assert json.loads(out) == Inspection(attention.graph).tell(["size", "type-map"])


def test_a_model_without_type_embedding_says_so(two_body, capsys):
    _, err, status = run(capsys, two_body.graph, "type-embedding")
    assert status == 1
    assert f"{two_body.graph}: the model has no type embedding" in err


def test_two_elements_make_no_picture(attention, tmp_path, capsys):
    _, err, status = run(capsys, attention.graph, "--plot", tmp_path / "types.png")
    assert status == 1
    assert "2 elements: a picture of the type embedding needs at least three" in err
    assert not list(tmp_path.iterdir())


def test_unknown_parts_are_refused(attention, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["show", str(attention.graph), "color"])
    assert stop.value.code == 2
    assert f"'color' is none of model-branch, {', '.join(PARTS)}" in capsys.readouterr().err


def test_a_folder_means_its_latest_checkpoint(attention):
    shown = Inspection(attention.checkpoint.parent).tell(["size"])
    assert shown == Inspection(attention.checkpoint).tell(["size"])


@pytest.mark.parametrize("script", [None, {"learning_rate": {}}, {"model": {"type": "other"}}])
def test_graphs_whose_script_says_nothing_of_the_nets(attention, monkeypatch, capsys, script):
    frozen = dataclasses.replace(read_frozen(attention.graph), training_script=script)
    monkeypatch.setattr("deepattn.models.files.frozen.parse_frozen", lambda *_: frozen)
    _, err, status = run(capsys, attention.graph, "descriptor")
    assert status == 1
    assert "training script" in err and "descriptor" in err
    out, _, status = run(capsys, attention.graph, "type-map", "size", "weights")
    assert status == 0 and out.startswith("The type_map is")


def test_an_overview_needs_no_script(attention, monkeypatch, capsys):
    frozen = dataclasses.replace(read_frozen(attention.graph), training_script=None, weights={})
    monkeypatch.setattr("deepattn.models.files.frozen.parse_frozen", lambda *_: frozen)
    out, _, status = run(capsys, attention.graph)
    assert status == 0
    assert [line.split()[1] for line in out.splitlines() if line.startswith("The ")] == [
        "type_map",
        "size",
    ]
    assert run(capsys, attention.graph, "weights")[2] == 0


def test_elements_are_drawn_and_scored(tmp_path, capsys):
    elements = ["H", "O", "Fe", "Ni"]
    model = Files(tmp_path, {**ATTENTION, "sel": 30}, type_map=elements)
    _, err, status = run(capsys, model.graph, "type-map", "--plot", tmp_path / "types.png")
    assert status == 0
    assert (tmp_path / "types.png").stat().st_size > 5000
    assert "of 4 elements" in err and "with shuffled labels" in err
