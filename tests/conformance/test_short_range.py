"""Models that go over to a table of pairs where atoms come near (``use_srtab``)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from small_models import model_section

from deepattn.export import convert
from deepattn.models import load_model
from deepattn.train import train

from .compare import assert_equal, deeppot_eval, keras_eval
from .deepmd_kit import DP220, DP320, deepmd_eval, run_inside
from .pair_tables import write_table
from .systems import TYPE_MAP, make_cases
from .test_lammps import assert_lammps_gives
from .twelve_atoms import NATOMS, training_input, write_twelve_atoms

pytestmark = [pytest.mark.conformance, pytest.mark.slow]

STEPS = 10
# Between these distances are most of the nearest neighbors of the frames.
SWITCH = {"smin_alpha": 0.3, "sw_rmin": 1.0, "sw_rmax": 2.6}
PAIRS = {"type": "se_e2_a", "sel": [14, 20, 14], "rcut": 4.0}
MODELS = {
    "pairs": (PAIRS, {}),
    # The list of neighbors is that of the second descriptor.
    "hybrid": (
        {"type": "hybrid", "list": [{**PAIRS, "rcut": 3.1}, {**PAIRS, "type": "se_e2_r"}]},
        {"srtab_add_bias": False},
    ),
}
FORCES = {"start_pref_v": 0.1, "limit_pref_v": 1.0}


def _labels(rng):
    return {
        "energy": np.array(-3.1 * NATOMS),
        "force": rng.normal(size=(NATOMS, 3)),
        "virial": rng.normal(size=(3, 3)),
    }


def _input(folder: Path, name: str, loss: dict, steps: int) -> dict:
    descriptor, options = MODELS[name]
    options = {"use_srtab": str(folder / "table.txt"), **SWITCH, **options}
    section = model_section(descriptor, **options)
    return training_input({**section, "type_map": TYPE_MAP}, loss, folder / "system", steps)


@pytest.fixture(scope="module")
def deepmd(tmp_path_factory, compiled_ops) -> Path:
    """A folder with graphs that DeePMD-kit has trained, and its training from one of them."""
    folder = tmp_path_factory.mktemp("deepmd")
    write_table(folder / "table.txt")
    write_twelve_atoms(folder / "system", _labels)
    commands = []
    for name in MODELS:
        # Its graph of a force loss takes longer to build than all else together.
        content = _input(folder, name, {"start_pref_f": 0, "limit_pref_f": 0}, 1)
        content["training"]["save_ckpt"] = f"{name}.ckpt"
        (folder / f"{name}.json").write_text(json.dumps(content))
        (folder / name).mkdir()
        commands += [
            ["--tf", "train", f"{name}.json", "-o", f"{name}.out.json"],
            ["--tf", "freeze", "-o", f"{name}.pb"],
        ]
    (folder / "force.json").write_text(json.dumps(_input(folder, "pairs", FORCES, STEPS)))
    commands.append(["--tf", "train", "force.json", "--init-frz-model", "pairs.pb"])
    jobs = [{"arguments": command, "output": "log"} for command in commands]
    run_inside(DP320.require(), "commands.py", jobs, folder)
    return folder


@pytest.mark.parametrize("name", MODELS)
def test_deepmds_graphs_here(name: str, deepmd: Path, tmp_path: Path) -> None:
    """They are rebuilt from their weights, among which is the table."""
    # DeePMD-kit's operation of these descriptors takes no virtual atoms.
    cases = {
        name: {key: array for key, array in case.items() if not key.endswith("param")}
        for name, case in make_cases().items()
        if name in ("cubic", "triclinic", "small", "one_kind", "open")
    }
    [theirs] = deepmd_eval(DP320, [(deepmd / f"{name}.pb", cases)], tmp_path)
    (deepmd / "table.txt").rename(deepmd / "elsewhere.txt")
    try:
        assert_equal(deeppot_eval(deepmd / f"{name}.pb", cases), theirs, 1e-10)
        model, _ = load_model(deepmd / f"{name}.pb")
    finally:
        (deepmd / "elsewhere.txt").rename(deepmd / "table.txt")
    assert_equal(keras_eval(model, cases), theirs, 1e-10)
    convert(deepmd / f"{name}.pb", tmp_path / "ours.pb")
    for kit in (DP320, DP220):
        [found] = deepmd_eval(kit.require(), [(tmp_path / "ours.pb", cases)], tmp_path)
        assert_equal(found, theirs, 1e-10)
    assert_equal(deeppot_eval(tmp_path / "ours.pb", cases), theirs, 1e-10)
    whole = model.fitting.bias_atom_e.numpy()
    assert np.ptp(theirs["cubic"]["atom_energy"] - whole[cases["cubic"]["atype"]]) > 0.1


def test_lammps(deepmd: Path, tmp_path: Path) -> None:
    convert(deepmd / "pairs.pb", tmp_path / "ours.pb")
    assert_lammps_gives(DP320, tmp_path / "ours.pb", deepmd / "pairs.pb", tmp_path)


def test_steps_are_the_same(deepmd: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "input.json").write_text(json.dumps(_input(deepmd, "pairs", FORCES, STEPS)))
    train("input.json", init_frz_model=deepmd / "pairs.pb")
    expected = (deepmd / "lcurve.out").read_text().splitlines()
    assert len(expected) == STEPS + 3
    assert (tmp_path / "lcurve.out").read_text().splitlines() == expected
