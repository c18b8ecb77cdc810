"""Every form of batch_size, auto_prob and sys_probs."""

import numpy as np
import pytest

from deepattn.data.batch_size import batch_sizes
from deepattn.data.probability import system_probabilities
from deepattn.errors import ConfigError


@pytest.mark.parametrize(
    ("rule", "sizes"),
    [
        (3, (3, 3, 3)),
        ([1, 2, 3], (1, 2, 3)),
        ("auto", (8, 1, 1)),
        ("auto:32", (8, 1, 1)),
        ("auto:65", (17, 3, 1)),
        ("max:65", (16, 2, 1)),
        ("max:3", (1, 1, 1)),
        ("filter:40", (10, 1, 0)),
        ("mixed:5", (5, 5, 5)),
    ],
)
def test_rules(rule, sizes):
    got = batch_sizes(rule, [4, 32, 192])
    assert got.sizes == sizes
    assert got.mixed == (rule == "mixed:5")


@pytest.mark.parametrize(
    "rule",
    [0, -1, True, [1, 2], [1, 2, 0], "max", "filter:", "mixed:0", "auto:", "auto:-3", "auto:1.5",
     "mix:3", "many", "filter:3"],
)  # fmt: skip
def test_what_is_no_rule(rule):
    with pytest.raises(ConfigError, match="batch_size"):
        batch_sizes(rule, [4, 32, 192])


@pytest.mark.parametrize(
    ("auto_prob", "sys_probs", "expected"),
    [
        ("prob_uniform", None, [0.25] * 4),
        ("prob_sys_size", None, [0.1, 0.2, 0.3, 0.4]),
        ("prob_sys_size;0:2:0.5;2:4:0.5", None, [1 / 6, 1 / 3, 3 / 14, 4 / 14]),
        ("prob_sys_size; 0:2:3 ; 2:3:1", None, [0.25, 0.5, 0.25, 0.0]),
        ("prob_sys_size;-1:4:1", None, [0, 0, 0, 1]),
        ("prob_sys_size", [0.4, 0.3, 0.2, 0.1], [0.4, 0.3, 0.2, 0.1]),
        ("prob_uniform", [0.4, -1, -1, 0.1], [0.4, 0.2, 0.3, 0.1]),
    ],
)
def test_probabilities(auto_prob, sys_probs, expected):
    got = system_probabilities(auto_prob, sys_probs, [1, 2, 3, 4])
    np.testing.assert_allclose(got, expected, atol=1e-15)


def test_a_system_left_out_is_never_drawn():
    got = system_probabilities("prob_uniform", None, [5, 0, 5])
    np.testing.assert_array_equal(got, [0.5, 0, 0.5])


@pytest.mark.parametrize(
    ("auto_prob", "sys_probs"),
    [
        ("prob_whatever", None),
        ("prob_sys_size;0:2", None),
        ("prob_sys_size;a:b:c", None),
        ("prob_sys_size;0:2:-1;2:3:2", None),
        ("prob_sys_size;0:2:0", None),
        ("prob_sys_size;7:9:1", None),
        ("prob_sys_size", [0.5, 0.5]),
        ("prob_sys_size", [0.5, 0.5, 0.5]),
        ("prob_sys_size", [0.5, 0.2, 0.1]),
        ("prob_sys_size", [0.9, 0.2, -1]),
        ("prob_sys_size", [np.nan, 0.5, 0.5]),
    ],
)
def test_what_is_no_probability(auto_prob, sys_probs):
    with pytest.raises(ConfigError, match=r"auto_prob|sys_probs"):
        system_probabilities(auto_prob, sys_probs, [1, 2, 3])
