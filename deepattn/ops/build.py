"""Compiles the op libraries against the installed TensorFlow, and the CUDA kernels.

Run it as ``python -m deepattn.ops.build`` after changing TensorFlow. ``pip install`` runs it too,
so it imports nothing but the standard library.
"""

import argparse
import importlib.util
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deepattn.ops.build_objects import Compilation, Headers, ObjectStore
    from deepattn.ops.build_units import Unit

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
build_objects = _beside("build_objects")
build_units = _beside("build_units")
digest_files = build_cuda.digest_files

LIB_DIR = HERE / "lib"
INFO_NAME = "build-info.json"
# TensorFlow from, to before. This is the range's owner; pyproject.toml and the documents repeat it.
SUPPORTED = ((2, 16), (2, 22))
COMMAND = "python -m deepattn.ops.build"
# What kernels are compiled against.
NO_TENSORFLOW = {"tensorflow": "none", "compile": ["-std=c++17"], "link": []}

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
        [path for path in files if cuda not in path.parents],
        source,
        [build_units.CXX_FLAGS, build_units.UNIT_FLAGS],
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
    tensorflows: Sequence[dict] | None = None,
    jobs: int | None = None,
) -> Path:
    """Compiles the libraries into `output` and writes what they were built with beside them.

    The kernels are one library, which does not know TensorFlow; the ops that call them are two
    libraries for each TensorFlow, whose headers are compiled once for all of them. In a checkout,
    objects are kept in ``build/ops`` for the next time (see `build_objects`). The CUDA library is
    built if there are an ``nvcc`` that can and a GPU (see `build_cuda`). Lines on standard error
    tell how far it is.

    Args:
        output: folder to fill; its libraries are replaced only after everything compiled.
        source: folder with ``kernels/`` and ``tf/``; that of this installation by default.
        tensorflows: answers of `query_tensorflow`, of different minor versions; that of this
            interpreter by default.
        jobs: compilers run at once; the number of processors by default.

    Returns:
        `output`.

    Raises:
        BuildError: no compiler, no TensorFlow, or a source does not compile.
    """
    source = source or source_dir()
    tensorflows = tensorflows or [query_tensorflow()]
    compiler = find_compiler()
    version = _run([*compiler, "--version"])
    digest = source_digest(source)  # before compiling: an edit meanwhile makes the result stale
    output.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=output, prefix=".build-") as folder,
        ThreadPoolExecutor(1) as beside,
    ):
        work = Path(folder)

        def open_store(tensorflow: dict) -> "ObjectStore":
            # Objects do not depend on where a TensorFlow is, but on which.
            open_one = object_stores(source, work, _roots(source, tensorflow))
            return open_one(version + _name(tensorflow))

        def compile_libraries(
            libraries: "Mapping[str, tuple[Unit, ...]]",
            what: str,
            tensorflow: dict,
            headers: "Headers | None" = None,
        ) -> dict[str, list[str]]:
            """The objects of each library."""
            items = _compilations(libraries, source, tensorflow)
            objects = open_store(tensorflow).compile(items, what, _run, jobs, headers)
            return {
                name: [str(objects[unit.name]) for unit in units]
                for name, units in libraries.items()
            }

        def compile_headers(number: int) -> "Headers | None":
            """TensorFlow's, if enough of its operations are due."""
            items = _compilations(build_units.OP_UNITS, source, tensorflows[number])
            if len(open_store(tensorflows[number]).due(items)) < build_units.FEWEST_FOR_HEADERS:
                return None
            place, command = work / f"headers-{number}", items[0].command
            return build_objects.precompile(place, build_units.HEADERS, command, _run)

        # While kernels are compiled, which do not include them.
        headers = [beside.submit(compile_headers, n) for n in range(len(tensorflows))]
        if jobs == 1:
            wait(headers)
        kernels = compile_libraries(
            {build_units.KERNELS: build_units.KERNEL_UNITS}, "kernels", NO_TENSORFLOW
        )
        cuda = _build_cuda(work, source, object_stores(source, work), jobs)
        ops = [
            compile_libraries(
                build_units.OP_UNITS, f"operations for {_name(one)}", one, compiled.result()
            )
            for one, compiled in zip(tensorflows, headers, strict=True)
        ]
        gpu_ops: list[dict[str, list[str]]] = []
        try:
            for one in tensorflows if "sources" in cuda else ():
                what = f"operations on a GPU for {_name(one)}"
                gpu_ops.append(compile_libraries(build_units.GPU_UNITS, what, one))
        except BuildError as error:  # all works without them
            cuda, gpu_ops = {"missing": str(error)}, []

        names = [build_units.KERNELS, *([build_cuda.LIBRARY] if "sources" in cuda else [])]
        _link_kernels(work / build_units.KERNELS, compiler, kernels[build_units.KERNELS])
        for n, one in enumerate(tensorflows):
            for name, objects in ops[n].items():
                names.append(build_units.op_library(name, one["tensorflow"]))
                objects = [*objects, *(gpu_ops[n][name] if gpu_ops else ())]
                _link_ops(work / names[-1], compiler, objects, one)
        found = [one["tensorflow"] for one in tensorflows]
        info = {
            "tensorflow": {build_units.minor_version(name): name for name in found},
            "compiler": version.splitlines()[0],
            "sources": digest,
            "cuda": cuda,
        }
        (work / INFO_NAME).write_text(json.dumps(info, indent=1) + "\n")
        for name in (*names, INFO_NAME):
            os.replace(work / name, output / name)
    for path in output.glob("libdeepattn_*.so"):  # of other versions
        if path.name not in names:
            path.unlink(missing_ok=True)
    return output


def _compilations(
    libraries: "Mapping[str, tuple[Unit, ...]]", source: Path, tensorflow: dict
) -> "list[Compilation]":
    """How all units of some libraries are compiled."""
    units = [unit for units in libraries.values() for unit in units]
    return [compilation(unit, source, tensorflow) for unit in units]


def _name(tensorflow: dict) -> str:
    """Of the answer of `query_tensorflow`, for people."""
    return f"TensorFlow {tensorflow['tensorflow']}"


def _link_kernels(path: Path, compiler: list[str], objects: list[str]) -> None:
    """Only the C interface is visible: C++ symbols meet none of other libraries."""
    script = path.with_suffix(".map")
    script.write_text("{ global: deepattn_*; local: *; };\n")
    flags = ["-shared", f"-Wl,-soname,{path.name}", f"-Wl,--version-script={script}"]
    _run([*compiler, *flags, *objects, "-o", str(path)])


def _link_ops(path: Path, compiler: list[str], objects: list[str], tensorflow: dict) -> None:
    """They find the kernels in their own folder, in whatever program they are loaded."""
    kernels = str(path.with_name(build_units.KERNELS))
    flags = ["-shared", "-Wl,-rpath,$ORIGIN"]
    _run([*compiler, *flags, *objects, kernels, *tensorflow["link"], "-o", str(path)])


def find_compiler() -> list[str]:
    """The words that call the C++ compiler."""
    return shlex.split(os.environ.get("CXX", "c++"))


def object_stores(
    source: Path, otherwise: Path, roots: Mapping[str, Path] | None = None
) -> "Callable[[str], ObjectStore]":
    """What opens the store of objects of a compiler, by what that says of its version.

    Args:
        source: folder of the sources; that of a checkout has its objects in ``build/ops``.
        otherwise: a folder for the objects of other sources.
        roots: as `ObjectStore` takes them.
    """
    is_checkout = (source / "build_backend.py").is_file()
    folder = source.parent / "build" / "ops" if is_checkout else otherwise / "objects"
    roots = roots or {"ops": source}
    return lambda compiler: build_objects.ObjectStore(folder, compiler, roots)


def compilation(unit: "Unit", source: Path, tensorflow: dict) -> "Compilation":
    """How a unit is compiled against a TensorFlow, of which `query_tensorflow` has the flags."""
    roots = _roots(source, tensorflow).items()
    command = (
        *find_compiler(),
        *tensorflow["compile"],
        *build_units.CXX_FLAGS,
        *unit.flags,
        f"-I{source}",
        # The same libraries, wherever the folders are.
        *(f"-ffile-prefix-map={folder}={name}" for name, folder in roots),
    )
    return build_objects.Compilation(unit.name, source / unit.source, command)


def _roots(source: Path, tensorflow: dict) -> dict[str, Path]:
    """The folders of headers, by names that stay when they move."""
    roots = {"ops": source}
    for flag in tensorflow["compile"]:
        if flag.startswith("-I"):
            roots["tensorflow"] = Path(flag[2:])
    return roots


def write_compile_commands(
    path: Path, *, source: Path | None = None, tensorflow: dict | None = None
) -> Path:
    """Writes how every source is compiled, for clangd and other tools that read C++.

    Sources of the CUDA library appear as they are compiled for the host.

    Args:
        path: the file, ``compile_commands.json``.
        source: folder with ``kernels/`` and ``tf/``; that of this installation by default.
        tensorflow: the answer of `query_tensorflow`; asked of this interpreter by default.

    Returns:
        `path`.
    """
    source = source or source_dir()
    tensorflow = tensorflow or query_tensorflow()
    items = [compilation(unit, source, NO_TENSORFLOW) for unit in build_units.KERNEL_UNITS]
    for libraries in (build_units.OP_UNITS, build_units.GPU_UNITS):
        items += _compilations(libraries, source, tensorflow)
    cuda = build_cuda.host_compilations(source, find_compiler())
    items += [build_objects.Compilation(*item) for item in cuda]
    entries = [
        {
            "directory": str(source),
            "file": str(item.source),
            "arguments": [*item.command, "-c", str(item.source)],
            "output": f"{item.name}.o",
        }
        for item in items
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_name(f".{path.name}.{os.getpid()}")
    whole.write_text(json.dumps(entries, indent=1) + "\n")
    os.replace(whole, path)
    return path


def _build_cuda(
    folder: Path, source: Path, open_store: "Callable[[str], ObjectStore]", jobs: int | None
) -> dict:
    """What the CUDA library was built with, or else ``{"missing": why}``: all works without it."""
    try:
        return build_cuda.build_cuda(folder, source=source, open_store=open_store, jobs=jobs)
    except build_cuda.CudaBuildError as error:
        return {"missing": str(error)}


def describe(output: Path = LIB_DIR) -> str:
    """One line that says which libraries are in the folder `output`."""
    info = json.loads((output / INFO_NAME).read_text())
    cuda = info["cuda"]
    built = f"built kernels and operations for TensorFlow {', '.join(info['tensorflow'].values())}"
    if "missing" in cuda:
        return f"{built} in {output}; no CUDA kernels: {cuda['missing'].splitlines()[0]}"
    targets = ", ".join(cuda["targets"])
    return f"{built} in {output}; CUDA kernels for {targets} by nvcc {cuda['nvcc']}"


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
    parser.add_argument(
        "--compile-commands",
        action="store_true",
        help="compile nothing, but write compile_commands.json, from which clangd knows the flags",
    )
    arguments = parser.parse_args(argv)
    try:
        if arguments.compile_commands:
            path = write_compile_commands(source_dir().parent / "build" / "compile_commands.json")
            print(f"wrote {path}")
            return 0
        output = build(jobs=arguments.jobs)
    except (BuildError, OSError) as error:
        print(f"deepattn: error: {error}", file=sys.stderr)
        return 1
    print(describe(output))
    return 0


if __name__ == "__main__":
    sys.exit(main())
