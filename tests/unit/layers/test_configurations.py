"""``from_config(get_config())`` gives the same layer, optimizer, schedule or loss again."""

import inspect
import json

import keras
import numpy as np
import pytest

from deepattn import layers
from deepattn.descriptors import (
    DPA2,
    CompressedDPA2,
    CompressedSeAtten,
    CompressedSeE2A,
    SeAMask,
    SeAtten,
    SeE2A,
    SeE2R,
    SeE3,
    SeE3Tebd,
    TabulatedRepInit,
)
from deepattn.descriptors.dpa2.environment_matrix import EnvironmentMatrix
from deepattn.descriptors.dpa2.repformer import RepformerOptions, Repformers
from deepattn.descriptors.dpa2.repformer.layer import RepformerLayer
from deepattn.descriptors.dpa2.repformer.local_attention import LocalAttention
from deepattn.descriptors.dpa2.repformer.pair_attention import PairAttention
from deepattn.descriptors.dpa2.repformer.update import Update
from deepattn.descriptors.dpa2.repinit import RepInit
from deepattn.descriptors.dpa2.three_body import ThreeBody
from deepattn.fittings import (
    DipoleFitting,
    DosFitting,
    EnergyFitting,
    PolarFitting,
    PropertyFitting,
)
from deepattn.losses import DosLoss, EnergySpinLoss, PropertyLoss, TensorLoss
from deepattn.optimizers import AdamW, TorchAdam
from deepattn.train import Adam, CosineSchedule, EnergyLoss, ExpSchedule, WsdSchedule

NETS = {"neuron": [3, 6], "activation": "gelu", "resnet_dt": True, "seed": 3}
TYPES = {"ntypes": 2, "tebd_dim": 4}
MATRIX = {"rcut": 3.1, "rcut_smth": 0.4}
DESCRIPTOR = {
    **MATRIX,
    **NETS,
    **TYPES,
    **{"exclude_types": [[0, 1]], "axis_neuron": 2, "type_one_side": True, "common": True},
    **{"protection": 0.3},
    **{"interface_dtype": "float32"},
}


def _without(*names):
    return {name: value for name, value in DESCRIPTOR.items() if name not in names}


SE_ATTEN = {
    **DESCRIPTOR,
    **{"sel": 9, "tebd_input_mode": "strip", "attn": 5, "attn_layer": 1, "attn_dotr": False},
    **{"attn_mask": True, "smooth": True, "ln_eps": 1e-4, "temperature": 0.7},
    **{"trainable_ln": False, "normalize": False},
}
LISTS = {**MATRIX, "protection": 0.1, "nnei": 9}
PAIRS = {
    **LISTS,
    **TYPES,
    **NETS,
    **{"tebd_input_mode": "strip", "smooth": False, "interface_dtype": "float32"},
    **{"type_one_side": True},
}
OPTIONS = RepformerOptions(nnei=7, g1_dim=12, g2_dim=5, axis_neuron=3, smooth=False).to_dict()
REPFORMERS = {**MATRIX, "nlayers": 2, "options": OPTIONS}
DPA_2 = {
    **TYPES,
    "repinit": {**MATRIX, "nnei": 9, "neuron": [3, 6], "axis_neuron": 2},
    "repformer": REPFORMERS,
    "three_body": {**MATRIX, "nnei": 5, "neuron": [2, 4]},
    **{"concat_output_tebd": False, "add_tebd_to_repinit_out": True, "smooth": False},
    **{"exclude_types": [[0, 1]], "env_protection": 0.1, "seed": 3},
    **{"interface_dtype": "float32"},
}
FITTING = {
    **{"ntypes": 2, "descriptor_width": 6, "tebd_dim": 4, "shared": True},
    **{**NETS, "resnet_dt": False, "numb_fparam": 2, "numb_aparam": 1, "dim_case_embd": 3},
    **{"default_fparam": [0.5, -1.0], "aparam_is_mask": True},
    **{"subtract_vacuum": True, "common": True, "interface_dtype": "float32", "numb_fitted": 1},
    **{"trainable_layers": [True, False, True], "layer_names": ["a", None, "b"]},
}
OF_ENERGIES = ("subtract_vacuum", "numb_fitted")
NET_FITTING = {name: value for name, value in FITTING.items() if name not in OF_ENERGIES}
OBSERVABLE = {"observable": ["dipole", 3, False, [0, 1]], "common": True}
SCHEDULE = {"start_lr": 1e-2, "stop_lr": 1e-4, "num_steps": 50, "dtype": "float64"}
WARMUP = {"warmup_steps": 4, "warmup_start_factor": 0.25}
ADAM = {"beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-7, "name": "other"}
TERMS = ("e", "f", "v", "ae", "pf", "gf", "h")
WEIGHTS = {f"{end}_pref_{term}": 1.5 for end in ("start", "limit") for term in TERMS}

CASES = [
    (SeAtten, SE_ATTEN),
    (
        SeE3Tebd,
        {
            **{**_without("axis_neuron", "type_one_side"), "sel": 9},
            **{"tebd_input_mode": "strip", "smooth": False},
        },
    ),
    (CompressedSeAtten, {**SE_ATTEN, "nintervals": 5, "stock": False}),
    (SeE2A, {**DESCRIPTOR, "sel": [3, 4], "tebd_input_mode": "strip"}),
    (SeAMask, {**DESCRIPTOR, "sel": [3, 4], "tebd_input_mode": "strip"}),
    (SeE2R, {**_without("tebd_dim", "axis_neuron"), "sel": [3, 4]}),
    (SeE3, {**_without("tebd_dim", "axis_neuron", "type_one_side"), "sel": [3, 4]}),
    (
        CompressedSeE2A,
        {**DESCRIPTOR, "sel": [3, 4], "tebd_input_mode": "strip", "nintervals": 5, "stock": True},
    ),
    (DPA2, DPA_2),
    (
        CompressedDPA2,
        {
            **DPA_2,
            "repinit": {**DPA_2["repinit"], "tebd_input_mode": "strip", "nintervals": 5},
        },
    ),
    (
        layers.TypeEmbedding,
        {**NETS, "ntypes": 2, "use_bias": True, "features": [[1.0, 2.0], [3.0, 4.0]]},
    ),
    (EnergyFitting, FITTING),
    (DosFitting, {**NET_FITTING, "numb_dos": 5}),
    (DipoleFitting, {**NET_FITTING, "rows": 3, "chosen": [1]}),
    (
        PolarFitting,
        {**NET_FITTING, "rows": 3, "chosen": [1], "fit_diag": False, "scale": [0.5, 2.0]},
    ),
    (PropertyFitting, {**NET_FITTING, "task_dim": 2, "distinguish_types": False}),
    (layers.FittingNet, {**NETS, "input_width": 4, "resnet_dt": False, "every_residual": True}),
    (
        layers.FittingNet,
        {
            **{"input_width": 4, "neuron": [3], "seed": 1, "trainable_layers": [False, True]},
            **{"output_width": 2, "layer_names": [None, "a"]},
        },
    ),
    (layers.EmbeddingNet, {**NETS, "input_width": 1, "time_step": 0.5, "use_bias": False}),
    (
        layers.GatedAttention,
        {
            **{"width": 6, "attn": 5, "dotr": False, "mask": True, "smooth": True, "seed": 1},
            **{"ln_eps": 1e-4, "temperature": 0.7, "trainable_ln": False, "normalize": False},
        },
    ),
    (
        layers.ResidualDense,
        {
            **{"units": 6, "activation": "gelu", "residual": False, "doubling": False, "seed": 1},
            **{"time_step": 0.5, "time_step_shape": "vector", "use_bias": False},
        },
    ),
    (EnvironmentMatrix, {**LISTS, "ntypes": 2}),
    (RepInit, {**PAIRS, "axis_neuron": 2}),
    (
        TabulatedRepInit,
        {**PAIRS, "axis_neuron": 2, "tebd_input_mode": "strip", "nintervals": 5},
    ),
    (ThreeBody, PAIRS),
    (
        Repformers,
        {
            **REPFORMERS,
            **{"ntypes": 2, "protection": 0.1, "direct_dist": True, "seed": 1},
            **{"interface_dtype": "float32"},
        },
    ),
    (RepformerLayer, {"options": OPTIONS, "seed": 1}),
    (LocalAttention, {"options": OPTIONS, "seed": 1}),
    (PairAttention, {"options": OPTIONS, "seed": 1}),
    (Update, {"count": 2, "width": 5, "options": OPTIONS, "seed": 1}),
    (layers.SeededNormal, {"mean": 1.0, "stddev": 2.0, "seed": 3}),
    (ExpSchedule, {**SCHEDULE, **WARMUP, "decay_steps": 7, "decay_rate": 0.5, "smooth": True}),
    (CosineSchedule, {**SCHEDULE, **WARMUP}),
    (
        WsdSchedule,
        {**SCHEDULE, **WARMUP, "decay_phase_ratio": 0.5, "decay_type": "linear"},
    ),
    (
        EnergyLoss,
        {
            **{"start_lr": 1e-3, **WEIGHTS, "numb_generalized_coord": 2, "relative_f": 0.1},
            **{"enable_atom_ener_coeff": True, "intensive_ener_virial": True},
        },
    ),
    (
        EnergySpinLoss,
        {
            **{"start_lr": 1e-3, "intensive_ener_virial": True, "common": True},
            **{f"{e}_pref_{t}": 1.5 for e in ("start", "limit") for t in ("e", "fr", "fm", "v")},
        },
    ),
    (EnergyLoss, {"start_lr": 1e-3, "use_huber": True, "huber_delta": [0.1, 0.2, 0.3]}),
    (EnergyLoss, {"start_lr": 1e-3, "loss_func": "mae", "f_use_norm": True}),
    (
        DosLoss,
        {
            **{"start_lr": 1e-3, **OBSERVABLE},
            **{f"start_pref_{term}": 2.0 for term in ("dos", "cdf", "ados", "acdf")},
            **{f"limit_pref_{term}": 3.0 for term in ("dos", "cdf", "ados", "acdf")},
        },
    ),
    (
        TensorLoss,
        {
            **{"start_lr": 1e-3, **OBSERVABLE},
            **{"pref": 2.0, "pref_atomic": 3.0, "enable_atomic_weight": True},
        },
    ),
    (
        PropertyLoss,
        {
            **{"start_lr": 1e-3, **OBSERVABLE},
            **{"loss_func": "mse", "metric": ["rmse", "mape"], "beta": 0.5},
        },
    ),
    *[(kind, {**ADAM, "l2_penalty": 0.1}) for kind in (Adam, TorchAdam, AdamW)],
    (AdamW, {**ADAM, "weight_decay": 0.1}),
]
# Taken by keyword in other cases, or told apart below.
ELSEWHERE = {"sibling", "last", "learning_rate", "warmup_ratio", "scale_by_worker"}


def restored(thing):
    """The object restored from Keras' serialized form."""
    stored = json.loads(json.dumps(keras.saving.serialize_keras_object(thing)))
    return keras.saving.deserialize_keras_object(stored)


def assert_same_weights(layer, other):
    assert [(v.dtype, v.trainable) for v in layer.weights] == [
        (v.dtype, v.trainable) for v in other.weights
    ]
    for variable, twin in zip(layer.weights, other.weights, strict=True):
        np.testing.assert_array_equal(variable.numpy(), twin.numpy(), err_msg=variable.path)


@pytest.mark.parametrize(("kind", "given"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_every_argument_comes_back(kind, given):
    thing = kind(**given)
    config = thing.get_config()
    found = {name: config[name] for name in given}
    assert json.loads(json.dumps(found)) == json.loads(json.dumps(given))
    again = restored(thing)
    assert type(again) is kind
    assert again.get_config() == config
    if isinstance(thing, keras.layers.Layer):
        width = (None, 9, 6)
        thing.build(width)
        again.build(width)
        assert_same_weights(thing, again)


@pytest.mark.parametrize("kind", dict.fromkeys(kind for kind, _ in CASES))
def test_the_cases_have_every_argument(kind):
    """And one that is not the default, which would come back by itself."""
    cases = [given for other, given in CASES if other is kind]
    arguments = {}
    for base in kind.__mro__[:-1]:
        if base.__module__.startswith("deepattn.") and "__init__" in vars(base):
            arguments |= dict(inspect.signature(base.__init__).parameters)
    for name, argument in arguments.items():
        if argument.kind in (argument.VAR_KEYWORD, argument.VAR_POSITIONAL):
            continue
        if name in {"self", *ELSEWHERE}:
            continue
        if issubclass(kind, DPA2) and name in ("rcut", "rcut_smth", "sel"):
            # It takes them from its blocks.
            continue
        assert any(case.get(name, argument.default) != argument.default for case in cases), name
    # Classes built from a section of the input take its keys.
    section = getattr(kind, "section", None)
    for name, default in section.defaults().items() if section else ():
        if name not in ELSEWHERE:
            assert any(case.get(name, default) != default for case in cases), name


def test_the_last_layer_comes_back():
    layer = RepformerLayer(OPTIONS, last=True)
    assert restored(layer).get_config() == layer.get_config()


def test_an_optimizer_comes_back_with_its_schedule():
    schedule = WsdSchedule(**SCHEDULE, **WARMUP, decay_type="cosine")
    again = restored(Adam(schedule, global_clipnorm=2.0))
    assert again.global_clipnorm == 2.0
    assert again.get_config()["learning_rate"]["config"] == schedule.get_config()


def test_a_fitting_with_a_sibling_comes_back_with_one():
    """Nets, precision and the order of the weights are the sibling's."""
    sibling = EnergyFitting(**{**FITTING, "seed": 8, "trainable_layers": None})
    sibling.build()
    fitting = EnergyFitting(**FITTING, sibling=sibling)
    fitting.build()
    again = restored(fitting)
    assert again.get_config() == fitting.get_config()
    assert_same_weights(fitting, again)
    assert len(fitting.weights) == len(sibling.weights)
    assert again.nets[0] is not fitting.nets[0] is sibling.nets[0]
