"""Linear combinations of a network with tables of pairs and frozen models (``linear_ener``)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from small_models import model_section

from deepattn.config import ModelConfig, normalize_model
from deepattn.errors import ModelFileError
from deepattn.export import convert
from deepattn.formats.dp_file import write_tree
from deepattn.formats.frozen import read_frozen
from deepattn.formats.weight_names import BIAS
from deepattn.models import build_model, load_model
from deepattn.models.dpmodel import to_tree
from deepattn.train import train

from .compare import assert_equal, deeppot_eval, keras_eval
from .deepmd_kit import DP220, DP320, deepmd_eval, run_inside
from .pair_tables import write_table
from .systems import TYPE_MAP, make_cases
from .test_lammps import assert_lammps_gives
from .twelve_atoms import NATOMS, training_input, write_twelve_atoms

pytestmark = [pytest.mark.conformance, pytest.mark.slow]

STEPS = 10
FORCES = {"start_pref_v": 0.1, "limit_pref_v": 1.0}
ENERGIES = {"start_pref_f": 0, "limit_pref_f": 0}


def _labels(rng):
    return {
        "energy": np.array(-3.1 * NATOMS),
        "force": rng.normal(size=(NATOMS, 3)),
        "virial": rng.normal(size=(3, 3)),
    }


def _network(**descriptor) -> dict:
    section = model_section({"type": "se_e2_a", "sel": [14, 20, 14], "rcut": 4.0, **descriptor})
    return {**section, "type_map": TYPE_MAP}


def _combinations(folder: Path) -> dict[str, dict]:
    # Its cutoff is not that of the network, and it is not zero there.
    pairs = {"type": "pairtab", "tab_file": str(folder / "table.txt"), "rcut": 4.9, "sel": 160}
    frozen = {"type": "frozen", "model_file": str(folder / "frozen.pb")}
    return {
        "pairs": {"models": [_network(), pairs], "weights": [0.8, 0.3]},
        "frozen": {"models": [frozen, _network()], "weights": "sum"},
    }


def _input(folder: Path, name: str, loss: dict, steps: int) -> dict:
    model = {"type": "linear_ener", "type_map": TYPE_MAP, **_combinations(folder)[name]}
    return training_input(model, loss, folder / "system", steps)


def _of_frozen(folder: Path) -> dict:
    """Frozen models alone, as an example of DeePMD-kit, which 3.2.0 fails to train."""
    frozen = {"type": "frozen", "model_file": str(folder / "frozen.pb")}
    model = {"type": "linear_ener", "models": [frozen, frozen], "weights": [0.25, 0.5]}
    content = training_input({**model, "type_map": TYPE_MAP}, {}, folder / "system", 0)
    content["training"]["save_freq"] = 1
    return content


@pytest.fixture(scope="module")
def deepmd(tmp_path_factory, compiled_ops) -> Path:
    """A folder with graphs that DeePMD-kit has trained, and its training from one of them."""
    folder = tmp_path_factory.mktemp("deepmd")
    # DeePMD-kit's operation takes all neighbors in a list of no types for those of type 0.
    write_table(folder / "table.txt", end=5.2, scale=0.5, of_types=False)
    write_twelve_atoms(folder / "system", _labels)
    inputs = {"network": training_input(_network(seed=8), ENERGIES, folder / "system", 1)}
    inputs |= {name: _input(folder, name, ENERGIES, 1) for name in _combinations(folder)}
    inputs["force"] = _input(folder, "pairs", FORCES, STEPS)
    commands = []
    for name, content in inputs.items():
        content["training"] |= {"save_ckpt": f"{name}.ckpt", "disp_file": f"{name}.out"}
        (folder / f"{name}.json").write_text(json.dumps(content))
        start = ["--init-frz-model", "pairs.pb"] if name == "force" else []
        commands.append(["--tf", "train", f"{name}.json", "-o", f"{name}.out.json", *start])
        graph = "frozen.pb" if name == "network" else "with_frozen.pb"
        graph = f"{name}.pb" if name in ("pairs", "force") else graph
        if name != "force":
            commands.append(["--tf", "freeze", "-o", graph])
    jobs = [{"arguments": command, "output": "log"} for command in commands]
    run_inside(DP320.require(), "linear.py", jobs, folder)
    return folder


@pytest.fixture(scope="module")
def cases() -> dict:
    # DeePMD-kit's operation of this descriptor takes no virtual atoms.
    return {
        name: {key: array for key, array in case.items() if not key.endswith("param")}
        for name, case in make_cases().items()
        if name in ("cubic", "triclinic", "small", "open")
    }


def test_deepmds_graphs_here(deepmd: Path, cases, tmp_path: Path) -> None:
    """One with a table is rebuilt from its weights, one with a frozen model is run as it is."""
    graphs = [deepmd / "pairs.pb", deepmd / "with_frozen.pb"]
    expected = deepmd_eval(DP320, [(graph, cases) for graph in graphs], tmp_path)
    for graph, theirs in zip(graphs, expected, strict=True):
        assert_equal(deeppot_eval(graph, cases), theirs, 1e-10)
    with pytest.raises(ModelFileError, match=r"numbers of model/models/0 by name"):
        load_model(graphs[1])
    model, _ = load_model(graphs[0])
    assert model.rcut == 4.9
    assert_equal(keras_eval(model, cases), expected[0], 1e-10)


def test_a_fault_of_deepmds_tables_is_not_repeated(deepmd: Path, tmp_path: Path) -> None:
    """Where it makes a difference that it takes every neighbor for one of type 0."""
    frozen = read_frozen(deepmd / "pairs.pb")
    name = "model_attr_model1/t_tab_data"
    table = frozen.graph.constants()[name].reshape(3, 3, -1) * np.arange(1.0, 4.0)[:, None]
    (tmp_path / "types.pb").write_bytes(frozen.graph.with_constant(name, table.ravel()).serialize())
    with pytest.raises(ModelFileError, match="takes every neighbor for one of type 0"):
        load_model(tmp_path / "types.pb")


def test_our_graphs_in_deepmd(deepmd: Path, cases, tmp_path: Path) -> None:
    convert(deepmd / "pairs.pb", tmp_path / "ours.pb")
    [expected] = deepmd_eval(DP320, [(deepmd / "pairs.pb", cases)], tmp_path)
    for kit in (DP320, DP220):
        [found] = deepmd_eval(kit.require(), [(tmp_path / "ours.pb", cases)], tmp_path)
        assert_equal(found, expected, 1e-10)
    assert_lammps_gives(DP320, tmp_path / "ours.pb", deepmd / "pairs.pb", tmp_path)


def test_steps_are_the_same(deepmd: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "input.json").write_text(json.dumps(_input(deepmd, "pairs", FORCES, STEPS)))
    train("input.json", init_frz_model=deepmd / "pairs.pb")
    expected = (deepmd / "force.out").read_text().splitlines()
    assert len(expected) == STEPS + 3
    assert (tmp_path / "lcurve.out").read_text().splitlines() == expected


def test_a_frozen_model_is_a_term(deepmd: Path, cases, tmp_path: Path, monkeypatch) -> None:
    """The energies of a file are added, those of the training from the same seeds."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "input.json").write_text(json.dumps(_input(deepmd, "frozen", ENERGIES, 1)))
    trainer = train("input.json")
    expected = (deepmd / "frozen.out").read_text().splitlines()
    assert (tmp_path / "lcurve.out").read_text().splitlines() == expected
    convert(tmp_path / "model.ckpt-1.h5", tmp_path / "ours.pb")
    jobs = [(tmp_path / "ours.pb", cases), (deepmd / "frozen.pb", cases)]
    found, term = deepmd_eval(DP320, jobs, tmp_path)
    assert_equal(found, keras_eval(trainer.model, cases), 1e-10)
    alone = keras_eval(trainer.model, cases)["cubic"]["force"] - term["cubic"]["force"]
    assert np.abs(alone).max() > 1e-3


def test_frozen_models_alone(deepmd: Path, cases, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "input.json").write_text(json.dumps(_of_frozen(deepmd)))
    train("input.json")
    convert(tmp_path / "model.ckpt-0.h5", tmp_path / "ours.pb")
    jobs = [(tmp_path / "ours.pb", cases), (deepmd / "frozen.pb", cases)]
    found, one = deepmd_eval(DP320, jobs, tmp_path)
    expected = {
        name: {key: 0.75 * array for key, array in case.items()} for name, case in one.items()
    }
    assert_equal(found, expected, 1e-10)


def test_networks_of_the_common_convention(cases, tmp_path: Path) -> None:
    """Weighted sums of what DeePMD-kit's other backends give, and one energy bias."""
    networks = [{"type": "se_atten", "attn_layer": 1, "sel": 40, "seed": k} for k in (1, 2)]
    parts = [{**_network(**part), "convention": "common"} for part in networks]
    section = {"type": "linear_ener", "models": parts, "weights": [0.5, -2.0]}
    config = ModelConfig.from_dict(normalize_model({**section, "type_map": TYPE_MAP}))
    model, bias = build_model(config), np.array([1.0, -2.0, 3.0])
    model.set_arrays({**model.get_arrays(), BIAS: bias / config.bias_factor})
    jobs, arrays = [], model.get_arrays()
    for part, prefix in zip(parts, model.trained_models(), strict=True):
        names = [n for n in arrays if n.startswith("model1/") == bool(prefix)]
        own = {n.removeprefix(prefix): arrays[n] for n in names} | {BIAS: 0 * bias}
        single = ModelConfig.from_dict(normalize_model(part))
        path = tmp_path / f"{len(jobs)}.dp"
        write_tree(path, to_tree(single, own, min_nbor_dist=None))
        jobs.append((path, cases))
    first, second = deepmd_eval(DP320.require(), jobs, tmp_path)
    found = keras_eval(model, cases)
    for name, case in cases.items():
        expected = 0.5 * first[name]["atom_energy"] - 2.0 * second[name]["atom_energy"]
        expected += bias[case["atype"]]
        np.testing.assert_allclose(found[name]["atom_energy"], expected, rtol=0, atol=1e-10)
