"""Output to the terminal: no line of TensorFlow, no control character, no traceback."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_models import model_section, small_model

from deepattn.cli.main import main
from deepattn.cli.terminal import escape
from deepattn.config import normalize_model
from deepattn.export import freeze

ROOT = Path(__file__).parents[3]
OURS = re.compile(r"\[[-\d :,]+\] DEEPATTN |deepattn: error: ")
NOISE = b"I0000 00:00:1795893508.195202    8358 cudart_stub.cc:31] Could not find cuda drivers\n"


def run(*words, code=None, **settings):
    """Run the command as a process whose TensorFlow is as loud as it can be."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **settings}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    program = ["-m", "deepattn"] if code is None else ["-c", code]
    return subprocess.run(
        [sys.executable, *program, *map(str, words)], capture_output=True, env=environment
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A graph and a system."""
    folder = tmp_path_factory.mktemp("streams")
    script = {"model": normalize_model(model_section())}
    freeze(small_model(), folder / "model.pb", training_script=script)
    sets = folder / "data" / "set.000"
    sets.mkdir(parents=True)
    (folder / "data" / "type.raw").write_text("0 1 1\n")
    (folder / "data" / "type_map.raw").write_text("O H\n")
    np.save(sets / "coord.npy", np.array([[0, 0, 0, 1, 0, 0, 0, 1, 0.0]]))
    np.save(sets / "box.npy", 9.0 * np.eye(3).reshape(1, 9))
    np.save(sets / "energy.npy", np.zeros(1))
    np.save(sets / "force.npy", np.zeros((1, 9)))
    return folder


def test_no_line_is_tensorflows(folder):
    done = run("test", "-m", folder / "model.pb", "-s", folder / "data")
    assert done.returncode == 0, done.stderr
    lines = done.stderr.decode().splitlines()
    assert lines and all(OURS.match(line) for line in lines), done.stderr


def test_debug_shows_all_lines(folder):
    done = run("-v", "DEBUG", "test", "-m", folder / "model.pb", "-s", folder / "data")
    assert done.returncode == 0, done.stderr
    lines = done.stderr.decode().splitlines()
    assert any(not OURS.match(line) for line in lines), done.stderr


def native(end, *, before=f"os.write(2, {NOISE!r})"):
    """Run a program that logs as TensorFlow does and ends in some way."""
    return run(
        code=f"""
import os, sys
from deepattn.cli.native_log import NativeLog
log = NativeLog()
{before}
print("ours", file=sys.stderr)
{end}
"""
    )


def test_native_lines_are_given_back():
    done = native("print(log.close(), end='')")
    assert done.stdout == NOISE and done.stderr == b"ours\n"


def test_a_crash_tells_what_tensorflow_said():
    done = native("os.abort()")
    assert done.returncode < 0
    assert NOISE in done.stderr and b"ours\n" in done.stderr


def test_other_native_lines_pass():
    fatal = b"F0000 00:00:1795893508.195202    8358 array.cc:1] Check failed: a == b\n"
    half = b"no end of the line"
    text = b"terminate called\n" + fatal + NOISE + half
    done = native("log.close()", before=f"os.write(2, {text!r})")
    assert done.stderr.replace(b"ours\n", b"") == b"terminate called\n" + fatal + half


def test_children_of_the_program_are_heard():
    done = native("import subprocess; subprocess.run(['sh', '-c', 'echo child >&2']); log.close()")
    assert b"child\n" in done.stderr and NOISE not in done.stderr


def test_a_reader_that_leaves_is_no_error(folder):
    program = [sys.executable, "-m", "deepattn", "doc-train-input"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_ascii_output_has_other_letters(folder):
    done = run("show", folder / "model.pb", "weights", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert re.search(rb"\dx\d", done.stdout)
    assert done.stdout.isascii()


def test_names_cannot_command_the_terminal(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["show", "\x1b]0;gone\x07.pb"]) == 1
    assert "\\x1b]0;gone\\x07.pb: there is no such file" in capsys.readouterr().err
    names = ["\x1b[31mO", "H\u202e"]
    model = small_model(type_map=names)
    script = {"model": normalize_model({**model_section(), "type_map": names})}
    freeze(model, "model.pb", training_script=script)
    assert main(["show", "model.pb", "type-embedding", "type-map"]) == 0
    out = capsys.readouterr().out
    assert "\\x1b[31mO" in out and "\x1b" not in out and "\u202e" not in out


def test_what_is_escaped():
    assert escape("Å\tx\nµ") == "Å\tx\nµ"
    assert escape("\x00\r\x7f\x9b\u2028\udc80") == r"\x00\r\x7f\x9b\u2028\udc80"
