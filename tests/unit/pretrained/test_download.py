"""Downloads: continued, verified, from one server after another, and never half a file."""

import errno
import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import ExitStack

import pytest

from deepattn.errors import ConfigError, DownloadError
from deepattn.pretrained import cached_file, download, install, transfer
from deepattn.pretrained.cache import exclusive, place_of

from .conftest import CONTENT
from .servers import Server

HALF = len(CONTENT) // 2


@pytest.fixture
def serve(cache):
    """A function that starts a server."""
    with ExitStack() as stack:

        def start(content=CONTENT, *, certificate=None, **faults) -> Server:
            return stack.enter_context(Server(content, **faults).running(certificate))

        yield start


def files(cache) -> list[str]:
    """What the cache holds but for locks."""
    found = [path for path in cache.rglob("*") if path.is_file() and path.name != ".lock"]
    return sorted(path.name for path in found)


def put_part(model, content) -> None:
    path = place_of(model)
    path.parent.mkdir(parents=True)
    path.with_name(f".{path.name}.part").write_bytes(content)


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_download(serve, publish, cache, size):
    server = serve()
    publish(server, size=size)
    path = download("tiny-1")
    assert path == cache / "models" / "Tiny-1" / "tiny.pt"
    assert path.read_bytes() == CONTENT and files(cache) == ["tiny.pt"]
    assert download("Tiny-1") == path and server.asked == [None]


def test_without_a_length(serve, publish, cache):
    publish(serve(claims=""))
    assert download("Tiny-1").read_bytes() == CONTENT


def test_a_download_that_breaks_off_is_continued(serve, publish, cache):
    server = serve(stops=[100_000, 60_000, 0, 0, 50_000])
    publish(server)
    assert download("Tiny-1").read_bytes() == CONTENT
    starts = (100_000, 160_000, 160_000, 160_000, 210_000)
    assert server.asked == [None, *(f"bytes={start}-" for start in starts)]


def test_a_length_that_is_too_large(serve, publish, cache):
    server = serve(claims=str(len(CONTENT) + 9))
    publish(server)
    assert download("Tiny-1").read_bytes() == CONTENT  # the answer to the second request is 416
    assert server.asked == [None, f"bytes={len(CONTENT)}-"]


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_what_an_earlier_run_left_is_continued(serve, publish, cache, size):
    server = serve()
    put_part(publish(server, size=size), CONTENT[:HALF])
    assert download("Tiny-1").read_bytes() == CONTENT
    assert server.asked == [f"bytes={HALF}-"] and files(cache) == ["tiny.pt"]


def test_a_connection_that_always_breaks_off(serve, publish, cache):
    server = serve(stops=[HALF, *[0] * 20])
    model = publish(server)
    with pytest.raises(DownloadError, match=r"ended the connection .*, 4 times in a row"):
        download("Tiny-1")
    assert len(server.asked) == 5 and files(cache) == [".tiny.pt.part"]
    server.stops.clear()
    assert download("Tiny-1").read_bytes() == CONTENT  # what was there is still of use
    assert server.asked[-1] == f"bytes={HALF}-" and cached_file(model).is_file()


def test_a_server_that_knows_no_ranges(serve, publish, cache):
    server = serve(ranges=False, stops=[HALF])
    publish(server)
    assert download("Tiny-1").read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={HALF}-"]


@pytest.mark.parametrize(
    ("left", "asked"),
    [
        (CONTENT, [f"bytes={len(CONTENT)}-"]),  # complete: 416 says so
        (CONTENT + b"more", [f"bytes={len(CONTENT) + 4}-", None]),
        (bytes(HALF), [f"bytes={HALF}-", None]),  # of another file
    ],
)
def test_beyond_the_end_and_of_another_file(serve, publish, cache, left, asked):
    server = serve()
    put_part(publish(server), left)
    assert download("Tiny-1").read_bytes() == CONTENT
    assert server.asked == asked


def test_a_complete_part_needs_no_server(publish, cache):
    put_part(publish(size=len(CONTENT), urls=("https://nowhere.invalid/x",)), CONTENT)
    assert download("Tiny-1").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        ({"status": 404}, "127.0.0.1 answers 404 Not Found"),
        ({"status": 503}, "answers 503 Service Unavailable"),
        ({"content": CONTENT[::-1]}, "sends another file: its SHA-256 is [0-9a-f]{64}, not"),
        ({"content": CONTENT + b"x"}, "sends another file: its SHA-256"),
        ({"content": b"", "claims": "0"}, "sends another file: its SHA-256"),
        ({"claims": str(len(CONTENT) - 9)}, "sends another file"),
        ({"claims": str(1 << 50)}, "has a file of 1125899906842624 bytes, more than any model"),
        ({"redirect": "http://example.org/x"}, "redirects to http://example.org/x, which is not"),
        (
            {"redirect": "file:///etc/passwd"},
            "answers 302 .*Redirection to url 'file:///etc/passwd'",
        ),
        ({"redirect": "http://[x"}, "redirects to an address that is none"),
    ],
)
def test_a_bad_server_is_passed_over(serve, publish, cache, faults, message):
    bad, good = serve(**faults), serve()
    publish(bad, name="Bad")
    publish(bad, good, name="Good")
    with pytest.raises(DownloadError, match=message) as error:
        download("bad")
    assert "Try again later" in str(error.value) and "--from-file" in str(error.value)
    assert "tiny.pt" not in files(cache)
    assert download("good").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        ({"content": CONTENT[:-5]}, f"has a file of {len(CONTENT) - 5} bytes, not {len(CONTENT)}"),
        ({"content": CONTENT + b"x", "claims": ""}, f"sends more than {len(CONTENT)} bytes"),
        ({"content": CONTENT[:-5], "claims": ""}, "sends another file: it has 299995 bytes"),
    ],
)
def test_a_size_that_is_not_that_of_the_catalog(serve, publish, cache, faults, message):
    publish(serve(**faults), size=len(CONTENT))
    with pytest.raises(DownloadError, match=message):
        download("Tiny-1")
    assert "tiny.pt" not in files(cache)


def test_another_part_than_was_asked_for(serve, publish, cache):
    put_part(publish(serve(shift=10)), CONTENT[:HALF])
    with pytest.raises(DownloadError, match="answers with another part of the file"):
        download("Tiny-1")


def test_a_part_is_continued_by_another_server(serve, publish, cache):
    first, second = serve(stops=[HALF, 0, 0, 0, 0]), serve()
    publish(first, second)
    assert download("Tiny-1").read_bytes() == CONTENT
    assert second.asked == [f"bytes={HALF}-"]


def test_redirections_keep_the_range(serve, publish, cache):
    target = serve()
    put_part(publish(serve(redirect=target.url)), CONTENT[:HALF])
    assert download("Tiny-1").read_bytes() == CONTENT
    assert target.asked == [f"bytes={HALF}-"]


def test_nobody_is_there(publish, cache):
    urls = ("http://127.0.0.1:9/x", "https://nowhere.invalid/x")
    publish(urls=urls)
    with pytest.raises(DownloadError) as error:
        download("Tiny-1")
    text = str(error.value)
    assert "127.0.0.1 cannot be reached" in text and "nowhere.invalid cannot be reached" in text
    assert files(cache) == []


def test_silence(serve, publish, cache, monkeypatch):
    server = serve()
    monkeypatch.setattr(transfer, "_TIMEOUT", 0.2)
    answered = server.answer

    def wait(request):
        time.sleep(0.5)
        answered(request)

    monkeypatch.setattr(server, "answer", wait)
    publish(server)
    with pytest.raises(DownloadError, match="does not answer: no answer for"):
        download("Tiny-1")


def test_a_certificate_that_nobody_signed(serve, publish, cache, tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    certificate = tmp_path / "server.pem"
    options = "-x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1".split()
    where = ["-keyout", certificate, "-out", tmp_path / "certificate.pem"]
    subprocess.run(["openssl", "req", *options, *where], check=True, capture_output=True)
    with certificate.open("a") as file:
        file.write((tmp_path / "certificate.pem").read_text())
    server = serve(certificate=certificate)
    publish(server)
    with pytest.raises(DownloadError, match=r"has no valid certificate: self.signed certificate"):
        download("Tiny-1")
    assert server.asked == [] and files(cache) == []


def test_no_space(serve, publish, cache, monkeypatch):
    server = serve()
    publish(server)
    usage = type(shutil.disk_usage("/"))(10**9, 10**9, 1000)
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DownloadError, match=r"0.3 MB are needed, but 0.0 MB are free; make room"):
        download("Tiny-1")
    assert files(cache) == []


def test_a_disk_that_fills_up(serve, publish, cache, monkeypatch):
    server = serve()
    publish(server)
    monkeypatch.setattr(transfer, "_BLOCK", 100_000)
    left = [2]

    def fill(file, block, part):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        file.write(block)

    class Full:
        """A file on a full disk."""

        def __init__(self, file):
            self._file = file

        def write(self, block):
            fill(self._file, block, None)

        def flush(self):
            self._file.flush()

    real = transfer._write
    monkeypatch.setattr(transfer, "_write", lambda file, *rest: real(Full(file), *rest))
    with pytest.raises(DownloadError, match="No space left on device; make room and run the"):
        download("Tiny-1")
    assert files(cache) == [".tiny.pt.part"]
    left[0] = 1000
    assert download("Tiny-1").read_bytes() == CONTENT
    assert server.asked == [None, "bytes=200000-"]


def test_a_cache_that_cannot_be_written(serve, publish, cache):
    cache.write_text("a file where the folder should be")
    publish(serve())
    with pytest.raises(OSError, match=r"File exists|Not a directory"):
        download("Tiny-1")


def test_a_damaged_file_in_the_cache_is_replaced(serve, publish, cache, caplog):
    publish(serve())
    path = download("Tiny-1")
    path.write_bytes(CONTENT[:-1] + b"?")
    assert download("Tiny-1").read_bytes() == CONTENT
    assert "so it is downloaded again" in caplog.text


CODE = """
import hashlib, sys
from deepattn.pretrained import CATALOGS, Catalog, PublishedModel, download
url, digest = sys.argv[1:]
class Mine(Catalog):
    models = (PublishedModel(name="Tiny-1", file="tiny.pt", description="", page="", license="",
                             cite=(), urls=(url,), sha256=digest),)
CATALOGS.register("mine")(Mine)
print(download("Tiny-1"))
"""


def test_two_processes_download_once(serve, publish, cache):
    server = serve()
    model = publish(server)
    command = [sys.executable, "-c", CODE, server.url, model.sha256]
    with exclusive(place_of(model).parent):
        runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        time.sleep(1.5)
        assert server.asked == [] and all(run.poll() is None for run in runs)
    paths = {run.communicate(timeout=60)[0].strip() for run in runs}
    assert paths == {str(place_of(model))} and server.asked == [None]


def test_a_killed_download_is_continued(serve, publish, cache):
    """The kernel drops the lock; the part is of use to the next process."""
    server = serve(stops=[HALF])
    model = publish(server)
    go_on = threading.Event()
    answered = server.answer

    def slowly(request):
        answered(request)
        request.wfile.flush()
        go_on.wait(30)

    server.answer = slowly
    run = subprocess.Popen([sys.executable, "-c", CODE, server.url, model.sha256])
    part = place_of(model).with_name(".tiny.pt.part")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not (part.exists() and part.stat().st_size > 0):
        time.sleep(0.02)
    run.kill()
    run.wait()
    go_on.set()
    server.answer = answered
    kept = part.stat().st_size
    assert 0 < kept <= HALF
    assert download("Tiny-1").read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={kept}-"]


def test_from_a_file(publish, cache, tmp_path):
    model = publish()
    source = tmp_path / "copy"
    source.write_bytes(CONTENT)
    path = download("Tiny-1", from_file=source)
    assert path.read_bytes() == CONTENT and source.exists() and cached_file(model) == path
    assert files(cache) == ["tiny.pt"]


@pytest.mark.parametrize("content", [CONTENT[:-1], b""])
def test_from_a_wrong_file(publish, cache, tmp_path, content):
    publish()
    source = tmp_path / "copy"
    source.write_bytes(content)
    with pytest.raises(DownloadError, match="copy: is not the file of Tiny-1: its SHA-256 is"):
        download("Tiny-1", from_file=source)
    assert files(cache) == []
    with pytest.raises(FileNotFoundError):
        download("Tiny-1", from_file=tmp_path / "absent")


def test_by_hand(publish, cache, tmp_path, caplog):
    model = publish(sha256=None)
    with pytest.raises(DownloadError, match=r"no address with a known checksum exists; download"):
        download("Tiny-1")
    source = tmp_path / "copy"
    source.write_bytes(b"")
    with pytest.raises(DownloadError, match="it is empty"):
        install(model, source)
    source.write_bytes(CONTENT)
    assert install(model, source).read_bytes() == CONTENT
    assert "no checksum of this file is known" in caplog.text


def test_unknown_names(publish, cache):
    publish()
    with pytest.raises(ConfigError, match=r"no published model 'Tiny-2'; did you mean Tiny-1\?"):
        download("Tiny-2")
    with pytest.raises(ConfigError, match=r"there are DPA-2.4-7M, DPA-1-OC2M, OC_10M, Tiny-1"):
        download("x")
