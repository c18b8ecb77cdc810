"""Graphs that DeePMD-kit made: DeepPot and the rebuilt model give what DeePMD-kit gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deepattn import ops
from deepattn.infer import DeepPot
from deepattn.models import load_model

from .compare import assert_equal, deeppot_eval, errors, in_float64, keras_eval, rms
from .deepmd_kit import DP320, INSTALLATIONS, deepmd_eval
from .graph_store import ForeignGraph, GraphStore
from .graphs import TABLE, pairs
from .systems import CUBIC, OPEN, SMALL, TRICLINIC, scatter

PUBLISHED = ("water_se_atten_f32.pb", "oc2m_se_atten_f32.pb")


@pytest.fixture
def graph(request, graph_store: GraphStore) -> ForeignGraph:
    deepmd, name = request.param
    return graph_store.get(INSTALLATIONS[deepmd].require(), name)


def all_graphs(*, only=lambda deepmd, name: True):
    chosen = [pair for pair in pairs() if only(*pair)]
    return pytest.mark.parametrize("graph", chosen, indirect=True, ids=map("-".join, chosen))


def has_old_exclusion_rule(deepmd: str, name: str) -> bool:
    """Whether attention sees excluded neighbors: 2.x without the smooth option (a rule of old)."""
    descriptor = TABLE[name].model["descriptor"]
    attends = descriptor.get("attn_layer", 0) > 0
    return deepmd == "dp220" and attends and bool(descriptor.get("exclude_types"))


@all_graphs()
def test_deeppot_equals_deepmd(request, graph: ForeignGraph) -> None:
    if ops.library() is None and has_old_exclusion_rule(*request.node.callspec.params["graph"]):
        pytest.skip("without the compiled ops the model is rebuilt, with today's rule")
    assert_equal(deeppot_eval(graph.path, graph.cases), graph.reference, graph.options.tolerance)


@all_graphs(only=lambda deepmd, name: not has_old_exclusion_rule(deepmd, name))
def test_rebuilt_model_equals_deepmd(graph: ForeignGraph) -> None:
    model, _ = load_model(graph.path)
    assert_equal(keras_eval(model, graph.cases), graph.reference, graph.options.tolerance)


@all_graphs(only=has_old_exclusion_rule)
def test_old_exclusion_rule_lives_in_the_graph_alone(graph: ForeignGraph) -> None:
    """A rebuilt model has today's rule; only the file's own graph gives what its writer gave."""
    model, _ = load_model(graph.path)
    ours, theirs = keras_eval(model, graph.cases), graph.reference
    assert np.abs(ours["cubic"]["atom_energy"] - theirs["cubic"]["atom_energy"]).max() > 1e-7


@all_graphs()
def test_what_the_file_says_of_itself(graph: ForeignGraph) -> None:
    with DeepPot(graph.path) as pot:
        section = graph.options.model
        assert pot.get_type_map() == (["O", "H", "C"] if graph.options.named else [])
        assert pot.get_rcut() == pytest.approx(graph.options.rcut, rel=1e-6)
        assert pot.get_ntypes() == 3
        assert pot.get_dim_fparam() == section["fitting_net"].get("numb_fparam", 0)
        assert pot.get_dim_aparam() == section["fitting_net"].get("numb_aparam", 0)


def published_cases(ntypes: int, nsets: int = 8) -> dict[str, dict[str, np.ndarray]]:
    """Sets of boxes for a model of ``ntypes`` elements; its graph is from before virtual atoms."""
    rng = np.random.default_rng(5)
    cases = {}
    for number in range(nsets):
        for name, cell, natoms, periodic in (
            ("cubic", CUBIC * 1.6, 40, True),
            ("triclinic", TRICLINIC, 12, True),
            ("small", SMALL, 3, True),
            ("open", OPEN, 9, False),
        ):
            atype = rng.integers(0, ntypes, natoms).astype(np.int32)
            case = {
                "coord": scatter(rng, cell, natoms, closest=1.8, periodic=periodic)[None],
                "atype": atype,
            }
            if periodic:
                case["box"] = cell.reshape(1, 9)
            cases[f"{name} {number}"] = case
    return cases


@pytest.mark.parametrize("file", PUBLISHED)
def test_published_graph(file: str, shared: Path, tmp_path: Path) -> None:
    """The file's graph equals DeePMD-kit's; our model is nearer to the exact result."""
    path = shared / "pretrained" / file
    model, header = load_model(path)
    cases = published_cases(len(model.type_map))
    [reference] = deepmd_eval(DP320.require(), [(path, cases)], tmp_path)
    if ops.library() is not None:  # without it there is the rebuilt model only
        assert_equal(deeppot_eval(path, cases), reference, 2e-5)
    exact = keras_eval(in_float64(model, header["config"]["model"]), cases)
    # Single numbers of either may be the worse: their rounding depends on the order of sums.
    ours, theirs = (errors(r, exact) for r in (keras_eval(model, cases), reference))
    for key in ("atom_energy", "force", "atom_virial"):
        assert rms(ours[key]) <= rms(theirs[key]) < 1e-5, key
    for key, error in ours.items():
        assert np.abs(error).max() <= 2 * np.abs(theirs[key]).max(), key
