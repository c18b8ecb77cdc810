"""Probabilities of systems given by hand: taken, refused and completed as by DeePMD-kit."""

import json

import numpy as np
import pytest

from deepattn.data.probability import system_probabilities
from deepattn.errors import ConfigError

from .deepmd_kit import DP320, run_inside

pytestmark = pytest.mark.conformance

GIVEN = [
    [0.333332] * 3,
    [0.333333] * 3,
    [0.33333333] * 3,
    [1 / 3 + 3e-9] * 3,
    [1 / 3 + 6e-9] * 3,
    [0.1, 0.2, 0.7],
    [0.5, 0.5, 0.5],
    [0.25, -1, -1],
    [0.9, 0.2, -1],
    [0.25, -1, 0.25, -1],
]


def test_the_same_are_refused(tmp_path):
    theirs = json.loads(run_inside(DP320.require(), "sys_probs.py", GIVEN, tmp_path))
    for given, expected in zip(GIVEN, theirs, strict=True):
        if expected is None:
            with pytest.raises(ConfigError, match="sys_probs"):
                system_probabilities("prob_sys_size", given, [3, 1, 2, 4][: len(given)])
        else:
            ours = system_probabilities("prob_sys_size", given, [3, 1, 2, 4][: len(given)])
            np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-8)
