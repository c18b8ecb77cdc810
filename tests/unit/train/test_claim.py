"""One training at a time writes its files; what an earlier one has left is put aside."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from deepattn.errors import BusyError, ConfigError
from deepattn.formats import locks
from deepattn.formats.checkpoint import read_checkpoint, write_checkpoint
from deepattn.formats.numbered import link_latest
from deepattn.train.checkpointing import claim as module
from deepattn.train.checkpointing.backup import make_room
from deepattn.train.checkpointing.best import BestFiles
from deepattn.train.checkpointing.claim import Claim
from deepattn.train.checkpointing.files import (
    AverageFiles,
    Log,
    TrainingFiles,
    ValidationFiles,
)
from deepattn.train.weight_source import WeightSource

ARRAYS = {"weights/x": np.arange(3.0)}


def files(save_ckpt="model.ckpt", disp_file="lcurve.out", validations=(), average=None):
    curve = Log(Path(disp_file), "training/disp_file")
    return TrainingFiles(Path(save_ckpt), 2, curve, average, tuple(validations))


def validation(log="val.log", folder=""):
    best = BestFiles(Path(folder), "best.ckpt")
    return ValidationFiles("validation", "E:MAE", Log(Path(log), "validating/full_val_file"), best)


def write(step, prefix="model.ckpt", keep=5):
    header = {"step": step, "config": {"model": {}}, "interface_dtype": "float64"}
    return write_checkpoint(prefix, step, ARRAYS, header, keep=keep)


def names(folder="."):
    return {path.name for path in Path(folder).iterdir()}


@pytest.mark.parametrize(
    "other", [{}, {"save_ckpt": "b.ckpt"}, {"disp_file": "b.out"}, {"save_ckpt": "./model.ckpt"}]
)
def test_a_second_training_of_the_same_files_is_refused(here, other):
    with Claim(files(), chief=True):
        with pytest.raises(BusyError, match=rf"written by another.*process {os.getpid()} on"):
            Claim(files(**other), chief=True).__enter__()
        # Its files are free again, and other files are not affected.
        with Claim(files(save_ckpt="c.ckpt", disp_file="c.out"), chief=True):
            pass
        with Claim(files(), chief=False):
            pass
    with Claim(files(), chief=True):
        pass
    assert names() == set()


def test_a_killed_training_leaves_no_lock(here):
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with Claim(files(), chief=True):
                os.write(told, b"x")
                signal.pause()
        finally:
            os._exit(1)
    os.close(told)
    try:
        assert os.read(ready, 1)
        with pytest.raises(BusyError, match=f"process {child} on"):
            Claim(files(), chief=True).__enter__()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    with Claim(files(), chief=True):
        pass
    assert names() == set()


def test_a_claim_may_be_entered_again(here):
    claim = Claim(files(), chief=True)
    with claim:
        with claim:
            pass
        with pytest.raises(BusyError):
            Claim(files(), chief=True).__enter__()
    assert names() == set()


def test_without_locks_it_warns_and_goes_on(here, monkeypatch, caplog):
    def none(*args):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(locks.fcntl, "flock", none)
    with Claim(files(), chief=True):
        pass
    assert "has no locks" in caplog.text
    assert names() == set()


def test_folders_are_made_and_leftovers_removed(here):
    Path("run").mkdir()
    for name in ("model.ckpt-3.h5", "checkpoint", "model.ckpt.h5"):
        # As left by a writer on this machine that has ended.
        host = module.remove_leftovers.__globals__["_HOST"]
        Path("run", f".{name}.{host}-0123abcd.tmp").touch()
    Path("run/.other.h5.0123abcd-0123abcd.tmp").touch()
    section = files(save_ckpt="run/model.ckpt", disp_file="curves/lcurve.out")
    with Claim(section, others=("out/full.json",), chief=True):
        assert Path("curves").is_dir() and Path("out").is_dir()
    assert names("run") == {".other.h5.0123abcd-0123abcd.tmp"}


def test_a_folder_in_the_place_of_a_file(here):
    Path("lcurve.out").mkdir()
    with pytest.raises(ConfigError, match=r"lcurve\.out is a folder"):
        Claim(files(), chief=True).__enter__()
    assert names() == {"lcurve.out"}


def test_an_earlier_run_is_kept(here, caplog):
    for number in (1, 2):
        write(5)
        write(10)
        Path("lcurve.out").write_text(f"run {number}")
        Path("out.json").write_text("of the new run")
        old = b"of the old run"
        make_room(files(), WeightSource(), output=Path("out.json"), content=old)
        backup = Path(f"backup-{number}")
        kept = {"model.ckpt-5.h5", "model.ckpt-10.h5", "checkpoint", "lcurve.out", "out.json"}
        assert names(backup) == kept
        assert (backup / "out.json").read_bytes() == old
        assert read_checkpoint(backup)[1]["step"] == 10
        assert names() == {"out.json", *(f"backup-{k + 1}" for k in range(number))}
        assert f"kept in backup-{number}: model.ckpt-10.h5 and 1 more, lcurve.out" in caplog.text


def test_a_checkpoint_that_is_read_stays(here):
    write(5)
    path = write(10)
    start = WeightSource(mode="init_model", path="model.ckpt")
    make_room(files(), start, output=None, content=None)
    assert names("backup-1") == {"model.ckpt-5.h5", "model.ckpt-10.h5", "checkpoint"}
    assert names() == {"backup-1", "model.ckpt-10.h5", "model.ckpt.h5", "checkpoint"}
    for name in (".", "model.ckpt", path):
        assert read_checkpoint(name)[1]["step"] == 10


def test_a_restart_takes_the_files_over(here):
    for step in (5, 10):
        write(step)
    Path("lcurve.out").write_text("run")
    before = names()
    make_room(files(), WeightSource(mode="restart", path="."), output=None, content=None)
    assert names() == before


def test_a_restart_from_an_older_checkpoint_keeps_the_later_ones(here):
    for step in (5, 10, 15):
        write(step)
    Path("lcurve.out").write_text("run")
    make_room(files(), WeightSource(mode="restart", path="model.ckpt-5"), output=None, content=None)
    assert names("backup-1") == {"model.ckpt-10.h5", "model.ckpt-15.h5", "lcurve.out"}
    assert Path("lcurve.out").read_text() == "run"
    for name in (".", "model.ckpt"):
        assert read_checkpoint(name)[1]["step"] == 5


def test_other_files_are_nobodys(here):
    write(5, "other")
    Path("model.ckpt-best.h5").touch()
    before = names()
    make_room(files(), WeightSource(), output=None, content=None)
    assert names() == before


def best(step, rank=1, folder="."):
    path = Path(folder, f"best.ckpt-{step}.t-{rank}.h5")
    path.parent.mkdir(exist_ok=True)
    path.touch()
    return path


def restart(path=".", metric="E:MAE", steps=(5,)):
    state = {"metric": metric, "best": [[1.0, step] for step in steps], "waited": 0}
    header = {"step": read_checkpoint(path)[1]["step"], "validation": state}
    return WeightSource(mode="restart", path=path, header=header)


@pytest.mark.parametrize(("log", "folder"), [("v.log", "best"), ("val.log", ".")])
def test_validations_are_claimed(here, log, folder):
    with Claim(files(validations=[validation("v.log")]), chief=True):
        other = files("c.ckpt", "c.out", [validation(log, folder)])
        key = "full_val_file" if log == "v.log" else "save_best_dir"
        with pytest.raises(BusyError, match=f"set another validating/{key}"):
            Claim(other, chief=True).__enter__()


def test_the_best_checkpoints_of_an_earlier_run_are_kept(here):
    write(5)
    best(5, folder="best")
    Path("val.log").touch()
    make_room(
        files(validations=[validation(folder="best")]), WeightSource(), output=None, content=None
    )
    assert names("backup-1") == {"model.ckpt-5.h5", "checkpoint", "val.log"}
    assert names("best/backup-1") == {"best.ckpt-5.t-1.h5"}


@pytest.mark.parametrize(
    ("metric", "left", "backup"), [("E:MAE", {5}, set()), ("F:MAE", set(), {5, 7})]
)
def test_a_restart_removes_what_a_kill_left(here, metric, left, backup):
    write(10)
    found = {step: best(step) for step in (5, 7)}
    source = restart(metric=metric)
    make_room(files(validations=[validation()]), source, output=None, content=None)
    assert {step for step, path in found.items() if path.exists()} == left
    kept = names("backup-1") if Path("backup-1").exists() else set()
    assert {found[step].name for step in backup} == {n for n in kept if n.startswith("best")}


def test_a_restart_from_an_older_checkpoint_keeps_the_later_best_ones(here):
    for step in (5, 10):
        write(step)
    best(5), best(10)
    source = restart("model.ckpt-5")
    make_room(files(validations=[validation()]), source, output=None, content=None)
    assert names("backup-1") == {"model.ckpt-10.h5", "best.ckpt-10.t-1.h5"}
    assert "best.ckpt-5.t-1.h5" in names()


def average(step):
    path = Path(f"model_ema.ckpt-{step}.h5")
    path.touch()
    link_latest(Path("model_ema.ckpt"))
    return path.name


AVERAGE = AverageFiles(Path("model_ema.ckpt"), 2)


def test_the_averages_of_an_earlier_run_are_kept(here):
    write(5)
    name = average(5)
    make_room(files(average=AVERAGE), WeightSource(), output=None, content=None)
    assert name in names("backup-1")
    assert names() == {"backup-1"}


def test_a_restart_removes_the_averages_that_a_kill_left(here):
    write(5)
    kept, left = average(5), average(10)
    make_room(files(average=AVERAGE), restart("model.ckpt-5"), output=None, content=None)
    assert left not in names() and not Path("backup-1").exists()
    assert Path("model_ema.ckpt.h5").resolve().name == kept


def test_a_restart_from_an_older_checkpoint_keeps_the_later_averages(here):
    for step in (5, 10):
        write(step), average(step)
    make_room(files(average=AVERAGE), restart("model.ckpt-5"), output=None, content=None)
    assert names("backup-1") == {"model.ckpt-10.h5", "model_ema.ckpt-10.h5"}
