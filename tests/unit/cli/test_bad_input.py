"""The table of bad inputs, each through the command line.

One clear sentence on stderr, a status other than 0, and no file that was not there before or that
is only half written.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import processes
import pytest
from small_models import model_section, small_model

from deepattn.cli.main import main
from deepattn.config import normalize_model
from deepattn.export import freeze
from deepattn.formats.graphdef import read_graph

LATTICE = 1.7 * np.indices((2, 2, 2)).reshape(3, -1).T
# Files that a training writes on purpose before it reads the data.
RECORDS = {"input_v2_compat.json"}


@pytest.fixture
def work(tmp_path, monkeypatch):
    """The present folder, with a small system in ``data`` and a complete ``input.json``."""
    rng = np.random.default_rng(0)
    sets = tmp_path / "data" / "set.000"
    sets.mkdir(parents=True)
    (tmp_path / "data" / "type.raw").write_text("0 0 1 1 1 1 1 1\n")
    (tmp_path / "data" / "type_map.raw").write_text("O H\n")
    coord = LATTICE + rng.normal(scale=0.1, size=(4, 8, 3))
    np.save(sets / "coord.npy", coord.reshape(4, -1))
    np.save(sets / "box.npy", np.tile(np.eye(3).ravel() * 4.0, (4, 1)))
    np.save(sets / "energy.npy", rng.normal(size=4))
    np.save(sets / "force.npy", rng.normal(size=(4, 24)))
    monkeypatch.chdir(tmp_path)
    change_input(lambda data: None)
    return tmp_path


def change_input(change):
    """Write ``input.json`` after changing it in place."""
    data = {
        "model": model_section({"sel": 40, "attn_layer": 0}),
        "learning_rate": {"start_lr": 1e-3, "stop_lr": 1e-5},
        "loss": {},
        "training": {
            "training_data": {"systems": ["data"], "batch_size": 1},
            "numb_steps": 2,
            "disp_freq": 1,
            "seed": 1,
        },
    }
    change(data)
    Path("input.json").write_text(json.dumps(data))


def change_array(name, change):
    """Change an array of the set in place, or put another in its place."""
    path = Path("data/set.000") / f"{name}.npy"
    array = np.load(path)
    changed = change(array)
    np.save(path, array if changed is None else changed)


def put(name, place, value):
    return lambda: change_array(name, lambda array: array.__setitem__(place, value))


def cut(path, count):
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[:count])


def frozen(change=lambda graph: None):
    """A frozen model ``model.pb``, its graph changed in place."""
    script = {"model": normalize_model(model_section())}
    path = freeze(small_model(), "model.pb", training_script=script)
    graph = read_graph(path)
    change(graph)
    path.write_bytes(graph.serialize())
    return path


def forbidden(graph):
    graph.nodes["o_energy"].op = "WriteFile"


TRAIN = ["train", "input.json"]
FINETUNE = [*TRAIN, "--finetune", "model.pb"]
TEST = ["test", "-m", "model.pb", "-s", "data"]

# name: (command, what spoils the folder, what the sentence must name)
TABLE = {
    "truncated npy": (TRAIN, lambda: cut("data/set.000/force.npy", 300), ["force.npy"]),
    "npy of nothing": (TRAIN, lambda: cut("data/set.000/coord.npy", 0), ["coord.npy"]),
    "NaN in an energy": (TRAIN, put("energy", 2, np.nan), ["energy.npy", "frame 2"]),
    "NaN in a force": (
        TRAIN,
        put("force", (1, 5), np.nan),
        ["force.npy", "frame 1", "atom 1"],
    ),
    "infinite coordinate": (
        TRAIN,
        put("coord", (3, 6), np.inf),
        ["coord.npy", "frame 3", "atom 2"],
    ),
    "wrong shape": (
        TRAIN,
        lambda: change_array("force", lambda a: a[:, :-1]),
        ["force.npy"],
    ),
    "missing coordinates": (
        TRAIN,
        lambda: os.remove("data/set.000/coord.npy"),
        ["coord.npy"],
    ),
    "missing cell": (TRAIN, lambda: os.remove("data/set.000/box.npy"), ["box.npy", "nopbc"]),
    "cell without volume": (
        TRAIN,
        lambda: change_array("box", lambda a: 0.0 * a + 1.0),
        ["box.npy", "frame 0"],
    ),
    "unknown element": (
        TRAIN,
        lambda: Path("data/type_map.raw").write_text("O Xe\n"),
        ["Xe", "type.raw", "'O', 'H'"],
    ),
    "type out of range": (
        TRAIN,
        lambda: Path("data/type.raw").write_text("0 0 1 1 1 1 1 7\n"),
        ["type.raw", "7"],
    ),
    "overlapping atoms": (
        TRAIN,
        lambda: change_array("coord", lambda a: a[1].__setitem__(slice(3, 6), a[1, :3])),
        ["data", "frame 1", "atoms 0 and 1"],
    ),
    "no data": (
        TRAIN,
        lambda: change_input(lambda d: d["training"]["training_data"].update(systems=["nowhere"])),
        ["nowhere"],
    ),
    "unknown key": (
        TRAIN,
        lambda: change_input(lambda d: d["model"]["descriptor"].update(rcutt=5.0)),
        ["model/descriptor/rcutt", "rcut"],
    ),
    "key that is not supported": (
        TRAIN,
        lambda: change_input(lambda d: d["model"].update(modifier={"type": "dipole_charge"})),
        ["model/modifier"],
    ),
    "broken JSON": (TRAIN, lambda: cut("input.json", 40), ["input.json", "line 1"]),
    "missing input": (TRAIN, lambda: os.remove("input.json"), ["input.json"]),
    "corrupt graph": (FINETUNE, lambda: cut(frozen(), 5000), ["model.pb"]),
    "graph of nothing": (TEST, lambda: cut(frozen(), 0), ["model.pb"]),
    "missing graph": (TEST, lambda: None, ["model.pb"]),
    "forbidden op": (TEST, lambda: frozen(forbidden), ["model.pb", "WriteFile", "o_energy"]),
    "checkpoint that is none": (
        ["freeze", "-c", "model.ckpt"],
        lambda: Path("model.ckpt.h5").write_text("nothing"),
        ["model.ckpt.h5"],
    ),
    "missing checkpoint": (["freeze", "-c", "model.ckpt"], lambda: None, ["model.ckpt"]),
}


@pytest.mark.parametrize("fault", TABLE)
def test_one_clear_sentence(work, capsys, fault):
    command, spoil, named = TABLE[fault]
    spoil()
    before = {path: path.read_bytes() for path in work.rglob("*") if path.is_file()}
    assert main(command) == 1
    *_, last = capsys.readouterr().err.strip().splitlines()
    assert last.startswith("deepattn: error: ")
    for word in named:
        assert word in last
    after = {path: path.read_bytes() for path in work.rglob("*") if path.is_file()}
    assert {path: after.get(path) for path in before} == before
    assert {path.name for path in after.keys() - before.keys()} <= RECORDS | {"out.json"}


def test_the_folder_of_these_tests_is_good(work, capsys):
    assert main(TRAIN) == 0
    assert (work / "model.ckpt-2.h5").exists()


def test_too_small_a_sel_is_a_warning_with_frame_and_atom(work, capsys):
    change_input(lambda data: data["model"]["descriptor"].update(sel=3))
    assert main(TRAIN) == 0
    warnings = [line for line in capsys.readouterr().err.splitlines() if "WARNING" in line]
    assert any("sel" in w and "frame" in w and "atom" in w and "data" in w for w in warnings)


def test_a_full_disk_is_said_and_the_last_checkpoint_stays(work, capsys, monkeypatch):
    assert main(TRAIN) == 0
    change_input(lambda data: data["training"].update(numb_steps=4))
    before = (work / "model.ckpt-2.h5").read_bytes()
    sync = os.fsync

    def fail(descriptor):
        name = os.readlink(f"/proc/self/fd/{descriptor}")
        if "model.ckpt-" in name:
            raise OSError(28, os.strerror(28), name)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fail)
    assert main([*TRAIN, "--restart", "model.ckpt"]) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("deepattn: error: ") and "No space left on device" in last
    assert (work / "model.ckpt-2.h5").read_bytes() == before
    assert {p.name for p in work.glob("model.ckpt*")} == {"model.ckpt-2.h5", "model.ckpt.h5"}


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_saves_and_says_so(work, number, status):
    change_input(lambda data: data["training"].update(numb_steps=10**6, disp_freq=5))
    command = ["-m", "deepattn", "train", "input.json", "-l", "log.txt"]
    with processes.start([sys.executable, *command]) as process:
        log = work / "log.txt"
        while "Batch       5: trn" not in (log.read_text() if log.exists() else ""):
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.05)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == status
    assert "saved checkpoint" in said[said.index("Batch       5: trn") :]
    assert len(list(work.glob("model.ckpt-*.h5"))) == 1
    assert not [p.name for p in work.iterdir() if ".tmp" in p.name]
