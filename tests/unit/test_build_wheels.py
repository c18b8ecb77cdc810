"""The tag of the wheel says what its libraries really need."""

import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from deepattn.ops import build

ROOT = Path(__file__).parents[2]
MACHINE = platform.machine()


def load_tool():
    spec = importlib.util.spec_from_file_location("build_wheels", ROOT / "tools/build_wheels.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build_wheels = load_tool()


def test_every_supported_version_is_in_the_wheel():
    minors = build_wheels.supported(build)
    assert minors[0] == "2.16" and minors[-1] == "2.21" and len(minors) == 6
    assert build.requirement() == f"tensorflow>={minors[0]},<2.22"


@pytest.fixture
def needs(monkeypatch):
    """Sets what a library needs; gives the tag."""

    def tag(symbols, libraries=("libc.so.6",)):
        answer = (
            set(libraries),
            {
                (name, tuple(map(int, version.split("."))))
                for name, _, version in (symbol.partition("_") for symbol in symbols)
            },
        )
        monkeypatch.setattr(build_wheels, "needs", lambda path: answer)
        return build_wheels.platform_tag([Path("libdeepattn_kernels.so"), Path("ops.so")])

    return tag


@pytest.mark.parametrize(
    ("symbols", "minor"),
    [
        ([], 17),
        (["GLIBC_2.2.5", "GLIBC_2.14", "GLIBCXX_3.4.19", "CXXABI_1.3.7"], 17),
        (["GLIBC_2.16", "GLIBCXX_3.4.21"], 24),
        (["GLIBC_2.29", "GLIBCXX_3.4.21"], 29),
        (["GLIBC_2.34", "GLIBCXX_3.4.25"], 34),
        (["GLIBCXX_3.4.30"], 35),
        (["CXXABI_1.3.13"], 34),
    ],
)
def test_oldest_platform(needs, symbols, minor):
    assert needs(symbols) == f"manylinux_2_{minor}_{MACHINE}"


def test_libraries_of_its_own_and_of_tensorflow(needs):
    own = ["libdeepattn_kernels.so", "libtensorflow_framework.so.2", "libstdc++.so.6"]
    assert needs([], own) == f"manylinux_2_17_{MACHINE}"


def test_a_library_that_not_every_system_has(needs):
    with pytest.raises(build_wheels.WheelError, match=r"needs libgomp.so.1, which not every"):
        needs([], ["libgomp.so.1"])


def test_symbols_that_the_table_does_not_know(needs):
    with pytest.raises(build_wheels.WheelError, match=r"needs GLIBCXX_3.4.99, newer than any"):
        needs(["GLIBCXX_3.4.99"])


def test_symbols_of_a_library(tmp_path):
    compiler = shlex.split(os.environ.get("CXX", "c++"))
    if shutil.which(compiler[0]) is None or shutil.which("readelf") is None:
        pytest.skip("no C++ compiler or no readelf")
    (tmp_path / "a.cc").write_text(
        "#include <string>\n#include <stdexcept>\n"
        "void a(std::string s) { throw std::runtime_error(s + s); }\n"
    )
    path = tmp_path / "liba.so"
    command = [*compiler, "-shared", "-fPIC", str(tmp_path / "a.cc"), "-o", str(path)]
    subprocess.run(command, check=True)
    libraries, symbols = build_wheels.needs(path)
    assert "libstdc++.so.6" in libraries
    assert {"GLIBCXX"} <= {name for name, _ in symbols} <= {"GLIBC", "GLIBCXX", "CXXABI"}
    assert build_wheels.platform_tag([path]).endswith(MACHINE)
    with pytest.raises(build_wheels.WheelError, match="readelf"):
        build_wheels.needs(tmp_path / "a.cc")


def test_what_was_downloaded_once_is_used_again(monkeypatch, tmp_path):
    folder = tmp_path / "2.18"
    (folder / "tensorflow").mkdir(parents=True)
    (folder / "version").write_text("2.18.1")
    monkeypatch.setattr(build_wheels, "HEADERS", tmp_path)
    monkeypatch.setattr(build, "target_tensorflow", lambda: {"tensorflow": "2.21.0"})
    found = build_wheels.find_tensorflow("2.18", build)
    assert found["tensorflow"] == "2.18.1"
    assert found["compile"][0] == f"-I{folder}/tensorflow/include"
    assert build_wheels.find_tensorflow("2.21", build) == {"tensorflow": "2.21.0"}


def test_flags_are_those_of_the_installed_tensorflow():
    """What is assumed of a TensorFlow that is not installed is true of the one that is."""
    flags = build.query_tensorflow()["compile"]
    assert tuple(flag for flag in flags if not flag.startswith("-I")) == build_wheels._COMPILE
