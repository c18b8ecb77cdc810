"""One file from one server, continued where it was broken off."""

from __future__ import annotations

import http.client
import re
import shutil
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from deepattn import __version__, limits
from deepattn.errors import DownloadError
from deepattn.pretrained.cache import VARIABLE
from deepattn.pretrained.catalog import is_allowed

Report = Callable[[int, "int | None"], None]

_TIMEOUT = 60.0  # s without a byte
_BLOCK = 1 << 16
_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)")


class Refused(Exception):
    """A server does not give the file: it is of no use to ask it again."""


class BrokenOff(Exception):
    """The connection ended before the file did: it may be continued."""


class _Redirects(HTTPRedirectHandler):
    """Follows redirections to allowed addresses."""

    def redirect_request(
        self,
        req: Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> Request | None:
        """See `urllib`."""
        if not is_allowed(newurl):
            raise Refused(f"redirects to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def transfer(url: str, part: Path, *, size: int | None, report: Report) -> None:
    """Append to a file what it lacks of the one at an address.

    Certificates are verified, and the proxies of the environment are used.

    Args:
        url: The address.
        part: The file; what is there of it is taken for the beginning.
        size: Bytes of the whole file; None if it is not known.
        report: Called with the bytes that are there and those of the whole file, if known.

    Raises:
        Refused: The server has no such file, or one of another size, or cannot be reached.
        BrokenOff: The connection ended early.
        DownloadError: The disk is full.
        OSError: The file cannot be written.
    """
    done = part.stat().st_size if part.exists() else 0
    if size is not None and done > size:
        part.unlink()
        done = 0
    if done == size:
        return
    response = _ask(url, done, part)
    if response is None:
        return
    with response:
        done, total = _extent(response, done, size)
        most = size or limits.DOWNLOAD_BYTES
        if total is not None:
            _check_space(part, total - done)
        with part.open("r+b" if part.exists() else "w+b") as file:
            file.truncate(done)
            file.seek(done)
            report(done, total)
            while block := _read(response):
                done += len(block)
                if done > most:
                    file.truncate(0)
                    raise Refused(f"sends more than {most} bytes")
                _write(file, block, part)
                report(done, total)
        if total is not None and done < total:
            raise BrokenOff(f"ended the connection after {done} of {total} bytes")


def _ask(url: str, done: int, part: Path) -> http.client.HTTPResponse | None:
    """The answer of the server; None if it says that the file is complete already."""
    headers = {"User-Agent": f"deepattn/{__version__}", "Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
    try:
        return build_opener(_Redirects).open(Request(url, headers=headers), timeout=_TIMEOUT)
    except HTTPError as error:
        with error:
            if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not done:
                raise Refused(f"answers {error.code} {error.reason}") from None
            if error.headers.get("Content-Range") == f"bytes */{done}":
                return None
        # It has less than is here, so this is not the beginning of its file.
        part.unlink()
        raise BrokenOff("has a shorter file") from None
    except URLError as error:
        reason = error.reason
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise Refused(f"has no valid certificate: {reason.verify_message}") from None
        raise Refused(f"cannot be reached: {_reason(reason)}") from None
    except (OSError, http.client.HTTPException) as error:
        raise BrokenOff(f"does not answer: {_reason(error)}") from None
    except ValueError as error:
        raise Refused(f"redirects to an address that is none: {error}") from None


def _extent(
    response: http.client.HTTPResponse, done: int, size: int | None
) -> tuple[int, int | None]:
    """Where the answer begins in the file, and the size of the whole file, if known."""
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        match = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if match is None or int(match[1]) != done:
            raise Refused("answers with another part of the file than was asked for")
        total = None if match[2] == "*" else int(match[2])
    elif response.status == http.HTTPStatus.OK:  # all of it, whatever was asked for
        done = 0
        total = limits.whole_number(response.headers.get("Content-Length", ""))
    else:
        raise Refused(f"answers {response.status} {response.reason}")
    if total is not None and size is not None and total != size:
        raise Refused(f"has a file of {total} bytes, not {size}")
    if total is not None and total > limits.DOWNLOAD_BYTES:
        raise Refused(f"has a file of {total} bytes, more than any model")
    return done, size if total is None else total


def _check_space(part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if needed > free:
        raise DownloadError(
            f"{part.parent}: {needed / 1e6:.1f} MB are needed, but {free / 1e6:.1f} MB are free; "
            f"make room, or set {VARIABLE} to a folder on another disk"
        )


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(_BLOCK)
    except (OSError, http.client.HTTPException) as error:
        raise BrokenOff(f"broke off: {_reason(error)}") from None


def _write(file: IO[bytes], block: bytes, part: Path) -> None:
    try:
        file.write(block)
        file.flush()
    except OSError as error:
        raise DownloadError(
            f"{part.parent}: {error.strerror}; make room and run the command again, which "
            f"continues the download, or set {VARIABLE} to a folder on another disk"
        ) from None


def _reason(error: object) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer for {_TIMEOUT:.0f} s"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def host_of(url: str) -> str:
    """The name of the server in messages."""
    return urlsplit(url).hostname or url
