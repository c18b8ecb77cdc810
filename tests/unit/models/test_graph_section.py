"""The section of a model that a graph without a training script tells."""

from types import SimpleNamespace

import numpy as np
import pytest

from deepattn.config import ModelConfig, normalize_model
from deepattn.descriptors.se_e2_r.graph import section_of_graph


def _node(op, **attr):
    return SimpleNamespace(op=op, attr=attr)


def _frozen(center, *, activation="Tanh", step=False, searches=1):
    """A graph of two types with nets of 4 and 8, and 6 and 6."""
    number = SimpleNamespace
    search = {
        "sel": number(list=number(i=[8, 9])),
        "rcut": number(f=4.0),
        "rcut_smth": number(f=0.5),
    }
    nodes = {f"search_{k}": _node("ProdEnvMatR", **search) for k in range(searches)}
    nodes |= {f"{center}/Act": _node(activation), "layer_0_type_0/Tanh": _node("Tanh")}
    shapes = {f"{center}/matrix_1_0": (1, 4), f"{center}/matrix_2_0": (4, 8)}
    shapes |= {"layer_0_type_0/matrix": (8, 6), "layer_1_type_0/matrix": (6, 6)}
    if step:
        shapes |= {f"{center}/idt_2_0": (1, 8), "layer_1_type_0/idt": (6,)}
    weights = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    graph = SimpleNamespace(nodes=nodes)
    return SimpleNamespace(graph=graph, weights=weights, type_map=["O", "H"], dfparam=0, daparam=1)


@pytest.mark.parametrize("center", ["filter_type_0", "filter_type_all"])
def test_what_the_nodes_say(center):
    for step in (False, True):
        config = ModelConfig.from_dict(
            normalize_model(section_of_graph(_frozen(center, step=step)))
        )
        descriptor, fitting = config.descriptor, config.fitting_net
        assert (descriptor.type, descriptor.sel, descriptor.neuron) == ("se_e2_r", (8, 9), (4, 8))
        assert (descriptor.rcut, descriptor.rcut_smth) == (4.0, 0.5)
        assert descriptor.type_one_side == (center == "filter_type_all")
        assert (fitting.neuron, fitting.numb_aparam) == ((6, 6), 1)
        assert descriptor.resnet_dt == fitting.resnet_dt == step
        assert descriptor.precision == fitting.precision == "float32"


@pytest.mark.parametrize("change", [{"activation": "Elu"}, {"searches": 0}, {"searches": 2}])
def test_other_graphs_are_not_understood(change):
    assert section_of_graph(_frozen("filter_type_0", **change)) is None
