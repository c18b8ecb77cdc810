"""The descriptors of slots that belong to types, and hybrids, against their formulas."""

import numpy as np
import pytest

from deepattn.descriptors import SeE2A, SeE2R, SeE3
from deepattn.descriptors.hybrid.layer import Hybrid

from .check_layer import check_layer
from .test_descriptors import BASE, NTYPES, SEL, SLOTS, TEBD, contract, draw, net

PAIRS = {name: value for name, value in BASE.items() if name != "axis_neuron"}
EXCLUDED = [[0, 2], [1, 1]]


def kept(exclude, center):
    """1 for slots of types that the center interacts with."""
    excluded = {tuple(p) for p in exclude} | {tuple(p[::-1]) for p in exclude}
    return np.array([(max(center, 0), t) not in excluded for t in SLOTS], float)


def checked(kind, config, environment, atype, vectors, width):
    """A layer, its result and its weights."""
    inputs = [environment, atype, vectors]
    layer, output = check_layer(kind, config, inputs, expected_shape=(2, 3, width))
    return output, {name: np.asarray(v) for name, v in layer.named_variables().items()}


@pytest.mark.parametrize("one_side", [True, False])
@pytest.mark.parametrize("exclude", [[], EXCLUDED])
def test_se_e2_r(one_side, exclude):
    environment, atype, _ = draw(np.random.default_rng(1), SLOTS)
    config = {**PAIRS, "sel": SEL, "type_one_side": one_side, "exclude_types": exclude}
    output, w = checked(SeE2R, config, environment, atype, None, 8)
    assert w["descrpt_attr/t_avg"].shape == (NTYPES, 6)
    expected = []
    for r, a in zip(environment.descrpt.reshape(-1, 6, 4), atype.ravel(), strict=True):
        keep, total = kept(exclude, a), np.zeros(8)
        for j, t in enumerate(SLOTS):
            if one_side:
                total += net(w, r[j : j + 1, :1] * keep[j], f"_{t}")[0]
            elif keep[j] and a >= 0:
                total += net(w, r[j : j + 1, :1], f"_{t}", f"filter_type_{a}")[0]
        expected.append(total / 6 / 5)
    np.testing.assert_allclose(output, np.reshape(expected, (2, 3, 8)), atol=1e-14)


@pytest.mark.parametrize("exclude", [[], EXCLUDED])
def test_se_e3(exclude):
    environment, atype, _ = draw(np.random.default_rng(2), SLOTS)
    config = {**PAIRS, "sel": SEL, "exclude_types": exclude}
    output, w = checked(SeE3, config, environment, atype, None, 8)
    expected = []
    for r, a in zip(environment.descrpt.reshape(-1, 6, 4), atype.ravel(), strict=True):
        angular, total = r[:, 1:] * kept(exclude, a)[:, None], np.zeros(8)
        for j, k in np.ndindex(6, 6):
            first, second = SLOTS[j], SLOTS[k]
            if first <= second:
                angle = angular[j] @ angular[k]
                embedding = net(w, np.array([[angle]]), f"_{first}_{second}")[0]
                total += angle * embedding / (SEL[first] * SEL[second])
        expected.append(total)
    np.testing.assert_allclose(output, np.reshape(expected, (2, 3, 8)), atol=1e-14)


@pytest.mark.parametrize("one_side", [True, False])
def test_se_e2_a_with_a_net_of_types(one_side):
    """The factor of a slot is that of its neighbor's type, an empty one has the type ``NTYPES``."""
    environment, atype, vectors = draw(np.random.default_rng(3), SLOTS)
    config = {**BASE, "sel": SEL, "type_one_side": one_side, "exclude_types": EXCLUDED}
    config |= {"tebd_dim": TEBD, "tebd_input_mode": "strip"}
    output, w = checked(SeE2A, config, environment, atype, vectors, 24)
    suffix = "_one_side_ebd" if one_side else "_two_side_ebd"
    expected = []
    for r, e, a in zip(
        environment.descrpt.reshape(-1, 6, 4),
        environment.ntype.reshape(-1, 6),
        atype.ravel(),
        strict=True,
    ):
        r = r * kept(EXCLUDED, a)[:, None]
        types = vectors[e]
        if not one_side:
            types = np.hstack([types, np.tile(vectors[max(a, 0)], (6, 1))])
        factor = net(w, types, suffix)
        expected.append(contract(r, net(w, r[:, :1]) * (1 + factor), 3))
    np.testing.assert_allclose(output, np.reshape(expected, (2, 3, 24)), atol=1e-13)


def test_a_net_of_types_wants_types():
    with pytest.raises(ValueError, match="strip needs a type embedding"):
        SeE2A(**BASE, sel=SEL, tebd_input_mode="strip")


def hybrid():
    """Two descriptors of different cutoffs."""
    first = SeE2A(**{**BASE, "sel": SEL}, name="first")
    second = SeE2R(**{**PAIRS, "sel": [2, 2, 2], "rcut": 3.0}, name="second")
    return Hybrid([first, second])


def test_a_hybrid_is_its_parts_side_by_side():
    rng = np.random.default_rng(4)
    coord, box = rng.uniform(0, 6, (2, 4, 3)), np.tile(6 * np.eye(3).ravel(), (2, 1))
    atype = np.array([[0, 2, 1, 1], [2, 2, 0, -1]], np.int32)
    layer = hybrid()
    layer.build()
    environment = layer.environment(coord, atype, box)
    found = layer.features(environment, atype)
    parts = [part.features(part.environment(coord, atype, box), atype) for part in layer.parts]
    np.testing.assert_array_equal(
        found.invariant, np.concatenate([part.invariant for part in parts], axis=2)
    )
    # The second has no directions.
    np.testing.assert_array_equal(found.equivariant, parts[0].equivariant)
    assert (layer.rcut, layer.nnei, layer.width) == (4.0, 12, 32)
    assert found.equivariant.shape == (2, 4, layer.equivariant_width, 3)


def test_the_weights_of_a_hybrid_name_its_parts():
    layer = hybrid()
    layer.build()
    names = set(layer.named_variables())
    assert {"filter_type_0_0/matrix_1_2", "filter_type_0_1/matrix_1_2"} <= names
    assert {"descrpt_attr_0/t_avg", "descrpt_attr_0/original_sel", "descrpt_attr_1/t_avg"} <= names
    assert "descrpt_attr_1/original_sel" not in names
    again = Hybrid.from_config(layer.get_config())
    again.build()
    assert set(again.named_variables()) == names


def test_parts_of_a_hybrid_have_the_same_types():
    with pytest.raises(ValueError, match="one descriptor at least"):
        Hybrid([])
    other = SeE2R(2, rcut=3.0, rcut_smth=1.0, sel=[2, 2])
    with pytest.raises(ValueError, match="the same ntypes"):
        Hybrid([hybrid().parts[0], other])
