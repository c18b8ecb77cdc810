"""The laws for DPA-2, whose energies depend on neighbors of neighbors."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from small_models import dpa2

from deepattn.config import ModelConfig, normalize_model
from deepattn.descriptors.dpa2.neighbor_vectors import NeighborVectors
from deepattn.export import compress
from deepattn.models import EnergyModel, build_model
from deepattn.testing import check_model

REPINIT = {"rcut": 4.0, "nsel": 60, "three_body_rcut": 2.6, "three_body_sel": 30}
REPFORMER = {"rcut": 3.2, "nsel": 40}
CUTOFFS = [4.0, 3.2, 2.6]
DESCRIPTORS = {
    "residual": dpa2(
        REPINIT,
        {**REPFORMER, "update_style": "res_residual", "update_residual": 0.5, "update_h2": True},
    ),
    "strip": dpa2(
        {**REPINIT, "tebd_input_mode": "strip", "activation_function": "silu"},
        {
            **REPFORMER,
            "update_style": "res_incr",
            "attn2_has_gate": True,
            "direct_dist": True,
            "g1_out_mlp": False,
            "g1_out_conv": False,
        },
        exclude_types=[[0, 1]],
        env_protection=0.2,
    ),
    # Neighbors count fully or not at all. Padding counts too, in DeePMD-kit's definition, and
    # that of the first blocks has the type of the frame's first atom.
    "plain": dpa2(
        {**REPINIT, "set_davg_zero": False}, {**REPFORMER, "update_h2": True}, smooth=False
    ),
}
VIOLATES = {"plain": ("permutation", "continuity")}
# In open boundaries atoms have from none to seven neighbors; one atom is virtual.
ATYPE = np.array([[0, 1, 2, 1, 0, 2, 1, 0, 0], [2, 2, 1, 0, 1, -1, 0, 1, 2]], np.int32)


def make_model(name: str, **repformer) -> EnergyModel:
    """Random weights and statistics, the latter the same in every slot."""
    descriptor = DESCRIPTORS[name]
    section = {
        "type_map": ["O", "H", "C"],
        "descriptor": {**descriptor, "repformer": {**descriptor["repformer"], **repformer}},
        "fitting_net": {"neuron": [6, 6], "seed": 5},
    }
    config = ModelConfig.from_dict(normalize_model(section))
    model = build_model(config)
    rng = np.random.default_rng(1)
    for path, variable in model.named_variables().items():
        slots = (1, variable.shape[1], 1) if variable.shape.rank == 3 else ()
        if path.endswith("dstd"):
            spread = rng.uniform(0.1, 0.3, (3, 1, 2))[..., [0, 1, 1, 1]]
            variable.assign(np.tile(spread, slots))
        elif path.endswith("davg") and not config.descriptor.repinit.set_davg_zero:
            mean = rng.uniform(0.05, 0.1, (3, 1, 1)) * np.array([1.0, 0.0, 0.0, 0.0])
            variable.assign(np.tile(mean, slots))
    return model


def evaluate(model: EnergyModel) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    coord = 1.5 * np.indices((2, 2, 2)).reshape(3, -1).T + rng.normal(scale=0.1, size=(2, 8, 3))
    isolated = np.full((2, 1, 3), 50.0)
    coord = np.concatenate([coord, isolated], axis=1)
    outputs = model({"coord": coord, "atype": ATYPE, "box": np.zeros((2, 9))})
    return {key: np.asarray(outputs[key]) for key in ("atom_energy", "force", "virial")}


def assert_equal(one: dict, other: dict) -> None:
    for key, value in one.items():
        np.testing.assert_allclose(other[key], value, rtol=0, atol=1e-12, err_msg=key)


@pytest.mark.slow
@pytest.mark.parametrize("name", DESCRIPTORS)
def test_the_whole_kit(name: str) -> None:
    report = check_model(make_model(name), skip=VIOLATES.get(name, ()))
    assert report.passed, f"\n{report}"


def test_the_whole_kit_of_a_compressed_model() -> None:
    """With wide intervals, so that laws hold by the tables and not by the net that they equal."""
    report = check_model(compress(make_model("strip"), min_nbor_dist=1.0, step=0.5))
    assert report.passed, f"\n{report}"


@pytest.mark.parametrize("name", ["residual", "plain"])
def test_forces_are_continuous_at_every_cutoff(name: str) -> None:
    """The change across a cutoff shrinks with the displacement, unless there is a jump."""
    model = make_model(name)
    cluster = np.array([[0.0, 0.0, 0.0], [-1.1, 0.3, 0.2], [-0.5, -1.2, 0.4]])
    direction = np.array([0.8, 0.48, -0.36])
    steps = np.array([1e-5, 1e-6])
    distances = np.ravel([[rcut - steps, rcut + steps] for rcut in CUTOFFS])
    probe = distances[:, None] * direction
    coord = np.concatenate([np.tile(cluster, (len(probe), 1, 1)), probe[:, None]], axis=1)
    atype = np.tile(np.array([0, 1, 2, 1], np.int32), (len(probe), 1))
    force = model({"coord": coord, "atype": atype, "box": np.zeros((len(probe), 9))})["force"]
    below, above = np.moveaxis(np.reshape(force, (len(CUTOFFS), 2, 2, -1)), 1, 0)
    long, short = np.moveaxis(np.abs(above - below).max(axis=2), 1, 0)
    # Angles are with the directions of neighbors, and those of padding are zero in any case.
    assert list(short > 0.5 * long) == [name == "plain", name == "plain", False]


@pytest.mark.parametrize("name", DESCRIPTORS)
def test_cut_slots_count_as_if_they_were_there(name: str, monkeypatch) -> None:
    model = make_model(name)
    packed = evaluate(model)

    def all_slots(self: NeighborVectors, rcut: float, nnei: int) -> NeighborVectors:
        real = self.real[:, :nnei] & (self.distance[:, :nnei] <= rcut)
        ntype = tf.where(real, self.ntype[:, :nnei], self.ntype[:, -1:])
        first = (self.vectors[:, :nnei], self.distance[:, :nnei], real, self.mask[:, :nnei] & real)
        return NeighborVectors(*first, ntype, self.index[:, :nnei], tf.constant(0))

    monkeypatch.setattr(NeighborVectors, "within", all_slots)
    unpacked = evaluate(model)
    assert abs(unpacked["force"]).max() > 1e-3
    assert_equal(unpacked, packed)


@pytest.mark.parametrize("name", ["residual", "plain"])
def test_gradients_of_forces(name: str) -> None:
    """The gradient of trainings on forces, against differences along one direction in weights."""
    model = make_model(name)
    rng = np.random.default_rng(7)
    coord = 1.4 * np.indices((2, 2, 2)).reshape(3, -1).T + rng.normal(scale=0.1, size=(2, 8, 3))
    inputs = {"coord": coord, "atype": ATYPE[:, :8], "box": np.zeros((2, 9))}
    weights = model.trainable_weights
    values = [np.asarray(weight) for weight in weights]
    direction = [rng.normal(size=value.shape) for value in values]

    def loss() -> tf.Tensor:
        outputs = model(inputs, training=True)
        return sum(tf.reduce_sum(outputs[key] ** 2) for key in ("force", "virial"))

    with tf.GradientTape() as tape:
        total = loss()
    gradients = zip(tape.gradient(total, weights), direction, strict=True)
    # Forces do not depend on the last bias, which has none.
    slope = sum(np.sum(gradient * way) for gradient, way in gradients if gradient is not None)
    results = []
    for step in (1e-5, -1e-5):
        for weight, value, way in zip(weights, values, direction, strict=True):
            weight.assign(value + step * way)
        results.append(float(loss()))
    expected = (results[0] - results[1]) / 2e-5
    assert abs(expected) > 1e-2
    np.testing.assert_allclose(slope, expected, rtol=1e-6)


def test_nets_in_single_precision() -> None:
    """They change the result by their rounding; statistics and forces stay in double precision."""
    model = make_model("residual")
    section = {
        "type_map": ["O", "H", "C"],
        "descriptor": {**DESCRIPTORS["residual"], "precision": "float32"},
        "fitting_net": {"neuron": [6, 6], "seed": 5},
    }
    single = build_model(ModelConfig.from_dict(normalize_model(section)))
    arrays = model.get_arrays()
    for name, variable in single.named_variables().items():
        variable.assign(arrays[name].astype(variable.dtype))
        assert variable.dtype == ("float64" if name.endswith(("davg", "dstd")) else variable.dtype)
    one, other = evaluate(model), evaluate(single)
    for key, value in one.items():
        difference = np.abs(other[key] - value).max()
        assert 0 < difference < 1e-5 * np.abs(value).max(), key
        assert other[key].dtype == np.float64


def test_plain_messages_do_not_depend_on_nsel() -> None:
    """The norm is the number of neighbors, not that of slots."""
    results = [evaluate(make_model("plain", nsel=nsel)) for nsel in (30, 59)]
    assert_equal(*results)


def test_messages_reach_beyond_the_cutoff() -> None:
    """In a chain, the last atom feels the first one through those between, a layer for each."""
    coord = np.array([[[2.5 * k, 0.3 * (k % 2), 0.0] for k in range(4)]])
    inputs = {"coord": coord, "atype": np.zeros((1, 4), np.int32), "box": np.zeros((1, 9))}
    moved = coord + 0.2 * np.eye(4)[0][None, :, None]
    changes = []
    for nlayers in (1, 2):
        model = make_model("residual", nlayers=nlayers)
        energies = [model({**inputs, "coord": c})["atom_energy"][0, 3] for c in (coord, moved)]
        changes.append(abs(float(energies[1] - energies[0])))
    assert changes[0] == 0.0
    assert changes[1] > 1e-12
