"""Build the wheel: kernels once, and the operations for each supported version of TensorFlow.

``python tools/build_wheels.py`` writes one manylinux wheel into ``dist/``. Of TensorFlow it needs
the headers and one library, which it takes from the installed TensorFlow where that has the
version, and else from a wheel that pip downloads; both are kept in ``build/tensorflow``. The tag
says the oldest glibc and libstdc++ that the compiled libraries run with, which depends on the
machine that compiled them.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
HEADERS = ROOT / "build" / "tensorflow"

# A Python and platforms for which all supported versions have wheels; the headers are the same.
_PYTHON = "3.11"
_PLATFORMS = ("manylinux2014", "manylinux_2_17", "manylinux_2_27", "manylinux_2_28")
_FRAMEWORK = "libtensorflow_framework.so.2"
# What tf.sysconfig says of the released wheels of all supported versions.
_COMPILE = ("-D_GLIBCXX_USE_CXX11_ABI=1", "--std=c++17", "-DEIGEN_MAX_ALIGN_BYTES=64")

# Libraries that PEP 600 lets a wheel expect of the system.
_SYSTEM = {"libc.so.6", "libm.so.6", "libgcc_s.so.1", "libstdc++.so.6", "libpthread.so.0"}
_SYSTEM |= {"libdl.so.2", "librt.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}
# The glibc of the first common distributions with a libstdc++ of these versions: CentOS 7,
# Debian 9, Ubuntu 18.04, RHEL 8, Debian 10, Ubuntu 20.04, RHEL 9, Ubuntu 22.04, Debian 13.
_GLIBCXX = (
    ((3, 4, 19), 17),
    ((3, 4, 22), 24),
    ((3, 4, 24), 27),
    ((3, 4, 25), 28),
    ((3, 4, 28), 31),
    ((3, 4, 29), 34),
    ((3, 4, 30), 35),
    ((3, 4, 33), 39),
)
_CXXABI = (
    ((1, 3, 7), 17),
    ((1, 3, 10), 24),
    ((1, 3, 11), 27),
    ((1, 3, 12), 31),
    ((1, 3, 13), 34),
    ((1, 3, 15), 39),
)


class WheelError(RuntimeError):
    """The wheel cannot be built; the message says why."""


def load_builder() -> ModuleType:
    """``deepattn.ops.build`` without its package, whose import needs TensorFlow."""
    path = ROOT / "deepattn" / "ops" / "build.py"
    spec = importlib.util.spec_from_file_location("deepattn_ops_build", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def supported(builder: ModuleType) -> list[str]:
    """The minor versions of TensorFlow, such as ``2.21``."""
    (major, first), (_, end) = builder.SUPPORTED
    return [f"{major}.{minor}" for minor in range(first, end)]


def find_tensorflow(minor: str, builder: ModuleType) -> dict:
    """What `builder.query_tensorflow` says of a minor version, installed or downloaded."""
    installed = builder.target_tensorflow()
    if installed and installed["tensorflow"].startswith(f"{minor}."):
        return installed
    folder = HEADERS / minor
    if not folder.is_dir():
        download(minor, folder)
    library = folder / "tensorflow"
    return {
        "tensorflow": (folder / "version").read_text(),
        "compile": [f"-I{library / 'include'}", *_COMPILE],
        "link": [f"-L{library}", f"-l:{_FRAMEWORK}"],
    }


def download(minor: str, folder: Path) -> None:
    """Writes headers and framework library of the newest TensorFlow of a minor version."""
    machine = platform.machine()
    # The same headers and symbols as those of ``tensorflow``, in half the size.
    package = "tensorflow-cpu" if machine == "x86_64" else "tensorflow"
    platforms = [f"--platform={name}_{machine}" for name in _PLATFORMS]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".download-") as work:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", f"--dest={work}"]
        wanted = ["--only-binary=:all:", f"--python-version={_PYTHON}", *platforms]
        subprocess.run([*pip, *wanted, f"{package}=={minor}.*"], check=True)
        (wheel,) = Path(work).glob("*.whl")
        made = Path(work) / "made"
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.startswith("tensorflow/include/") or name == f"tensorflow/{_FRAMEWORK}":
                    archive.extract(name, made)
        (made / "version").write_text(wheel.name.split("-")[1])
        made.rename(folder)


def needs(library: Path) -> tuple[set[str], set[tuple[str, tuple[int, ...]]]]:
    """The libraries that a library needs, and versions of their symbols, such as GLIBC 2.17."""
    command = ["readelf", "--wide", "--dynamic", "--version-info", str(library)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise WheelError(f"readelf (of binutils) cannot read {library}: {error}") from None
    libraries = set(re.findall(r"\(NEEDED\).*\[(.+?)\]", done.stdout))
    _, _, section = done.stdout.partition("Version needs section")
    found = re.findall(r"Name: (GLIBC|GLIBCXX|CXXABI)_([\d.]+)", section)
    return libraries, {(name, tuple(map(int, version.split(".")))) for name, version in found}


def platform_tag(libraries: Iterable[Path]) -> str:
    """The oldest manylinux platform that has all that some libraries need.

    Args:
        libraries: those that the wheel ships.

    Raises:
        WheelError: they need what no such platform has.
    """
    libraries = list(libraries)
    own = {path.name for path in libraries} | {_FRAMEWORK}
    oldest = 17
    for path in libraries:
        wanted, symbols = needs(path)
        if foreign := sorted(wanted - own - _SYSTEM):
            raise WheelError(f"{path.name} needs {foreign[0]}, which not every system has")
        for name, version in symbols:
            table = {"GLIBCXX": _GLIBCXX, "CXXABI": _CXXABI}.get(name)
            if table is None:
                minor = version[1]
            else:
                minor = next((glibc for known, glibc in table if version <= known), None)
                if minor is None:
                    text = ".".join(map(str, version))
                    raise WheelError(
                        f"{path.name} needs {name}_{text}, newer than any in the table of "
                        "tools/build_wheels.py; compile with an older compiler or add it there"
                    )
            oldest = max(oldest, minor)
    return f"manylinux_2_{oldest}_{platform.machine()}"


def build_wheel(output: Path, minors: list[str], jobs: int | None = None) -> Path:
    """Builds the wheel.

    Args:
        output: the folder to write it into.
        minors: versions of TensorFlow, such as ``2.21``.
        jobs: compilers run at once; the number of processors by default.

    Returns:
        The wheel.
    """
    builder = load_builder()
    # Compiled for the GPUs of this machine only if they are named.
    os.environ.setdefault(builder.build_cuda.ARCHITECTURES, "none")
    tensorflows = [find_tensorflow(minor, builder) for minor in minors]
    with tempfile.TemporaryDirectory() as work:
        libraries = builder.build(
            Path(work) / "lib", source=ROOT / "ops", tensorflows=tensorflows, jobs=jobs
        )
        settings = {
            "libraries": str(libraries),
            "platform": platform_tag(libraries.glob("*.so")),
        }
        options = [f"--config-settings={key}={value}" for key, value in settings.items()]
        pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", f"--wheel-dir={work}"]
        # The times of files in the wheel, so that the same sources make the same wheel.
        env = {"SOURCE_DATE_EPOCH": "315532800", **os.environ}
        subprocess.run([*pip, *options, str(ROOT)], check=True, env=env)
        (wheel,) = Path(work).glob("*.whl")
        output.mkdir(parents=True, exist_ok=True)
        return Path(shutil.move(wheel, output / wheel.name))


def main() -> int:
    """Builds the wheel that the command line asks for; returns the exit status."""
    builder = load_builder()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "dist", help="dist by default")
    parser.add_argument("-j", "--jobs", type=int, help="compilers to run at once")
    parser.add_argument(
        "--tensorflow",
        nargs="+",
        metavar="VERSION",
        choices=supported(builder),
        default=supported(builder),
        help="minor versions, such as 2.21; all that are supported by default",
    )
    arguments = parser.parse_args()
    try:
        print(build_wheel(arguments.output, arguments.tensorflow, arguments.jobs))
    except (WheelError, builder.BuildError, subprocess.CalledProcessError) as error:
        print(f"build_wheels: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
