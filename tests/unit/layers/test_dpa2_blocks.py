"""The blocks of DPA-2 and their common list of neighbors."""

import numpy as np
import pytest
import tensorflow as tf

from deepattn import ops
from deepattn.descriptors import DPA2
from deepattn.descriptors.dpa2.environment_matrix import EnvironmentMatrix
from deepattn.descriptors.dpa2.neighbor_vectors import neighbor_vectors
from deepattn.descriptors.dpa2.repformer import RepformerOptions, Repformers
from deepattn.descriptors.dpa2.repinit import RepInit
from deepattn.descriptors.dpa2.three_body import ThreeBody

from .check_layer import check_layer

NTYPES, TEBD, NNEI = 3, 4, 14
REPINIT = {"nnei": NNEI, "rcut": 4.0, "rcut_smth": 0.5, "neuron": [3, 6], "axis_neuron": 2}
THREE_BODY = {"nnei": 6, "rcut": 2.4, "rcut_smth": 1.0, "neuron": [2, 4]}
REPFORMER = {
    "rcut": 3.0,
    "rcut_smth": 1.0,
    "nlayers": 2,
    "options": {"nnei": 9, "g1_dim": 8, "g2_dim": 5, "update_h2": True},
}
MODEL = {"repinit": REPINIT, "repformer": REPFORMER, "three_body": THREE_BODY, "seed": 4}
ATYPE = np.array([[0, 2, 1, 1, 0], [1, -1, 2, 0, 2]], np.int32)


def environment_of(layer, seed=3, edge=4.2):
    """Two periodic frames of five atoms, one of them virtual."""
    coord = np.random.default_rng(seed).uniform(0.0, edge, (2, 5, 3))
    box = np.tile(np.eye(3).ravel() * edge, (2, 1))
    return layer.environment(*map(tf.constant, (coord, ATYPE, box)))


def slots_of(environment):
    return neighbor_vectors(environment, tf.constant(ATYPE), nnei=NNEI, ntypes=NTYPES)


@pytest.fixture(scope="module")
def environment():
    return environment_of(DPA2(NTYPES, TEBD, **MODEL, dtype="float64"))


@pytest.fixture(scope="module")
def vectors():
    return np.vstack([np.random.default_rng(5).normal(size=(NTYPES, TEBD)), np.zeros(TEBD)])


CENTRE = np.clip(ATYPE, 0, None).ravel()


@pytest.mark.parametrize(("three_body", "concat"), [(THREE_BODY, True), (None, False)])
def test_descriptor_as_a_keras_layer(environment, vectors, three_body, concat):
    config = {**MODEL, "ntypes": NTYPES, "tebd_dim": TEBD, "three_body": three_body}
    config |= {"concat_output_tebd": concat, "add_tebd_to_repinit_out": concat}
    width = 8 + TEBD * concat
    check_layer(DPA2, config, [environment, ATYPE, vectors], expected_shape=(2, 5, width))


@pytest.mark.parametrize("mode", ["concat", "strip"])
@pytest.mark.parametrize("block", [RepInit, ThreeBody])
def test_first_features_as_a_keras_layer(environment, vectors, mode, block):
    arguments, width = (REPINIT, 12) if block is RepInit else (THREE_BODY, 4)
    config = {"ntypes": NTYPES, "tebd_dim": TEBD, "tebd_input_mode": mode, "seed": 2, **arguments}
    slots = slots_of(environment).within(arguments["rcut"], arguments["nnei"])
    check_layer(block, config, [slots, CENTRE, vectors], expected_shape=(10, width))


@pytest.mark.parametrize("direct", [True, False])
def test_repformers_as_a_keras_layer(environment, direct):
    config = {**REPFORMER, "ntypes": NTYPES, "direct_dist": direct, "seed": 2}
    config["options"] = RepformerOptions(**config["options"]).to_dict()
    features = np.random.default_rng(6).normal(size=(10, 8))
    inputs = [slots_of(environment).within(3.0, 9), CENTRE, features]
    width = config["options"]["g2_dim"]
    check_layer(Repformers, config, inputs, expected_shape=[(10, 8), (10, width, 3)])


def test_environment_matrix_is_that_of_the_op():
    """With the first cutoff, and with a shorter one of which the list is a part."""
    rng = np.random.default_rng(8)
    coord, box = rng.uniform(0.0, 4.2, (2, 15)), np.tile(np.eye(3).ravel() * 4.2, (2, 1))
    natoms, mesh = np.array([5, 5, 5, 0, 0], np.int32), np.zeros(7, np.int32)
    geometry = [tf.constant(x) for x in (coord, ATYPE, natoms, box, mesh)]
    environment = DPA2(NTYPES, TEBD, **MODEL, dtype="float64").search(*geometry)
    davg, dstd = rng.normal(size=(NTYPES, 4)), rng.uniform(0.5, 2.0, (NTYPES, 4))
    real = ATYPE.ravel() >= 0
    for rcut, nnei in ((4.0, NNEI), (2.5, 6)):
        layer = EnvironmentMatrix(NTYPES, nnei, rcut=rcut, rcut_smth=0.5, dtype="float64")
        layer.build()
        layer.davg.assign(np.tile(davg[:, None], (1, nnei, 1)))
        layer.dstd.assign(np.tile(dstd[:, None], (1, nnei, 1)))
        matrix, _ = layer(slots_of(environment).within(rcut, nnei), CENTRE)
        statistics = (tf.constant(np.tile(array, (1, nnei))) for array in (davg, dstd))
        expected = ops.prod_env_mat_a_mix(
            *geometry, *statistics, rcut=rcut, rcut_smth=0.5, nnei=nnei
        ).descrpt
        expected = np.reshape(expected, (10, nnei, 4))[:, : matrix.shape[1]]
        np.testing.assert_allclose(matrix[real], expected[real], rtol=0, atol=1e-12)


def test_protection_lengthens_distances(environment):
    slots = slots_of(environment).within(4.0, NNEI)
    layer = EnvironmentMatrix(
        NTYPES, NNEI, rcut=4.0, rcut_smth=3.9, protection=0.5, dtype="float64"
    )
    matrix, switch = layer(slots, CENTRE)
    inside = np.asarray(switch) == 1.0
    assert inside.any()
    shown = 1.0 / np.asarray(matrix)[..., 0][inside]
    np.testing.assert_allclose(shown, np.asarray(slots.distance)[inside] + 0.5, rtol=1e-13)


def test_ghosts_are_their_owners(environment):
    """With a list of ghosts, which own nothing, neighbors are looked up by their owners."""
    ghosts = environment._replace(nlist=tf.where(environment.nmask, environment.nlist + 5, -1))
    owner = np.tile(np.arange(5, dtype=np.int32), 2)
    np.testing.assert_array_equal(ghosts.of_owners(owner).nlist, environment.nlist)
    with pytest.raises(tf.errors.InvalidArgumentError, match="a neighbor is a ghost; give"):
        slots_of(ghosts)
