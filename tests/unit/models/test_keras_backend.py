"""Keras set to another backend: a sentence in the library, no concern of the command line."""

import json
import os
import subprocess
import sys

import pytest

_IMPORT_ALL = """
import importlib
from deepattn.errors import BackendError
for name in ("layers", "models", "train", "infer", "export", "testing", "calculator", "distill"):
    try:
        package = importlib.import_module(f"deepattn.{name}")
        for content in getattr(package, "__all__", ()):  # some import it when it is asked for
            getattr(package, content)
    except BackendError as error:
        print(error)
"""
_AS_THE_COMMAND = """
from deepattn.cli.main import _prepare_environment
_prepare_environment()
import deepattn.models
import keras
print(keras.config.backend())
"""


def run(code, **environment):
    environment = {k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"} | environment
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", ["jax", "unheard-of"])
def test_another_backend_is_a_sentence_in_every_package(name):
    lines = run(_IMPORT_ALL, KERAS_BACKEND=name)
    assert len(lines) == 8
    assert all(
        "KERAS_BACKEND names" in line and "KERAS_BACKEND=tensorflow" in line for line in lines
    )


def test_the_file_that_names_another_backend_is_named(tmp_path):
    file = tmp_path / "keras.json"
    file.write_text(json.dumps({"backend": "unheard-of"}))
    lines = run(_IMPORT_ALL, KERAS_HOME=str(tmp_path))
    assert len(lines) == 8
    assert all(f"{file} names" in line for line in lines)


def test_the_command_line_sets_tensorflow():
    assert run(_AS_THE_COMMAND, KERAS_BACKEND="jax") == ["tensorflow"]
