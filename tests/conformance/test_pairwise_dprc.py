"""QM/MM by pairs (``pairwise_dprc``): trainings, statistics and graphs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pairwise_models import TYPE_MAP, TYPES, frames, section

from deepattn.export import convert
from deepattn.formats.frozen import read_frozen
from deepattn.models import load_model
from deepattn.train import train

from .compare import assert_equal, deeppot_eval, keras_eval
from .deepmd_kit import DP320, deepmd_eval, deepmd_lammps, run_inside
from .lammps import read_dump, script, write_data
from .twelve_atoms import training_input

pytestmark = [pytest.mark.conformance, pytest.mark.slow]

STEPS = 10
LOSSES = {
    "energy": {"start_pref_f": 0, "limit_pref_f": 0},
    "force": {"start_pref_v": 0.1, "limit_pref_v": 1.0, "start_pref_ae": 1.0, "limit_pref_ae": 1.0},
}


def _write(folder: Path) -> None:
    """A system of one frame in a cell, of which no part has images."""
    given, rng = frames(1), np.random.default_rng(6)
    data = folder / "set.000"
    data.mkdir(parents=True)
    (folder / "type.raw").write_text(" ".join(map(str, TYPES)))
    (folder / "type_map.raw").write_text(" ".join(TYPE_MAP))
    inputs = {name: given[name] for name in ("coord", "box", "aparam")}
    labels = {
        "energy": np.array(-3.0),
        "force": rng.normal(size=27),
        "virial": rng.normal(size=9),
        "atom_ener": rng.normal(size=9),
    }
    for name, array in {**inputs, **labels}.items():
        np.save(data / f"{name}.npy", array.reshape(1, -1))


def _input(folder: Path, name: str, steps: int) -> dict:
    return training_input(section(), LOSSES[name], folder / "system", steps)


@pytest.fixture(scope="module")
def deepmd(tmp_path_factory, compiled_ops) -> Path:
    """A folder with a graph that DeePMD-kit has trained, and its training from it."""
    folder = tmp_path_factory.mktemp("deepmd")
    _write(folder / "system")
    commands = []
    for name, steps in (("energy", 1), ("force", STEPS)):
        content = _input(folder, name, steps)
        content["training"] |= {"save_ckpt": f"{name}.ckpt", "disp_file": f"{name}.out"}
        (folder / f"{name}.json").write_text(json.dumps(content))
        start = ["--init-frz-model", "energy.pb"] if name == "force" else []
        commands.append(["--tf", "train", f"{name}.json", "-o", f"{name}.out.json", *start])
        if name == "energy":
            commands.append(["--tf", "freeze", "-o", "energy.pb"])
    jobs = [{"arguments": command, "output": "log"} for command in commands]
    run_inside(DP320.require(), "commands.py", jobs, folder)
    return folder


@pytest.fixture(scope="module")
def cases() -> dict:
    given = frames(3)
    alone = {
        f"frame {k}": {n: a[k : k + 1] for n, a in given.items() if n != "atype"} for k in range(3)
    }
    alone = {name: {**case, "atype": TYPES} for name, case in alone.items()}
    one_residue = np.where(TYPES < 2, 0.0, 5.0).reshape(1, -1, 1)
    return {
        **alone,
        "open": {name: array for name, array in alone["frame 0"].items() if name != "box"},
        "one residue": {**alone["frame 2"], "aparam": one_residue},
    }


@pytest.fixture(scope="module")
def without_residues(cases) -> dict:
    """A frame of QM atoms and others that are left out, which DeePMD-kit's own graph fails for."""
    aparam = np.where(TYPES < 2, 0.0, -1.0).reshape(1, -1, 1)
    return {"no residue": {**cases["frame 2"], "aparam": aparam}}


@pytest.fixture(scope="module")
def batch(cases) -> dict:
    """The frames of the cases as one batch."""
    together = {
        name: np.concatenate([cases[f"frame {k}"][name] for k in range(3)])
        for name in ("coord", "box", "aparam")
    }
    return {"batch": {**together, "atype": TYPES}}


@pytest.fixture(scope="module")
def evaluated(deepmd: Path, cases, batch, without_residues) -> list[dict]:
    """By DeePMD-kit: its own graph and ours, each of the cases and of the batch."""
    theirs, ours = deepmd / "energy.pb", deepmd / "ours.pb"
    convert(theirs, ours)
    given = {**cases, **batch}
    return deepmd_eval(DP320, [(theirs, given), (ours, {**given, **without_residues})], deepmd)


def test_graphs_are_the_same_potentials(deepmd: Path, cases, evaluated) -> None:
    """DeePMD-kit's here, rebuilt from its weights, and ours there."""
    theirs, ours = deepmd / "energy.pb", deepmd / "ours.pb"
    model, _ = load_model(theirs)
    expected, found = ({name: of[name] for name in cases} for of in evaluated)
    rebuilt = [read_frozen(path).graph.is_only_rebuilt for path in (theirs, ours)]
    assert rebuilt == [True, False]
    for values in (deeppot_eval(theirs, cases), keras_eval(model, cases), found):
        assert_equal(values, expected, 1e-10)
    assert_equal(deeppot_eval(ours, cases), found, 1e-12)
    assert np.abs(expected["frame 0"]["force"]).max() > 1e-3


def test_lammps(deepmd: Path, cases, evaluated, tmp_path: Path) -> None:
    """In one process without ghosts, the residues from a property of the atoms."""
    case = cases["open"]
    names = [TYPE_MAP[kind] for kind in TYPES]
    write_data(tmp_path / "data.lmp", case["coord"][0], names, TYPE_MAP, None)
    elements, residues = " ".join(TYPE_MAP), case["aparam"].ravel()
    for graph in (deepmd / "energy.pb", deepmd / "ours.pb"):
        deepmd_lammps(DP320, script(graph, elements, periodic=False, aparam=residues), tmp_path)
        [found] = read_dump(tmp_path)
        expected = evaluated[0]["open"]
        np.testing.assert_allclose(found[:, 3:6], expected["force"][0], atol=1e-10)
        np.testing.assert_allclose(found[:, 6].sum(), expected["energy"], atol=1e-10)


def test_frames_of_a_batch_are_not_mixed_up(deepmd: Path, batch, evaluated) -> None:
    """DeePMD-kit takes the residues of the first frame for those of all."""
    mixed, found = evaluated
    expected = np.concatenate([mixed[f"frame {k}"]["force"] for k in range(3)])
    for values in (found["batch"], deeppot_eval(deepmd / "energy.pb", batch)["batch"]):
        np.testing.assert_allclose(values["force"], expected, rtol=0, atol=1e-10)
    error = np.abs(mixed["batch"]["force"] - expected).max(axis=(1, 2))
    assert error[0] < 1e-10 and (error[1:] > 1e-5).all()


def test_there_may_be_no_residues(deepmd: Path, without_residues, evaluated) -> None:
    _, found = evaluated
    for path in (deepmd / "energy.pb", deepmd / "ours.pb"):
        expected = deeppot_eval(path, without_residues)
        assert_equal({name: found[name] for name in expected}, expected, 1e-10)
    assert np.abs(found["no residue"]["force"]).max() > 1e-3


def test_steps_are_the_same(deepmd: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "input.json").write_text(json.dumps(_input(deepmd, "force", STEPS)))
    train("input.json", init_frz_model=deepmd / "energy.pb")
    expected = (deepmd / "force.out").read_text().splitlines()
    assert len(expected) == STEPS + 3
    assert (tmp_path / "lcurve.out").read_text().splitlines() == expected


def test_a_training_from_scratch_is_the_same(deepmd: Path, tmp_path: Path, monkeypatch) -> None:
    """Its statistics, of whole frames with their images, and by the seeds its first weights."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "input.json").write_text(json.dumps(_input(deepmd, "energy", 1)))
    found = train("input.json").model.get_arrays()
    expected = (deepmd / "energy.out").read_text().splitlines()
    assert (tmp_path / "lcurve.out").read_text().splitlines() == expected
    stored = read_frozen(deepmd / "energy.pb").weights
    theirs = {name.removeprefix("model0/"): array for name, array in stored.items()}
    names = [name for name in found if name.endswith(("t_avg", "t_std", "t_bias_atom_e"))]
    assert len(names) == 6
    for name in names:
        np.testing.assert_allclose(found[name], theirs[name], rtol=1e-10, atol=1e-12, err_msg=name)
