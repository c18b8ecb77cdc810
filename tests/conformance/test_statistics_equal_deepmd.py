"""davg, dstd, parameter statistics and energy bias equal those of DeePMD-kit to 1e-8."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from deepattn.data import DataSet
from deepattn.formats.frozen import read_frozen
from deepattn.statistics.energy_bias import energy_bias
from deepattn.statistics.env_mat import EnvMatShape
from deepattn.statistics.moments import input_statistics, parameter_statistics
from deepattn.statistics.neighbors import neighbor_statistics
from deepattn.statistics.stat_file import StatFile

from .deepmd_kit import DP320, run_dp, run_inside
from .systems import scatter

pytestmark = pytest.mark.conformance

TYPE_MAP = ["O", "H", "C"]
RCUT, SMOOTH = 4.0, 0.6
TOLERANCE = 1e-8
CELL = np.array([[6.9, 0.0, 0.0], [1.7, 6.4, 0.0], [-1.1, 0.9, 7.2]])

# A name of a file for each: DeePMD-kit keeps files open in a process by their names.
CASES = {
    "shared_slots": {"data": "standard", "sel": 12, "numb_fparam": 2, "numb_aparam": 1},
    "shared_slots_excluded": {"data": "standard", "sel": 40, "exclude_types": [[0, 1], [1, 1]]},
    "slots_by_type": {"data": "standard", "sel": [8, 10, 2]},
    "slots_by_type_excluded": {"data": "standard", "sel": [8, 10, 2], "exclude_types": [[0, 1]]},
    "mixed_types": {"data": "mixed", "sel": 20},
    "open_boundaries": {"data": "open", "sel": 10},
    "assigned_energies": {"data": "standard", "sel": 12, "atom_ener": [-2.0, None, None]},
    "kept_in_hdf5": {"data": "standard", "sel": 12, "stat_file": "stat.h5"},
    "distances": {"data": "standard", "sel": [8, 10, 2], "type": "se_e2_r", "stat_file": "r.h5"},
    "kept_in_folder": {"data": "standard", "sel": [8, 10, 2], "stat_file": "stat"},
}


def _write(folder: Path, atypes: list[list[int]], *, mixed: bool, periodic: bool) -> None:
    """Five random frames, sorted by type as DeePMD-kit needs its mixed frames."""
    rng = np.random.default_rng(len(atypes[0]))
    (folder / "set.000").mkdir(parents=True)
    (folder / "type.raw").write_text(
        " ".join(map(str, [0] * len(atypes[0]) if mixed else atypes[0]))
    )
    (folder / "type_map.raw").write_text("H O" if not mixed else "O H C")
    natoms = len(atypes[0])
    arrays = {
        "coord": np.stack(
            [scatter(rng, CELL, natoms, closest=1.0, periodic=periodic) for _ in atypes]
        ),
        "energy": rng.normal(-natoms, 1, len(atypes)),
        "force": rng.normal(size=(len(atypes), 3 * natoms)),
        "fparam": rng.normal(size=(len(atypes), 2)) * [2.0, 1e-4],
        "aparam": rng.normal(size=(len(atypes), natoms)),
    }
    if periodic:
        arrays["box"] = np.tile(CELL.ravel(), (len(atypes), 1))
    else:
        (folder / "nopbc").touch()
    if mixed:
        arrays["real_atom_types"] = np.array(atypes, np.int32)
    for key, value in arrays.items():
        flat = value.reshape(len(atypes), -1)
        np.save(folder / "set.000" / f"{key}.npy", flat)


def _is_mixed(case: dict) -> bool:
    return isinstance(case["sel"], int)


def _input(case: dict, data: Path) -> dict:
    descriptor = {
        "type": case.get("type", "se_atten" if _is_mixed(case) else "se_e2_a"),
        "sel": case["sel"],
        "rcut": RCUT,
        "rcut_smth": SMOOTH,
        "neuron": [2, 2],
        **({} if "type" in case else {"axis_neuron": 1}),
        "set_davg_zero": False,
        "exclude_types": case.get("exclude_types", []),
    }
    if _is_mixed(case):
        descriptor.update(attn_layer=0, attn=2)
    fitting = {
        name: case[name] for name in ("numb_fparam", "numb_aparam", "atom_ener") if name in case
    }
    training = {
        "training_data": {"systems": [str(data)], "batch_size": 1},
        "numb_steps": 1,
        "disp_freq": 1,
        "save_freq": 1,
    }
    if "stat_file" in case:
        training["stat_file"] = case["stat_file"]
    return {
        "model": {
            "type_map": TYPE_MAP,
            "descriptor": descriptor,
            "fitting_net": {"neuron": [2], **fitting},
        },
        "learning_rate": {"type": "exp", "start_lr": 1e-9, "stop_lr": 1e-10, "decay_steps": 1},
        "loss": {"start_pref_f": 0, "limit_pref_f": 0},
        "training": training,
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder per case, with the data and what DeePMD-kit made of them."""
    DP320.require()
    root = tmp_path_factory.mktemp("statistics")
    _write(root / "standard/a", [[0, 1, 0, 1, 0]] * 5, mixed=False, periodic=True)
    _write(root / "standard/b", [[0, 0, 1, 1, 1, 0, 0]] * 5, mixed=False, periodic=True)
    _write(root / "open/a", [[0, 1, 0, 1, 0]] * 5, mixed=False, periodic=False)
    rows = [[0, 0, 1, 2, 2, 2], [0, 1, 1, 1, 2, 2], [0, 0, 0, 0, 0, 0], [1, 1, 1, 2, 2, 2]]
    _write(root / "mixed/a", [*rows, [0, 0, 1, 1, 1, 1]], mixed=True, periodic=True)
    folders = []
    for name, case in CASES.items():
        folder = root / name
        folder.mkdir()
        (folder / "input.json").write_text(json.dumps(_input(case, root / case["data"])))
        folders.append(str(folder))
    run_inside(DP320, "make_graphs.py", folders, root)
    return root


def _dataset(data: Path, case: dict) -> DataSet:
    config = SimpleNamespace(
        systems=str(data),
        rglob_patterns=None,
        batch_size=1,
        auto_prob="prob_sys_size",
        sys_probs=None,
    )
    numbers = {name: case.get(name, 0) for name in ("numb_fparam", "numb_aparam")}
    return DataSet(config, TYPE_MAP, seed=1, **numbers)


def _shape(case: dict) -> EnvMatShape:
    mixed = _is_mixed(case)
    return EnvMatShape(
        ntypes=3,
        rcut=RCUT,
        rcut_smth=SMOOTH,
        sel=(case["sel"],) if mixed else tuple(case["sel"]),
        mixed_types=mixed,
        exclude_types=tuple(map(tuple, case.get("exclude_types", []))),
        columns=1 if "type" in case else 4,
    )


@pytest.mark.parametrize("name", CASES)
def test_statistics_are_deepmds(trained: Path, name: str) -> None:
    """Ten batches of one frame out of five: both take each frame twice, in whatever order."""
    case = CASES[name]
    weights = read_frozen(trained / name / "frozen.pb").weights
    batches = [batch for _, batch in _dataset(trained / case["data"], case).statistics_batches(10)]
    got = input_statistics(batches, _shape(case), set_davg_zero=False)
    # Of se_e2_r DeePMD-kit has NaN for types that the data lack.
    rows = got.seen if "type" in case else slice(None)
    np.testing.assert_allclose(got.davg[rows], weights["descrpt_attr/t_avg"][rows], atol=TOLERANCE)
    np.testing.assert_allclose(got.dstd[rows], weights["descrpt_attr/t_std"][rows], atol=TOLERANCE)
    cache = trained / name / case.get("stat_file", "")
    if "type" in case:
        kept = input_statistics(
            [], _shape(case), set_davg_zero=False, stat_file=StatFile(cache, TYPE_MAP)
        )
        np.testing.assert_allclose(kept.davg[rows], got.davg[rows], atol=TOLERANCE)
    bias = energy_bias(batches, 3, assigned=case.get("atom_ener"))
    np.testing.assert_allclose(bias, weights["fitting_attr/t_bias_atom_e"], atol=TOLERANCE)
    for kind in ("fparam", "aparam"):
        if case.get(f"numb_{kind}"):
            mean, inverse = parameter_statistics(batches, kind, protect=1e-2)
            expected = [weights[f"fitting_attr/t_{kind}_{part}"] for part in ("avg", "istd")]
            np.testing.assert_allclose(
                np.ravel([mean, inverse]), np.ravel(expected), rtol=TOLERANCE
            )


@pytest.mark.parametrize("name", ["kept_in_hdf5", "kept_in_folder"])
def test_deepmds_cache_is_read(trained: Path, name: str) -> None:
    case = CASES[name]
    weights = read_frozen(trained / name / "frozen.pb").weights
    cache = StatFile(trained / name / case["stat_file"], TYPE_MAP)
    got = input_statistics([], _shape(case), set_davg_zero=False, stat_file=cache)
    np.testing.assert_allclose(got.davg, weights["descrpt_attr/t_avg"], atol=TOLERANCE)
    np.testing.assert_allclose(got.dstd, weights["descrpt_attr/t_std"], atol=TOLERANCE)
    bias = energy_bias([], 3, stat_file=cache)
    np.testing.assert_allclose(bias, weights["fitting_attr/t_bias_atom_e"], atol=TOLERANCE)
    batches = [batch for _, batch in _dataset(trained / case["data"], case).statistics_batches(10)]
    ours = StatFile(trained / name / f"ours_{case['stat_file']}", TYPE_MAP)
    energy_bias(batches, 3, stat_file=ours)
    for entry in ("bias_atom_energy", "std_atom_energy"):
        np.testing.assert_allclose(ours.read(entry), cache.read(entry), atol=TOLERANCE)
    assert ours.read("observed_type").tolist() == cache.read("observed_type").tolist()


def test_deepmd_reads_our_cache(trained: Path) -> None:
    """Sums that no data have, so that only the cache can be where they come from."""
    folders = []
    for name in ("kept_in_hdf5", "kept_in_folder"):
        case = CASES[name]
        folder = trained / f"{name}_by_us"
        folder.mkdir()
        (folder / "input.json").write_text((trained / name / "input.json").read_text())
        cache = StatFile(folder / case["stat_file"], TYPE_MAP)
        sums = StatFile(trained / name / case["stat_file"], TYPE_MAP).read_env_mat(_shape(case))
        cache.write_env_mat(_shape(case), sums + sums)
        doubled = type(sums)(sums.number, 2 * sums.radial, 2 * sums.angular)
        cache.write_env_mat(_shape(case), doubled)
        cache.write_bias(np.array([1.0, 2.0, 3.0]), 0.5, [0, 1])
        folders.append(str(folder))
    run_inside(DP320, "make_graphs.py", folders, trained)
    for folder, name in zip(folders, ("kept_in_hdf5", "kept_in_folder"), strict=True):
        weights = read_frozen(Path(folder) / "frozen.pb").weights
        before = read_frozen(trained / name / "frozen.pb").weights
        np.testing.assert_allclose(weights["fitting_attr/t_bias_atom_e"], [1, 2, 3])
        np.testing.assert_allclose(
            weights["descrpt_attr/t_avg"], 2 * before["descrpt_attr/t_avg"], rtol=1e-12
        )


def test_neighbor_statistics_are_deepmds(trained: Path) -> None:
    data = trained / "standard"
    text = run_dp(DP320, ["neighbor-stat", "-s", data, "-r", str(RCUT), "-t", *TYPE_MAP], trained)
    systems = _dataset(data, {}).systems
    got = neighbor_statistics(systems, rcut=RCUT, ntypes=3, mixed_types=False)
    assert f"min_nbor_dist: {got.min_nbor_dist:f}" in text
    assert f"max_nbor_size: {np.array(got.max_nbor_size)}" in text


@pytest.mark.parametrize("mixed_types", [True, False])
def test_mixed_and_standard_twins_give_the_same_statistics(shared: Path, mixed_types: bool) -> None:
    """Every frame once, atoms in other orders and systems; DeePMD-kit is not needed."""
    type_map = ["Nb", "Mo", "Ta", "W"]
    shape = EnvMatShape(
        ntypes=4,
        rcut=4.0,
        rcut_smth=1.0,
        sel=(40,) if mixed_types else (40,) * 4,
        mixed_types=mixed_types,
    )
    results = []
    for layout in ("npy", "mixed"):
        config = SimpleNamespace(
            systems=str(shared / "data/monbtaw" / layout / "valid"),
            rglob_patterns=None,
            batch_size=64,
            auto_prob="prob_sys_size",
            sys_probs=None,
        )
        data = DataSet(config, type_map, seed=1)
        batches = [
            data.batch([draw])
            for index in range(len(data.systems))
            for draw in data.random_frames(index, 0)
        ]
        statistics = input_statistics(batches, shape, set_davg_zero=False)
        neighbors = neighbor_statistics(data.systems, rcut=4.0, ntypes=4, mixed_types=mixed_types)
        results.append((statistics, energy_bias(batches, 4), neighbors))
    (one, bias, near), (two, other_bias, other_near) = results
    np.testing.assert_allclose(one.davg, two.davg, atol=1e-10)
    np.testing.assert_allclose(one.dstd, two.dstd, atol=1e-10)
    np.testing.assert_allclose(bias, other_bias, atol=1e-9)
    np.testing.assert_allclose(near.min_nbor_dist, other_near.min_nbor_dist, rtol=1e-10)
    assert near.max_nbor_size == other_near.max_nbor_size
