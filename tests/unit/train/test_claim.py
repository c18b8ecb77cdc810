"""One training at a time writes its files; what an earlier one has left is put aside."""

import os
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from deepattn.errors import BusyError, ConfigError
from deepattn.formats.checkpoint import read_checkpoint, write_checkpoint
from deepattn.train.checkpointing import claim as module
from deepattn.train.checkpointing.backup import make_room
from deepattn.train.checkpointing.claim import Claim
from deepattn.train.weight_source import WeightSource

ARRAYS = {"weights/x": np.arange(3.0)}


def training(**values):
    section = {"save_ckpt": "model.ckpt", "disp_file": "lcurve.out", "disp_training": True}
    return SimpleNamespace(**(section | {"max_ckpt_keep": 2} | values))


def write(step, prefix="model.ckpt", keep=5):
    header = {"step": step, "config": {"model": {}}, "interface_dtype": "float64"}
    return write_checkpoint(prefix, step, ARRAYS, header, keep=keep)


def names(folder="."):
    return {path.name for path in Path(folder).iterdir()}


@pytest.mark.parametrize(
    "other", [{}, {"save_ckpt": "b.ckpt"}, {"disp_file": "b.out"}, {"save_ckpt": "./model.ckpt"}]
)
def test_a_second_training_of_the_same_files_is_refused(here, other):
    with Claim(training(), chief=True):
        with pytest.raises(BusyError, match=rf"written by another.*process {os.getpid()} on"):
            Claim(training(**other), chief=True).__enter__()
        # Its files are free again, and other files are not affected.
        with Claim(training(save_ckpt="c.ckpt", disp_file="c.out"), chief=True):
            pass
        with Claim(training(), chief=False):
            pass
    with Claim(training(), chief=True):
        pass
    assert names() == set()


def test_a_killed_training_leaves_no_lock(here):
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with Claim(training(), chief=True):
                os.write(told, b"x")
                signal.pause()
        finally:
            os._exit(1)
    os.close(told)
    try:
        assert os.read(ready, 1)
        with pytest.raises(BusyError, match=f"process {child} on"):
            Claim(training(), chief=True).__enter__()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    with Claim(training(), chief=True):
        pass
    assert names() == set()


def test_a_claim_may_be_entered_again(here):
    claim = Claim(training(), chief=True)
    with claim:
        with claim:
            pass
        with pytest.raises(BusyError):
            Claim(training(), chief=True).__enter__()
    assert names() == set()


def test_without_locks_it_warns_and_goes_on(here, monkeypatch, caplog):
    def none(*args):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(module.fcntl, "flock", none)
    with Claim(training(), chief=True):
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
    section = training(save_ckpt="run/model.ckpt", disp_file="curves/lcurve.out")
    with Claim(section, others=("out/full.json",), chief=True):
        assert Path("curves").is_dir() and Path("out").is_dir()
    assert names("run") == {".other.h5.0123abcd-0123abcd.tmp"}


def test_a_folder_in_the_place_of_a_file(here):
    Path("lcurve.out").mkdir()
    with pytest.raises(ConfigError, match=r"lcurve\.out is a folder"):
        Claim(training(), chief=True).__enter__()
    assert names() == {"lcurve.out"}


def test_an_earlier_run_is_kept(here, caplog):
    for number in (1, 2):
        write(5)
        write(10)
        Path("lcurve.out").write_text(f"run {number}")
        Path("out.json").write_text("of the new run")
        old = b"of the old run"
        make_room(training(), WeightSource(), output=Path("out.json"), content=old)
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
    make_room(training(), start, output=None, content=None)
    assert names("backup-1") == {"model.ckpt-5.h5", "model.ckpt-10.h5", "checkpoint"}
    assert names() == {"backup-1", "model.ckpt-10.h5", "model.ckpt.h5", "checkpoint"}
    for name in (".", "model.ckpt", path):
        assert read_checkpoint(name)[1]["step"] == 10


def test_a_restart_takes_the_files_over(here):
    for step in (5, 10):
        write(step)
    Path("lcurve.out").write_text("run")
    before = names()
    make_room(training(), WeightSource(mode="restart", path="."), output=None, content=None)
    assert names() == before


def test_a_restart_from_an_older_checkpoint_keeps_the_later_ones(here):
    for step in (5, 10, 15):
        write(step)
    Path("lcurve.out").write_text("run")
    make_room(
        training(), WeightSource(mode="restart", path="model.ckpt-5"), output=None, content=None
    )
    assert names("backup-1") == {"model.ckpt-10.h5", "model.ckpt-15.h5", "lcurve.out"}
    assert Path("lcurve.out").read_text() == "run"
    for name in (".", "model.ckpt"):
        assert read_checkpoint(name)[1]["step"] == 5


def test_other_files_are_nobodys(here):
    write(5, "other")
    Path("model.ckpt-best.h5").touch()
    before = names()
    make_room(training(), WeightSource(), output=None, content=None)
    assert names() == before
