"""Examples that are packages of their own, installed as into an environment."""

import shutil
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def install(name: str, folder: Path) -> Path:
    """Install an example into ``folder/installed`` and return that folder."""
    source = shutil.copytree(EXAMPLES / name, folder / "source")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    target = folder / "installed"
    subprocess.run([*pip, "--no-index", "--target", str(target), str(source)], check=True)
    return target


def forget(monkeypatch, *registries) -> None:
    """Let registries look for entry points again, and undo that after the test."""
    for registry in registries:
        monkeypatch.setattr(registry, "_points", None)
        monkeypatch.setattr(registry, "_classes", dict(registry._classes))
