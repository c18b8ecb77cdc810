"""A catalog with models of this machine, and an empty cache."""

import hashlib

import numpy as np
import pytest

from deepattn.pretrained import CATALOGS, Catalog, PublishedModel, downloads

CONTENT = np.random.default_rng(7).bytes(300_000)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The folder of the cache, which does not exist yet."""
    monkeypatch.setenv("DEEPATTN_CACHE", str(tmp_path / "cache"))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(downloads, "_PAUSE", 0.0)
    return tmp_path / "cache"


@pytest.fixture
def publish(monkeypatch):
    """A function that puts a model into a catalog; the size is not known unless it is given."""
    known = []

    class Mine(Catalog):
        models = known

    monkeypatch.setattr(CATALOGS, "_classes", {"mine": Mine})

    def add(*servers, name="Tiny-1", content=CONTENT, **changes) -> PublishedModel:
        facts = {
            "name": name,
            "file": "tiny.pt",
            "description": "a few numbers",
            "page": "https://example.org/tiny",
            "license": "MIT",
            "cite": ("nobody",),
            "urls": tuple(server.url for server in servers),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        model = PublishedModel(**(facts | changes))
        known.append(model)
        return model

    return add
