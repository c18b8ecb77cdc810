"""Atomic writing of files and folders.

A lock on a temporary file next to the target shows whether its writer lives: the kernel drops the
lock with the process, however that ended. So what a killed writer left is known as such, and the
next writer of the same target removes it.
"""

import ctypes
import errno
import fcntl
import glob
import os
import re
import secrets
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO

from deepattn.errors import DataError

# Locks of another machine cannot be relied on, so a temporary name contains the host.
_HOST = f"{zlib.crc32(os.uname().nodename.encode()):08x}"
_TEMPORARY = re.compile(rf"\.(?P<target>.+)\.{_HOST}-[0-9a-f]{{8}}\.tmp", re.DOTALL)

# Of linux/fcntl.h and linux/fs.h.
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextmanager
def write_whole(path: str | os.PathLike, mode: str = "wb") -> Iterator[IO]:
    """Open a file for writing that appears under its name only once it is complete.

    The content goes to a temporary file in the same folder, which is synced to the disk and
    renamed over ``path`` when the block ends. When the block raises, nothing is left behind and
    an older file of that name is untouched. What killed writers of the same path left is removed.

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
    remove_leftovers(target.parent, glob.escape(target.name))
    temporary, file = _open_temporary(target, mode)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if target.exists():
                os.chmod(temporary, target.stat().st_mode & 0o7777)
            # Before the file is closed: that ends the lock.
            os.replace(temporary, target)
    except BaseException:  # Ctrl-C must not leave half a file either
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync(target.parent)


def put_in_place(temporary: str | os.PathLike, path: str | os.PathLike) -> None:
    """Give a complete file its name, in one step and after it is on the disk.

    Args:
        temporary: The file, in the same folder.
        path: Its name; a file that has it is replaced.

    Raises:
        OSError: If the folder cannot be written to.
    """
    with open(temporary, "rb") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)
    _sync(Path(path).parent)


@contextmanager
def write_folder_whole(path: str | os.PathLike, *, mark: str) -> Iterator[Path]:
    """Fill a folder that appears under its name only once it is complete.

    As `write_whole`: at every moment the older folder or the new one is there. On file systems
    that cannot exchange two folders in one step (NFS), the older one is moved aside for the moment
    of the renaming; if the process is killed in that moment, the next writer puts it back.

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
        raise DataError(f"{path}: exists and is not a folder with {mark}; choose another name")
    with scratch_folder(target) as folder:
        yield folder
        for name in (folder, *sorted(folder.rglob("*"))):
            _sync(name)
        if not target.exists():
            os.rename(folder, target)
        elif not _exchange(folder, target):
            os.rename(target, folder.with_suffix(".old"))
            os.rename(folder, target)
        _sync(target.parent)


@contextmanager
def scratch_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Make an empty folder in which to prepare what is then renamed to ``path``.

    It is gone when the block ends; after a kill, when the next one is made for the same path.

    Args:
        path: The target; the folder is next to it.

    Yields:
        The folder.

    Raises:
        OSError: If it cannot be made.
    """
    target = Path(path).absolute()
    remove_leftovers(target.parent, glob.escape(target.name))
    temporary, lock = _open_temporary(target, "wb")
    with lock:
        try:
            folder = temporary.with_suffix(".new")
            os.mkdir(folder)
            yield folder
        finally:
            _remove(temporary, target)


def remove_leftovers(folder: str | os.PathLike, pattern: str) -> None:
    """Remove temporary files that killed writers on this machine left next to their targets.

    Temporary files of writers that live, and of other machines, stay.

    Args:
        folder: Folder of the targets.
        pattern: Names of the targets, in the manner of a shell, such as ``model.ckpt-*.h5``.
    """
    with suppress(OSError):
        for name in os.listdir(folder):
            match = _TEMPORARY.fullmatch(name)
            if match and fnmatchcase(match["target"], pattern):
                _remove_if_dead(Path(folder, name), Path(folder, match["target"]))


def check_folder(path: str | os.PathLike) -> None:
    """Refuse a file whose folder is missing, before the work for it is done.

    Raises:
        DataError: The folder is not there.
    """
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder to write to")


def replace_link(target_name: str, link_path: str | os.PathLike) -> None:
    """Make ``link_path`` a symbolic link to ``target_name`` in one step, replacing what was there.

    Args:
        target_name: Target of the link, usually the bare name of a file in the same folder.
        link_path: The link itself.
    """
    link = Path(link_path)
    # One name for all writers, so that the next one removes what a killed one left.
    temporary = link.with_name(f".{link.name}.link.tmp")
    while True:
        temporary.unlink(missing_ok=True)
        try:
            os.symlink(target_name, temporary)
        except FileExistsError:  # another writer came between
            continue
        with suppress(FileNotFoundError):  # another writer has removed it
            os.replace(temporary, link)
            return


def _open_temporary(target: Path, mode: str) -> tuple[Path, IO]:
    """Create a file next to the target that is locked as long as it is open."""
    encoding = None if mode == "wb" else "utf-8"
    while True:
        # Hidden, so that no pattern such as model.ckpt-*.h5 takes it for a finished file.
        temporary = target.with_name(f".{target.name}.{_HOST}-{secrets.token_hex(4)}.tmp")
        file = open(temporary, mode.replace("w", "x+"), encoding=encoding)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # between the two lines it was taken for a leftover
            file.close()
            continue
        except (
            OSError
        ):  # a file system without locks, where leftovers cannot be identified and stay
            return temporary, file
        if os.fstat(file.fileno()).st_nlink:
            return temporary, file
        file.close()


def _remove_if_dead(temporary: Path, target: Path) -> None:
    with suppress(OSError):
        descriptor = os.open(temporary, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(temporary, target)
        finally:
            os.close(descriptor)


def _remove(temporary: Path, target: Path) -> None:
    """Remove a temporary file and the folders that go with it."""
    new, old = temporary.with_suffix(".new"), temporary.with_suffix(".old")
    if old.exists() and not target.exists():
        os.rename(old, target)
    for folder in (new, old):
        shutil.rmtree(folder, ignore_errors=True)
    # Last, since the folders are found by it.
    if not new.exists() and not old.exists():
        with suppress(FileNotFoundError):
            os.unlink(temporary)


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two names in one step; False where the system cannot."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    names = (os.fsencode(first), os.fsencode(second))
    if not rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], ctypes.c_uint(_RENAME_EXCHANGE)):
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
        return False
    raise OSError(number, os.strerror(number), os.fspath(second))


def _sync(path: Path) -> None:
    # Without it a power cut may still undo a rename; some file systems cannot sync a folder.
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
