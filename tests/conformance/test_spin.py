"""Models of magnetic moments (``model/spin`` and the loss ``ener_spin``)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from deepattn.cli.main import main
from deepattn.export import convert
from deepattn.train import train

from .compare import assert_equal, deeppot_eval
from .deepmd_kit import DP320, deepmd_eval, deepmd_lammps, run_inside
from .restarts import assert_same_steps_and_restart
from .systems import scatter
from .twelve_atoms import training_input

pytestmark = [pytest.mark.conformance, pytest.mark.slow]

STEPS = 20
NICKEL, OXYGEN, LENGTH, NORM = 3, 2, 0.4, 1.3
CELL = np.array([[4.6, 0.0, 0.0], [0.4, 5.0, 0.0], [-0.3, 0.5, 5.5]])
MODEL = {
    "type_map": ["Ni", "O"],
    "descriptor": {
        "type": "se_e2_a",
        **{"sel": [24, 16], "rcut": 4.0, "rcut_smth": 1.0, "neuron": [4, 8], "axis_neuron": 3},
        **{"type_one_side": True, "seed": 1},
    },
    "fitting_net": {"neuron": [6, 6], "seed": 2},
    "spin": {"use_spin": [True, False], "virtual_len": [LENGTH], "spin_norm": [NORM]},
}
LOSS = {"type": "ener_spin", "start_pref_v": 0.1, "limit_pref_v": 1.0}
# LAMMPS gives magnetic forces as angular velocities: times the moment, by ħ in eV ps.
HBAR = 4.135667403e-3 / (2 * np.pi)


def frame(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of nickel, oxygen and the virtual atoms, and unit vectors of the moments."""
    rng = np.random.default_rng(seed)
    atoms = scatter(rng, CELL, NICKEL + OXYGEN, closest=1.6, periodic=True)
    moments = rng.normal(size=(NICKEL, 3))
    moments /= np.linalg.norm(moments, axis=1, keepdims=True)
    return np.concatenate([atoms, atoms[:NICKEL] + LENGTH * moments]), moments


TYPES = np.repeat([0, 1, 2], [NICKEL, OXYGEN, NICKEL])


def write_system(folder: Path) -> None:
    rng = np.random.default_rng(8)
    # Not in the order of the types; dp test wants virtual atoms to be the last.
    places = np.array([0, 3, 1, 4, 2, 5, 6, 7])
    (folder / "set.000").mkdir(parents=True)
    (folder / "type.raw").write_text(" ".join(map(str, TYPES[places])) + "\n")
    arrays = {
        "coord": frame(1)[0][places],
        "box": CELL,
        "energy": np.array(-11.0),
        "force": rng.normal(size=(len(TYPES), 3)),
        "virial": rng.normal(size=(3, 3)),
    }
    for name, array in arrays.items():
        np.save(folder / "set.000" / f"{name}.npy", array.reshape(1, -1))


@pytest.fixture(scope="module")
def deepmd(tmp_path_factory, compiled_ops) -> Path:
    """A folder with a graph that DeePMD-kit has trained, its training from it, and its test."""
    folder = tmp_path_factory.mktemp("deepmd")
    write_system(folder / "system")
    for name, steps in (("start", 1), ("input", STEPS)):
        content = training_input(MODEL, LOSS, folder / "system", steps)
        content["training"] |= {"disp_file": f"{name}.out", "save_ckpt": f"{name}.ckpt"}
        (folder / f"{name}.json").write_text(json.dumps(content))
    commands = [
        ["--tf", "train", "start.json", "-o", "start.out.json"],
        ["--tf", "freeze", "-o", "start.pb"],
        ["--tf", "train", "input.json", "--init-frz-model", "start.pb"],
        ["--tf", "test", "-m", "start.pb", "-s", "system", "-d", "theirs"],
    ]
    jobs = [{"arguments": line, "output": f"{line[1]}.log"} for line in commands]
    run_inside(DP320.require(), "commands.py", jobs, folder)
    return folder


@pytest.fixture(scope="module")
def ours(deepmd: Path) -> Path:
    """The graph, written here."""
    return convert(deepmd / "start.pb", deepmd / "ours.pb")


def test_graphs(deepmd: Path, ours: Path, tmp_path: Path) -> None:
    """DeePMD-kit's is rebuilt from its weights; ours is run by DeePMD-kit, and as it is here."""
    coord = np.stack([frame(seed)[0] for seed in (2, 3)])
    cases = {
        "periodic": {"coord": coord, "atype": TYPES, "box": np.tile(CELL.ravel(), (2, 1))},
        "open": {"coord": coord, "atype": TYPES},
    }
    theirs, found = deepmd_eval(DP320, [(deepmd / "start.pb", cases), (ours, cases)], tmp_path)
    assert np.abs(theirs["periodic"]["force"][:, TYPES == 2]).max() > 1e-3
    for results in (found, deeppot_eval(deepmd / "start.pb", cases), deeppot_eval(ours, cases)):
        assert_equal(results, theirs, 1e-10)


def test_lammps(deepmd: Path, ours: Path, tmp_path: Path) -> None:
    """LAMMPS makes the virtual atoms itself, of moments."""
    coord, moments = frame(4)
    natoms = NICKEL + OXYGEN
    rows = [
        f"{k + 1} {TYPES[k] + 1} {' '.join(f'{x:.17g}' for x in coord[k])} "
        + (" ".join(f"{x:.17g}" for x in moments[k]) + f" {NORM}" if k < NICKEL else "0 0 1 0")
        for k in range(natoms)
    ]
    (xx, _, _), (xy, yy, _), (xz, yz, zz) = CELL
    head = f"""moments

{natoms} atoms
2 atom types
0 {xx} xlo xhi
0 {yy} ylo yhi
0 {zz} zlo zhi
{xy} {xz} {yz} xy xz yz

Masses

1 58.7
2 16.0

Atoms # spin

"""
    (tmp_path / "data.lmp").write_text(head + "\n".join(rows) + "\n")
    script = f"""
units metal
atom_style spin
atom_modify map array
box tilt large
read_data data.lmp
pair_style deepspin {ours}
pair_coeff * * Ni O
neighbor 1.0 bin
compute moments all property/atom fmx fmy fmz
compute pe all pe/atom
thermo_style custom step pe
thermo_modify format float %.17g
dump out all custom 1 dump.txt id x y z fx fy fz c_moments[1] c_moments[2] c_moments[3] c_pe
dump_modify out sort id format float %.17g
run 0
"""
    deepmd_lammps(DP320, script, tmp_path)
    found = np.loadtxt(tmp_path / "dump.txt", skiprows=9)
    case = {"one": {"coord": coord[np.newaxis], "atype": TYPES, "box": CELL.reshape(1, 9)}}
    expected = deeppot_eval(deepmd / "start.pb", case)["one"]
    force = expected["force"][0]
    np.testing.assert_allclose(found[:, 4:7], force[:natoms], atol=1e-10)
    magnetic = found[:NICKEL, 7:10] * HBAR / NORM
    np.testing.assert_allclose(magnetic, force[natoms:], atol=1e-10)
    np.testing.assert_allclose(found[:, 10], expected["atom_energy"][0], atol=1e-10)


def test_steps_and_restart_are_the_same(deepmd: Path, tmp_path: Path, monkeypatch) -> None:
    trainer, head = assert_same_steps_and_restart(
        deepmd, "start.pb", tmp_path, monkeypatch, steps=STEPS
    )
    assert "rmse_fr" in head and "rmse_fm" in head
    assert json.loads((tmp_path / "out.json").read_text())["model"]["type_map"] == ["Ni", "O"]
    assert trainer.model.type_map == ["Ni", "O", "Ni_spin"]


def test_first_weights_are_the_same(deepmd: Path, tmp_path: Path, monkeypatch) -> None:
    """Those of equal seeds, the statistics, and the energy bias that virtual atoms take part in."""
    monkeypatch.chdir(tmp_path)
    content = json.loads((deepmd / "start.json").read_text())
    content["training"]["disp_file"] = "lcurve.out"
    (tmp_path / "input.json").write_text(json.dumps(content))
    train("input.json")
    assert Path("lcurve.out").read_text() == (deepmd / "start.out").read_text()


def test_errors(deepmd: Path, ours: Path, tmp_path: Path, capsys) -> None:
    """All lines of ``dp test``, and those of the magnetic forces."""
    detail = tmp_path / "ours"
    command = ["test", "-m", str(ours), "-s", str(deepmd / "system"), "-d", str(detail)]
    main([*command, "--html", str(tmp_path / "page.html"), "--plot", str(tmp_path / "p.png")])
    printed = capsys.readouterr().out
    log = (deepmd / "test.log").read_text()
    theirs = [line.partition("INFO    ")[2] for line in log.splitlines() if "MAE" in line]
    assert len(theirs) > 6
    for line in theirs:
        assert line.strip() in printed, line
    assert "Force spin RMSE" in printed
    for ending in ("e", "fr", "v"):
        rows = [np.loadtxt(p.with_suffix(f".{ending}.out")) for p in (detail, deepmd / "theirs")]
        np.testing.assert_allclose(*rows, atol=1e-9)
    assert np.loadtxt(detail.with_suffix(".fm.out")).shape == (NICKEL, 6)
    command = ["model-devi", "-m", str(ours), str(deepmd / "start.pb"), "-s"]
    main([*command, str(deepmd / "system"), "-o", str(tmp_path / "devi.out")])
    assert np.abs(np.loadtxt(tmp_path / "devi.out")[1:]).max() < 1e-10
