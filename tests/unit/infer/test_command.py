"""``deepattn test``: its text, its files, its ways to find systems, and DeePMD-kit's own output."""

import json
import os
import re

import numpy as np
import pytest

from deepattn.cli.main import main
from deepattn.infer import DeepPot, energy_errors, error_lines
from tests.conformance.deepmd_kit import DP320, run_dp

from .model_files import write_system

ENDINGS = ["e", "e_peratom", "f", "v", "v_peratom", "s"]
RULE = "# ----------------------------------------------- "


def run(capsys, *arguments):
    """Run ``deepattn test``; the lines it prints and its status."""
    status = main(["test", *map(str, arguments)])
    captured = capsys.readouterr()
    return captured.out.splitlines(), captured.err, status


@pytest.fixture
def system(tmp_path, frames):
    return write_system(tmp_path / "data" / "a", frames)


def test_text(capsys, attention, system):
    lines, _, status = run(capsys, "-m", attention.graph, "-s", system)
    assert status == 0
    assert lines[:3] == [
        "# ---------------output of dp test--------------- ",
        f"# testing system : {system}",
        "# number of test data : 3 ",
    ]
    titles = [line.partition(":")[0].strip() for line in lines[3:17]]
    assert titles[0] == "Energy MAE"
    assert titles[6:8] == ["Force weighted MAE", "Force weighted RMSE"]
    assert titles[12:] == ["Stress MAE", "Stress RMSE"]
    assert lines[17] == lines[-1] == RULE
    assert lines[18:20] == [
        "# ----------weighted average of errors----------- ",
        "# number of systems : 1",
    ]
    assert lines[20:34] == lines[3:17]
    assert len(lines) == 35


def test_the_last_line_has_the_units_people_compare(capsys, attention, system):
    lines, err, _ = run(capsys, "-m", attention.graph, "-s", system)
    *_, last = err.strip().splitlines()
    found = [float(number) for number in re.findall(r"([\d.e+-]+) meV", last)]
    assert "energy" in last and " meV/atom, force " in last and " meV/Å, virial " in last
    titles = ("Energy RMSE/Natoms", "Force  RMSE", "Virial RMSE/Natoms")
    wanted = [next(x for x in lines if x.startswith(title)).split(":")[1] for title in titles]
    assert found == pytest.approx([1e3 * float(x.split()[0]) for x in wanted], rel=1e-3)


def test_metrics(capsys, with_parameters, system):
    lines, _, _ = run(capsys, "-m", with_parameters.checkpoint, "-s", system, "-a")
    arrays = {p.stem: np.load(p) for p in (system / "set.000").glob("*.npy")}
    types = np.loadtxt(system / "type.raw", dtype=int)
    names = ("fparam", "aparam")
    outputs = DeepPot(with_parameters.graph).eval(
        arrays["coord"], arrays["box"], types, atomic=True, **{k: arrays[k] for k in names}
    )
    energy, force, virial, atom_energy = outputs[:4]
    prediction = {"energy": energy[:, 0], "force": force, "virial": virial}
    labels = {**arrays, "force": arrays["force"].reshape(force.shape)}
    found = ("energy", "force", "virial", "atom_ener", "atom_pref")
    errors = energy_errors(
        {**prediction, "atom_ener": atom_energy[:, :, 0]},
        {**labels, **{f"find_{name}": np.ones(3) for name in found}},
        atype=np.tile(types, (3, 1)),
        box=arrays["box"],
    )
    expected = error_lines(errors)
    assert lines[3 : 3 + len(expected)] == expected
    # Atomic energies are reported for each system, but not on average.
    assert [line for line in lines if line.startswith("Atomic")] == expected[-2:]


def test_only_what_there_are_labels_for(capsys, attention, tmp_path, frames):
    folder = write_system(tmp_path / "b", frames, absent=("virial", "atom_pref", "energy"))
    lines, _, _ = run(capsys, "-m", attention.graph, "-s", folder, "-d", tmp_path / "detail")
    assert [line[:12] for line in lines[3:5]] == ["Force  MAE  ", "Force  RMSE "]
    assert lines[5] == RULE
    assert not np.loadtxt(tmp_path / "detail.v.out")[:, :9].any()
    assert not (tmp_path / "detail.s.out").exists()


def test_virtual_atoms_count_nowhere(capsys, attention, tmp_path, frames):
    coords, cells, types = frames
    absent = ("energy", "atom_pref", "virial")
    (tmp_path / "plain").mkdir()
    plain = write_system(tmp_path / "plain" / "x", (coords[:, :6], cells, types[:6]), absent=absent)
    force = np.load(plain / "set.000" / "force.npy")
    mixed = np.tile(types, (3, 1))
    mixed[:, 6:] = -1
    padded = write_system(tmp_path / "padded", frames, mixed=mixed, absent=absent)
    full = np.zeros((3, 24))
    full[:, :18] = force
    np.save(padded / "set.000" / "force.npy", full)
    expected, _, _ = run(capsys, "-m", attention.graph, "-s", plain)
    found, _, _ = run(capsys, "-m", attention.graph, "-s", padded)
    assert found[2:] == expected[2:]


def test_detail_files(capsys, attention, tmp_path, frames):
    for name in ("a", "b"):
        write_system(tmp_path / "data" / name, frames)
    run(capsys, "-m", attention.graph, "-s", tmp_path / "data", "-d", tmp_path / "res.v1")
    widths = {"e": 2, "e_peratom": 2, "f": 6, "v": 18, "v_peratom": 18, "s": 18}
    for name, width in widths.items():
        path = tmp_path / f"res.{name}.out"
        rows = np.loadtxt(path)
        assert rows.shape == (48 if name == "f" else 6, width)
        headers = [x for x in path.read_text(encoding="utf-8").splitlines() if x[0] == "#"]
        assert len(headers) == 1
        assert headers[0].startswith(f"# {tmp_path / 'data' / 'a'}")
    labels = np.load(tmp_path / "data" / "b" / "set.000" / "force.npy")
    np.testing.assert_array_equal(
        np.loadtxt(tmp_path / "res.f.out")[24:, :3].ravel(), labels.ravel()
    )
    np.testing.assert_allclose(
        np.loadtxt(tmp_path / "res.e_peratom.out") * 8, np.loadtxt(tmp_path / "res.e.out")
    )


def test_no_half_written_details(capsys, attention, tmp_path, frames):
    write_system(tmp_path / "data" / "a", frames)
    bad = write_system(tmp_path / "data" / "b", frames)
    np.save(bad / "set.000" / "energy.npy", np.full(3, np.nan))
    _, err, status = run(
        capsys, "-m", attention.graph, "-s", tmp_path / "data", "-d", tmp_path / "r"
    )
    assert status == 1
    assert "frame 0" in err.splitlines()[-1]
    assert sorted(os.listdir(tmp_path)) == ["data"]


def test_chunks_change_nothing(capsys, attention, system, monkeypatch):
    expected, _, _ = run(capsys, "-m", attention.graph, "-s", system)
    monkeypatch.setenv("DP_TEST_CHUNK_ATOMS", "8")
    assert run(capsys, "-m", attention.graph, "-s", system)[0] == expected


def test_which_frames(capsys, attention, system, tmp_path):
    def frames_tested(*arguments):
        run(capsys, "-m", attention.graph, "-s", system, "-d", tmp_path / "r", *arguments)
        return np.loadtxt(tmp_path / "r.e.out")[:, 0]

    energy = np.load(system / "set.000" / "energy.npy")
    np.testing.assert_array_equal(frames_tested("-n", 2), energy[:2])
    np.testing.assert_array_equal(frames_tested("-n", 99), energy)
    order = np.arange(3)
    np.random.RandomState(5).shuffle(order)
    np.testing.assert_array_equal(frames_tested("--shuffle-test", "-r", 5), energy[order])


def test_ways_to_name_systems(capsys, attention, system, tmp_path):
    model = ["-m", attention.graph.with_suffix("")]
    expected = run(capsys, *model, "-s", system)[0][2:]
    (tmp_path / "list").write_text(f"{system}\n\n")
    script = {"training": {f"{k}_data": {"systems": ["data"]} for k in ("training", "validation")}}
    (tmp_path / "input.json").write_text(json.dumps({"model": {}, **script}))
    for arguments in (
        ["-s", tmp_path / "data"],
        ["-f", tmp_path / "list"],
        ["--train-data", tmp_path / "input.json"],
        ["--valid-data", tmp_path / "input.json"],
    ):
        lines, _, status = run(capsys, *model, *arguments)
        assert status == 0
        assert lines[1] == f"# testing system : {system}"
        assert lines[2:] == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-m", "none.pb"], "none.pb: there is no such file"),
        (["-s", "nowhere"], "nowhere does not exist"),
        (["-f", "empty"], "empty: lists no system"),
        (["--train-data", "input.json"], "has no training.training_data.systems"),
        (["-s", "data", "-a"], "has no atom_ener, which --atomic compares"),
    ],
)
def test_what_is_wrong_is_said(
    capsys, attention, frames, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    write_system(tmp_path / "data", frames, absent=("atom_ener",))
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "input.json").write_text('{"model": {}, "training": {}}')
    defaults = [] if "-m" in arguments else ["-m", attention.graph]
    _, err, status = run(capsys, *defaults, *arguments)
    assert status == 1
    assert message in err.splitlines()[-1]


def test_arguments(capsys, attention, system):
    with pytest.raises(SystemExit, match="2"):
        main(["test", "-s", "a", "-f", "b"])
    with pytest.raises(SystemExit, match="2"):
        main(["test", "-n", "-1"])
    _, err, status = run(capsys, "-m", attention.graph, "-s", system, "-S", "set")
    assert status == 0
    assert "--set-prefix is ignored" in err


@pytest.mark.conformance
@pytest.mark.parametrize("kind", ["attention", "with_parameters"])
def test_digit_for_digit_as_deepmd(capsys, kind, request, tmp_path, frames):
    graph = request.getfixturevalue(kind).graph
    for name in ("a", "b"):
        write_system(tmp_path / "data" / name, frames)
    mixed = np.stack([frames[2], frames[2][::-1], np.roll(frames[2], 1)])
    write_system(tmp_path / "data" / "c", frames, mixed=mixed)
    (tmp_path / "list").write_text("".join(f"{tmp_path / 'data' / x}\n" for x in "abc"))
    arguments = ["test", "-m", str(graph), "-f", str(tmp_path / "list"), "-a", "-n", "2"]
    arguments += ["--shuffle-test", "-r", "7", "-d"]
    text = run_dp(DP320.require(), [*arguments, tmp_path / "theirs"], tmp_path)
    pairs = [line.partition("DEEPMD INFO") for line in text.splitlines()]
    told = [text.strip() for _, found, text in pairs if found]
    theirs = told[told.index("# ---------------output of dp test---------------") :]

    assert main([*arguments, str(tmp_path / "ours")]) == 0
    ours = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert ours == theirs
    for ending in ENDINGS:
        files = [tmp_path / f"{name}.{ending}.out" for name in ("ours", "theirs")]
        heads = [path.read_text(encoding="utf-8").splitlines()[0] for path in files]
        assert heads[0] == heads[1]
        rows = [np.loadtxt(path) for path in files]
        np.testing.assert_allclose(rows[0], rows[1], rtol=0, atol=1e-9)
