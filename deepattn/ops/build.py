"""Compiles the op libraries against the installed TensorFlow, and the CUDA kernels.

Run it as ``python -m deepattn.ops.build`` after changing TensorFlow. ``pip install`` runs it too,
so it imports nothing but the standard library.
"""

import argparse
import importlib.util
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent


def _beside(name: str) -> ModuleType:
    """A module of this folder, without the import of its package, which needs TensorFlow."""
    spec = importlib.util.spec_from_file_location(f"deepattn_{name}", HERE / f"{name}.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"{HERE / name}.py cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build_cuda = _beside("build_cuda")
digest_files = build_cuda.digest_files

LIB_DIR = HERE / "lib"
INFO_NAME = "build-info.json"
# TensorFlow from, to before. This is the range's owner; pyproject.toml and the documents repeat it.
SUPPORTED = ((2, 16), (2, 22))
COMMAND = "python -m deepattn.ops.build"

TABULATED = (
    "kernels/cpu/tabulated.cc",
    "kernels/cpu/tabulated/avx2.cc",
    "kernels/cpu/tabulated/avx512.cc",
    "kernels/cpu/tabulated/generic.cc",
)
LIBRARIES = {
    "libdeepattn_compat.so": (
        "kernels/cpu/env_mat.cc",
        "kernels/cpu/force.cc",
        "kernels/cpu/gelu.cc",
        "kernels/cpu/instruction_set.cc",
        "kernels/cpu/neighbor_grid.cc",
        "kernels/cpu/scratch.cc",
        *TABULATED,
        "kernels/cpu/virial.cc",
        "tf/env_mat_ops.cc",
        "tf/force_ops.cc",
        "tf/gelu_ops.cc",
        "tf/tabulate_fusion_ops.cc",
        "tf/virial_ops.cc",
    ),
    "libdeepattn_ops.so": (
        "kernels/cpu/attention.cc",
        "kernels/cpu/attention/avx2.cc",
        "kernels/cpu/attention/avx512.cc",
        "kernels/cpu/attention/generic.cc",
        "kernels/cpu/instruction_set.cc",
        "kernels/cpu/neighbor_grid.cc",
        "kernels/cpu/neighbor_stat.cc",
        "kernels/cpu/pair_embedding.cc",
        "kernels/cpu/scratch.cc",
        "kernels/cpu/pair_embedding/avx2.cc",
        "kernels/cpu/pair_embedding/avx512.cc",
        "kernels/cpu/pair_embedding/generic.cc",
        "kernels/cpu/product.cc",
        "kernels/cpu/product/avx2.cc",
        "kernels/cpu/product/avx512.cc",
        "kernels/cpu/product/generic.cc",
        *TABULATED,
        "tf/attention_ops.cc",
        "tf/neighbor_stat_op.cc",
        "tf/pair_embedding_ops.cc",
        "tf/product_op.cc",
        "tf/tabulated_ops.cc",
    ),
}
# What the libraries hold besides where the CUDA library was built.
GPU_UNITS = {
    "libdeepattn_compat.so": (
        "tf/gpu/env_mat_ops.cc",
        "tf/gpu/pair_ops.cc",
        "tf/gpu/tabulate_fusion_ops.cc",
    ),
    "libdeepattn_ops.so": (
        "tf/gpu/attention_ops.cc",
        "tf/gpu/pair_embedding_ops.cc",
        "tf/gpu/tabulated_ops.cc",
    ),
}

# Neighbors are chosen by float32 sums that must round after every operation, so nothing is fused.
CXX_FLAGS = ("-O3", "-fPIC", "-ffp-contract=off", "-DNDEBUG")

# The vectorized kernels may fuse; each is compiled for the processors it is then chosen on.
_FUSED = ("-ffp-contract=fast", "-fno-math-errno")
_PROCESSORS = {
    "generic": (),
    "avx2": ("-mavx2", "-mfma"),
    "avx512": ("-mavx512f", "-mavx512dq", "-mavx512vl"),
}
_IS_X86 = platform.machine().lower() in ("x86_64", "amd64")
UNIT_FLAGS = {
    f"kernels/cpu/{kernel}/{processor}.cc": (*_FUSED, *(flags if _IS_X86 else ()))
    for kernel in ("attention", "pair_embedding", "product", "tabulated")
    for processor, flags in _PROCESSORS.items()
}

_QUERY = """
import json, tensorflow as tf
print(json.dumps({"tensorflow": tf.__version__, "compile": tf.sysconfig.get_compile_flags(),
                  "link": tf.sysconfig.get_link_flags()}))
"""


class BuildError(RuntimeError):
    """The libraries could not be compiled; the message says at which command."""


def source_dir() -> Path:
    """The folder with the C++ sources: of the checkout, or those that came with the wheel."""
    checkout = HERE.parents[1] / "ops"
    return checkout if (checkout / "build_backend.py").is_file() else HERE / "src"


def source_digest(source: Path) -> str:
    """A hash of the C++ sources of both libraries; libraries built from others are stale."""
    cuda = source / "kernels" / "cuda"
    files = [path for path in source.rglob("*") if path.suffix in (".cc", ".h")]
    return digest_files(
        [path for path in files if cuda not in path.parents], source, [CXX_FLAGS, UNIT_FLAGS]
    )


def requirement() -> str:
    """`SUPPORTED` as pip takes it."""
    first, end = (".".join(map(str, version)) for version in SUPPORTED)
    return f"tensorflow>={first},<{end}"


def query_tensorflow(python: tuple[str, ...] = (sys.executable,)) -> dict:
    """Version and flags of the TensorFlow that the interpreter `python` imports."""
    env = dict(os.environ, TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
    command = [*python, "-c", _QUERY]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise BuildError(f"TensorFlow cannot be imported by {python[0]}: {reason}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def target_tensorflow() -> dict | None:
    """`query_tensorflow` of the environment this is installed into, if it has a supported version.

    Build isolation works through PYTHONPATH, which ``-E`` ignores.
    """
    try:
        found = query_tensorflow((sys.executable, "-E"))
    except BuildError:
        return None
    version = tuple(int(part) for part in found["tensorflow"].split(".")[:2])
    return found if SUPPORTED[0] <= version < SUPPORTED[1] else None


def find_tensorflow() -> dict:
    """`target_tensorflow`, else what the build environment itself provides."""
    return target_tensorflow() or query_tensorflow()


def build(
    output: Path = LIB_DIR,
    *,
    source: Path | None = None,
    tensorflow: dict | None = None,
    jobs: int | None = None,
) -> Path:
    """Compiles the libraries into `output` and writes what they were built with beside them.

    The CUDA library is built if there are an ``nvcc`` that can and a GPU (see `build_cuda`). Lines
    on standard error tell how far it is.

    Args:
        output: folder to fill; its libraries are replaced only after everything compiled.
        source: folder with ``kernels/`` and ``tf/``; that of this installation by default.
        tensorflow: the answer of `query_tensorflow`; asked of this interpreter by default.
        jobs: compilers run at once; the number of processors by default.

    Returns:
        `output`.

    Raises:
        BuildError: no compiler, no TensorFlow, or a source does not compile.
    """
    source = source or source_dir()
    tensorflow = tensorflow or query_tensorflow()
    compiler = shlex.split(os.environ.get("CXX", "c++"))
    version = _run([*compiler, "--version"]).splitlines()[0]
    digest = source_digest(source)  # before compiling: an edit meanwhile makes the result stale
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output, prefix=".build-") as folder:
        work = Path(folder)
        objects: dict[str, Path] = {}

        def compile_unit(unit: str) -> None:
            flags = [*tensorflow["compile"], *CXX_FLAGS, *UNIT_FLAGS.get(unit, ()), f"-I{source}"]
            _run([*compiler, *flags, "-c", str(source / unit), "-o", str(objects[unit])])

        def compile_units(libraries: Mapping[str, tuple[str, ...]], what: str) -> None:
            units = sorted({unit for names in libraries.values() for unit in names})
            objects.update({unit: work / (unit.replace("/", "-") + ".o") for unit in units})
            progress = build_cuda.Progress(what, len(units))

            def compile_and_tell(unit: str) -> None:
                compile_unit(unit)
                progress.tick(unit)

            with ThreadPoolExecutor(jobs or build_cuda.processors()) as pool:
                list(pool.map(compile_and_tell, units))

        compile_units(LIBRARIES, "operations")
        cuda = _build_cuda(work, source, jobs)
        gpu_units = GPU_UNITS if "sources" in cuda else {}
        try:
            if gpu_units:
                compile_units(gpu_units, "operations on a GPU")
        except BuildError as error:  # all works without them
            cuda, gpu_units = {"missing": str(error)}, {}
        for name, names in LIBRARIES.items():
            inputs = [str(objects[unit]) for unit in (*names, *gpu_units.get(name, ()))]
            _run([*compiler, "-shared", *inputs, *tensorflow["link"], "-o", str(work / name)])
        info = {
            "tensorflow": tensorflow["tensorflow"],
            "compiler": version,
            "sources": digest,
            "cuda": cuda,
        }
        (work / INFO_NAME).write_text(json.dumps(info, indent=1) + "\n")
        for name in (*LIBRARIES, INFO_NAME):
            os.replace(work / name, output / name)
        if "sources" in cuda:
            os.replace(work / build_cuda.LIBRARY, output / build_cuda.LIBRARY)
        else:
            (output / build_cuda.LIBRARY).unlink(missing_ok=True)
    return output


def _build_cuda(folder: Path, source: Path, jobs: int | None) -> dict:
    """What the CUDA library was built with, or else ``{"missing": why}``: all works without it."""
    try:
        return build_cuda.build_cuda(folder, source=source, jobs=jobs)
    except build_cuda.CudaBuildError as error:
        return {"missing": str(error)}


def describe(output: Path = LIB_DIR) -> str:
    """One line that says which libraries are in the folder `output`."""
    cuda = json.loads((output / INFO_NAME).read_text())["cuda"]
    names = ", ".join(LIBRARIES)
    if "missing" in cuda:
        return f"built {names} in {output}; no CUDA kernels: {cuda['missing'].splitlines()[0]}"
    targets = ", ".join(cuda["targets"])
    return (
        f"built {names} and {build_cuda.LIBRARY} in {output}; "
        f"CUDA kernels for {targets} by nvcc {cuda['nvcc']}"
    )


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise BuildError(
            f"the compiler {command[0]!r} cannot be run ({error.strerror}); install a C++17 "
            "compiler or name one in the environment variable CXX"
        ) from None
    if done.returncode != 0:
        raise BuildError(f"{shlex.join(command)} failed:\n{done.stderr.strip()}")
    return done.stdout


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="Compile the op libraries against the installed TensorFlow."
    )
    parser.add_argument("-j", "--jobs", type=int, help="compilers to run at once")
    try:
        output = build(jobs=parser.parse_args(argv).jobs)
    except (BuildError, OSError) as error:
        print(f"deepattn: error: {error}", file=sys.stderr)
        return 1
    print(describe(output))
    return 0


if __name__ == "__main__":
    sys.exit(main())
