"""Hessians of models: derivatives of their forces, by positions and by weights."""

import numpy as np
import pytest
import tensorflow as tf
from small_models import HYBRID, TYPE_MAP, dpa2, small_batch, small_model

from deepattn import ops
from deepattn.data import System
from deepattn.data.collate import collate
from deepattn.export import freeze
from deepattn.infer import DeepPot, measure_errors
from deepattn.losses.ener.loss import EnergyLoss
from deepattn.models.hessian import hessian

STEP = 1e-4  # Å
MODELS = {
    "attention": ({"attn_layer": 1}, {}),
    "smooth attention": (
        {"type": "se_atten", "attn_layer": 1, "smooth_type_embedding": True},
        {"convention": "common"},
    ),
    "nets by type, some atoms without energy": (
        {"type": "se_e2_a", "exclude_types": [[0, 0]]},
        {"convention": "common", "atom_exclude_types": [1], "pair_exclude_types": [[1, 1]]},
    ),
    "hybrid": (HYBRID, {}),
    "protected distances": (
        {"attn_layer": 1, "smooth_type_embedding": True, "env_protection": 0.2},
        {"convention": "common", "pair_exclude_types": [[0, 0]]},
    ),
    "protected distances, slots of types": (
        {"type": "se_e2_a", "env_protection": 0.2, "set_davg_zero": False},
        {"convention": "common"},
    ),
    "messages": (dpa2(), {}),
}


def _forces(model, inputs, coord):
    return model({**inputs, "coord": coord}, with_descriptor=False)["force"].numpy()


def _difference(model, inputs, column):
    """Minus the derivative of all forces by one coordinate."""
    moved = []
    for sign in (1, -1):
        coord = inputs["coord"].copy()
        coord.reshape(len(coord), -1)[:, column] += sign * STEP
        moved.append(_forces(model, inputs, coord))
    return (moved[1] - moved[0]).reshape(len(coord), -1) / (2 * STEP)


@pytest.mark.parametrize("name", MODELS)
def test_of_forces(name):
    descriptor, options = MODELS[name]
    model = small_model(descriptor, **options)
    inputs, _ = small_batch(nframes=2)
    inputs["atype"][1, 5] = -1
    found = hessian(model, inputs).numpy()
    np.testing.assert_allclose(found, found.transpose(0, 2, 1), rtol=0, atol=1e-13)
    scale = np.abs(found).max()
    assert scale > 1e-5 and not found[1, 15:].any()
    for column in (0, 7, 11):
        expected = _difference(model, inputs, column)
        np.testing.assert_allclose(found[:, column], expected, rtol=0, atol=1e-6 * scale)


def test_in_blocks():
    model = small_model({"attn_layer": 0})
    inputs, _ = small_batch(nframes=2)
    large = {name: np.tile(array, (70, *[1] * (array.ndim - 1))) for name, array in inputs.items()}
    # 840 atoms, so that two of eighteen coordinates are a block.
    found = hessian(model, large, in_blocks=True)
    expected = np.tile(hessian(model, inputs), (70, 1, 1))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)


def test_a_loss_of_them_moves_the_weights():
    model = small_model({"attn_layer": 0})
    inputs, labels = small_batch(nframes=1)
    labels |= {"hessian": np.random.default_rng(1).normal(size=(1, 18, 18)), "find_hessian": [1.0]}
    # A little of the energy, since a Hessian does not depend on all weights.
    options = {"start_pref_e": 1e-9, "limit_pref_e": 1e-9, "start_pref_f": 0, "limit_pref_f": 0}
    loss = EnergyLoss(1e-3, **options, start_pref_h=2.0)
    model.compile("sgd", loss)
    model.optimizer.learning_rate = 1e-3
    weight = model.trainable_weights[0]
    before = weight.numpy()
    data = (inputs, {name: tf.constant(value) for name, value in labels.items()})
    place, values = (0,) * before.ndim, []
    for sign in (1, -1):
        moved = before.copy()
        moved[place] += sign * 1e-5
        weight.assign(moved)
        values.append(float(model.test_step_metrics(data)["loss"]))
    weight.assign(before)
    metrics = model.train_step_metrics(data)
    step = (before - weight.numpy())[place] / 1e-3
    assert step == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-5)
    error = labels["hessian"] - hessian(model, inputs).numpy()
    assert float(metrics["rmse_h"]) == pytest.approx(np.sqrt((error**2).mean()), rel=1e-2)


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    """A frozen graph; Hessians are of the model that is rebuilt from it."""
    if ops.library() is None:
        pytest.skip("graphs need the compiled ops")
    path = tmp_path_factory.mktemp("graph") / "model.pb"
    from small_models import model_section

    script = {"model": model_section({"attn_layer": 0})}
    return freeze(small_model({"attn_layer": 0}), path, training_script=script, min_nbor_dist=1)


def test_of_a_file(graph):
    """Whatever the order of atoms, virtual ones, and where neighbors come from."""
    from ase.neighborlist import NewPrimitiveNeighborList

    inputs, _ = small_batch(nframes=2)
    order = np.array([3, 0, 5, 1, 4, 2])
    rows = (3 * order[:, None] + np.arange(3)).ravel()
    with DeepPot(graph) as model:
        assert not model.has_hessian
        found = model.eval_hessian(inputs["coord"], inputs["box"], inputs["atype"])
        mixed = (inputs["coord"][:, order], inputs["box"], inputs["atype"][:, order])
        np.testing.assert_allclose(
            model.eval_hessian(*mixed), found[:, rows][:, :, rows], rtol=0, atol=1e-12
        )
        padded = model.eval_hessian(
            np.concatenate([inputs["coord"], np.zeros((2, 1, 3))], axis=1),
            inputs["box"],
            np.concatenate([inputs["atype"], np.full((2, 1), -1)], axis=1),
        )
        np.testing.assert_allclose(padded[:, :18, :18], found, rtol=0, atol=1e-12)
        assert not padded[:, 18:].any()
        keras = hessian(small_model({"attn_layer": 0}), inputs)
        assert found.shape == keras.shape
    listed = NewPrimitiveNeighborList([1.5] * 6, skin=0.3, bothways=True, self_interaction=False)
    with DeepPot(graph, neighbor_list=listed) as model:
        again = model.eval_hessian(inputs["coord"], inputs["box"], inputs["atype"])
    np.testing.assert_allclose(again, found, rtol=0, atol=1e-12)


def test_errors_of_labels(graph, tmp_path, monkeypatch):
    inputs, labels = small_batch(nframes=1)
    folder = tmp_path / "data" / "set.000"
    folder.mkdir(parents=True)
    (tmp_path / "data" / "type.raw").write_text(" ".join(map(str, inputs["atype"][0])))
    (tmp_path / "data" / "type_map.raw").write_text("\n".join(TYPE_MAP))
    labels["hessian"] = np.random.default_rng(2).normal(size=(1, 18, 18))
    for name in ("coord", "box"):
        np.save(folder / f"{name}.npy", inputs[name].reshape(1, -1))
    for name in ("energy", "force", "hessian"):
        np.save(folder / f"{name}.npy", labels[name].reshape(1, -1))
    with DeepPot(graph) as model:
        monkeypatch.setattr(model, "_has_hessian", True)
        *_, found = model.eval(inputs["coord"], inputs["box"], inputs["atype"][0])
        report = measure_errors(
            model, [str(tmp_path / "data")], detail_prefix=tmp_path / "details.out"
        )
    error = found - labels["hessian"]
    assert report.average["mae_h"][0] == pytest.approx(np.abs(error).mean(), rel=1e-12)
    assert report.average["rmse_h"][0] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-12)
    rows = np.loadtxt(tmp_path / "details.h.out")
    np.testing.assert_allclose(rows, np.stack([labels["hessian"], found], -1).reshape(-1, 2))
    # Frames of systems of different sizes in one batch.
    system = System(str(tmp_path / "data"), type_map=TYPE_MAP)
    _, loaded = system.frames([0], labels=["hessian"])
    small = {"hessian": np.ones((1, 3, 3)), "find_hessian": np.ones(1)}
    joined = collate([loaded, small])["hessian"]
    np.testing.assert_array_equal(joined[0], labels["hessian"][0])
    assert joined[1, :3, :3].all() and joined[1].sum() == 9
