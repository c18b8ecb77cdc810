"""Training with the compiled ops of our own, and without them: the same curve."""

import contextlib

import numpy as np
import pytest

from deepattn import ops
from deepattn.plots.learning_curve import read_learning_curve

from . import toy

# Adam divides by the root of squares, which makes rounding larger where gradients are small.
TOLERANCE = {"float64": 1e-9, "float32": 1e-3}


@pytest.mark.parametrize(
    ("kind", "precision"), [("se_atten", "float64"), ("se_atten_v2", "float32")]
)
def test_curves_agree_to_rounding(tmp_path, monkeypatch, kind, precision):
    if ops.fast_library() is None:
        pytest.skip("the op libraries are not built")
    systems = [toy.write_system(tmp_path / "data", [0, 1, 1, 0, 1, 1], 6)]
    nets = {"precision": precision, "seed": 3}
    description = {
        "descriptor": {"type": kind, "attn_layer": 1, **nets},
        "model": {"fitting_net": {"neuron": [5, 5], **nets}},
        "loss": {"start_pref_v": 1.0, "limit_pref_v": 1.0},
    }
    results = []
    for name, path in (("compiled", contextlib.nullcontext()), ("plain", ops.portable())):
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.chdir(folder)
        with path:
            trainer = toy.run(folder, systems, numb_steps=30, **description)
        curve = read_learning_curve("lcurve.out")
        results.append((curve, trainer.model.get_arrays()))
    (compiled, arrays), (plain, others) = results
    digits = 1e-12 if precision == "float64" else 2e-2
    for name, column in compiled.items():
        np.testing.assert_allclose(column, plain[name], rtol=digits, err_msg=name)
    for name, array in arrays.items():
        np.testing.assert_allclose(array, others[name], 0, TOLERANCE[precision], err_msg=name)
