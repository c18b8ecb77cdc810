import logging
import pickle
import sys

import numpy as np
import processes
import pytest
import tensorflow as tf
from ase.neighborlist import NewPrimitiveNeighborList
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepattn import ops
from deepattn.errors import DataError, ModelFileError
from deepattn.formats.messages import GraphDef
from deepattn.infer import DeepPot

KINDS = ["attention", "two_body"]


@pytest.fixture(params=KINDS)
def files(request):
    return request.getfixturevalue(request.param)


def assert_same(ours, theirs, tolerance=1e-11):
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


def test_shapes(files, frames):
    with DeepPot(files.graph) as pot:
        results = pot.eval(*frames, atomic=True)
        assert_shapes = [(3, 1), (3, 8, 3), (3, 9), (3, 8, 1), (3, 8, 9)]
        assert [x.shape for x in results] == assert_shapes
        assert {x.dtype for x in results} == {np.dtype("float64")}
        assert_same(pot.eval(*frames), results[:3], 0)
        energy, force, virial, atom_energy, atom_virial = results
        np.testing.assert_allclose(atom_energy.sum(axis=1), energy, atol=1e-12)
        np.testing.assert_allclose(atom_virial.sum(axis=1), virial, atol=1e-12)
        np.testing.assert_allclose(force.sum(axis=1), 0, atol=1e-12)
        flat = pot.eval(frames[0].ravel().tolist(), frames[1].ravel(), list(frames[2]))
        assert_same(flat, results[:3], 0)


def test_checkpoint_equals_graph(files, frames):
    graph = DeepPot(files.graph)
    for name in (files.checkpoint, files.checkpoint.parent):
        pot = DeepPot(name)
        assert_same(pot.eval(*frames, atomic=True), graph.eval(*frames, atomic=True))
        assert_same([pot.eval_descriptor(*frames)], [graph.eval_descriptor(*frames)])
        assert pot.get_type_map() == graph.get_type_map() == ["O", "H"]
        assert pot.get_rcut() == graph.get_rcut() == 3.0
        assert pot.get_ntypes() == 2
        assert pot.get_model_def_script() == graph.get_model_def_script()


def test_without_the_op_library_the_plain_ops_answer(files, frames, monkeypatch):
    expected = DeepPot(files.graph).eval(*frames, atomic=True)
    monkeypatch.setattr(ops, "library", lambda: None)
    assert_same(DeepPot(files.graph).eval(*frames, atomic=True), expected)


@pytest.mark.parametrize("numb_atoms", [1, 9, 17, 1000, False])
def test_the_batch_size_changes_nothing(files, frames, numb_atoms):
    expected = DeepPot(files.graph).eval(*frames, atomic=True)
    pot = DeepPot(files.graph, auto_batch_size=numb_atoms)
    assert_same(pot.eval(*frames, atomic=True), expected, 1e-13)


def test_memory_that_runs_out_halves_the_batch(attention, frames, monkeypatch):
    import tensorflow as tf

    pot = DeepPot(attention.graph, auto_batch_size=24)
    expected = pot.eval(*frames)
    run, sizes = pot._evaluator.runner.run, []

    def greedy(feed, names):
        sizes.append(len(feed.atype))
        if sizes[-1] > 1:
            raise tf.errors.ResourceExhaustedError(None, None, "no memory")
        return run(feed, names)

    monkeypatch.setattr(pot._evaluator.runner, "run", greedy)
    assert_same(pot.eval(*frames), expected, 1e-13)
    assert sizes == [3, 1, 1, 1]


def test_order_of_atoms(files, frames):
    coords, cells, types = frames
    pot = DeepPot(files.graph)
    order = np.random.default_rng(1).permutation(8)
    energy, force, virial, atom_energy, _ = pot.eval(*frames, atomic=True)
    moved = pot.eval(coords[:, order], cells, types[order], atomic=True)
    assert_same(moved[:4], (energy, force[:, order], virial, atom_energy[:, order]), 1e-12)


def test_mixed_types_and_virtual_atoms(files, frames):
    coords, cells, types = frames
    pot = DeepPot(files.graph)
    mixed = np.stack([types, types[::-1], types])
    mixed[1, [0, 5]] = -1
    mixed[2] = -1
    results = pot.eval(coords, cells, mixed, atomic=True, mixed_type=True)
    for frame in range(2):
        real = mixed[frame] >= 0
        alone = pot.eval(coords[frame, real], cells[frame], mixed[frame, real], atomic=True)
        found = [x[frame : frame + 1] for x in results]
        for i in (1, 3, 4):
            assert not found[i][:, ~real].any()
            found[i] = found[i][:, real]
        assert_same(found, alone, 1e-12)
    assert not any(x[2].any() for x in results)


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("kind", ["graph", "checkpoint"])
def test_neighbor_list_of_ase(files, frames, periodic, kind):
    coords, cells, types = frames
    cells = cells if periodic else None
    expected = DeepPot(files.graph).eval(coords, cells, types, atomic=True)
    listed = NewPrimitiveNeighborList(np.full(8, 1.6), bothways=True, self_interaction=False)
    pot = DeepPot(getattr(files, kind), neighbor_list=listed)
    assert_same(pot.eval(coords, cells, types, atomic=True), expected)


def test_parameters(with_parameters, frames):
    rng = np.random.default_rng(2)
    fparam, aparam = rng.normal(size=(3, 2)), rng.normal(size=(3, 8, 1))
    graph, checkpoint = DeepPot(with_parameters.graph), DeepPot(with_parameters.checkpoint)
    assert (graph.get_dim_fparam(), graph.get_dim_aparam()) == (2, 1)
    results = graph.eval(*frames, fparam=fparam, aparam=aparam)
    assert_same(checkpoint.eval(*frames, fparam=fparam, aparam=aparam), results)
    same = graph.eval(*frames, fparam=fparam[0], aparam=aparam[0])
    expected = graph.eval(
        *frames, fparam=np.tile(fparam[0], (3, 1)), aparam=np.tile(aparam[0], (3, 1, 1))
    )
    assert_same(same, expected, 0)
    order = np.argsort(frames[2])
    moved = graph.eval(
        frames[0][:, order], frames[1], frames[2][order], fparam=fparam, aparam=aparam[:, order]
    )
    assert_same(moved[:1], results[:1])
    with pytest.raises(DataError, match="fparam is missing; the model has 2 frame parameters"):
        graph.eval(*frames, aparam=aparam)


def test_descriptor_and_type_embedding(attention, two_body, frames):
    pot = DeepPot(attention.graph)
    assert pot.eval_descriptor(*frames).shape == (3, 8, 24)
    assert pot.eval_descriptor(*frames, dtype="fp32").dtype == np.float32
    with pytest.raises(ValueError, match="'fp16'"):
        pot.eval_descriptor(*frames, dtype="fp16")
    for file in (attention.graph, attention.checkpoint):
        vectors = DeepPot(file).eval_typeebd()
        assert vectors.shape == (3, 8)
        assert not vectors[2].any()
    with pytest.raises(ModelFileError, match="has no output 't_typeebd'"):
        DeepPot(two_body.graph).eval_typeebd()
    with pytest.raises(ModelFileError, match="has no type embedding"):
        DeepPot(two_body.checkpoint).eval_typeebd()


def test_what_other_models_would_have(attention):
    pot = DeepPot(str(attention.graph.with_suffix("")), head=None)
    assert pot.get_sel_type().size == 0
    assert pot.get_ntypes_spin() == 0
    assert not (pot.has_efield or pot.has_spin or pot.has_hessian)
    with pytest.raises(TypeError, match="'spin' is not supported"):
        pot.eval(np.zeros((1, 1, 3)), None, [0], spin=np.ones(3))


def test_no_frames(attention):
    energy, force, virial = DeepPot(attention.graph).eval(np.zeros((0, 2, 3)), None, [0, 1])
    assert (energy.shape, force.shape, virial.shape) == ((0, 1), (0, 2, 3), (0, 9))


@pytest.mark.parametrize("kind", ["graph", "checkpoint"])
def test_overlapping_atoms_are_named(attention, frames, kind):
    coords, cells, types = frames
    coords[1, 6] = coords[1, 2] + cells[1, :3]
    pot = DeepPot(getattr(attention, kind))
    with pytest.raises(DataError, match=r"atom [26] of frame 1 is \S+ Å from another atom"):
        pot.eval(coords, cells, types)


@pytest.mark.parametrize("kind", KINDS)
def test_neighbors_beyond_sel_are_reported_once(kind, request, frames, caplog):
    if not ops.library():
        pytest.skip("counting neighbors needs the compiled op library")
    coords, cells, types = frames
    pot = DeepPot(request.getfixturevalue(kind).graph)
    with caplog.at_level(logging.WARNING, "deepattn"):
        pot.eval(coords, cells, types)
        assert caplog.messages == []
        pot.eval(coords * 0.45, cells * 0.45, types)
    (message,) = caplog.messages
    assert "atom 0 of frame 0 has" in message
    assert ("of type" in message) == (kind == "two_body")
    assert "24 atoms in all" in message
    caplog.clear()
    with caplog.at_level(logging.WARNING, "deepattn"):
        pot.eval(coords * 0.45, cells * 0.45, types)
        assert caplog.messages == []
        pot.eval(coords * 0.35, cells * 0.35, types)
    assert len(caplog.messages) == 1


def test_a_forked_process_refuses_to_wait_for_threads_it_lacks(attention, frames):
    """TensorFlow would wait for ever."""
    code = (
        "import os, sys, numpy as np\nfrom deepattn.infer import DeepPot\n"
        "frame = np.eye(3)[None], 9 * np.eye(3).reshape(1, 9), [0, 1, 1]\n"
        "def work(pot):\n"
        "    try:\n        (pot or DeepPot(sys.argv[1])).eval(*frame)\n"
        "    except RuntimeError as error:\n        print(error, flush=True)\n"
        "pot = DeepPot(sys.argv[1])\npot.eval(*frame)\n"
        "for given in (pot, None):\n"
        "    if os.fork() == 0:\n        work(given)\n        os._exit(0)\n    os.wait()\n"
    )
    done = processes.run([sys.executable, "-c", code, attention.graph], timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("this process was forked from one that has opened a model") == 2


def test_files_that_are_no_model(tmp_path, attention):
    for name in ("none.pb", "none"):
        with pytest.raises(ModelFileError, match="no such"):
            DeepPot(tmp_path / name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda node: setattr(node, "name", "gone"), "the node 'o_force' is missing"),
        (lambda node: setattr(node, "op", "ReadFile"), "'o_force' is the operation 'ReadFile'"),
        (
            lambda node: setattr(node, "op", "TabulateFusionSeAtten"),
            "TensorFlow does not accept the graph",
        ),
        (lambda node: node.attr.clear(), "TensorFlow does not accept the graph"),
    ],
)
def test_graphs_that_cannot_be_run(tmp_path, attention, change, message):
    if not ops.library():
        pytest.skip("running graphs needs the compiled op library")
    graph = GraphDef.FromString(attention.graph.read_bytes())
    change(next(node for node in graph.node if node.name == "o_force"))
    path = tmp_path / "changed.pb"
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(ModelFileError, match=f"changed.pb: .*({message})"):
        DeepPot(path)


def test_no_pickle_is_ever_opened(tmp_path):
    path = tmp_path / "evil"
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ModelFileError, match="is not a model file"):
        DeepPot(path)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    database=None,
)
@given(data=st.data())
def test_damaged_graphs_never_crash(attention, frames, tmp_path, data):
    content = bytearray(attention.graph.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path / "damaged.pb"
    path.write_bytes(content)
    try:
        with DeepPot(path) as pot:
            pot.eval(*frames)
    except (ModelFileError, DataError):
        pass


THIN = np.eye(3).ravel() * 0.006


def test_a_cell_too_thin_for_the_cutoff(files, frames):
    coords, cells, types = frames
    cells = np.array([cells[0], THIN, cells[0]])
    for pot in (DeepPot(files.graph), DeepPot(files.checkpoint)):
        for evaluate in (pot.eval, pot.eval_descriptor):
            with pytest.raises(DataError, match=r"frame 1: no neighbors .* too thin.* in Å\?"):
                evaluate(coords, cells, types)


def test_no_frames_of_any_kind(files):
    for pot in (DeepPot(files.graph), DeepPot(files.checkpoint)):
        for types in ([0, 1], np.zeros((0, 2), int)):
            results = pot.eval(np.zeros((0, 2, 3)), np.zeros((0, 9)), types, atomic=True)
            assert [len(values) for values in results] == [0] * 5


@pytest.mark.parametrize("types", [[], np.zeros((1, 0), int)])
def test_no_atoms(attention, types):
    with pytest.raises(DataError, match="atom_types is empty"):
        DeepPot(attention.graph).eval(np.zeros((1, 0, 3)), None, types)


@pytest.mark.parametrize("error", [tf.errors.NotFoundError, tf.errors.InternalError])
def test_whatever_tensorflow_says_is_one_sentence(attention, frames, monkeypatch, error):
    pot = DeepPot(attention.graph)

    def fail(*_):
        raise error(None, None, "no kernel for this")

    monkeypatch.setattr(pot._evaluator.runner, "run", fail)
    with pytest.raises(ModelFileError, match=r"model.pb: the model cannot be run: no kernel"):
        pot.eval(*frames)


def test_no_memory_for_a_frame_is_found_at_the_second_attempt(attention, frames, monkeypatch):
    pot = DeepPot(attention.graph, auto_batch_size=1024)
    attempts = []

    def fail(feed, _):
        attempts.append(len(feed.atype))
        raise tf.errors.ResourceExhaustedError(None, None, "no memory")

    monkeypatch.setattr(pot._evaluator.runner, "run", fail)
    with pytest.raises(DataError, match="not enough memory to evaluate a frame of 8 atoms"):
        pot.eval(*frames)
    assert attempts == [3, 1]


def test_smaller_batches_where_the_memory_is_too_small(attention, frames, monkeypatch):
    expected = DeepPot(attention.graph).eval(*frames, atomic=True)
    pot = DeepPot(attention.graph, auto_batch_size=1024)
    run, attempts = pot._evaluator.runner.run, []

    def fail_if_large(feed, names):
        attempts.append(len(feed.atype))
        if len(feed.atype) > 2:
            raise tf.errors.ResourceExhaustedError(None, None, "no memory")
        return run(feed, names)

    monkeypatch.setattr(pot._evaluator.runner, "run", fail_if_large)
    assert_same(pot.eval(*frames, atomic=True), expected, 1e-12)
    assert attempts[:2] == [3, 1] and max(attempts[-2:]) <= 2
