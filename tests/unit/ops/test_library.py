"""The libraries are used when they fit, and say what to do in one line when they do not."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deepattn.ops import build, loader

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An own library folder, so far empty, and a loader that has not warned yet."""
    monkeypatch.setattr(build, "LIB_DIR", tmp_path)
    monkeypatch.setattr(loader, "_warned", [])
    return tmp_path


def write_info(folder, **changes):
    info = {
        "tensorflow": {loader.minor_version(loader.tf.__version__): loader.tf.__version__},
        "compiler": "c++",
        "sources": build.source_digest(build.source_dir()),
    }
    (folder / build.INFO_NAME).write_text(json.dumps(info | changes))


def warning_of(caplog):
    assert loader._load(loader.OWN) is None
    assert loader._load(loader.COMPAT) is None
    (record,) = caplog.records  # once, though both are missing
    message = record.getMessage()
    assert "\n" not in message
    assert message.endswith("python -m deepattn.ops.build")
    return message


def test_not_built(folder, caplog):
    assert "are not built" in warning_of(caplog)


@pytest.mark.parametrize("text", ["{", "[]", '{"tensorflow": 1}'])
def test_broken_build_info(folder, caplog, text):
    (folder / build.INFO_NAME).write_text(text)
    assert "are not built" in warning_of(caplog)


def test_built_for_another_tensorflow(folder, caplog):
    write_info(folder, tensorflow={"2.3": "2.3.1", "2.4": "2.4.0"})
    assert "were built for TensorFlow 2.3.1, 2.4.0, but" in warning_of(caplog)


def test_built_from_other_sources(folder, caplog):
    write_info(folder, sources="0")
    assert "are older than their sources" in warning_of(caplog)


def test_not_a_library(folder, caplog):
    write_info(folder)
    for name in (loader.COMPAT, loader.OWN):
        path = folder / loader.op_library(name, loader.tf.__version__)
        path.write_bytes(b"not a library")
    assert "cannot be loaded" in warning_of(caplog)


def test_path_is_the_loaded_library(compiled):
    name = loader.op_library("libdeepattn_compat", loader.tf.__version__)
    assert compiled.library() == str(build.LIB_DIR / name)


def run(code, cwd=ROOT, **env):
    env = dict(os.environ, TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="") | env
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=cwd, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_functions_fall_back_to_the_reference(tmp_path):
    shutil.copytree(
        ROOT / "deepattn",
        tmp_path / "deepattn",
        ignore=shutil.ignore_patterns("*.so", "__pycache__"),
    )
    code = """
import tensorflow as tf
from deepattn import ops
print(ops.library(), float(ops.gelu(tf.constant(1.0))))
"""
    path, value = run(code, cwd=tmp_path).split()
    assert path == "None" and abs(float(value) - 0.8411919906) < 1e-6


def test_own_library_registers_no_name_of_deepmd(compiled):
    code = f"""
import tensorflow as tf
from tensorflow.python.framework import op_def_registry
tf.load_op_library({compiled.fast_library()!r})
names = ["ProdEnvMatA", "ProdEnvMatAMix", "ProdForceSeA", "ProdVirialSeA", "GeluCustom", "Gelu"]
print([name for name in names if op_def_registry.get(name)], end="")
"""
    assert run(code) == "[]"


def test_foreign_ops_are_not_registered_twice(compiled, caplog):
    """With DeePMD-kit's ops in the process (here our library) plain TensorFlow takes over."""
    code = f"""
import logging, tensorflow as tf
logging.basicConfig(format="%(message)s")
tf.load_op_library({compiled.library()!r})
from deepattn import ops
print(ops.library(), float(ops.gelu(tf.constant(1.0))))
"""
    assert run(code).startswith("None 0.84")


def test_build_without_a_compiler(monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", "/nowhere/c++")
    with pytest.raises(build.BuildError, match=r"'/nowhere/c\+\+' cannot be run .* install a C"):
        build.build(tmp_path / "lib", tensorflows=[{"tensorflow": "2.21.0"}])


def test_failed_build_leaves_the_old_library(monkeypatch, tmp_path, capsys):
    source, output = tmp_path / "ops", tmp_path / "lib"
    shutil.copytree(build.source_dir(), source)
    (source / "kernels" / "cpu" / "gelu.cc").write_text("#error broken\n")
    output.mkdir()
    (output / "libdeepattn_compat.so").write_bytes(b"old")
    flags = {"tensorflow": "2.21.0", "compile": [], "link": []}
    monkeypatch.setattr(
        build.build_units, "KERNEL_UNITS", (build.build_units.Unit("kernels/cpu/gelu.cc"),)
    )
    with pytest.raises(build.BuildError, match="failed:"):
        build.build(output, source=source, tensorflows=[flags])
    assert [path.name for path in output.iterdir()] == ["libdeepattn_compat.so"]
    assert (output / "libdeepattn_compat.so").read_bytes() == b"old"


def test_tensorflow_that_cannot_be_imported(tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'No module named tensorflow' >&2\nexit 1\n")
    python.chmod(0o755)
    with pytest.raises(build.BuildError, match=r"cannot be imported by .*No module named"):
        build.query_tensorflow((str(python),))


def test_digest_sees_names_and_contents(tmp_path):
    (tmp_path / "a.cc").write_text("x")
    first = build.source_digest(tmp_path)
    (tmp_path / "notes.txt").write_text("no source")
    assert build.source_digest(tmp_path) == first
    (tmp_path / "a.cc").write_text("y")
    second = build.source_digest(tmp_path)
    (tmp_path / "a.cc").rename(tmp_path / "b.cc")
    assert len({first, second, build.source_digest(tmp_path)}) == 3


def test_command_warns_of_nothing():
    """Importing the package must not import the module that the command then runs."""
    code = "import sys, deepattn.ops; print('deepattn.ops.build' in sys.modules)"
    assert run(code) == "False"
