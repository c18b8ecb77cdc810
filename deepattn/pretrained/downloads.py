"""Downloading published models."""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from pathlib import Path

from deepattn.errors import ConfigError, DownloadError
from deepattn.formats.files import put_in_place
from deepattn.pretrained.cache import difference_from, exclusive, how_to_get, install, place_of
from deepattn.pretrained.catalog import (
    PublishedModel,
    find_published,
    near_names,
    published_models,
)
from deepattn.pretrained.transfer import BrokenOff, Refused, host_of, transfer
from deepattn.progress import downloading

log = logging.getLogger(__name__)

# How often a connection may break off in a row without a single new byte.
_ATTEMPTS = 4
_PAUSE = 1.0  # s, doubled each time


def download(name: str, *, from_file: str | os.PathLike | None = None) -> Path:
    """Put the file of a published model into the cache, unless it is there.

    A download that was broken off is continued. The servers are tried in turn, and the file gets
    its name when its checksum is right. Of several processes one downloads, and the others wait.

    Args:
        name: Name of the model, in any case.
        from_file: A copy of the file, for machines without a network.

    Returns:
        The file.

    Raises:
        ConfigError: There is no such model.
        DownloadError: It cannot be downloaded, or ``from_file`` is not its file.
        OSError: The cache cannot be written.

    Example:
        >>> download("DPA-2.4-7M")
        PosixPath('/home/me/.cache/deepattn/models/DPA-2.4-7M/DPA-2.4-7M-patched-mt.pt')
    """
    model = published(name)
    if from_file is not None:
        return install(model, from_file)
    path = place_of(model)
    if _is_there(model, path):
        log.info("%s is in the cache already", model.name)
        return path
    if not model.urls:
        raise DownloadError(
            f"{model.name}: no address with a known checksum exists; {how_to_get(model)}"
        )
    with exclusive(path.parent):
        if not _is_there(model, path):  # another process may have been faster
            _download(model, path)
    return path


def published(name: str) -> PublishedModel:
    """The published model of a name.

    Raises:
        ConfigError: There is none.
    """
    model = find_published(name)
    if model is None:
        near = near_names(name)
        known = ", ".join(one.name for one in published_models())
        advice = f"did you mean {' or '.join(near)}?" if near else f"there are {known}"
        raise ConfigError(f"there is no published model {name!r}; {advice}")
    return model


def _is_there(model: PublishedModel, path: Path) -> bool:
    if not path.is_file():
        return False
    difference = difference_from(model, path)
    if difference is not None:
        log.warning("%s: %s, so it is downloaded again", path, difference)
    return difference is None


def _download(model: PublishedModel, path: Path) -> None:
    part = path.with_name(f".{path.name}.part")
    reasons = []
    for url in model.urls:
        try:
            _from_server(model, url, part)
        except Refused as refusal:
            reasons.append(f"{host_of(url)} {refusal}")
            log.warning("%s: %s", model.name, reasons[-1])
            continue
        put_in_place(part, path)
        log.info("%s is in %s", model.name, path)
        return
    raise DownloadError(
        f"{model.name}: cannot be downloaded: {'; '.join(reasons)}. Try again later, which "
        f"continues the download, or get {model.file} from {model.page} on another machine and "
        f"run 'deepattn pretrained download {model.name} --from-file FILE'"
    )


def _from_server(model: PublishedModel, url: str, part: Path) -> None:
    """Complete a file from one server, to the right checksum.

    Raises:
        Refused: The server gives no file, or another one.
    """
    while True:
        mixed = part.exists() and part.stat().st_size > 0
        log.info("%s %s from %s", "continuing" if mixed else "downloading", model.name, url)
        _complete(model, url, part)
        difference = difference_from(model, part)
        if difference is None:
            return
        part.unlink()
        if not mixed:
            raise Refused(f"sends another file: {difference}")
        log.warning("%s: %s; starting again", part, difference)


def _complete(model: PublishedModel, url: str, part: Path) -> None:
    failures = 0
    with downloading(model.name) as report:
        while True:
            before = _size(part)
            try:
                return transfer(url, part, size=model.size, report=report)
            except BrokenOff as broken:
                failures = 0 if _size(part) > before else failures + 1
                if failures == _ATTEMPTS:
                    raise Refused(f"{broken}, {_ATTEMPTS} times in a row") from None
                log.warning("%s: %s %s; continuing", model.name, host_of(url), broken)
                time.sleep(_PAUSE * 2**failures)


def _size(part: Path) -> int:
    with suppress(FileNotFoundError):
        return part.stat().st_size
    return 0
