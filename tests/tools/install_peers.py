"""Install the DeePMD-kits that the conformance tests compare with, each in ``.peers/<name>``.

``python tests/tools/install_peers.py [dp320] [dp220] [dp2211] [dp320pt]``: virtual environments
with the released wheels, by default the first two; ``dp320pt``, with PyTorch, takes several GB.
What is installed already is left alone. 2.2.x needs Python 3.10, the last one that 2.2.0 has wheels
for; where there is none, it is left out with a message, and its tests are skipped.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / ".peers"


@dataclass(frozen=True)
class Recipe:
    """Packages to install and supported Pythons."""

    requirements: tuple[str, ...]
    pythons: tuple[str, ...]


RECIPES = {
    "dp320": Recipe(("deepmd-kit[cpu,lmp]==3.2.0",), ("3.11", "3.12", "3.13", "3.10")),
    # Built against NumPy 1, which its metadata do not state.
    "dp220": Recipe(("deepmd-kit[cpu,lmp]==2.2.0", "numpy==1.23.5"), ("3.10",)),
    "dp2211": Recipe(("deepmd-kit[cpu,lmp]==2.2.11", "numpy<2"), ("3.10",)),
    # Its LAMMPS opens CUDA's runtime, GPU or not.
    "dp320pt": Recipe(
        ("deepmd-kit[torch,lmp]==3.2.0", "nvidia-cuda-runtime-cu12"), ("3.11", "3.12", "3.13")
    ),
}
DEFAULT = ("dp320", "dp220")


def find_python(version: str) -> str | None:
    """An interpreter of exactly this minor version: this one, on the path, or pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [
        sys.executable,
        shutil.which(f"python{version}"),
        *sorted(map(str, pyenv.glob(f"{version}.*/bin/python"))),
    ]
    question = "import sys; print('%d.%d' % sys.version_info[:2])"
    for candidate in filter(None, candidates):
        # A shim of pyenv exists for versions that are not active, and then fails.
        answer = subprocess.run([candidate, "-c", question], capture_output=True, text=True)
        if answer.returncode == 0 and answer.stdout.strip() == version:
            return candidate
    return None


def is_complete(home: Path) -> bool:
    """Whether ``dp`` and LAMMPS are there."""
    lammps = any((home / "lib").glob("python3*/site-packages/lammps/lmp"))
    return lammps and (home / "bin" / "dp").exists()


def install(name: str) -> bool:
    """Make ``.peers/<name>``; returns whether it is there afterwards."""
    recipe, home = RECIPES[name], FOLDER / name
    if is_complete(home):
        print(f"{name}: installed already in {home}")
        return True
    python = next(filter(None, map(find_python, recipe.pythons)), None)
    if python is None:
        wanted = ", ".join(recipe.pythons)
        print(f"{name}: left out, for there is no Python {wanted}; its tests will be skipped")
        return False
    print(f"{name}: installing {' '.join(recipe.requirements)} with {python}", flush=True)
    shutil.rmtree(home, ignore_errors=True)  # what an interrupted installation left
    pip = [str(home / "bin" / "python"), "-m", "pip"]
    subprocess.run([python, "-m", "venv", str(home)], check=True)
    subprocess.run([*pip, "install", "--quiet", *recipe.requirements], check=True)
    return is_complete(home)


def main() -> int:
    """Install what the command line names, or `DEFAULT`; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peers", nargs="*", metavar="PEER", help=f"out of {list(RECIPES)}")
    names = parser.parse_args().peers or DEFAULT
    if unknown := set(names) - set(RECIPES):
        parser.error(f"there is no peer {sorted(unknown)}; choose from {list(RECIPES)}")
    FOLDER.mkdir(exist_ok=True)
    for name in names:
        install(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
