"""Compiles the CUDA library, and the same sources for the host, where tests run them.

`deepattn.ops.build` loads this file by its path, so it imports nothing but the standard library.
"""

import hashlib
import json
import os
import shlex
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HOST_LIBRARY = "libdeepattn_cuda_host.so"
WARNINGS = ("-Wall", "-Wextra", "-Werror")
HOST_FLAGS = ("-x", "c++", "-std=c++17", "-O1", "-fPIC", "-ffp-contract=off", *WARNINGS)


class CudaBuildError(RuntimeError):
    """The CUDA library could not be compiled; the message says at which command."""


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
    return digest_files([*files, *(kernels / "cpu").rglob("*.h")], source, HOST_FLAGS)


def build_host(output: Path, *, source: Path, jobs: int | None = None) -> Path:
    """Compiles the CUDA sources for the host, into the library `output`.

    Args:
        output: the library to write, replaced only after everything compiled.
        source: folder with ``kernels/``.
        jobs: compilers run at once; the number of processors by default.

    Returns:
        `output`.

    Raises:
        CudaBuildError: no compiler, or a source does not compile.
    """
    compiler = shlex.split(os.environ.get("CXX", "c++"))
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".build-") as folder:
        objects = {unit: f"{folder}/{n}.o" for n, unit in enumerate(cuda_units(source))}

        def compile_unit(unit: Path) -> None:
            run([*compiler, *HOST_FLAGS, f"-I{source}", "-c", str(unit), "-o", objects[unit]])

        with ThreadPoolExecutor(jobs or os.cpu_count()) as pool:
            list(pool.map(compile_unit, objects))
        library = f"{folder}/{output.name}"
        run([*compiler, "-shared", *objects.values(), "-o", library])
        os.replace(library, output)
    return output


def run(command: list[str]) -> str:
    """Standard output of a command, with its standard error if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise CudaBuildError(f"{command[0]!r} cannot be run ({error.strerror})") from None
    if done.returncode != 0:
        raise CudaBuildError(f"{shlex.join(command)} failed:\n{done.stderr.strip()}")
    return done.stdout
