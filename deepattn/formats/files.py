"""Files that are either written whole or not at all."""

import os
import secrets
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
    _sync_folder(target.parent)


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


def _sync_folder(folder: Path) -> None:
    # Without it a power cut may still undo the rename; some file systems cannot sync a folder.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
