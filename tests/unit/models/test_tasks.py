"""Multi-task models: shared layers."""

import numpy as np
import pytest
from small_models import TYPE_MAP, dpa2, model_section, small_batch

from deepattn.config import read_input, upgrade
from deepattn.errors import ConfigError
from deepattn.models import build_models, unique_variables

BIAS, CASE = "fitting_attr/t_bias_atom_e", "fitting_attr/t_case_embd"


def models_of(links, descriptor=None, fitting=None, **others):
    """Models of branches by their links to ``net`` and ``fit``; None is a part of its own."""
    section = model_section(descriptor or {"attn_layer": 0}, fitting)
    parts = {"net": section["descriptor"], "fit": section["fitting_net"]}
    branches = {}
    for name, (net, fit) in links.items():
        branches[name] = {
            "type_map": "types",
            "descriptor": net or parts["net"],
            "fitting_net": fit or parts["fit"],
            **others.get(name, {}),
        }
    used = {str(link).split(":")[0] for pair in links.values() for link in pair}
    shared = {key: part for key, part in parts.items() if key in used}
    data = {"training_data": {"systems": ["a"]}}
    content = {
        "model": {"shared_dict": {"types": TYPE_MAP, **shared}, "model_dict": branches},
        "learning_rate": {"start_lr": 1e-3},
        "training": {"data_dict": dict.fromkeys(branches, data), "numb_steps": 1},
    }
    return build_models(read_input(upgrade(content)))


def shared(models, first, second):
    """Names of the weights that two models have in common."""
    ours, theirs = models[first].named_variables(), models[second].named_variables()
    return {name for name, variable in ours.items() if variable is theirs.get(name)}


@pytest.mark.parametrize(
    "descriptor", [None, dpa2(add_tebd_to_repinit_out=True)], ids=["dpa1", "dpa2"]
)
def test_levels_of_a_shared_descriptor(descriptor):
    links = {"a": ("net:1", None), "b": ("net", None), "c": ("net", None), "d": (None, None)}
    models = models_of(links, descriptor)
    names = set(models["b"].named_variables())
    fitting = set(models["b"].fitting.named_variables())
    embedding = set(models["b"].type_embedding.named_variables())
    assert list(models) == list(links)
    assert shared(models, "b", "c") == names - fitting
    assert shared(models, "a", "b") == embedding
    assert not shared(models, "b", "d")


def test_a_shared_fitting_net_keeps_biases_and_case_vectors_apart():
    parameters = {"numb_fparam": 1, "dim_case_embd": 2}
    models = models_of({"b": ("net", "fit"), "a": ("net", "fit")}, fitting=parameters)
    own = set(models["a"].named_variables()) - shared(models, "a", "b")
    assert own == {BIAS, CASE}
    # By alphabet, not by the order of the input.
    assert models["a"].fitting.case_embd.numpy().tolist() == [1, 0]
    assert models["b"].fitting.case_embd.numpy().tolist() == [0, 1]


def test_the_case_vector_tells_the_net_which_task_it_is():
    models = models_of({"a": ("net", "fit"), "b": ("net", "fit")}, fitting={"dim_case_embd": 2})
    inputs, _ = small_batch(nframes=1)
    energies = [float(model(inputs)["energy"][0]) for model in models.values()]
    assert abs(energies[0] - energies[1]) > 1e-6
    models["b"].fitting.case_embd.assign(np.array([1.0, 0.0]))
    assert float(models["b"](inputs)["energy"][0]) == energies[0]


def test_the_baseline_shares_everything():
    kind = {"type": "se_e2_a"}
    models = models_of({"a": ("net", "fit"), "b": ("net", "fit")}, kind)
    assert set(models["a"].named_variables()) - shared(models, "a", "b") == {BIAS}


def test_variables_that_are_shared_are_named_once():
    models = models_of({"a": ("net", None), "b": ("net", None)})
    names = unique_variables({f"{name}/": model for name, model in models.items()})
    assert len({id(variable) for variable in names.values()}) == len(names)
    fitting = models["b"].fitting.named_variables()
    assert {name for name in names if name.startswith("b/")} == {f"b/{name}" for name in fitting}


def test_a_fitting_net_fits_one_width_only():
    wide = {"descriptor": model_section({"attn_layer": 0, "neuron": [3, 6]})["descriptor"]}
    with pytest.raises(ConfigError, match=r"shared_dict/fit .* width 32.* branch b has width 26"):
        models_of({"a": ("net", "fit"), "b": (None, "fit")}, b=wide)
