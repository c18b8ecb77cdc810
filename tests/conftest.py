"""Resources outside the repository, with a clear skip if they are absent."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Everyone's run has the same examples; `pytest --hypothesis-profile default` looks for new ones.
settings.register_profile("steady", derandomize=True)
settings.load_profile("steady")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of shared test data: first-principles frames and published models."""
    path = Path(os.environ.get("DEEPATTN_SHARED", ROOT.parent / "shared"))
    if not path.is_dir():
        pytest.skip(f"shared test data absent: {path} (set DEEPATTN_SHARED)")
    return path


def _deepmd(variable: str, folder: str, version: str) -> Path:
    path = Path(os.environ.get(variable, ROOT / ".peers" / folder / "bin" / "python"))
    if not path.is_file():
        pytest.skip(f"DeePMD-kit {version} absent: {path} (set {variable})")
    return path


@pytest.fixture(scope="session")
def deepmd_320() -> Path:
    """Python of an environment with DeePMD-kit 3.2.0, run in a process of its own."""
    return _deepmd("DEEPATTN_PEER_320", "dp320", "3.2.0")


@pytest.fixture(scope="session")
def deepmd_220() -> Path:
    """Python of an environment with DeePMD-kit 2.2.0, run in a process of its own."""
    return _deepmd("DEEPATTN_PEER_220", "dp220", "2.2.0")
