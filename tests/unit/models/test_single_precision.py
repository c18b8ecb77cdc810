"""Single precision: compiled and reference ops within one bound of the exact numbers."""

import numpy as np
import pytest

from deepattn import ops
from deepattn.config import ModelConfig, normalize_model
from deepattn.models import build_model

NTYPES, SEL, RCUT = 20, 120, 6.0
KEYS = ("energy", "atom_energy", "force", "virial")


def section(precision, **descriptor):
    """Many elements, and nets of the sizes of published graphs."""
    nets = {"neuron": [25, 50, 100], "axis_neuron": 12, "attn": 128, "attn_layer": 3, "seed": 1}
    lists = {"type": "se_atten", "sel": SEL, "rcut": RCUT, "rcut_smth": 0.5}
    return normalize_model(
        {
            "type_map": [f"X{k}" for k in range(NTYPES)],
            "descriptor": {**lists, **nets, "precision": precision, **descriptor},
            "type_embedding": {"neuron": [8], "precision": precision, "seed": 2},
            "fitting_net": {"neuron": [240, 240, 240], "precision": precision, "seed": 3},
        }
    )


def models(**descriptor):
    """A model all in single precision, and one of the same weights in double precision."""
    rng = np.random.default_rng(0)
    single = ModelConfig.from_dict(section("float32", **descriptor))
    single = build_model(single, interface_dtype="float32")
    arrays = single.get_arrays()
    spread = rng.uniform(0.01, 0.15, (NTYPES, 2))[:, [0, 1, 1, 1]].astype("float32")
    arrays["descrpt_attr/t_std"] = np.tile(spread, (1, SEL))
    single.set_arrays(arrays)
    double = build_model(ModelConfig.from_dict(section("float64", **descriptor)))
    variables = double.named_variables()
    double.set_arrays({k: a.astype(variables[k].dtype) for k, a in arrays.items()})
    return single, double


def frame(*, avoid):
    """Twenty atoms in a cell, with no distance within ``avoid`` Å of the cutoff."""
    rng = np.random.default_rng(5)
    cell = np.diag([9.0, 9.5, 10.0])
    images = (np.indices((5, 5, 5)).reshape(3, -1).T - 2) @ cell
    points = np.zeros((0, 3))
    while len(points) < 20:
        trial = rng.random(3) @ cell
        distances = np.linalg.norm(points[:, None] - trial + images, axis=-1)
        if not distances.size or (distances.min() > 1.2 and abs(distances - RCUT).min() > avoid):
            points = np.concatenate([points, trial[None]])
    inputs = {"coord": points[None], "box": cell.reshape(1, 9)}
    # The same frame in either precision.
    inputs = {key: np.float64(np.float32(array)) for key, array in inputs.items()}
    return {**inputs, "atype": rng.integers(0, NTYPES, (1, 20)).astype(np.int32)}


def evaluate(model, inputs, *, plain=False):
    if not plain:
        outputs = model(inputs)
    else:
        with ops.plain():
            outputs = model(inputs)
    return {key: np.float64(outputs[key]) for key in KEYS}


def distance(found, expected):
    """Largest errors, as parts of the largest number."""
    return {k: np.abs(found[k] - expected[k]).max() / np.abs(expected[k]).max() for k in KEYS}


@pytest.mark.parametrize("smooth", [False, True], ids=["plain attention", "smooth attention"])
def test_one_bound_for_both(smooth):
    single, double = models(smooth_type_embedding=smooth)
    inputs = frame(avoid=0.05)
    exact = evaluate(double, inputs)
    for plain in (False, True):
        for key, error in distance(evaluate(single, inputs, plain=plain), exact).items():
            assert error < 2e-5, (key, plain)


def test_both_round_alike_near_the_cutoff():
    """There attention divides by what rounding leaves, so no bound holds but of one another."""
    if ops.library() is None:
        pytest.skip("the op libraries are not built: python -m deepattn.ops.build")
    single, _ = models()
    inputs = frame(avoid=0.0)
    compiled = evaluate(single, inputs)
    for key, error in distance(evaluate(single, inputs, plain=True), compiled).items():
        assert error < 2e-5, key
