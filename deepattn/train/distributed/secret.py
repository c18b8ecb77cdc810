"""The secret that the workers of a training share."""

import logging
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from deepattn.errors import ConfigError

log = logging.getLogger(__name__)

VARIABLE = "DEEPATTN_CLUSTER_SECRET"
# Characters; what can be guessed is no secret.
_SHORTEST = 16


@contextmanager
def cluster_secret(address: str, *, chief: bool) -> Iterator[Callable[[], bytes | None]]:
    """The secret of a cluster: from the environment, else from a file of the first worker.

    The first worker makes the file in the working folder, for its owner alone, and removes it after
    the block.

    Args:
        address: ``host:port`` of the first worker.
        chief: Whether this is the first worker.

    Yields:
        A function that gives the secret, or None while there is none.

    Raises:
        ConfigError: The one in the environment is too short.
        OSError: The file cannot be written.
    """
    text = os.environ.get(VARIABLE)
    if text is not None:
        if len(text) < _SHORTEST:
            raise ConfigError(
                f"{VARIABLE} has {len(text)} characters, but a secret needs at least "
                f"{_SHORTEST}; create one with: openssl rand -hex 16"
            )
        yield lambda: text.encode()
        return
    path = Path(f".deepattn-secret-{address.rpartition(':')[2]}").absolute()
    if not chief:
        yield lambda: _read(path)
        return
    made = secrets.token_hex(32)
    path.unlink(missing_ok=True)  # of a training that was killed
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(made)
    log.info(
        "the workers' secret is in %s; if other machines cannot read that file, set %s for "
        "all workers",
        path.name,
        VARIABLE,
    )
    try:
        yield lambda: made.encode()
    finally:
        path.unlink(missing_ok=True)


def _read(path: Path) -> bytes | None:
    """Contents of a file that only its owner, this user, can have written."""
    with suppress(OSError), open(path, "rb", opener=_open_no_link) as file:
        status = os.fstat(file.fileno())
        if status.st_uid == os.geteuid() and not stat.S_IMODE(status.st_mode) & 0o077:
            return file.read(_SHORTEST * 8)
    return None


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
