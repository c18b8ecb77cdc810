"""Graphs of models that only DeePMD-kit's other backends train: its TensorFlow runs ours."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_models import model_section, small_model

from deepattn.config import normalize_model
from deepattn.export import freeze

from .compare import assert_equal, deeppot_eval, keras_eval
from .deepmd_kit import DP220, DP320, deepmd_eval
from .systems import RCUT, TYPE_MAP, make_cases
from .test_lammps import assert_lammps_gives

MODELS = {
    "angles": ({"type": "se_e3_tebd", "tebd_input_mode": "strip", "sel": 40}, {}),
    "attention": (
        {"sel": 40, "normalize": False, "concat_output_tebd": False, "smooth_type_embedding": True},
        {"convention": "common"},
    ),
    "excluded": (
        {"sel": 40, "smooth_type_embedding": True},
        {
            **{"pair_exclude_types": [[0, 1]], "atom_exclude_types": [2]},
            **{"convention": "common"},
        },
    ),
}


@pytest.fixture(scope="module")
def models(compiled_ops, tmp_path_factory):
    """Models and their graphs by name."""
    folder, found = tmp_path_factory.mktemp("graphs"), {}
    for name, (descriptor, rest) in MODELS.items():
        arguments = ({"rcut": RCUT, **descriptor}, None)
        options = {"type_map": TYPE_MAP, **rest}
        section = {"model": normalize_model(model_section(*arguments, **options))}
        model = small_model(*arguments, **options)
        found[name] = model, freeze(model, folder / f"{name}.pb", training_script=section)
    return found


def test_deeppot_of_deepmd(models, tmp_path: Path) -> None:
    cases = {
        name: {key: array for key, array in case.items() if not key.endswith("param")}
        for name, case in make_cases().items()
    }
    jobs = [(graph, cases) for _, graph in models.values()]
    results = deepmd_eval(DP320.require(), jobs, tmp_path)
    for (model, graph), theirs in zip(models.values(), results, strict=True):
        assert_equal(deeppot_eval(graph, cases), theirs, 1e-10)
        assert_equal(keras_eval(model, cases), theirs, 1e-10)


def test_version_2(models, tmp_path: Path) -> None:
    """What a model leaves out is part of the graph, so that old versions leave it out too."""
    model, graph = models["excluded"]
    cases = {"triclinic": make_cases()["triclinic"]}
    results = deepmd_eval(DP220.require(), [(graph, cases)], tmp_path)
    assert_equal(keras_eval(model, cases), results[0], 1e-10)


@pytest.mark.parametrize("name", ["angles", "excluded"])
def test_lammps(models, tmp_path: Path, name: str) -> None:
    _, graph = models[name]
    assert_lammps_gives(DP320.require(), graph, graph, tmp_path)
