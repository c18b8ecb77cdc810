"""Layers of the repformer against their formulas, from features drawn at random."""

import numpy as np
import pytest

from deepattn.descriptors.dpa2.neighbor_vectors import NeighborVectors
from deepattn.descriptors.dpa2.repformer import (
    LocalAttention,
    RepformerLayer,
    RepformerOptions,
    Repformers,
    Update,
)
from deepattn.descriptors.dpa2.repformer.neighbor_weights import neighbor_weights

from .check_layer import check_layer

ATOMS, STORED, NNEI = 4, 5, 9
SIZES = {
    "nnei": NNEI,
    "g1_dim": 6,
    "g2_dim": 5,
    "axis_neuron": 2,
    "attn1_hidden": 3,
    "attn1_nhead": 2,
    "attn2_hidden": 4,
    "attn2_nhead": 3,
}
PLAIN = {"smooth": False, "use_sqrt_nnei": False, "attn2_has_gate": True, "update_h2": True}
MIXED = {"g1_out_conv": False, "g1_out_mlp": False}
FEW = {
    "update_g1_has_conv": False,
    "update_g1_has_attn": False,
    "update_g2_has_g1g1": False,
    "update_g2_has_attn": False,
}
OPTIONS = {
    "default": {},
    "vectors": {"update_h2": True, "update_style": "res_incr"},
    "plain": {**PLAIN, "update_style": "res_residual", "update_residual": 0.5},
    "plain_mixed": {**PLAIN, **MIXED, "use_sqrt_nnei": True},
    "mixed": {**MIXED, "update_style": "res_residual", "update_residual_init": "const"},
    "few": {**FEW, "update_style": "res_incr", "activation": "silu"},
}


def draw(options, rng):
    """Features, vectors and neighborhoods of atoms that have from no to four neighbors."""
    mask = np.arange(STORED) < np.array([4, 2, 0, 3])[:, None]
    switch = np.where(mask, rng.uniform(0.1, 1.0, mask.shape), 0.0)
    index = np.where(mask, rng.integers(0, ATOMS, mask.shape), 0).astype(np.int32)
    slots = NeighborVectors(None, None, mask, mask, None, index, np.int32(NNEI - STORED))
    neighbors = neighbor_weights(
        slots,
        switch * np.float64(1.0),
        nnei=NNEI,
        smooth=options.smooth,
        use_sqrt_nnei=options.use_sqrt_nnei,
    )
    g1 = rng.normal(size=(ATOMS, options.g1_dim))
    g2 = rng.normal(size=(ATOMS, STORED, options.g2_dim))
    h2 = rng.normal(size=(ATOMS, STORED, 3))
    return g1, g2, h2, neighbors, mask, switch


def layer_in_numpy(w, options, g1, g2, h2, mask, switch, index):
    """One layer from the paper's formulas, atom by atom, with all slots that there are."""

    def lin(name, x):
        return x @ w[f"{name}/w"] + w.get(f"{name}/b", 0.0)

    def phi(x):
        return np.tanh(x) if options.activation == "tanh" else x / (1.0 + np.exp(-x))

    def softmax(logits, weight):
        if options.smooth:
            terms = np.exp((logits + 20.0) * weight - 20.0)
        else:
            terms = np.exp(logits) * (weight > 0)
        total = terms.sum(axis=-1, keepdims=True)
        return np.where(total > 0, terms / np.where(total > 0, total, 1.0), 0.0) * weight

    def update(name, x, terms):
        if options.update_style == "res_avg":
            return (x + sum(terms)) / np.sqrt(len(terms) + 1)
        if options.update_style == "res_incr":
            return x + sum(terms) / np.sqrt(max(len(terms), 1))
        return x + sum(w[f"{name}/{k}"] * u for k, u in enumerate(terms))

    def invariant(m, g, h, norm):
        s = norm * np.einsum("ka,k,kc->ac", h, m, g)
        return (s[:, : options.axis_neuron].T @ s / 3.0).ravel()

    cut = ((0, NNEI - STORED), (0, 0))
    new = []
    for i in range(ATOMS):
        neighbor_g1, pair, h = np.pad(g1[index[i]], cut), np.pad(g2[i], cut), np.pad(h2[i], cut)
        real = np.pad(mask[i].astype(float), cut[0])
        m = np.pad(switch[i], cut[0]) if options.smooth else real
        count = NNEI if options.smooth else 1e-4 + real.sum()
        root = np.sqrt(NNEI) if options.smooth else 1e-4 + np.sqrt(real.sum())
        norm = 1.0 / (root if options.use_sqrt_nnei else count)
        terms, inputs = [], []
        if options.g1_out_mlp:
            terms.append(phi(lin("g1_self_mlp", g1[i])))
        else:
            inputs.append(g1[i])
        if options.update_g1_has_conv and options.g1_out_conv:
            terms.append(m @ (neighbor_g1 * lin("proj_g1g2", pair)) / count)
        elif options.update_g1_has_conv:
            inputs.append(m @ (lin("proj_g1g2", neighbor_g1) * pair) / count)
        inputs.append(invariant(m, pair, h, norm))
        inputs.append(invariant(m, neighbor_g1, h, norm))
        terms.append(phi(lin("linear1", np.concatenate(inputs))))
        if options.update_g1_has_attn:
            d, heads = options.attn1_hidden, options.attn1_nhead
            q = lin("loc_attn/mapq", g1[i]).reshape(d, heads)
            kv = lin("loc_attn/mapkv", neighbor_g1).reshape(NNEI, -1, heads)
            a = softmax(np.einsum("dh,kdh->hk", q, kv[:, :d]) / np.sqrt(d), np.tile(m, (heads, 1)))
            terms.append(lin("loc_attn/head_map", np.einsum("hk,kch->hc", a, kv[:, d:]).ravel()))
        pair_terms, vector_terms = [phi(lin("linear2", pair))], []
        if options.update_g2_has_g1g1:
            pair_terms.append(lin("proj_g1g1g2", m[:, None] * g1[i] * neighbor_g1))
        if options.update_g2_has_attn or options.update_h2:
            d, heads = options.attn2_hidden, options.attn2_nhead
            qk = lin("attn2g_map/mapqk", pair).reshape(NNEI, d, 2 * heads)
            logits = np.einsum("jdh,kdh->hjk", qk[..., :heads], qk[..., heads:]) / np.sqrt(d)
            gate = h @ h.T
            logits = logits * gate if options.attn2_has_gate else logits
            a = softmax(logits, np.tile(np.outer(m, m), (heads, 1, 1))) * gate / np.sqrt(3.0)
        if options.update_g2_has_attn:
            values = lin("attn2_mh_apply/mapv", pair).reshape(NNEI, -1, heads)
            context = np.einsum("hjk,kch->jch", a, values).reshape(NNEI, -1)
            y = lin("attn2_mh_apply/head_map", context)
            y = (y - y.mean(1, keepdims=True)) / np.sqrt(y.var(1, keepdims=True) + options.ln_eps)
            pair_terms.append(y * w["attn2_lm/w"] + w["attn2_lm/b"])
        if options.update_h2:
            context = np.einsum("hjk,ka->jah", a, h)
            vector_terms.append(lin("attn2_ev_apply/head_map", context)[..., 0])
        updated = update("g1_residual", g1[i], terms), update("g2_residual", pair, pair_terms)
        vectors = update("h2_residual", h, vector_terms) if vector_terms else h
        new.append([updated[0], updated[1][:STORED], vectors[:STORED]])
    return [np.stack(part) for part in zip(*new, strict=True)]


@pytest.mark.parametrize("name", OPTIONS)
def test_layer(name):
    """Slots are cut to the longest neighborhood, but the formula is evaluated on all of them."""
    rng = np.random.default_rng(4)
    options = RepformerOptions(**SIZES, **OPTIONS[name])
    g1, g2, h2, neighbors, mask, switch = draw(options, rng)
    layer = RepformerLayer(options, seed=3, dtype="float64")
    layer.build()
    w = {key: np.asarray(v) for key, v in layer.named_variables().items()}
    expected = layer_in_numpy(w, options, g1, g2, h2, mask, switch, np.asarray(neighbors.index))
    for value, wanted in zip(layer(g1, g2, h2, neighbors), expected, strict=True):
        real = mask if wanted.ndim == 3 else ...
        np.testing.assert_allclose(np.asarray(value)[real], wanted[real], rtol=0, atol=1e-12)


def test_the_last_layer_leaves_pairs_alone():
    options = RepformerOptions(**SIZES, update_h2=True)
    g1, g2, h2, neighbors, *_ = draw(options, np.random.default_rng(5))
    layer = RepformerLayer(options, last=True, seed=3, dtype="float64")
    _, pairs, vectors = layer(g1, g2, h2, neighbors)
    np.testing.assert_array_equal(pairs, g2)
    np.testing.assert_array_equal(vectors, h2)
    assert not [name for name in layer.named_variables() if name.startswith(("g2", "h2", "attn2"))]


def test_attention_as_a_keras_layer():
    options = RepformerOptions(**SIZES)
    g1, _, _, neighbors, *_ = draw(options, np.random.default_rng(6))
    config = {"options": options.to_dict(), "seed": 2}
    check_layer(LocalAttention, config, [g1, neighbors], expected_shape=(ATOMS, 6))


@pytest.mark.parametrize("init", ["norm", "const"])
def test_update_as_a_keras_layer(init):
    options = RepformerOptions(
        **SIZES, update_style="res_residual", update_residual_init=init, update_residual=0.5
    )
    x = np.random.default_rng(7).normal(size=(3, ATOMS, 6))
    config = {"count": 2, "width": 6, "options": options.to_dict(), "seed": 2}
    layer, _ = check_layer(Update, config, [x[0], list(x[1:])], expected_shape=(ATOMS, 6))
    values = np.concatenate([np.asarray(r) for r in layer.residuals])
    assert np.all(values == 0.5) if init == "const" else 0.1 < values.std() < 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"update_style": "sum"}, "update_style must be one of res_avg, res_incr, res_residual"),
        ({"update_residual_init": "zero"}, "update_residual_init must be norm or const"),
        ({"axis_neuron": 6}, "axis_neuron 6 exceeds g1_dim 6 or g2_dim 5"),
    ],
)
def test_bad_options_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        RepformerOptions(**{**SIZES, **change})


PAIRS = {**FEW, "update_g1_has_drrd": False}


@pytest.mark.parametrize(
    ("options", "reach"),
    [
        ({}, [1, 2, 3, 4]),
        (PAIRS, [0, 0, 0, 0]),
        ({**PAIRS, "update_g2_has_g1g1": True}, [0, 1, 1, 2]),
    ],
)
def test_how_far_messages_reach(options, reach):
    """A product of both atoms' g1 changes g2, which changes g1 one layer later."""
    options = RepformerOptions(**SIZES, **options)
    for nlayers, steps in enumerate(reach, 1):
        block = Repformers(2, options, nlayers=nlayers, rcut=3.0, rcut_smth=1.0)
        assert block.message_cutoffs == (3.0,) * steps
