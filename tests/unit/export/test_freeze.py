"""The frozen graph: the nodes its readers need, and results for a caller's neighbor list."""

import json

import numpy as np
import pytest
import tensorflow as tf
from small_models import HYBRID, model_section, small_model
from tensorflow.python.framework import op_def_registry

from deepattn import ops
from deepattn.config import normalize_model
from deepattn.errors import OpLibraryError
from deepattn.export import freeze
from deepattn.formats.frozen import read_frozen
from deepattn.infer import DeepPot
from deepattn.ops.loader import own_ops

SCRIPT = {"model": normalize_model(model_section())}


@pytest.fixture
def graph(tmp_path):
    """A function that freezes a model and returns its graph."""

    def make(model, **kwargs):
        path = freeze(model, tmp_path / "model.pb", training_script=SCRIPT, **kwargs)
        graph_def = tf.compat.v1.GraphDef()
        graph_def.ParseFromString(path.read_bytes())
        return path, graph_def

    return make


def evaluate(graph_def, names, feeds):
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(graph_def, name="")
    with tf.compat.v1.Session(graph=graph) as session:
        return session.run([f"{n}:0" for n in names], {f"{n}:0": v for n, v in feeds.items()})


def test_the_file_says_what_readers_ask(graph):
    model = small_model({}, {"numb_fparam": 1, "numb_aparam": 2})
    path, graph_def = graph(model, min_nbor_dist=0.5)
    frozen = read_frozen(path)
    assert frozen.type_map == ["O", "H"]
    assert (frozen.rcut, frozen.ntypes, frozen.dfparam, frozen.daparam) == (3.0, 2, 1, 2)
    assert frozen.min_nbor_dist == 0.5
    assert frozen.model_type == "original_model"
    assert frozen.sel == frozen.original_sel == [10]
    assert frozen.training_script == json.loads(json.dumps(SCRIPT))
    placeholders = {n.name for n in graph_def.node if n.op == "Placeholder"}
    assert placeholders == {
        *("t_coord", "t_type", "t_natoms", "t_box", "t_mesh", "t_fparam", "t_aparam")
    }
    assert not any(node.device for node in graph_def.node)


def test_weights_are_top_level_constants_and_nothing_trains(graph):
    model = small_model({"type": "se_atten_v2"})
    _, graph_def = graph(model)
    constants = {n.name for n in graph_def.node if n.op == "Const"}
    assert constants >= set(model.named_variables())
    operations = {n.op for n in graph_def.node}
    assert {"ProdEnvMatAMix", "ProdForceSeA", "ProdVirialSeA"} <= operations
    assert not {op for op in operations if op.endswith("SeAGrad") or "Variable" in op}
    assert not graph_def.library.function
    assert "train_attr/min_nbor_dist" not in constants
    # Each op of a neighborhood stands once: outputs share it.
    assert sum(n.op == "ProdEnvMatAMix" for n in graph_def.node) == 1


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_the_fast_graph_has_our_ops_and_the_same_numbers(tmp_path, precision):
    if ops.fast_library() is None:
        pytest.skip("the compiled ops are not there")
    model = small_model(
        {"type": "se_atten_v2", "attn_layer": 2, "precision": precision},
        {"precision": precision},
    )
    rng = np.random.default_rng(5)
    frame = (rng.uniform(0, 5, (2, 12, 3)), np.tile(np.diag([5.0] * 3).ravel(), (2, 1)), [0, 1] * 6)
    results, operations = [], []
    for fast in (False, True):
        path = freeze(model, tmp_path / f"{fast}.pb", training_script=SCRIPT, fast=fast)
        operations.append({node.op for node in read_frozen(path).graph.nodes.values()})
        with DeepPot(path) as pot:
            results.append(pot.eval(*frame, atomic=True))
    assert not {op for op in operations[0] if op.startswith("Deepattn")}
    assert {"DeepattnGatedAttention", "DeepattnGatedAttentionGrad"} <= operations[1]
    for portable, fast in zip(*results, strict=True):
        atol = 1e-12 if precision == "float64" else 2e-6
        np.testing.assert_allclose(fast, portable, rtol=0, atol=atol * max(1, abs(portable).max()))


def test_the_fast_library_has_no_op_of_a_stock_name():
    """A DeePMD-kit that has its own could not load it."""
    if ops.fast_library() is None:
        pytest.skip("the compiled ops are not there")
    # "Any" is in the module as a type.
    names = {n for n in dir(own_ops()) if op_def_registry.get(n) is not None} - {"Any"}
    assert "DeepattnGatedAttention" in names
    assert all(name.startswith("Deepattn") for name in names)


def test_unused_time_steps_are_there_only_with_time_steps(graph):
    _, graph_def = graph(small_model({"resnet_dt": True, "neuron": [4, 8]}))
    names = {n.name for n in graph_def.node}
    assert {"filter_type_all/idt_1", "filter_type_all/idt_2"} <= names
    _, graph_def = graph(small_model())
    assert not any("/idt_" in n.name for n in graph_def.node if n.name.startswith("filter"))


@pytest.mark.parametrize(
    "descriptor",
    [{"type": "se_atten"}, {"type": "se_atten_v2"}, {"type": "se_e2_a"}, HYBRID],
    ids=lambda descriptor: descriptor["type"],
)
def test_a_caller_with_ghosts_gets_the_forces_of_a_periodic_run(graph, descriptor):
    model = small_model(descriptor)
    _, graph_def = graph(model)
    rng = np.random.default_rng(3)
    lattice = 2.0 * np.indices((2, 2, 2)).reshape(3, -1).T
    coord = lattice + rng.normal(scale=0.2, size=(8, 3))
    atype = np.array([0] * 3 + [1] * 5, np.int32)
    box = np.diag([4.0, 4.2, 4.4])
    names = ["o_energy", "o_force", "o_atom_virial", "o_virial"]
    feeds = {
        "t_coord": coord.ravel(),
        "t_type": atype,
        "t_natoms": np.array([8, 8, 3, 5], np.int32),
        "t_box": box.ravel(),
        "t_mesh": np.zeros(6, np.int32),
    }
    energy, force, _, virial = evaluate(graph_def, names, feeds)

    shifts = np.indices((3, 3, 3)).reshape(3, -1).T - 1
    shifts = shifts[np.any(shifts != 0, axis=1)]
    ghosts = (coord[None] + (shifts @ box)[:, None]).reshape(-1, 3)
    everything = np.vstack([coord, ghosts])
    distance = np.linalg.norm(everything[None] - coord[:, None], axis=-1)
    neighbors = [
        np.flatnonzero((d < 3.5) & (np.arange(len(d)) != i)) for i, d in enumerate(distance)
    ]
    mesh = np.concatenate(
        [np.zeros(16), np.arange(8), [len(n) for n in neighbors], *neighbors]
    ).astype(np.int32)
    nall = len(everything)
    feeds |= {
        "t_coord": everything.ravel(),
        "t_type": np.tile(atype, 27),
        "t_natoms": np.array([8, nall, 3, 5], np.int32),
        "t_box": box.ravel(),
        "t_mesh": mesh,
    }
    with_ghosts = evaluate(graph_def, names, feeds)
    np.testing.assert_allclose(with_ghosts[0], energy, rtol=1e-13)
    folded = with_ghosts[1].reshape(27, 8, 3).sum(axis=0)
    np.testing.assert_allclose(folded, force.reshape(8, 3), atol=1e-11)
    np.testing.assert_allclose(with_ghosts[2].reshape(nall, 9).sum(axis=0), virial[0], atol=1e-11)


def test_without_the_op_library_freezing_names_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr(ops, "library", lambda: None)
    with pytest.raises(OpLibraryError, match=r"python -m deepattn\.ops\.build"):
        freeze(small_model(), tmp_path / "model.pb", training_script=SCRIPT)
    assert not list(tmp_path.iterdir())
