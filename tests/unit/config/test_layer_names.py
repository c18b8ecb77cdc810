"""Names of layers, of which those with the same name are one."""

import pytest

from deepattn.config import normalize
from deepattn.errors import ConfigError

from .inputs import SE_E2_A, changed


@pytest.mark.parametrize(
    ("fitting", "message"),
    [
        ({"layer_name": ["a", "a", "b", "c"]}, "only hidden layers that are as wide as"),
        ({"layer_name": ["a", "b", "c", "c"]}, "only hidden layers that are as wide as"),
        ({"layer_name": ["a/b", None, None, None]}, "a list of 4 names of letters"),
        (
            {"layer_name": [None, "a", "a", None], "trainable": [True, True, False, True]},
            "trainable differs for the layers 1 and 2",
        ),
    ],
)
def test_layers_that_cannot_be_one(fitting, message):
    section = {"neuron": [8, 8, 8], **fitting}
    with pytest.raises(ConfigError, match=message):
        normalize(changed(SE_E2_A, "model/fitting_net", section))


def test_names_of_layers_are_of_one_backend():
    section = {"neuron": [8, 8], "layer_name": ["a", "b", "c"]}
    raw = changed(SE_E2_A, "model/fitting_net", section)
    assert normalize(raw)["model"]["fitting_net"]["layer_name"] == ["a", "b", "c"]
    with pytest.raises(ConfigError, match=r"layer_name = .* needs model/convention tensorflow"):
        normalize(changed(raw, "model/convention", "common"))
