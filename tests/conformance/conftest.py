"""Fixtures of the conformance tests: graphs that the peers made, and graphs of our own."""

from __future__ import annotations

from pathlib import Path

import pytest

from .graphs import GraphStore

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.conformance)


@pytest.fixture(scope="session")
def graph_store(request) -> GraphStore:
    """The peers' graphs of the option matrix; kept in pytest's cache, so made once."""
    return GraphStore(request.config.cache.mkdir("deepattn-graphs"))
