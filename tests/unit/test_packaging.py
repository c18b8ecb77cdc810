"""Metadata of the package agree wherever they are repeated."""

import importlib
import re
from pathlib import Path

import pytest
import yaml
from dpdata.driver import Driver

import deepattn
from deepattn.ops import build

tomllib = pytest.importorskip("tomllib")  # Python 3.11

ROOT = Path(__file__).parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = SETTINGS["project"]


def test_range_of_tensorflow():
    """`build.SUPPORTED` is the owner; the build backend asks it."""
    needs = [need for need in PROJECT["dependencies"] if need.startswith("tensorflow")]
    assert needs == [build.requirement()]
    (major, first), (end_major, end) = build.SUPPORTED
    assert major == end_major
    assert f"TensorFlow ({major}.{first}–{major}.{end - 1})" in (ROOT / "README.md").read_text()


def test_range_of_python():
    """The classifiers are the owner."""
    classifiers = " ".join(PROJECT["classifiers"])
    minors = [int(minor) for minor in re.findall(r"Python :: 3\.(\d+)", classifiers)]
    assert minors == list(range(minors[0], minors[-1] + 1))
    assert PROJECT["requires-python"] == f">=3.{minors[0]}"
    assert SETTINGS["tool"]["ruff"]["target-version"] == f"py3{minors[0]}"
    readme = (ROOT / "README.md").read_text()
    assert f"Python 3.{minors[0]}–3.{minors[-1]}." in readme


def test_tools_of_lint_are_those_of_pre_commit():
    """``pip install '.[dev]'`` and ``pre-commit`` judge alike."""
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repository in config["repos"] for hook in repository["hooks"]]
    pinned = {need for hook in hooks for need in hook["additional_dependencies"]}
    dev = set(PROJECT["optional-dependencies"]["dev"]) - {"pre-commit"}
    assert all(re.fullmatch(r"[\w-]+==[\d.]+", need) for need in dev)
    # mypy needs the packages that deepattn uses, which pre-commit does not install.
    assert pinned == {need for need in dev if not need.startswith("mypy==")}


def test_citation():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == deepattn.__version__
    assert citation["license"] == PROJECT["license"]
    assert citation["authors"] == PROJECT["authors"]


def test_dpdata_finds_the_driver():
    (module,) = PROJECT["entry-points"]["dpdata.plugins"].values()
    importlib.import_module(module)
    assert "deepattn" in Driver.get_drivers()
