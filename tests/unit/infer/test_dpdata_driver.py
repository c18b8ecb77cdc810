"""dpdata labels frames with a model."""

import dpdata
import numpy as np
import pytest
from small_models import small_model

from deepattn.errors import DataError
from deepattn.export import freeze
from deepattn.infer import DeepPot, dpdata_driver


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A frozen model of three elements."""
    path = tmp_path_factory.mktemp("model") / "model.pb"
    made = small_model({"rcut": 4.0, "attn_layer": 0}, type_map=["Ag", "Pd", "Au"])
    freeze(made, path, training_script={}, min_nbor_dist=1.0)
    return str(path)


@pytest.fixture(autouse=True)
def _registered():
    """By the import of the module, as dpdata does it in an installation."""
    assert dpdata.driver.Driver.get_driver("deepattn") is dpdata_driver.DeepattnDriver


def system(names, *, periodic):
    """Two frames of six atoms."""
    random = np.random.default_rng(3)
    data = {
        "atom_names": names,
        "atom_numbs": [3] * len(names),
        "atom_types": np.repeat(np.arange(len(names)), 3),
        "coords": random.uniform(0, 5, (2, 3 * len(names), 3)),
        "cells": np.tile(6.0 * np.eye(3), (2, 1, 1)),
        "orig": np.zeros(3),
    }
    if not periodic:
        data["nopbc"] = True
    return dpdata.System(data=data)


@pytest.mark.parametrize("periodic", [True, False])
def test_labels_are_those_of_the_model(model, periodic):
    frames = system(["Au", "Ag"], periodic=periodic)
    labeled = frames.predict(model, driver="deepattn")
    assert isinstance(labeled, dpdata.LabeledSystem)
    data = labeled.data
    with DeepPot(model) as potential:
        types = [potential.get_type_map().index(data["atom_names"][k]) for k in data["atom_types"]]
        cells = data["cells"].reshape(2, 9) if periodic else None
        expected = potential.eval(data["coords"].reshape(2, -1), cells, types)
    for name, values in zip(("energies", "forces", "virials"), expected, strict=True):
        np.testing.assert_allclose(data[name].ravel(), values.ravel(), rtol=0, atol=1e-12)


def test_an_unknown_element_is_named(model):
    with pytest.raises(DataError, match="the model has no Cu; its elements are Ag, Pd, Au"):
        system(["Ag", "Cu"], periodic=True).predict(model, driver="deepattn")
