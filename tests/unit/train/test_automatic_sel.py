"""Numbers of neighbors that follow from the data."""

import json
from pathlib import Path

import numpy as np
import pytest
from small_models import dpa2, model_section

from deepattn.errors import ConfigError
from deepattn.train import train

from . import toy

PLACES = {"se_atten": "sel", "se_e2_a": "sel", "dpa2": "repinit/nsel"}


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize("scale", [100, None])
def test_an_automatic_sel_without_neighbors(here, kind, scale):
    """Lengths in pm, or atoms that stand alone."""
    path = Path(toy.write_system(here / "a", [0, 1, 1] if scale else [0], 3, periodic=False))
    if scale:
        np.save(path / "set.000/coord.npy", scale * np.load(path / "set.000/coord.npy"))
    content = toy.make_input([str(path)])
    if kind == "se_e2_a":
        del content["model"]["type_embedding"]
        small = {"rcut": 2.4, "rcut_smth": 0.6, "neuron": [3, 6], "axis_neuron": 2}
        content["model"]["descriptor"] = {"type": kind, "sel": "auto", **small}
    elif kind == "dpa2":
        content["model"] = model_section(dpa2(repinit={"nsel": "auto"}))
    else:
        content["model"]["descriptor"]["sel"] = "auto"
    (here / "input.json").write_text(json.dumps(content))
    with pytest.raises(ConfigError) as caught:
        train("input.json")
    message = str(caught.value)
    assert f"model/descriptor/{PLACES[kind]} is 'auto', but no atom" in message
    assert ("check the unit" if scale else "all atoms are isolated") in message
    assert "\n" not in message


def test_isolated_atoms_alone_are_trained_on(here):
    system = toy.write_system(here / "a", [0], 3, periodic=False)
    trainer = toy.run(here, [system], numb_steps=1)
    assert (here / "model.ckpt-1.h5").exists()
    assert np.isfinite(trainer.model.named_variables()["layer_0/matrix"].numpy()).all()
