"""Evaluation in blocks equals evaluation in one piece, eagerly and in both kinds of graphs."""

import contextlib

import numpy as np
import pytest
import tensorflow as tf
from small_models import HYBRID, model_section, small_batch, small_model

from deepattn import ops
from deepattn.config import ModelConfig, normalize_model
from deepattn.export.freeze import trace
from deepattn.layers.boundaries import natoms_of
from deepattn.models.blocks import evaluate_in_blocks

MODELS = {
    "v2": ({"type": "se_atten_v2", "exclude_types": [[0, 1]]}, {}),
    "concat": ({"type": "se_atten"}, {"numb_fparam": 2, "numb_aparam": 1}),
    "vacuum": ({"type": "se_atten", "attn_layer": 0}, {"atom_ener": [-1.0, 2.0]}),
    "se_e2_a": ({"type": "se_e2_a"}, {"numb_fparam": 2, "numb_aparam": 1}),
    "se_e2_a_one_side": ({"type": "se_e2_a", "type_one_side": True}, {}),
    "se_e3": ({"type": "se_e3"}, {}),
    "se_e_hybrid": (HYBRID, {}),
}


def make(name, *, nframes=3, natoms=7):
    """A model and frames of it, all but the first with a virtual atom."""
    descriptor, fitting = MODELS[name]
    model = small_model(descriptor, fitting)
    rng = np.random.default_rng(2)
    arrays = model.get_arrays()
    section = ModelConfig.from_dict(normalize_model(model_section(descriptor, fitting)))
    for spec in section.descriptor.env_mats():
        for key in (spec.davg, spec.dstd):
            # Statistics are alike in all slots; with a mean padding contributes.
            row = rng.uniform(0.05, 0.2, (len(arrays[key]), spec.columns))
            arrays[key] = np.tile(row, sum(spec.sel))
    model.set_arrays(arrays)
    inputs, _ = small_batch(nframes=nframes, natoms=natoms)
    inputs["atype"][:] = np.sort(inputs["atype"][:1])  # as se_e2_a wants them
    inputs["atype"][1:, -1:] = -1
    if fitting.get("numb_fparam"):
        inputs["fparam"] = rng.normal(size=(nframes, 2))
        inputs["aparam"] = rng.normal(size=(nframes, natoms, 1))
    return model, inputs


def in_blocks(model, inputs, block):
    natoms = inputs["atype"].shape[1]
    natoms = natoms_of(natoms, natoms, model.ntypes)
    environment = model.descriptor.environment(inputs["coord"], inputs["atype"], inputs["box"])
    parameters = inputs.get("fparam"), inputs.get("aparam")
    arguments = (environment, inputs["atype"], natoms, *parameters)
    return evaluate_in_blocks(model, *arguments, block=block, with_descriptor=True)


def assert_same(outputs, expected):
    for key, value in expected.items():
        np.testing.assert_allclose(
            outputs[key], value, rtol=1e-12, atol=1e-12, err_msg=key, strict=True
        )


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("block", [1, 4, 21, 100])
def test_blocks_equal_one_piece(name, block):
    model, inputs = make(name)
    expected = model(inputs)
    assert_same(in_blocks(model, inputs, block), expected)
    # Without operations of our own, of which one does all of a model without attention.
    with ops.portable():
        assert_same(in_blocks(model, inputs, block), expected)


def test_blocks_in_a_function():
    model, inputs = make("v2")
    outputs = tf.function(in_blocks)(model, inputs, 4)
    assert_same(outputs, model(inputs))


def frozen(name, inputs, graph_def):
    """A graph and what is fed to it."""
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(graph_def, name="")
    feeds = {f"t_{key}:0": np.ravel(inputs[key]) for key in ("coord", "box")}
    feeds |= {f"t_{key}:0": np.ravel(inputs[key]) for key in inputs if key.endswith("param")}
    count, kinds = inputs["atype"].shape[1], inputs["atype"][0]
    natoms = np.array([count, count, np.sum(kinds == 0), np.sum(kinds == 1)], np.int32)
    mesh = np.zeros(6 if name.startswith("se_e") else 7, np.int32)
    return graph, feeds | {
        "t_type:0": inputs["atype"].ravel(),
        "t_natoms:0": natoms,
        "t_mesh:0": mesh,
    }


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_blocks_in_a_frozen_graph(name, fast, monkeypatch):
    """Loops are nodes of the graph, so its weights are seen, and give the same numbers."""
    monkeypatch.setitem(evaluate_in_blocks.__kwdefaults__, "block", 4)
    model, inputs = make(name)
    with contextlib.nullcontext() if fast else ops.portable():
        graph_def = trace(model, training_script={})
    assert not graph_def.library.function
    operations = {node.op for node in graph_def.node}
    assert ("Enter" in operations) != ("DeepattnSmoothPotential" in operations)
    assert not {op for op in operations if op.startswith("TensorArray")}
    assert tf.compat.v1.control_flow_v2_enabled()
    graph, feeds = frozen(name, inputs, graph_def)
    expected = model(inputs)
    names = ["energy", "atom_energy", "force", "virial", "atom_virial", "descriptor"]
    with tf.compat.v1.Session(graph=graph) as session:
        values = session.run([f"o_{key}:0" for key in names], feeds)
    for key, value in zip(names, values, strict=True):
        np.testing.assert_allclose(
            value, np.reshape(expected[key], value.shape), rtol=1e-12, atol=1e-12, err_msg=key
        )


def test_no_atoms_at_all():
    model, inputs = make("v2", nframes=1, natoms=0)
    outputs = in_blocks(model, inputs, 4)
    assert outputs["atom_energy"].shape == (1, 0)
    assert float(outputs["energy"][0]) == 0.0


def test_a_loop_does_what_is_fetched():
    """Who does not fetch the descriptor runs nothing for it, and it comes from the same loop."""
    model, inputs = make("v2")
    with ops.portable():
        graph, feeds = frozen("v2", inputs, trace(model, training_script={}))
    options = tf.compat.v1.RunOptions(output_partition_graphs=True)

    def nodes(*names):
        """Numbers of nodes that TensorFlow keeps: of loops, results that they fill, nets."""
        metadata = tf.compat.v1.RunMetadata()
        fetched = [f"o_{name}:0" for name in names]
        with tf.compat.v1.Session(graph=graph) as session:
            session.run(fetched, feeds, options=options, run_metadata=metadata)
        kept = [node.op for part in metadata.partition_graphs for node in part.node]
        return [kept.count(op) for op in ("LoopCond", "TensorListSetItem", "Tanh", "TanhGrad")]

    of_energies, of_descriptor = nodes("energy", "force"), nodes("descriptor")
    both = nodes("energy", "force", "descriptor")
    assert of_energies[:2] == [1, 2] and of_descriptor[:2] == [1, 1] and both[:2] == [1, 3]
    assert of_descriptor[3] == 0 < of_energies[3]
    assert both[2:] == of_energies[2:]
