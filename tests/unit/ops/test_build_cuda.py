"""The CUDA library is built where it can be, and where it cannot nothing breaks."""

import ctypes
import json
import os
import re
import shutil

import pytest

from deepattn.ops import build
from deepattn.ops.build import build_cuda, build_objects  # as it has loaded them, by their paths


def test_the_library_has_every_function_of_its_headers():
    path = build.LIB_DIR / build_cuda.LIBRARY
    if not path.is_file():
        pytest.skip(f"{build_cuda.LIBRARY} was not built: no nvcc")
    library = ctypes.CDLL(str(path))
    folder = build.source_dir() / "kernels" / "cuda"
    text = "".join(path.read_text() for path in folder.rglob("*.h")).replace("\\\n", "")
    names = set(re.findall(r"\b(deepattn_cuda_\w+(?:##suffix)?)\(", text))
    names = {name for name in names if not name.startswith("deepattn_cuda_host")}
    assert len(names) >= 10
    for name in names:
        for suffix in ("f32", "f64"):
            assert getattr(library, name.replace("##suffix", suffix))
    library.deepattn_cuda_target.restype = ctypes.c_char_p
    assert library.deepattn_cuda_target().startswith(b"sm_")


@pytest.fixture
def nvcc(monkeypatch, tmp_path):
    """A compiler that knows two kinds of devices and fails at everything else."""
    path = tmp_path / "nvcc"
    path.write_text(
        '#!/bin/sh\n[ "$1" = --list-gpu-code ] && printf "sm_75\\nsm_90\\nsm_120\\n" && exit\n'
        "echo 'fatal: broken'; exit 1\n"
    )
    path.chmod(0o755)
    monkeypatch.setattr(build_cuda, "find_nvcc", lambda: str(path))
    monkeypatch.delenv(build_cuda.ARCHITECTURES, raising=False)
    return str(path)


@pytest.fixture
def gpus(monkeypatch, tmp_path):
    """Sets what nvidia-smi answers."""

    def put(answer):
        path = tmp_path / "nvidia-smi"
        path.write_text(
            '#!/bin/sh\n[ "$*" = "--query-gpu=compute_cap --format=csv,noheader" ] || exit 2\n'
            f"printf '{answer}'\n"
        )
        path.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    return put


@pytest.mark.parametrize(
    ("answer", "chosen"),
    [
        ("9.0\\n", ["90"]),
        ("9.0\\n7.5\\n9.0\\n", ["75", "90"]),
        ("12.0\\n", ["120"]),
        ("8.9\\n", ["75"]),  # by the PTX of an older one
    ],
)
def test_architectures_are_those_of_the_gpus_that_are_there(nvcc, gpus, answer, chosen):
    gpus(answer)
    assert build_cuda.choose_architectures(nvcc) == chosen


@pytest.mark.parametrize("answer", ["", "No devices were found\\n", "[N/A]\\n"])
def test_without_a_gpu_nothing_is_compiled_for_one(nvcc, gpus, answer, tmp_path):
    gpus(answer)
    assert missing(tmp_path).startswith("nvidia-smi tells of no GPU on this machine")


def test_without_nvidia_smi(nvcc, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert missing(tmp_path).startswith("nvidia-smi tells of no GPU on this machine")


def test_a_gpu_older_than_the_compiler(nvcc, gpus, tmp_path):
    gpus("6.1\\n")
    assert "does not know the compute capabilities" in missing(tmp_path)


def test_progress_is_told(capsys):
    progress = build_objects.Progress("operations", 2)
    progress.tick("a.cc")
    progress.tick("b.cc")
    assert capsys.readouterr().err.splitlines() == [
        "deepattn: operations: 1 of 2 compiled, a.cc",
        "deepattn: operations: 2 of 2 compiled, b.cc",
    ]


def test_architectures_can_be_named(nvcc, monkeypatch):
    monkeypatch.setenv(build_cuda.ARCHITECTURES, "12.0, 75")
    assert build_cuda.choose_architectures(nvcc) == ["75", "120"]
    monkeypatch.setenv(build_cuda.ARCHITECTURES, "70")
    with pytest.raises(build_cuda.CudaBuildError, match=r"names 70, which .* it knows 75, 90, 120"):
        build_cuda.choose_architectures(nvcc)


def missing(tmp_path):
    source = build.source_dir()
    stores = build.object_stores(tmp_path, tmp_path)
    return build._build_cuda(tmp_path, source, stores, 1)["missing"]


def test_without_a_compiler(monkeypatch, tmp_path):
    monkeypatch.delenv(build_cuda.ARCHITECTURES, raising=False)
    monkeypatch.setattr(build_cuda, "find_nvcc", lambda: None)
    assert missing(tmp_path).startswith("there is no nvcc on the PATH")


def test_none_wanted(nvcc, monkeypatch, tmp_path):
    monkeypatch.setenv(build_cuda.ARCHITECTURES, "none")
    assert missing(tmp_path) == "DEEPATTN_CUDA_ARCHITECTURES is none"


def test_a_compiler_that_fails(nvcc, monkeypatch, tmp_path):
    monkeypatch.setenv(build_cuda.ARCHITECTURES, "90")
    assert missing(tmp_path).endswith("failed:\nfatal: broken")
    assert not (tmp_path / build_cuda.LIBRARY).exists()


def test_a_tensorflow_for_which_the_gpu_ops_do_not_compile(monkeypatch, tmp_path):
    def build_cuda_library(folder, source, open_store, jobs):
        (folder / build_cuda.LIBRARY).touch()
        return {"sources": "0"}

    def compile_or_link(command):
        if any("/tf/gpu/" in word for word in command):
            raise build.BuildError("c++ failed:\nno such header")
        if "-o" in command:
            build.Path(command[-1]).touch()
        if "-MF" in command:
            build.Path(command[command.index("-MF") + 1]).touch()
        return "c++ 1\n"

    monkeypatch.setattr(build, "_build_cuda", build_cuda_library)
    monkeypatch.setattr(build, "_run", compile_or_link)
    source, output = tmp_path / "ops", tmp_path / "lib"
    shutil.copytree(build.source_dir(), source)
    tensorflow = {"tensorflow": "2.21.0", "compile": [], "link": []}
    build.build(output, source=source, tensorflows=[tensorflow])
    assert {path.name for path in output.iterdir()} == {
        *("libdeepattn_kernels.so", "libdeepattn_compat_tf2.21.so", "libdeepattn_ops_tf2.21.so"),
        build.INFO_NAME,
    }
    assert build.describe(output).endswith("; no CUDA kernels: c++ failed:")


def test_what_was_built_is_told_in_one_line(tmp_path):
    cuda = {"nvcc": "13.0.88", "targets": ["sm_90", "compute_90"], "sources": "0"}
    info = {"tensorflow": {"2.20": "2.20.0", "2.21": "2.21.1"}, "cuda": cuda}
    (tmp_path / build.INFO_NAME).write_text(json.dumps(info))
    assert build.describe(tmp_path) == (
        f"built kernels and operations for TensorFlow 2.20.0, 2.21.1 in {tmp_path}; "
        "CUDA kernels for sm_90, compute_90 by nvcc 13.0.88"
    )
    info["cuda"] = {"missing": "no nvcc"}
    (tmp_path / build.INFO_NAME).write_text(json.dumps(info))
    assert build.describe(tmp_path).endswith(f"in {tmp_path}; no CUDA kernels: no nvcc")
