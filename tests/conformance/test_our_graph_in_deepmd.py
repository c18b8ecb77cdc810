"""Our frozen graphs in DeePMD-kit: it reads ours like its own, with equal numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from .compare import assert_equal, deeppot_eval
from .deepmd_kit import DP220, DP320, INSTALLATIONS, deepmd_eval, run_dp
from .graphs import GRAPHS, TABLE, cases_for
from .systems import RCUT, TYPE_MAP, write_training_data

NAMES = [options.name for options in GRAPHS if "dp320" in options.versions]


@pytest.mark.parametrize("deepmd", [DP320, DP220], ids=lambda deepmd: deepmd.name)
def test_deeppot_of_deepmd(deepmd, our_graph, tmp_path: Path) -> None:
    """All rows in one process of DeePMD-kit, whose start takes longer than a row."""
    deepmd.require()
    graphs = {name: (our_graph(name), cases_for(TABLE[name], deepmd)) for name in NAMES}
    problems = []
    for name, theirs in zip(
        NAMES, deepmd_eval(deepmd, list(graphs.values()), tmp_path), strict=True
    ):
        try:
            assert_equal(deeppot_eval(*graphs[name]), theirs, 2e-5 if TABLE[name].single else 1e-10)
        except AssertionError as error:
            problems.append(f"{name}: {error}")
    assert not problems, "\n".join(problems)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> list[str]:
    return write_training_data(tmp_path_factory.mktemp("data"))


def read_system(system: str) -> dict[str, np.ndarray]:
    """The frames of a written system, as a case."""
    arrays = Path(system) / "set.000"
    atype = np.array(Path(system, "type.raw").read_text().split(), dtype=np.int32)
    coord = np.load(arrays / "coord.npy").reshape(-1, len(atype), 3)
    return {"coord": coord, "atype": atype, "box": np.load(arrays / "box.npy")}


def test_dp_test(our_graph, data, tmp_path: Path) -> None:
    graph = our_graph("v2_default")
    text = run_dp(DP320, ["test", "-m", graph, "-s", data[0], "-d", "detail"], tmp_path)
    assert "Force  RMSE" in text
    ours = deeppot_eval(graph, {"a": read_system(data[0])})["a"]
    for suffix, key, count in (("e", "energy", 1), ("f", "force", 3), ("v", "virial", 9)):
        found = np.loadtxt(tmp_path / f"detail.{suffix}.out")[:, count:]
        np.testing.assert_allclose(found, ours[key].reshape(-1, count), rtol=0, atol=1e-9)


def training_input(name: str, data: list[str], **training) -> dict:
    options = TABLE[name].input(data)
    options["training"].update(training)
    return options


@pytest.mark.slow
@pytest.mark.parametrize("name", ["v2_default", "resnet_everywhere", "se_e2_a_one_side_resnet"])
def test_init_frz_model(name: str, our_graph, data, tmp_path: Path) -> None:
    """A training that starts from our file and makes no step is our model."""
    script = training_input(name, data, numb_steps=0)
    (tmp_path / "input.json").write_text(json.dumps(script))
    start = ["--init-frz-model", our_graph(name), "--skip-neighbor-stat"]
    run_dp(DP320, ["train", "input.json", *start], tmp_path)
    run_dp(DP320, ["freeze", "-o", "again.pb"], tmp_path)
    cases = cases_for(TABLE[name], DP320)
    assert_equal(
        deeppot_eval(tmp_path / "again.pb", cases), deeppot_eval(our_graph(name), cases), 1e-10
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["concat_default", "v2_default"])
def test_finetune(name: str, our_graph, data, tmp_path: Path) -> None:
    """Fine-tuning takes the model from the script in our file, and refits its bias."""
    script = training_input(name, data)
    script["model"] = {
        "type_map": TYPE_MAP,
        "type_embedding": {"trainable": True},
        "descriptor": {},
        "fitting_net": {},
    }
    (tmp_path / "input.json").write_text(json.dumps(script))
    start = ["--finetune", our_graph(name), "--skip-neighbor-stat"]
    text = run_dp(DP320, ["train", "input.json", *start], tmp_path)
    assert "Change energy bias of ['O', 'H', 'C']" in text
    assert "finished training" in text


def test_show(our_graph, tmp_path: Path) -> None:
    graph = our_graph("v2_default")
    text = run_dp(DP320, ["show", graph, "type-map", "descriptor", "fitting-net"], tmp_path)
    assert "The type_map is ['O', 'H', 'C']" in text
    assert "'type': 'se_atten_v2'" in text
    assert f"'rcut': {RCUT}" in text
    assert "'neuron': [6, 6]" in text


def test_model_devi(our_graph, data, tmp_path: Path) -> None:
    graphs = [our_graph(name) for name in ("v2_default", "concat_default", "strip_plain")]
    run_dp(DP320, ["model-devi", "-m", *graphs, "-s", data[0], "-o", "devi.out"], tmp_path)
    found = np.loadtxt(tmp_path / "devi.out")
    case = {"a": read_system(data[0])}
    force = np.stack([deeppot_eval(graph, case)["a"]["force"] for graph in graphs])
    spread = np.sqrt(force.var(axis=0).sum(axis=-1))
    expected = np.stack([spread.max(axis=1), spread.min(axis=1), spread.mean(axis=1)], axis=1)
    np.testing.assert_allclose(found[:, 4:7], expected, rtol=1e-5)


def test_every_installation_is_in_the_matrix() -> None:
    """A row without DeePMD-kit would be compared with nothing."""
    assert all(
        set(options.versions) <= set(INSTALLATIONS) and options.versions for options in GRAPHS
    )
