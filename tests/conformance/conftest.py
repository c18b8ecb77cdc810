"""Fixtures of the conformance tests: graphs that DeePMD-kit made, and graphs of our own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from deepattn import ops
from deepattn.export import freeze
from deepattn.models import load_model

from .deepmd_kit import DP320
from .graph_store import GraphStore

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.conformance)


@pytest.fixture(scope="session")
def graph_store(request) -> GraphStore:
    """DeePMD-kit's graphs of the option matrix; kept in pytest's cache, so made once."""
    return GraphStore(request.config.cache.mkdir("deepattn-graphs"))


@pytest.fixture(scope="session")
def compiled_ops() -> None:
    """Skips what freezes a model where the compiled ops are missing."""
    if ops.library() is None:
        pytest.skip(
            "freezing needs the compiled ops; build them with: python -m deepattn.ops.build"
        )


@pytest.fixture(scope="session")
def our_graph(graph_store: GraphStore, compiled_ops, session_folder: Path) -> Callable[[str], Path]:
    """Our own graph of a row of the matrix: DeePMD-kit's weights in our model, frozen by us."""
    folder = session_folder / "ours"
    folder.mkdir(exist_ok=True)

    def make(name: str) -> Path:
        path = folder / f"{name}.pb"
        if not path.exists():
            model, header = load_model(graph_store.get(DP320.require(), name).path)
            # DeePMD-kit skipped its neighbor statistics; compression needs the distance.
            freeze(model, path, training_script=header["config"], min_nbor_dist=1.1)
        return path

    return make
