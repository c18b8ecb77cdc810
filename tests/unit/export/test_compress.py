"""Compressed models equal those they are made from, in Keras and as graphs."""

import numpy as np
import pytest
import tensorflow as tf
from small_models import TYPE_MAP, model_section, small_batch, small_model

from deepattn import ops
from deepattn.config import normalize_model
from deepattn.errors import ConfigError, ModelFileError
from deepattn.export import compress, freeze
from deepattn.infer import DeepPot
from deepattn.models import load_model

SHORTEST = 0.9
STRIP = {"attn_layer": 0, "tebd_input_mode": "strip"}
SMOOTH = {"smooth_type_embedding": True}
STOCK = {
    "strip": STRIP,
    "smooth": {**STRIP, **SMOOTH, "neuron": [5, 7, 9]},
    "excluded": {**STRIP, **SMOOTH, "exclude_types": [[0, 1]], "type_one_side": True},
    "time steps": {**STRIP, "resnet_dt": True, "activation_function": "gelu"},
    "se_e2_a": {"type": "se_e2_a", "exclude_types": [[0, 0]]},
    "se_e2_a, one side": {"type": "se_e2_a", "type_one_side": True, "resnet_dt": True},
    "se_e2_a, no slots": {"type": "se_e2_a", "sel": [0, 6], "neuron": [5, 7, 9]},
}
OWN = {
    "concat": {"attn_layer": 0},
    "one side": {"attn_layer": 0, "type_one_side": True, "exclude_types": [[0, 0]]},
    "attention": {"attn_layer": 2, **SMOOTH},
    "attention, strip": {**STRIP, **SMOOTH, "attn_layer": 1, "exclude_types": [[0, 1]]},
}


def trained_model(descriptor, **kwargs):
    """A model with the statistics of a training: inverse distances have a mean and a width."""
    model = small_model(descriptor, **kwargs)
    layer = model.descriptor
    mean = np.array([[0.1], [0.2]]) * np.tile([1.0, 0, 0, 0], layer.nnei)
    layer.davg.assign(mean)
    # Of a first training with fewer neighbors.
    layer.original_sel.assign(np.full(layer.original_sel.shape, 7))
    layer.dstd.assign(np.full(mean.shape, 0.15) + np.array([[0.0], [0.1]]))
    return model


def assert_same(found, expected, *, factor=1):
    """Energies to 1e-9 eV an atom, forces to 1e-8 eV/Å, or so many times that."""
    for key, allowed in {"energy": 6e-9, "force": 1e-8, "virial": 6e-8}.items():
        allowed *= factor
        np.testing.assert_allclose(found[key], expected[key], rtol=0, atol=allowed, err_msg=key)


@pytest.mark.parametrize("options", [*STOCK, *OWN])
def test_a_compressed_model_is_the_same_potential(options, tmp_path):
    fast = options in OWN
    model = trained_model((OWN if fast else STOCK)[options])
    if fast and ops.fast_library() is None:
        pytest.skip("the op libraries are not built: python -m deepattn.ops.build")
    inputs, _ = small_batch()
    expected = model(inputs)
    compressed = compress(model, min_nbor_dist=SHORTEST, fast=fast)
    assert_same(compressed(inputs), expected)
    script = {"model": normalize_model(model_section())}
    path = freeze(compressed, tmp_path / "c.pb", training_script=script, fast=fast)
    with DeepPot(path) as potential:
        values = potential.eval(*(inputs[k] for k in ("coord", "box", "atype")), mixed_type=True)
        energy, force, virial = values
        if model.type_embedding is not None:
            vectors = potential.eval_typeebd()
            np.testing.assert_allclose(vectors, model.type_vectors(), atol=1e-12)
    assert_same({"energy": energy[:, 0], "force": force, "virial": virial}, expected)


@pytest.mark.parametrize("options", STOCK)
def test_empty_slots_count(options):
    """In open boundaries atoms have from none to five neighbors, some of them excluded ones."""
    model = trained_model(STOCK[options])
    inputs, _ = small_batch()
    inputs["box"][:] = 0
    inputs["coord"] *= 1.1
    inputs["coord"][:, -1] += 20.0
    counts = model.prepare(inputs)["environment"].nmask.numpy().reshape(-1, model.sel)
    counts = counts.sum(axis=1)
    assert counts.min() == 0 and len(set(counts)) > 2 and counts.max() < 8
    expected = model(inputs)
    assert_same(compress(model, min_nbor_dist=SHORTEST)(inputs), expected)


def test_real_neighbors_behind_an_excluded_one_count():
    """Without a mean an excluded neighbor looks like an empty slot to DeePMD-kit's op."""
    model = trained_model({**STRIP, "exclude_types": [[0, 1]]})
    model.descriptor.davg.assign(np.zeros(model.descriptor.davg.shape))
    inputs, _ = small_batch()
    inputs["box"][:] = 0
    assert_same(compress(model, min_nbor_dist=SHORTEST)(inputs), model(inputs))


@pytest.mark.skipif(ops.fast_library() is None, reason="the compiled ops are not there")
@pytest.mark.parametrize("options", STOCK)
def test_the_fast_graph_of_what_has_a_portable_one(options):
    model = trained_model(STOCK[options])
    inputs, _ = small_batch()
    assert_same(compress(model, min_nbor_dist=SHORTEST, fast=True)(inputs), model(inputs))


FITTINGS = {
    "plain": {},
    "parameters": {"numb_fparam": 1, "numb_aparam": 2},
    "isolated atoms": {"atom_ener": [-1.0, 2.0]},
    "another activation": {"activation_function": "gelu"},
}


@pytest.mark.skipif(ops.fast_library() is None, reason="the compiled ops are not there")
@pytest.mark.parametrize("fitting", FITTINGS)
@pytest.mark.parametrize("options", ["smooth", "excluded", "se_e2_a", "se_e2_a, one side"])
def test_one_operation_equals_the_portable_graph(options, fitting, tmp_path):
    """Of a model without attention the fast graph is one operation, unless its net has no tanh."""
    model = trained_model(STOCK[options], fitting=FITTINGS[fitting])
    inputs, _ = small_batch()
    rng = np.random.default_rng(4)
    parameters = {}
    if fitting == "parameters":
        nframes, natoms = inputs["atype"].shape
        parameters = {
            "fparam": rng.normal(size=(nframes, 1)),
            "aparam": rng.normal(size=(nframes, natoms, 2)),
        }
    script = {"model": normalize_model(model_section())}
    results = []
    for fast in (False, True):
        compressed = compress(model, min_nbor_dist=SHORTEST, fast=fast)
        path = freeze(compressed, tmp_path / f"{fast}.pb", training_script=script, fast=fast)
        graph = tf.compat.v1.GraphDef.FromString(path.read_bytes())
        names = {node.op for node in graph.node}
        # Parameters of the nets of se_e2_a, one for each type, would be offsets of each.
        whole = fast and fitting != "another activation"
        whole = whole and not (fitting == "parameters" and "se_e2_a" in options)
        assert ("DeepattnTabulatedPotential" in names) == whole
        with DeepPot(path) as potential:
            arrays = (inputs[k] for k in ("coord", "box", "atype"))
            results.append(potential.eval(*arrays, mixed_type=True, atomic=True, **parameters))
    for portable, one in zip(*results, strict=True):
        np.testing.assert_allclose(one, portable, rtol=0, atol=1e-10 * max(1, abs(portable).max()))


def test_se_e2_a_with_a_type_embedding_is_refused():
    model = small_model({"type": "se_e2_a"}, type_embedding={})
    with pytest.raises(ConfigError, match=r"se_e2_a with type_embedding, .* train se_atten"):
        compress(model, min_nbor_dist=SHORTEST)


def test_without_compiled_ops_the_twins_do_it(monkeypatch):
    from deepattn.ops import tabulated

    monkeypatch.setattr(tabulated, "own_ops", lambda: None)
    monkeypatch.setattr(tabulated, "compat_ops", lambda: None)
    inputs, _ = small_batch()
    for descriptor, fast in ((STOCK["smooth"], False), (OWN["one side"], True)):
        model = trained_model(descriptor)
        assert_same(compress(model, min_nbor_dist=SHORTEST, fast=fast)(inputs), model(inputs))


@pytest.mark.parametrize("step", [0.01, 0.001, 1 / 15])
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_pairs_nearer_than_any_in_training_are_still_near(step, precision):
    """Beyond the narrow intervals, within those ten times as wide; to the rounding of the nets."""
    model = trained_model({**STOCK["smooth"], "precision": precision})
    inputs, _ = small_batch()
    compressed = compress(model, min_nbor_dist=1.9, step=step)
    factor = {"float64": 1, "float32": 300}[precision]
    assert_same(compressed(inputs), model(inputs), factor=factor)


def test_a_wider_step_is_less_exact():
    model = trained_model({**STOCK["strip"], "neuron": [8, 16]})
    inputs, _ = small_batch()
    expected = model(inputs)["force"]
    options = {"min_nbor_dist": SHORTEST, "extrapolate": 1.0}
    errors = [
        abs(compress(model, **options, step=step)(inputs)["force"] - expected).numpy().max()
        for step in (1.0, 0.1)
    ]
    assert errors[1] < errors[0] / 10


def test_what_the_file_says(tmp_path):
    model = trained_model(STOCK["smooth"])
    script = {"model": normalize_model(model_section(STOCK["smooth"]))}
    compressed = compress(model, min_nbor_dist=SHORTEST)
    path = freeze(compressed, tmp_path / "c.pb", training_script=script, min_nbor_dist=SHORTEST)
    graph_def = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    names = {node.name for node in graph_def.node}
    assert "filter_type_all/matrix_1" not in names
    assert "type_embed_net/matrix_1" in names
    assert {"TabulateFusionSeAtten", "TabulateFusionSeAttenGrad"} <= {n.op for n in graph_def.node}
    assert not any(node.op.startswith("Deepattn") for node in graph_def.node)
    with pytest.raises(ModelFileError, match="is compressed, and its tables cannot be turned back"):
        load_model(path)


@pytest.mark.parametrize(
    ("descriptor", "options", "message"),
    [
        ({}, {}, "the model has attn_layer 1, .* compress it to a fast graph"),
        (
            {"attn_layer": 0},
            {},
            "the model has tebd_input_mode concat, .* need tebd_input_mode strip",
        ),
        (
            {"attn_layer": 0},
            {"fast": True, "step": 1e-6},
            r"the tables \(6 of .* would need .* strip",
        ),
        (STRIP, {"min_nbor_dist": 0.0}, "min_nbor_dist is 0 Å"),
        (STRIP, {"min_nbor_dist": 10.0}, r"must be between 0 and the cutoff radius \(3 Å"),
        (STRIP, {"extrapolate": 0.5}, "extrapolate is 0.5; it must be at least 1"),
    ],
)
def test_what_cannot_be_compressed_is_refused(descriptor, options, message):
    model = small_model(descriptor)
    with pytest.raises(ConfigError, match=message):
        compress(model, **{"min_nbor_dist": SHORTEST, **options})


def test_a_compressed_model_is_not_compressed_again():
    compressed = compress(small_model(STRIP), min_nbor_dist=SHORTEST)
    assert compressed.type_map == TYPE_MAP
    with pytest.raises(
        ConfigError, match=r"already compressed; use the original model, or distill it"
    ):
        compress(compressed, min_nbor_dist=SHORTEST)
