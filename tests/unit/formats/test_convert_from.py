"""Graphs of older versions, and graphs as text."""

import numpy as np
import pytest
from older_graphs import older
from small_models import small_batch, small_model

from deepattn import ops
from deepattn.cli.main import main
from deepattn.errors import ModelFileError
from deepattn.export import freeze
from deepattn.formats.convert_from import convert_graph
from deepattn.formats.frozen import read_frozen
from deepattn.formats.graphdef import read_message
from deepattn.infer import DeepPot

DESCRIPTOR = {"type": "se_e2_a", "sel": [8, 8], "neuron": [2, 4], "axis_neuron": 2}
VERSIONS = ["2.0", "1.3", "1.2", "1.0", "0.12"]


@pytest.fixture(scope="module")
def current(tmp_path_factory):
    """A graph of today."""
    if ops.library() is None:
        pytest.skip("graphs need the compiled ops")
    path = tmp_path_factory.mktemp("graph") / "current.pb"
    script = {"model": {"type_map": ["O", "H"]}}
    return freeze(small_model(DESCRIPTOR), path, training_script=script, min_nbor_dist=0.8)


def _write(path, message):
    path.write_bytes(message.SerializeToString())
    return path


def _nodes(path):
    """Nodes by name, without those that graphs before 2.0 do not have."""
    absent = ("train_attr/", "model_type")
    return {node.name: node for node in read_message(path).node if not node.name.startswith(absent)}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_converted_graph_is_that_of_today(current, version, tmp_path):
    old = _write(tmp_path / "old.pb", older(read_message(current), version))
    convert_graph(old, tmp_path / "new.pb", version=version)
    found, expected = _nodes(tmp_path / "new.pb"), _nodes(current)
    assert found.keys() == expected.keys()
    for name, node in expected.items():
        # The names of types are not in the first graphs.
        if (version, name) != ("0.12", "model_attr/tmap"):
            assert found[name] == node, name
    recognized = convert_graph(old, tmp_path / "recognized.pb")
    assert recognized.read_bytes() == (tmp_path / "new.pb").read_bytes()


def test_energies_of_the_oldest_graph(current, tmp_path):
    old = _write(tmp_path / "old.pb", older(read_message(current), "0.12"))
    new = str(tmp_path / "new.pb")
    assert main(["convert-from", "0.12", "-i", str(old), "-o", new]) == 0
    inputs, _ = small_batch(nframes=1)
    frame = [inputs[key] for key in ("coord", "box", "atype")]
    with DeepPot(new) as converted, DeepPot(current) as graph:
        for found, expected in zip(converted.eval(*frame), graph.eval(*frame), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_to_text_and_back(current, tmp_path):
    text, again = tmp_path / "graph.pbtxt", tmp_path / "again.pb"
    old = _write(tmp_path / "old.pb", older(read_message(current), "1.2"))
    assert main(["convert-from", "-i", str(old), "-o", str(text)]) == 0
    assert "type: DT_FLOAT\n" in text.read_text() or "type: DT_DOUBLE\n" in text.read_text()
    assert main(["convert-from", "pbtxt", "-i", str(text), "-o", str(again)]) == 0
    assert read_message(again) == read_message(old)


def _unsafe(message):
    message.node.add(name="leak", op="ReadFile").attr["T"].type = 1


def _unknown(message):
    for node in message.node:
        if node.name == "model_attr/model_version":
            node.attr["value"].tensor.string_val[:] = [b"9.7"]


REFUSED = {
    "an operation that reads files": ("1.3", _unsafe, [], "operation 'ReadFile'"),
    "another version than said": ("1.2", None, ["2.0"], "is a graph of DeePMD-kit 1.2, not 2.0"),
    "a version from the future": ("2.0", _unknown, [], "a version that is not known"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(current, name, tmp_path, capsys):
    version, change, words, sentence = REFUSED[name]
    message = older(read_message(current), version)
    if change:
        change(message)
    old = _write(tmp_path / "old.pb", message)
    before = sorted(tmp_path.iterdir())
    assert main(["convert-from", *words, "-i", str(old), "-o", str(tmp_path / "new.pb")]) == 1
    assert sentence in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


TEXTS = {
    "no text": (b"\xff\xfe", "is not a graph as text"),
    "another text": (b"model: {}\n", "is not a graph as text: 1:1"),
    "nothing": (b"", "it has no nodes"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_texts_that_are_no_graphs(name, tmp_path, capsys):
    content, sentence = TEXTS[name]
    text = tmp_path / "graph.pbtxt"
    text.write_bytes(content)
    words = ["-i", str(text), "-o", str(tmp_path / "graph.pb")]
    assert main(["convert-from", "pbtxt", *words]) == 1
    assert sentence in capsys.readouterr().err
    assert main(["convert-from", *words]) == 1
    assert "'deepattn convert-from pbtxt' first" in capsys.readouterr().err
    assert not (tmp_path / "graph.pb").exists()


def test_an_old_graph_that_is_read_says_what_to_do(current, tmp_path):
    old = _write(tmp_path / "old.pb", older(read_message(current), "1.3"))
    with pytest.raises(ModelFileError, match="deepattn convert-from"):
        read_frozen(old)
