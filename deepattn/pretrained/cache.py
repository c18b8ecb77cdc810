"""The folder in which downloaded models are kept."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deepattn.errors import ConfigError, DownloadError, ModelFileError
from deepattn.formats.files import write_whole
from deepattn.pretrained.catalog import PublishedModel

log = logging.getLogger(__name__)

VARIABLE = "DEEPATTN_CACHE"

_BLOCK = 1 << 20


def cache_folder() -> Path:
    """The folder of all that deepattn keeps: ``$DEEPATTN_CACHE``, or that of the XDG standard.

    Raises:
        ConfigError: The variable is not set, and the user has no home folder.
    """
    if given := os.environ.get(VARIABLE):
        return Path(given)
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(xdg):  # others are to be ignored, by the standard
        return Path(xdg) / "deepattn"
    try:
        return Path.home() / ".cache" / "deepattn"
    except RuntimeError:
        raise ConfigError(
            f"there is no home folder to keep models in; set the environment variable {VARIABLE}"
        ) from None


def place_of(model: PublishedModel) -> Path:
    """Where the file of a model is kept."""
    return cache_folder() / "models" / model.name / model.file


def is_in_cache(path: Path) -> bool:
    """Whether a file is kept in the cache."""
    try:
        folder = cache_folder()
    except ConfigError:
        return False
    return folder.resolve() in path.resolve().parents


def cached_file(model: PublishedModel) -> Path:
    """The file of a model, which must have been downloaded.

    Nothing is downloaded here: a job on a compute node has no network, and a training should not
    wait for one.

    Raises:
        ModelFileError: It is not in the cache, or is not the file of the catalog.
    """
    path = place_of(model)
    if not path.is_file():
        raise ModelFileError(
            f"{model.name}: this published model has not been downloaded; {how_to_get(model)}"
        )
    difference = difference_from(model, path)
    if difference is not None:
        raise ModelFileError(
            f"{path}: is not the file of {model.name}: {difference}; {how_to_get(model)}, which "
            "replaces it"
        )
    return path


def how_to_get(model: PublishedModel) -> str:
    """The advice in messages about a model that is not there."""
    if model.urls:
        return f"run 'deepattn pretrained download {model.name}'"
    return (
        f"download it from {model.page} and run 'deepattn pretrained download {model.name} "
        "--from-file FILE'"
    )


def difference_from(model: PublishedModel, path: Path) -> str | None:
    """How a file differs from that of the catalog, as the end of a sentence; None if it is it.

    Raises:
        OSError: It cannot be read.
    """
    size = path.stat().st_size
    if model.size is not None and size != model.size:
        return f"it has {size} bytes, not {model.size}"
    if model.sha256 is None:
        return None
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return wrong_checksum(model, digest.hexdigest())


def wrong_checksum(model: PublishedModel, found: str) -> str | None:
    """How a checksum differs from that of the catalog; None if it does not."""
    if model.sha256 in (None, found):
        return None
    return f"its SHA-256 is {found}, not {model.sha256}"


def install(model: PublishedModel, source: str | os.PathLike) -> Path:
    """Copy a file that was downloaded elsewhere into the cache.

    Args:
        model: Whose file it is.
        source: The file.

    Returns:
        The copy.

    Raises:
        DownloadError: It is not the file of the catalog.
        OSError: It cannot be read, or the cache cannot be written.
    """
    path = place_of(model)
    digest, size = hashlib.sha256(), 0
    with open(source, "rb") as file, exclusive(path.parent), write_whole(path) as copy:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
            copy.write(block)
        difference = wrong_checksum(model, digest.hexdigest())
        if difference is None and not size:
            difference = "it is empty"
        if difference is not None:
            raise DownloadError(
                f"{os.fspath(source)}: is not the file of {model.name}: {difference}; download it "
                f"again from {model.page}"
            )
    if model.sha256 is None:
        log.warning(
            "%s: no checksum of this file is known, so it was not verified; its SHA-256 is %s",
            model.name,
            digest.hexdigest(),
        )
    return path


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Inside, no other process writes to a folder of the cache; waits for one that does.

    Raises:
        OSError: The folder cannot be made or written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                log.info("another process is writing to %s; waiting for it", folder)
                fcntl.flock(lock, fcntl.LOCK_EX)
            else:
                log.warning(
                    "%s: this file system has no locks (%s), so nothing prevents two downloads "
                    "at once",
                    folder,
                    error.strerror,
                )
        yield
