"""Models of frames of which some atoms are masked (``se_a_mask``)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from deepattn.cli.main import main
from deepattn.errors import DataError
from deepattn.export import convert
from deepattn.train import train

from .compare import assert_equal, deeppot_eval
from .deepmd_kit import DP320, deepmd_eval, deepmd_lammps, run_inside
from .lammps import read_dump, script, write_data
from .restarts import assert_same_steps_and_restart
from .twelve_atoms import training_input

pytestmark = [pytest.mark.conformance, pytest.mark.slow]

STEPS = 20
# In no order, as DeePMD-kit sorts atoms itself.
TYPES = np.array([1, 0, 0, 1, 0, 1, 0])
MASKS = np.array([[1, 1, 1, 1, 1, 1, 1], [1, 1, 0, 1, 1, 0, 1], [0, 0, 1, 0, 0, 1, 1]], float)
NETS = {"neuron": [4, 8, 8], "axis_neuron": 3, "seed": 1}
DESCRIPTORS = {
    "pairs": {"resnet_dt": True, "exclude_types": [[1, 1]]},
    "sides": {"type_one_side": True, "activation_function": "gelu"},
}
LOSS = {
    "start_pref_e": 0.2,
    "limit_pref_e": 1.0,
    "start_pref_ae": 0.1,
    "limit_pref_ae": 0.1,
    "start_pref_pf": 10.0,
    "limit_pref_pf": 1.0,
}


def model(name: str) -> dict:
    return {
        "type_map": ["O", "H"],
        "descriptor": {"type": "se_a_mask", "sel": [4, 3], **NETS, **DESCRIPTORS[name]},
        "fitting_net": {"neuron": [6, 6], "seed": 2, "numb_aparam": 1, "use_aparam_as_mask": True},
    }


def frame(mask: np.ndarray, seed: int) -> np.ndarray:
    """Coordinates, of masked atoms zero."""
    rng = np.random.default_rng(seed)
    places = 1.9 * np.indices((2, 2, 2)).reshape(3, -1).T[: len(TYPES)]
    return (places + rng.normal(scale=0.25, size=places.shape)) * mask[:, np.newaxis]


def write_system(folder: Path) -> None:
    rng = np.random.default_rng(8)
    mask = MASKS[1]
    (folder / "set.000").mkdir(parents=True)
    (folder / "type.raw").write_text(" ".join(map(str, TYPES)) + "\n")
    (folder / "type_map.raw").write_text("O H\n")
    (folder / "nopbc").touch()
    arrays = {
        "coord": frame(mask, 1),
        "energy": np.array(-11.0),
        "force": rng.normal(size=(len(TYPES), 3)) * mask[:, np.newaxis],
        "atom_ener": rng.normal(size=len(TYPES)),
        "aparam": mask,
        "atom_pref": mask,
    }
    for name, array in arrays.items():
        np.save(folder / "set.000" / f"{name}.npy", array.reshape(1, -1))


@pytest.fixture(scope="module")
def deepmd(tmp_path_factory, compiled_ops) -> Path:
    """A folder with graphs that DeePMD-kit has trained, and the same ones written here."""
    folder = tmp_path_factory.mktemp("deepmd")
    write_system(folder / "system")
    jobs = []
    for name in DESCRIPTORS:
        content = training_input(model(name), LOSS, folder / "system", 1)
        content["training"] |= {"disp_file": f"{name}.out", "save_ckpt": f"{name}/model.ckpt"}
        (folder / f"{name}.json").write_text(json.dumps(content))
        lines = [
            ["--tf", "train", f"{name}.json", "-o", f"{name}.out.json"],
            ["--tf", "freeze", "-c", name, "-o", f"{name}.pb"],
        ]
        jobs += [{"arguments": line, "output": f"{name}.log"} for line in lines]
    run_inside(DP320.require(), "commands.py", jobs, folder)
    for name in DESCRIPTORS:
        convert(folder / f"{name}.pb", folder / f"ours.{name}.pb")
    return folder


@pytest.fixture(scope="module")
def further(deepmd: Path) -> Path:
    """The folder with a training of DeePMD-kit's that starts from our graph, and its test."""
    content = training_input(model("pairs"), LOSS, deepmd / "system", STEPS)
    content["training"] |= {"disp_file": "input.out", "save_ckpt": "input.ckpt"}
    (deepmd / "input.json").write_text(json.dumps(content))
    lines = [
        ["--tf", "train", "input.json", "--init-frz-model", "ours.pairs.pb"],
        ["--tf", "test", "-m", "ours.pairs.pb", "-s", "system", "-d", "theirs"],
    ]
    jobs = [{"arguments": line, "output": f"{line[1]}.log"} for line in lines]
    run_inside(DP320, "commands.py", jobs, deepmd)
    return deepmd


def test_graphs(deepmd: Path, tmp_path: Path) -> None:
    """DeePMD-kit's are rebuilt from their weights; ours are run by DeePMD-kit, and here."""
    cases = {}
    for seed, mask in enumerate(MASKS):
        # One frame each: DeePMD-kit fails for several of its own graphs.
        case = {"coord": frame(mask, seed)[np.newaxis], "atype": TYPES}
        case["aparam"] = mask.reshape(1, -1, 1)
        cases[f"open{seed}"] = case
    cases["cell"] = {**cases["open1"], "box": np.diag([3.0, 3.0, 3.0]).reshape(1, 9)}
    paths = [deepmd / f"{whose}{name}.pb" for name in DESCRIPTORS for whose in ("", "ours.")]
    for path, found in zip(
        paths, deepmd_eval(DP320, [(p, cases) for p in paths], tmp_path), strict=True
    ):
        if not path.name.startswith("ours."):
            theirs = found
            assert np.abs(theirs["open1"]["force"][0, MASKS[1] > 0]).min() > 1e-7
            assert not theirs["open1"]["force"][0, MASKS[1] == 0].any()
        assert_equal(found, theirs, 1e-10)
        assert_equal(deeppot_eval(path, cases), theirs, 1e-10)
        # Of other atoms, as many, DeePMD-kit gives meaningless numbers.
        with pytest.raises(DataError, match="has 3 atoms of O, but all frames"):
            deeppot_eval(path, {"other": {**cases["open0"], "atype": 1 - TYPES}})


def test_lammps(deepmd: Path, tmp_path: Path) -> None:
    """In one process without ghosts, the mask from a property of the atoms."""
    graphs = [deepmd / "pairs.pb", deepmd / "ours.pairs.pb"]
    mask = MASKS[1]
    coord = frame(np.ones(len(TYPES)), 5)
    elements = ["O", "H"]
    write_data(tmp_path / "data.lmp", coord, [elements[t] for t in TYPES], elements, None)
    case = {"coord": coord[np.newaxis], "atype": TYPES, "aparam": mask.reshape(1, -1, 1)}
    for graph in graphs:
        deepmd_lammps(DP320, script(graph, "O H", periodic=False, aparam=mask), tmp_path)
        [found] = read_dump(tmp_path)
        expected = deeppot_eval(graph, {"one": case})["one"]
        np.testing.assert_allclose(found[:, 3:6], expected["force"][0], atol=1e-10)
        np.testing.assert_allclose(found[:, 6], expected["atom_energy"][0], atol=1e-10)
        assert not found[mask == 0, 3:6].any()


@pytest.mark.parametrize("name", DESCRIPTORS)
def test_first_weights_are_the_same(deepmd: Path, name: str, tmp_path: Path, monkeypatch) -> None:
    """Those of equal seeds, and the energy bias, in which masked atoms count."""
    monkeypatch.chdir(tmp_path)
    content = json.loads((deepmd / f"{name}.json").read_text())
    content["training"] |= {"disp_file": "lcurve.out", "save_ckpt": "model.ckpt"}
    (tmp_path / "input.json").write_text(json.dumps(content))
    train("input.json")
    assert Path("lcurve.out").read_text() == (deepmd / f"{name}.out").read_text()


def test_steps_and_restart_are_the_same(further: Path, tmp_path: Path, monkeypatch) -> None:
    # Ours, and the one of DeePMD-kit that it was made of, have the same weights.
    _, head = assert_same_steps_and_restart(further, "pairs.pb", tmp_path, monkeypatch, steps=STEPS)
    assert "rmse_pf" in head and "rmse_ae" in head


def test_errors(further: Path, tmp_path: Path, capsys) -> None:
    """All lines of ``dp test``, of our graph and of DeePMD-kit's own."""
    theirs = [
        line.partition("INFO    ")[2]
        for line in (further / "test.log").read_text().splitlines()
        if "MAE" in line or "RMSE" in line
    ]
    assert len(theirs) > 4
    for name in ("pairs.pb", "ours.pairs.pb"):
        detail = tmp_path / name.replace(".", "_")
        command = ["test", "-m", str(further / name), "-s", str(further / "system")]
        assert main([*command, "-d", str(detail)]) == 0
        printed = capsys.readouterr().out
        for line in theirs:
            assert line.strip() in printed, line
        for ending in ("e", "f"):
            rows = [np.loadtxt(f"{path}.{ending}.out") for path in (detail, further / "theirs")]
            np.testing.assert_allclose(*rows, atol=1e-9)
    assert main(["show", str(further / "pairs.pb"), "descriptor"]) == 0
    assert "se_a_mask" in capsys.readouterr().out
