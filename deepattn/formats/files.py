"""Files that are either written whole or not at all."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from deepattn.errors import DataError


@contextmanager
def write_whole(path: str | os.PathLike, mode: str = "wb") -> Iterator[IO]:
    """Open a file for writing that appears under its name only once it is complete.

    The content goes to a temporary file in the same folder, which is synced to the disk and
    renamed over ``path`` when the block ends. When the block raises, nothing is left behind and
    an older file of that name is untouched.

    Args:
        path: Where the finished file goes. A symbolic link is followed, so that it stays a link.
        mode: ``"wb"`` for bytes (the file can also be read back inside the block) or ``"w"`` for
            UTF-8 text.

    Yields:
        The open temporary file.

    Raises:
        OSError: If the folder does not exist, cannot be written to, or the disk is full.
    """
    if mode not in ("wb", "w"):
        raise ValueError(f"mode must be 'wb' or 'w', not {mode!r}")
    target = Path(os.path.realpath(path))
    temporary = _unused_name(target)
    encoding = None if mode == "wb" else "utf-8"
    try:
        with open(temporary, mode.replace("w", "x+"), encoding=encoding) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            os.chmod(temporary, target.stat().st_mode & 0o7777)
        os.replace(temporary, target)
    except BaseException:  # Ctrl-C must not leave half a file either
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync(target.parent)


@contextmanager
def write_folder_whole(path: str | os.PathLike, *, mark: str) -> Iterator[Path]:
    """Fill a folder that appears under its name only once it is complete.

    As `write_whole`, but that a folder cannot take another's place in one step: the older one is
    moved aside for the moment of the renaming.

    Args:
        path: Where the finished folder goes. A symbolic link is followed.
        mark: Name of a file that every such folder has. A folder without it is not replaced.

    Yields:
        The temporary folder, which is there and empty.

    Raises:
        DataError: If something else than such a folder is there.
        OSError: If the folder cannot be written to, or the disk is full.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not (target / mark).is_file():
        raise DataError(f"{path}: is there and is not a folder with {mark}; take another name")
    temporary, old = _unused_name(target), _unused_name(target)
    os.mkdir(temporary)
    try:
        yield temporary
        for name in (temporary, *sorted(temporary.rglob("*"))):
            _sync(name)
        if target.exists():
            os.replace(target, old)
        os.replace(temporary, target)
    except BaseException:  # Ctrl-C must not leave half a folder either
        shutil.rmtree(temporary, ignore_errors=True)
        if old.exists() and not target.exists():
            os.replace(old, target)
        raise
    _sync(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def check_folder(path: str | os.PathLike) -> None:
    """Refuse a file whose folder is missing, before the work for it is done.

    Raises:
        DataError: the folder is not there.
    """
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder to write to")


def replace_link(target_name: str, link_path: str | os.PathLike) -> None:
    """Make ``link_path`` a symbolic link to ``target_name`` in one step, replacing what was there.

    Args:
        target_name: What the link says, as a rule the bare name of a file in the same folder.
        link_path: The link itself.
    """
    link = Path(link_path)
    temporary = _unused_name(link)
    os.symlink(target_name, temporary)
    try:
        os.replace(temporary, link)
    except BaseException:
        os.unlink(temporary)
        raise


def _unused_name(target: Path) -> Path:
    # Hidden, so that no pattern such as model.ckpt-*.h5 takes it for a finished file.
    return target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


def _sync(path: Path) -> None:
    # Without it a power cut may still undo a rename; some file systems cannot sync a folder.
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
