"""Catalogs of published models."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlsplit

from deepattn.errors import ConfigError, show
from deepattn.registry import Registry

log = logging.getLogger(__name__)

# Names become names of folders and files.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
# Shorter words are in too many names.
_LETTERS = 4
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, kw_only=True)
class PublishedModel:
    """A model file that somebody has published.

    Attributes:
        name: the name by which users ask for it; letters, digits and ``._+-``.
        file: name of the file in the cache.
        description: what the model is, in a sentence.
        page: web page of the file.
        license: of the file, by its SPDX identifier where it has one.
        cite: publications to cite.
        urls: addresses of the file, tried in this order; none if it must be downloaded by hand.
        sha256: checksum in hexadecimal digits; None if it is not known.
        size: bytes of the file; None if that is not known.
        elements: the model's type map; empty if it is only known from the file.
        branches: of a multi-task model; empty for a single-task model.

    Raises:
        ConfigError: A name, an address or the checksum is malformed, or there are addresses
            without a checksum.
    """

    name: str
    file: str
    description: str
    page: str
    license: str
    cite: tuple[str, ...]
    urls: tuple[str, ...] = ()
    sha256: str | None = None
    size: int | None = None
    elements: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for word in (self.name, self.file):
            if not _NAME.fullmatch(word):
                raise ConfigError(
                    f"the published model {show(self.name)}: {show(word)} is no name of a file; "
                    "use letters, digits and ._+-"
                )
        if self.sha256 is not None and not _SHA256.fullmatch(self.sha256):
            raise ConfigError(
                f"the published model {self.name}: sha256 is {show(self.sha256)}; give 64 "
                "hexadecimal digits in lower case"
            )
        if self.urls and self.sha256 is None:
            raise ConfigError(
                f"the published model {self.name}: has no sha256, without which nothing is "
                "downloaded; give it, or no urls"
            )
        for url in self.urls:
            if not is_allowed(url):
                raise ConfigError(
                    f"the published model {self.name}: the address {show(url)} is not https"
                )


class Catalog:
    """A list of published models.

    A package adds its own by a subclass and an entry point in the group ``deepattn.pretrained``.

    Attributes:
        models: the models.
    """

    models: ClassVar[Sequence[PublishedModel]] = ()


CATALOGS: Registry[Catalog] = Registry(
    "catalog of models",
    "deepattn.pretrained",
    {"deepattn": "deepattn.pretrained.published:Published"},
)


def is_allowed(url: str) -> bool:
    """Whether something may be downloaded from an address: by https, or from this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if parts.scheme == "https":
        return bool(parts.hostname)
    return parts.scheme == "http" and parts.hostname in _LOOPBACK


def published_models() -> list[PublishedModel]:
    """The models of all catalogs, those of the package first.

    A catalog that cannot be imported is left out with a warning.

    Raises:
        ConfigError: Two catalogs have models of one name.
    """
    found: dict[str, tuple[str, PublishedModel]] = {}
    for catalog in CATALOGS.names():
        try:
            models = CATALOGS[catalog].models
        except ConfigError as error:
            log.warning("%s", error)
            continue
        for model in models:
            other, _ = found.setdefault(model.name.casefold(), (catalog, model))
            if other != catalog:
                raise ConfigError(
                    f"the published model {model.name} is in the catalogs {other} and {catalog}; "
                    "uninstall the package of one of them"
                )
    return [model for _, model in found.values()]


def find_published(name: str) -> PublishedModel | None:
    """The published model of a name, in any case; None if there is none."""
    if not _NAME.fullmatch(name):
        return None
    wanted = name.casefold()
    return next((one for one in published_models() if one.name.casefold() == wanted), None)


def near_names(word: str) -> list[str]:
    """Names of published models that somebody may mean, the nearest first."""
    names: dict[str, str] = {}
    for model in published_models():
        names |= {model.name.casefold(): model.name, model.file.casefold(): model.name}
    word = word.casefold()
    near = difflib.get_close_matches(word, names, n=3, cutoff=0.7)
    if len(word) >= _LETTERS:
        near += [key for key in names if word in key]
    return list(dict.fromkeys(names[key] for key in near))
