"""Published models by name: which there are, and where their files are kept.

Nothing here is downloaded unless `download` is called.
"""

from deepattn.pretrained.cache import cache_folder, cached_file, install
from deepattn.pretrained.catalog import (
    CATALOGS,
    Catalog,
    PublishedModel,
    find_published,
    near_names,
    published_models,
)
from deepattn.pretrained.downloads import download

__all__ = [
    "CATALOGS",
    "Catalog",
    "PublishedModel",
    "cache_folder",
    "cached_file",
    "download",
    "find_published",
    "install",
    "near_names",
    "published_models",
]
