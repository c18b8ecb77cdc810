"""Models of magnetic moments of the PyTorch backend (``virtual_scale``)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from deepattn.cli.main import main
from deepattn.export import convert
from deepattn.infer import DeepPot
from deepattn.models import load_model
from deepattn.train import train

from .deepmd_kit import DP320PT, read_cases, run_inside
from .systems import scatter
from .torch_trainings import columns

pytestmark = [pytest.mark.conformance, pytest.mark.slow]

STEPS = 20
NICKEL, OXYGEN = 3, 2
NATOMS = NICKEL + OXYGEN
CELL = np.array([[4.6, 0.0, 0.0], [0.4, 5.0, 0.0], [-0.3, 0.5, 5.5]])
TYPES = [1, 0, 0, 1, 0]
# The magnetic type need not be the first.
MODEL = {
    "type_map": ["O", "Ni"],
    "descriptor": {
        "type": "se_e2_a",
        **{"sel": [16, 24], "rcut": 4.0, "rcut_smth": 1.0, "neuron": [4, 8], "axis_neuron": 3},
        **{"precision": "float64", "seed": 1},
    },
    "fitting_net": {"neuron": [6, 6], "seed": 2, "precision": "float64"},
    "spin": {"use_spin": ["Ni"], "virtual_scale": [0.31]},
}
LOSS = {
    "type": "ener_spin",
    **{"start_pref_e": 0.02, "limit_pref_e": 1.0, "start_pref_v": 0.1, "limit_pref_v": 1.0},
    **{"start_pref_fr": 1000, "limit_pref_fr": 1.0, "start_pref_fm": 500, "limit_pref_fm": 2.0},
}


def frame(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates and moments."""
    rng = np.random.default_rng(seed)
    moments = rng.normal(size=(NATOMS, 3)) * (np.array(TYPES) == 1)[:, np.newaxis]
    return scatter(rng, CELL, NATOMS, closest=1.6, periodic=True), moments


def write_system(folder: Path) -> None:
    rng = np.random.default_rng(8)
    (folder / "set.000").mkdir(parents=True)
    (folder / "type.raw").write_text(" ".join(map(str, TYPES)) + "\n")
    (folder / "type_map.raw").write_text("O Ni\n")
    coord, moments = frame(1)
    arrays = {
        **{"coord": coord, "spin": moments, "box": CELL, "energy": np.array(-11.0)},
        **{"force": rng.normal(size=(NATOMS, 3)), "force_mag": rng.normal(size=(NATOMS, 3))},
        "virial": rng.normal(size=(3, 3)),
    }
    for name, array in arrays.items():
        np.save(folder / "set.000" / f"{name}.npy", array.reshape(1, -1))


def content(folder: Path, name: str, steps: int) -> dict:
    return {
        "model": MODEL,
        "learning_rate": {"type": "exp", "start_lr": 2e-3, "stop_lr": 1e-5, "decay_steps": 7},
        "loss": LOSS,
        "training": {
            "training_data": {"systems": [str(folder / "system")], "batch_size": 1},
            **{"numb_steps": steps, "disp_freq": 1, "save_freq": steps, "seed": 3},
            **{"disp_file": f"{name}.out", "save_ckpt": f"{name}.ckpt"},
        },
    }


def write_frames(folder: Path) -> None:
    found = [frame(seed) for seed in (2, 3)]
    coord, moments = (np.stack(arrays) for arrays in zip(*found, strict=True))
    box = np.tile(CELL.ravel(), (2, 1))
    np.savez(folder / "cases.npz", coord=coord, spin=moments, box=box, atype=TYPES)


@pytest.fixture(scope="module")
def deepmd(tmp_path_factory) -> Path:
    """A folder with files of DeePMD-kit, its results, and its training from one of them."""
    DP320PT.require()
    folder = tmp_path_factory.mktemp("deepmd")
    write_system(folder / "system")
    write_frames(folder)
    for name, steps in (("start", 1), ("input", STEPS)):
        (folder / f"{name}.json").write_text(json.dumps(content(folder, name, steps)))
    commands = [
        ["--pt", "train", "start.json", "--skip-neighbor-stat"],
        ["--pt", "freeze", "-c", "start.ckpt-1.pt", "-o", "start.pth"],
        [
            *("--pt", "train", "input.json", "--init-model", "start.ckpt-1.pt"),
            "--skip-neighbor-stat",
        ],
        ["--pt", "test", "-m", "start.pth", "-s", "system", "-d", "theirs"],
    ]
    models = ["start.ckpt-1.pt", "start.pth"]
    job = {"commands": commands, "models": models, "cases": "cases.npz", "output": "theirs.npz"}
    run_inside(DP320PT, "spin.py", [job], folder)
    return folder


def results(path: Path, folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "cases.npz") as case, DeepPot(path) as pot:
        assert pot.has_spin and pot.get_type_map() == ["O", "Ni"]
        values = pot.eval(case["coord"], case["box"], TYPES, atomic=True, spin=case["spin"])
    names = ("energy", "force", "virial", "atom_energy", "atom_virial", "force_mag", "mask_mag")
    return dict(zip(names, values, strict=True))


def assert_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, atol=1e-10, err_msg=name)


def test_files(deepmd: Path, tmp_path: Path) -> None:
    """Theirs are read, and ours are run by DeePMD-kit."""
    theirs = read_cases(deepmd / "theirs.npz")
    assert np.abs(theirs["0"]["force_mag"]).max() > 1e-4
    for number, name in enumerate(("start.ckpt-1.pt", "start.pth")):
        assert_same(results(deepmd / name, deepmd), theirs[str(number)])
    names = ["ours.dp", "ours.pt"]
    for name in names:
        convert(deepmd / "start.ckpt-1.pt", tmp_path / name)
        assert_same(results(tmp_path / name, deepmd), theirs["0"])
    write_frames(tmp_path)
    commands = [
        ["--pt", "freeze", "-c", "ours.pt", "-o", "frozen.pth"],
        ["convert-backend", "ours.dp", "converted.pth"],
    ]
    models = [*names, "frozen.pth", "converted.pth"]
    job = {"commands": commands, "models": models, "cases": "cases.npz", "output": "found.npz"}
    run_inside(DP320PT, "spin.py", [job], tmp_path)
    found = read_cases(tmp_path / "found.npz")
    # It evaluates .dp files by NumPy, without derivatives.
    energies = {name: theirs["0"][name] for name in ("energy", "atom_energy", "mask_mag")}
    assert_same({name: found["0"][name] for name in energies}, energies)
    for number in range(1, len(models)):
        assert_same(found[str(number)], theirs["0"])


def test_steps_are_the_same(deepmd: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "input.json").write_text((deepmd / "input.json").read_text())
    train("input.json", init_model=deepmd / "start.ckpt-1.pt", skip_neighbor_stat=True)
    found, expected = columns(tmp_path / "input.out"), columns(deepmd / "input.out")
    # DeePMD-kit calls the first step 1, and has no line after the last one.
    assert found.pop("step")[:-1] == [str(step) for step in range(STEPS)]
    assert expected.pop("step") == [str(step + 1) for step in range(STEPS)]
    assert {key: values[:-1] for key, values in found.items()} == expected
    written = json.loads((tmp_path / "out.json").read_text())["model"]
    assert written["type_map"] == ["O", "Ni"]
    assert written["spin"] == {"use_spin": [False, True], "virtual_scale": [0.31]}


def test_statistics_are_the_same(deepmd: Path, tmp_path: Path, monkeypatch) -> None:
    """Of the types that have an energy; nothing depends on the others."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "input.json").write_text((deepmd / "start.json").read_text())
    ours = train("input.json").model.get_arrays()
    theirs = load_model(deepmd / "start.ckpt-1.pt")[0].get_arrays()
    for name in ("descrpt_attr/t_avg", "descrpt_attr/t_std", "fitting_attr/t_bias_atom_e"):
        np.testing.assert_allclose(ours[name][:2], theirs[name][:2], atol=1e-10)


def test_errors(deepmd: Path, tmp_path: Path, capsys) -> None:
    """All lines of ``dp test``."""
    detail = tmp_path / "ours"
    command = ["test", "-m", str(deepmd / "start.pth"), "-s", str(deepmd / "system")]
    main([*command, "-d", str(detail), "--html", str(tmp_path / "page.html")])
    printed = capsys.readouterr().out
    log = (deepmd / "log").read_text()
    theirs = [line.partition("INFO    ")[2] for line in log.splitlines() if " : " in line]
    theirs = [line.strip() for line in theirs if "MAE" in line or "RMSE" in line]
    assert sum("spin" in line for line in theirs) == 4
    for line in theirs:
        assert line in printed, line
    for ending in ("e", "fr", "fm", "v"):
        rows = [np.loadtxt(p.with_suffix(f".{ending}.out")) for p in (detail, deepmd / "theirs")]
        np.testing.assert_allclose(*rows, atol=1e-9)
