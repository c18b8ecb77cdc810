"""Compiles the CUDA library, and the same sources for the host, where tests run them.

`deepattn.ops.build` loads this file by its path, so it imports nothing but the standard library.
"""

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deepattn.ops.build_objects import ObjectStore

LIBRARY = "libdeepattn_cuda.so"
HOST_LIBRARY = "libdeepattn_cuda_host.so"
# The environment variable with compute capabilities to compile for; "none": no CUDA library.
ARCHITECTURES = "DEEPATTN_CUDA_ARCHITECTURES"

WARNINGS = ("-Wall", "-Wextra", "-Werror")
HOST_FLAGS = ("-x", "c++", "-std=c++17", "-O1", "-fPIC", "-ffp-contract=off", *WARNINGS)
NVCC_FLAGS = (
    *("-std=c++17", "-O3", "-DNDEBUG", "-cudart", "static", "-Wno-deprecated-gpu-targets"),
    *("-Werror", "all-warnings", "-Xcompiler", ",".join(("-fPIC", *WARNINGS))),
)
# Neighbors are chosen by float32 sums that must round after every operation, as on the CPU.
UNIT_FLAGS = {"env_mat.cu": ("-fmad=false",)}


class CudaBuildError(RuntimeError):
    """The CUDA library could not be compiled; the message says why."""


def cuda_units(source: Path) -> list[Path]:
    """The files that make the library, of the sources in the folder `source`."""
    return sorted((source / "kernels" / "cuda").rglob("*.cu"))


def digest_files(files: list[Path], source: Path, flags: object) -> str:
    """A hash of files in the folder `source`, of their names there and of the compilers' flags."""
    digest = hashlib.sha256(json.dumps(flags).encode())
    for path in sorted(files):
        digest.update(path.relative_to(source).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def cuda_digest(source: Path) -> str:
    """A hash of the sources of the CUDA library; one built from others is stale."""
    kernels = source / "kernels"
    files = [path for path in (kernels / "cuda").rglob("*") if path.suffix in (".cu", ".h")]
    flags = [HOST_FLAGS, NVCC_FLAGS, UNIT_FLAGS]
    return digest_files([*files, *(kernels / "common").rglob("*.h")], source, flags)


def find_nvcc() -> str | None:
    """The CUDA compiler: on the PATH, or below ``CUDA_HOME`` or ``/usr/local/cuda``."""
    homes = [os.environ.get("CUDA_HOME"), "/usr/local/cuda"]
    places = [f"{home}/bin" for home in homes if home]
    return shutil.which("nvcc") or shutil.which("nvcc", path=os.pathsep.join(places))


def device_architectures() -> list[str]:
    """Compute capabilities, without their dots, of the GPUs of this machine; empty without one."""
    query = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
    try:
        answer = run(query)
    except CudaBuildError:
        return []
    found = re.findall(r"^\s*(\d+)\.(\d+)\s*$", answer, flags=re.MULTILINE)
    return sorted({major + minor for major, minor in found}, key=int)


def choose_architectures(nvcc: str) -> list[str]:
    """Compute capabilities without their dots, such as ``90``, oldest first.

    Those that the environment variable names, else those of the GPUs that are there. A GPU newer
    than the compiler makes its own code of the PTX of the newest that the compiler knows.

    Args:
        nvcc: the compiler.

    Raises:
        CudaBuildError: there is none, or the compiler cannot compile for it.
    """
    named = os.environ.get(ARCHITECTURES, "").replace(",", " ").replace(".", "").split()
    known = sorted(
        re.findall(r"sm_(\d+)$", run([nvcc, "--list-gpu-code"]), flags=re.MULTILINE), key=int
    )
    for name in named:
        if name not in known:
            raise CudaBuildError(
                f"{ARCHITECTURES} names {name}, which {nvcc} cannot compile for; it knows "
                + ", ".join(known)
            )
    if named:
        return sorted(named, key=int)
    devices = device_architectures()
    if not devices:
        raise CudaBuildError(
            "nvidia-smi tells of no GPU on this machine; to compile for others, name their compute "
            f"capabilities in the environment variable {ARCHITECTURES}, such as '80 90'"
        )
    chosen = {max((k for k in known if int(k) <= int(d)), key=int, default="") for d in devices}
    if "" in chosen:
        raise CudaBuildError(
            f"{nvcc} does not know the compute capabilities of the GPUs that are here, "
            f"{', '.join(devices)}; it knows {', '.join(known)}"
        )
    return sorted(chosen, key=int)


def build_cuda(
    folder: Path,
    *,
    source: Path,
    open_store: "Callable[[str], ObjectStore]",
    jobs: int | None = None,
) -> dict:
    """Compiles the CUDA library into the folder `folder`.

    Args:
        folder: where to write ``libdeepattn_cuda.so``.
        source: folder with ``kernels/``.
        open_store: gives the store of objects of a compiler, by what that says of its version.
        jobs: compilers run at once; the number of processors by default.

    Returns:
        What it was built with: ``nvcc`` its version, ``targets`` names of machine code and of the
        PTX, ``sources`` a digest.

    Raises:
        CudaBuildError: no compiler, none wanted, or a source does not compile.
    """
    if os.environ.get(ARCHITECTURES, "").strip().lower() == "none":
        raise CudaBuildError(f"{ARCHITECTURES} is none")
    nvcc = find_nvcc()
    if nvcc is None:
        raise CudaBuildError("there is no nvcc on the PATH, in CUDA_HOME or in /usr/local/cuda")
    digest = cuda_digest(source)
    architectures = choose_architectures(nvcc)
    targets = [*(f"sm_{name}" for name in architectures), f"compute_{architectures[-1]}"]
    codes = [f"-gencode=arch=compute_{target.split('_')[1]},code={target}" for target in targets]
    units = cuda_units(source)
    threads = f"--threads={max(1, (jobs or os.cpu_count() or 1) // len(units))}"
    # The last word: the others are a launcher's, such as ccache.
    host = ["-ccbin", shlex.split(os.environ["CXX"])[-1]] if "CXX" in os.environ else []
    target = f'-DDEEPATTN_CUDA_TARGET="{" ".join(targets)}"'
    items = [
        (
            unit.relative_to(source).as_posix(),
            unit,
            (
                *(nvcc, *NVCC_FLAGS, *UNIT_FLAGS.get(unit.name, ()), *codes, *host, threads),
                *(f"-I{source}", target),
            ),
        )
        for unit in units
    ]
    # Of both compilers.
    versions = run([nvcc, "--version"]) + run([host[-1] if host else "c++", "--version"])
    what = f"CUDA kernels for {', '.join(targets)}"
    objects = open_store(versions).compile(items, what, run, jobs)
    library = str(folder / LIBRARY)
    inputs = [str(path) for path in objects.values()]
    run([nvcc, "-shared", "-cudart", "static", *host, *inputs, "-o", library])
    version = re.search(r"release [\d.]+, V([\d.]+)", versions)
    return {
        "nvcc": version.group(1) if version else "unknown",
        "targets": targets,
        "sources": digest,
    }


def host_compilations(source: Path, compiler: list[str]) -> list[tuple[str, Path, tuple[str, ...]]]:
    """How the CUDA sources in `source` are compiled for the host: name, source, command."""
    command = (*compiler, *HOST_FLAGS, f"-I{source}")
    units = cuda_units(source)
    return [(f"{unit.relative_to(source).as_posix()}:host", unit, command) for unit in units]


def build_host(
    output: Path,
    *,
    source: Path,
    open_store: "Callable[[str], ObjectStore]",
    jobs: int | None = None,
) -> Path:
    """Compiles the CUDA sources for the host, into the library `output`.

    Args:
        output: the library to write, replaced only after everything compiled.
        source: folder with ``kernels/``.
        open_store: gives the store of objects of a compiler, by what that says of its version.
        jobs: compilers run at once; the number of processors by default.

    Returns:
        `output`.

    Raises:
        CudaBuildError: no compiler, or a source does not compile.
    """
    compiler = shlex.split(os.environ.get("CXX", "c++"))
    store = open_store(run([*compiler, "--version"]))
    items = host_compilations(source, compiler)
    objects = store.compile(items, "CUDA kernels for the host", run, jobs)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".build-") as folder:
        library = f"{folder}/{output.name}"
        inputs = [str(path) for path in objects.values()]
        run([*compiler, "-shared", *inputs, "-o", library])
        os.replace(library, output)
    return output


def run(command: list[str], *, with_stderr: bool = False) -> str:
    """Standard output of a command, with its standard error too if wanted or if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise CudaBuildError(f"{command[0]!r} cannot be run ({error.strerror})") from None
    if done.returncode != 0:
        said = (done.stderr + done.stdout).strip()  # nvcc's own messages go to either
        raise CudaBuildError(f"{shlex.join(command)} failed:\n{said}")
    return done.stdout + (done.stderr if with_stderr else "")
