"""Descriptors and atomic energies against their formulas, from neighborhoods drawn at random."""

import numpy as np
import pytest

from deepattn.descriptors import CompressedSeAtten, SeAtten, SeE2A
from deepattn.fittings import EnergyFitting
from deepattn.layers import Environment

from .check_layer import check_layer
from .test_gated_attention import attention_in_numpy

NTYPES, TEBD = 3, 5
BASE = {
    "ntypes": NTYPES,
    "rcut": 4.0,
    "rcut_smth": 1.0,
    "neuron": [4, 8],
    "axis_neuron": 3,
    "seed": 11,
}


def draw(rng, slot_types=None, nnei=6, longest=None, padding=None):
    """An environment of 2 frames of 3 atoms (one virtual), the centers' types, type vectors.

    The longest neighborhood has ``longest`` neighbors (default: all slots are filled); rows of
    padding are those of ``padding`` ``[NTYPES, 4]`` (default: zeros).
    """
    atype = np.array([[0, 2, 1], [1, 1, -1]], np.int32)
    longest = nnei if longest is None else longest
    count = rng.integers(0, longest + 1, size=(2, 3, 1))
    count[1, 0] = longest
    nmask = np.arange(nnei) < count
    types = rng.integers(0, NTYPES, (2, 3, nnei)) if slot_types is None else slot_types
    ntype = np.where(nmask, types, NTYPES).astype(np.int32)
    descrpt = rng.normal(scale=0.4, size=(2, 3, nnei, 4))
    padding = np.zeros((NTYPES, 4)) if padding is None else padding
    descrpt = np.where(nmask[..., None], descrpt, padding[np.clip(atype, 0, None)][:, :, None])
    nlist = np.where(nmask, 0, -1).astype(np.int32)
    flat = (a.reshape(2, -1) for a in (descrpt, nlist, ntype, nmask))
    descrpt, nlist, ntype, nmask = flat
    zeros = np.zeros((2, 3 * nnei * 12))
    environment = Environment(descrpt, zeros, zeros[:, : 3 * nnei * 3], nlist, ntype, nmask)
    return environment, atype, np.vstack([rng.normal(size=(NTYPES, TEBD)), np.zeros(TEBD)])


def net(w, x, suffix="", scope="filter_type_all"):
    """An embedding net: dense layers that are residual where sizes allow."""
    for k in (1, 2):
        h = np.tanh(x @ w[f"{scope}/matrix_{k}{suffix}"] + w[f"{scope}/bias_{k}{suffix}"])
        h = h * w.get(f"{scope}/idt_{k}{suffix}", 1.0)
        if h.shape[-1] == x.shape[-1]:
            x = x + h
        elif h.shape[-1] == 2 * x.shape[-1]:
            x = np.hstack([x, x]) + h
        else:
            x = h
    return x


def contract(r, g, axis):
    b = r.T @ g / len(r)
    return (b.T @ b[:, :axis]).ravel()


def se_atten_in_numpy(w, config, environment, atype, vectors):
    """The descriptor from the layer's docstring, atom by atom."""
    nnei = config["sel"]
    matrix = environment.descrpt.reshape(-1, nnei, 4)
    ntype = environment.ntype.reshape(-1, nnei)
    mask = environment.nmask.reshape(-1, nnei)
    excluded = {tuple(p) for p in config["exclude_types"]}
    rows = []
    for r, e, m, a in zip(matrix, ntype, mask, np.clip(atype.ravel(), 0, None), strict=True):
        shift, scale = w["descrpt_attr/t_avg"][a, 0], w["descrpt_attr/t_std"][a, 0]
        keep = np.array([not ({(a, t), (t, a)} & excluded) for t in e], float)
        c = m.astype(float)
        if config["smooth"]:
            sigma = r[:, 0] * scale + shift
            c = np.clip(1 - (1 - config["rcut_smth"] * sigma) ** 3, 0, 1)
            r = np.where(keep[:, None] > 0, r, shift)
        else:
            r = r * keep[:, None]
        c = c * keep
        neighbor, center = vectors[e], np.tile(vectors[a], (nnei, 1))
        if config["tebd_input_mode"] == "strip":
            g = net(w, r[:, :1])
            t = net(w, np.hstack([neighbor, center]), "_two_side_ebd")
            g = g * t * (c[:, None] if config["smooth"] else 1.0) + g
        elif config["type_one_side"]:
            g = net(w, np.hstack([r[:, :1], neighbor]))
        else:
            g = net(w, np.hstack([r[:, :1], neighbor, center]))
        square = (r[:, 1:] ** 2).sum(axis=1, keepdims=True)
        u = r[:, 1:] / np.sqrt(np.maximum(square, 1e-12))
        for k in range(config["attn_layer"]):
            prefix = f"attention_layer_{k}/"
            wk = {n.removeprefix(prefix): v for n, v in w.items() if n.startswith(prefix)}
            g = attention_in_numpy(
                wk, g, u, c, dotr=True, mask=False, smooth=config["smooth"], eps=1e-3
            )
        rows.append(contract(r, g, 3))
    return np.reshape(rows, (*atype.shape, -1))


@pytest.mark.parametrize("mode", ["concat", "strip"])
@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize("one_side", [True, False])
@pytest.mark.parametrize("exclude", [[], [[0, 2], [1, 1]]])
@pytest.mark.parametrize("longest", [6, 5, 3, 0])
def test_se_atten(mode, smooth, one_side, exclude, longest):
    """Neighborhoods are cut to the longest, but the formula is evaluated on all slots."""
    rng = np.random.default_rng(4)
    davg = rng.normal(scale=0.1, size=(NTYPES, 4))
    dstd = rng.uniform(0.5, 1.0, size=(NTYPES, 4))
    environment, atype, vectors = draw(rng, longest=longest, padding=-davg / dstd)
    config = {
        **BASE,
        "tebd_dim": TEBD,
        "sel": 6,
        "attn": 7,
        "attn_layer": 2,
        "tebd_input_mode": mode,
        "smooth": smooth,
        "type_one_side": one_side,
        "exclude_types": exclude,
        "resnet_dt": True,
    }
    layer = SeAtten(**config, dtype="float64")
    layer.build()
    layer.davg.assign(np.tile(davg, 6))
    layer.dstd.assign(np.tile(dstd, 6))
    output = layer(environment, atype, vectors)
    w = {name: np.asarray(v) for name, v in layer.named_variables().items()}
    expected = se_atten_in_numpy(w, config, environment, atype, vectors)
    np.testing.assert_allclose(output, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("layers", [0, 1])
def test_se_atten_as_a_keras_layer(layers):
    environment, atype, vectors = draw(np.random.default_rng(5))
    config = {**BASE, "tebd_dim": TEBD, "sel": 6, "attn": 7, "attn_layer": layers}
    check_layer(SeAtten, config, [environment, atype, vectors], expected_shape=(2, 3, 24))


@pytest.mark.parametrize(
    ("mode", "layers", "stock"), [("strip", 1, False), ("concat", 1, False), ("strip", 0, True)]
)
def test_compressed_se_atten_as_a_keras_layer(mode, layers, stock):
    environment, atype, vectors = draw(np.random.default_rng(5))
    config = {**BASE, "tebd_dim": TEBD, "sel": 6, "attn": 7, "attn_layer": layers}
    config |= {"tebd_input_mode": mode, "nintervals": 4, "stock": stock}
    inputs = [environment, atype, vectors]
    check_layer(CompressedSeAtten, config, inputs, expected_shape=(2, 3, 24))


@pytest.mark.parametrize("options", [{"attn_layer": 1}, {"tebd_input_mode": "concat"}])
def test_stock_tables_are_for_strip_mode_without_attention(options):
    config = {**BASE, "tebd_dim": TEBD, "sel": 6, "attn_layer": 0, "tebd_input_mode": "strip"}
    with pytest.raises(ValueError, match="stock tables are for attn_layer 0"):
        CompressedSeAtten(**{**config, **options}, nintervals=4, stock=True)


SEL = [2, 3, 1]
SLOTS = np.repeat(np.arange(NTYPES), SEL)


@pytest.mark.parametrize("one_side", [True, False])
@pytest.mark.parametrize("exclude", [[], [[0, 2], [1, 1]]])
@pytest.mark.parametrize("typed", [True, False])
def test_se_e2_a(one_side, exclude, typed):
    rng = np.random.default_rng(6)
    environment, atype, vectors = draw(rng, SLOTS)
    config = {
        **BASE,
        "sel": SEL,
        "type_one_side": one_side,
        "exclude_types": exclude,
        "tebd_dim": TEBD if typed else 0,
    }
    layer, output = check_layer(
        SeE2A, config, [environment, atype, vectors if typed else None], expected_shape=(2, 3, 24)
    )
    w = {name: np.asarray(v) for name, v in layer.named_variables().items()}
    excluded = {tuple(p) for p in exclude} | {tuple(p[::-1]) for p in exclude}
    matrix = environment.descrpt.reshape(-1, 6, 4)
    expected = []
    for r, a in zip(matrix, atype.ravel(), strict=True):
        if a < 0 and not (one_side or typed):
            expected.append(np.zeros(24))
            continue
        keep = np.array([(max(a, 0), t) not in excluded for t in SLOTS], float)
        r = r * keep[:, None]
        if typed:
            columns = [r[:, :1], vectors[SLOTS]]
            columns += [] if one_side else [np.tile(vectors[max(a, 0)], (6, 1))]
            g = net(w, np.hstack(columns))
        else:
            scope = "filter_type_all" if one_side else f"filter_type_{a}"
            g = np.vstack(
                [
                    net(w, r[j : j + 1, :1], f"_{t}", scope) if keep[j] else np.zeros((1, 8))
                    for j, t in enumerate(SLOTS)
                ]
            )
        expected.append(contract(r, g, 3))
    np.testing.assert_allclose(output, np.reshape(expected, (2, 3, 24)), atol=1e-13)


@pytest.mark.parametrize("typed", [True, False])
@pytest.mark.parametrize("vacuum", [True, False])
def test_energy_fitting(typed, vacuum):
    rng = np.random.default_rng(8)
    _, atype, vectors = draw(rng)
    descriptor = rng.normal(size=(2, 3, 7))
    fparam, aparam = rng.normal(size=(2, 2)), rng.normal(size=(2, 3, 1))
    config = {
        "ntypes": NTYPES,
        "descriptor_width": 7,
        "tebd_dim": TEBD if typed else 0,
        "neuron": [6, 6],
        "numb_fparam": 2,
        "numb_aparam": 1,
        "subtract_vacuum": vacuum,
        "seed": 2,
    }
    inputs = [descriptor, atype, vectors if typed else None, fparam, aparam]
    layer, _ = check_layer(EnergyFitting, config, inputs, expected_shape=(2, 3))
    for variable in (layer.bias_atom_e, *layer.parameter_statistics.values()):
        variable.assign(rng.uniform(0.5, 2.0, size=variable.shape))
    w = {name: np.asarray(v) for name, v in layer.named_variables().items()}

    def evaluate(d, a, frame, atom):
        suffix = "" if typed else f"_type_{a}"
        f = (fparam[frame] - w["fitting_attr/t_fparam_avg"]) * w["fitting_attr/t_fparam_istd"]
        p = (aparam[frame, atom] - w["fitting_attr/t_aparam_avg"]) * w["fitting_attr/t_aparam_istd"]
        z = np.concatenate([d, vectors[a] if typed else [], f, p])
        z = np.tanh(z @ w[f"layer_0{suffix}/matrix"] + w[f"layer_0{suffix}/bias"])
        h = np.tanh(z @ w[f"layer_1{suffix}/matrix"] + w[f"layer_1{suffix}/bias"])
        z = z + h * w[f"layer_1{suffix}/idt"]
        return (z @ w[f"final_layer{suffix}/matrix"] + w[f"final_layer{suffix}/bias"]).item()

    expected = np.zeros((2, 3))
    for frame, atom in np.ndindex(2, 3):
        a = atype[frame, atom]
        if a >= 0:
            energy = evaluate(descriptor[frame, atom], a, frame, atom)
            if vacuum:
                energy -= evaluate(np.zeros(7), a, frame, atom)
            expected[frame, atom] = energy + w["fitting_attr/t_bias_atom_e"][a]
    np.testing.assert_allclose(layer(*inputs), expected, atol=1e-13)


def test_frame_parameters_are_asked_for():
    layer = EnergyFitting(1, 2, tebd_dim=1, numb_fparam=1)
    with pytest.raises(ValueError, match="fparam must be given"):
        layer(np.zeros((1, 1, 2)), np.zeros((1, 1), np.int32), np.zeros((2, 1)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rcut_smth": 4.0}, r"rcut_smth must lie in \[0, rcut\), not 4.0"),
        ({"tebd_input_mode": "odd"}, "tebd_input_mode must be concat or strip, not 'odd'"),
        ({"axis_neuron": 9}, "axis_neuron 9 exceeds the last width"),
        ({"exclude_types": [[0, 3]]}, r"the pair \[0, 3\], but there are 3 types"),
    ],
)
def test_bad_arguments_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        SeAtten(**{**BASE, "tebd_dim": TEBD, "sel": 6, **change})


def test_se_e2_a_wants_one_sel_for_each_type():
    with pytest.raises(ValueError, match="sel must have one number for each of 3 types"):
        SeE2A(**BASE, sel=[4, 4])
