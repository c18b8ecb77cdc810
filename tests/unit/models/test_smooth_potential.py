"""Models whose energies come from one operation, and models that fall back to their layers."""

import numpy as np
import pytest
import tensorflow as tf

from deepattn import ops
from deepattn.losses import EnergyLoss
from deepattn.models.smooth_potential import energies_in_one_operation

from ...small_models import small_batch, small_model

TYPES = {"type_embedding": {"neuron": [5]}}
ATTEN = {"type": "se_atten", "attn_layer": 0}
E2 = {"type": "se_e2_a"}
SMOOTH = {**ATTEN, "tebd_input_mode": "strip", "smooth_type_embedding": True}
COMMON = {"convention": "common"}
EXCLUDED = {"pair_exclude_types": [[0, 1]], "atom_exclude_types": [1]}
# Descriptor, fitting, further keys of the model.
FUSED = {
    "types in the net": (ATTEN, {}, TYPES),
    "types of neighbors in the net": ({**ATTEN, "type_one_side": True}, {}, TYPES),
    "factors": ({**ATTEN, "tebd_input_mode": "strip"}, {}, TYPES),
    "smooth factors": ({**SMOOTH, "exclude_types": [[0, 1]]}, {}, TYPES),
    "smooth factors, common": ({**SMOOTH, "exclude_types": [[0, 1]]}, {}, {**TYPES, **COMMON}),
    "a net for each pair": ({**E2, "exclude_types": [[0, 0]]}, {}, {}),
    "a net for each neighbor": ({**E2, "type_one_side": True, "resnet_dt": True}, {}, {}),
    "excluded, common": ({**E2, "type_one_side": True, "exclude_types": [[0, 1]]}, {}, COMMON),
    "types of two sides": (E2, {}, TYPES),
    "excluded from the model": ({**SMOOTH, "sel": 14}, {}, {**TYPES, **COMMON, **EXCLUDED}),
    "excluded from the model, slots of types": (E2, {}, {**COMMON, **EXCLUDED}),
    "energies of single atoms": (ATTEN, {"atom_ener": [1.0, 2.0]}, TYPES),
    "layers that are one layer": (
        E2,
        {"neuron": [6, 6, 6], "layer_name": ["a", "b", "b", None], "seed": 1},
        {},
    ),
    "float32": ({**ATTEN, "precision": "float32"}, {"precision": "float32"}, TYPES),
}
LAYERS = {
    "attention": ({**ATTEN, "attn_layer": 1}, {}, TYPES),
    "another activation": ({**ATTEN, "activation_function": "relu6"}, {}, TYPES),
    "another activation of the fitting": (ATTEN, {"activation_function": "gelu"}, TYPES),
    "a bypass of the first layer": ({**E2, "neuron": [2, 4]}, {}, {}),
    "two precisions": ({**ATTEN, "precision": "float32"}, {}, TYPES),
}


def model_of(descriptor, fitting, model):
    built = small_model(descriptor, fitting, **model)
    rng = np.random.default_rng(5)
    for variable, low in ((built.descriptor.davg, -0.2), (built.descriptor.dstd, 0.4)):
        values = rng.uniform(low, low + 0.4, (variable.shape[0], 4))
        variable.assign(np.tile(values, variable.shape[1] // 4))
    return built


def is_fused(model, inputs):
    prepared = model.prepare(inputs)
    found = energies_in_one_operation(
        model, prepared["environment"], prepared["atype"], model.type_vectors(), None, None
    )
    return found is not None


def run(model, inputs, labels):
    loss = EnergyLoss(1e-3, start_pref_v=1.0, limit_pref_v=1.0)
    with tf.GradientTape() as tape:
        outputs = model(inputs, with_descriptor=False)
        value, _ = loss(labels, outputs, 1e-3)
    return outputs, tape.gradient(value, model.trainable_weights)


@pytest.mark.parametrize("name", FUSED)
def test_results_and_gradients_are_those_of_the_layers(compiled_ops, name):
    model = model_of(*FUSED[name])
    inputs, labels = small_batch()
    inputs["atype"][0, 2] = -1
    assert is_fused(model, inputs)
    outputs, gradients = run(model, inputs, labels)
    with ops.portable():
        assert not is_fused(model, inputs)
        expected, expected_gradients = run(model, inputs, labels)
    tolerance = 1e-4 if name == "float32" else 1e-11
    for key, value in expected.items():
        np.testing.assert_allclose(outputs[key], value, rtol=0, atol=tolerance, err_msg=key)
    for one, other, weight in zip(
        gradients, expected_gradients, model.trainable_weights, strict=True
    ):
        # TensorFlow knows of no gradient where a type has no atoms at all.
        other = tf.zeros_like(one) if other is None else other
        scale = max(1.0, abs(np.asarray(other)).max())
        np.testing.assert_allclose(one, other, 0, tolerance * scale, err_msg=weight.path)


@pytest.mark.parametrize("name", LAYERS)
def test_others_keep_their_layers(compiled_ops, name):
    model = model_of(*LAYERS[name])
    assert not is_fused(model, small_batch()[0])


def test_rounded_products_keep_their_layers(compiled_ops):
    model = model_of(*FUSED["factors"])
    model.multiply_in_bfloat16()
    assert not is_fused(model, small_batch()[0])


@pytest.fixture
def compiled_ops():
    if ops.fast_library() is None:
        pytest.skip("the op libraries are not built")
