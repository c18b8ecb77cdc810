"""What all tests share: data outside the repository, and how they are run."""

import gc
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import processes
import pytest
from grouping import pytest_collection_modifyitems  # noqa: F401
from hypothesis import settings

# As in deepattn/cli/main.py: imports and graphs are objects that stay.
gc.set_threshold(20_000, 10, 10)

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


@pytest.fixture(scope="session")
def session_folder(tmp_path_factory) -> Path:
    """A temporary folder of this session that all its processes share; fill it by renaming."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


# Folders whose tests run a graph once or twice, which takes less time than to optimize it.
_GRAPHS_RUN_ONCE = [ROOT / "tests" / "physics", ROOT / "tests" / "unit" / "models"]
_GRAPHS_RUN_ONCE += [
    ROOT / "tests" / "unit" / name for name in ("export", "infer", "layers", "ops")
]
# And one whose quick trainings have few steps.
_SHORT_TRAININGS = ROOT / "tests" / "unit" / "train"


@pytest.fixture(autouse=True)
def _graphs_run_once(request) -> Iterator[None]:
    """Leave graphs as they are where tests run them rarely; commands optimize them."""
    short = _SHORT_TRAININGS in request.path.parents and not request.node.get_closest_marker("slow")
    if not short and not any(folder in request.path.parents for folder in _GRAPHS_RUN_ONCE):
        yield
        return
    from deepattn.ops.unoptimized import unoptimized

    with unoptimized():
        yield


@pytest.fixture(autouse=True)
def _log_not_set_up() -> None:
    """Commands set up the log of their process, which the next test would inherit."""
    log = logging.getLogger("deepattn")
    log.setLevel(logging.NOTSET)
    for handler in log.handlers[:]:
        log.removeHandler(handler)
        handler.close()


def pytest_collection_finish() -> None:
    """What is imported and collected stays, so that collections of garbage need not look at it."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """End the processes that forked programs."""
    processes.close()
