"""HTTP servers on this machine that give a file, each with a fault of its own."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Server:
    """What a server does.

    Attributes:
        content: its file.
        ranges: whether it answers requests for parts.
        stops: after how many bytes it ends the connection, for each request in turn; then never.
        claims: what it says that the length of its answer is; None: the truth, "": nothing.
        shift: by how much the part it sends begins later than the one that was asked for.
        status: of all its answers, instead of a file.
        redirect: where it sends its clients.
        told: what it answers to a request beyond the end of the file.
        asked: the header ``Range`` of each request so far.
        url: where its file is, while it runs.
    """

    content: bytes = b""
    ranges: bool = True
    stops: list[int] = field(default_factory=list)
    claims: str | None = None
    shift: int = 0
    status: int | None = None
    redirect: str | None = None
    asked: list[str | None] = field(default_factory=list)
    url: str = ""

    @contextlib.contextmanager
    def running(self, certificate: Path | None = None) -> Iterator[Server]:
        """Run it in a thread; with a certificate by https."""
        httpd = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://127.0.0.1:{httpd.server_address[1]}/model.pt"
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield self
        finally:
            httpd.shutdown()
            thread.join()
            httpd.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with contextlib.suppress(OSError):  # a client that has heard enough
                    server.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer a request."""
        wanted = request.headers.get("Range")
        self.asked.append(wanted)
        if self.redirect is not None:
            request.send_response(302)
            request.send_header("Location", self.redirect)
            request.end_headers()
            return
        if self.status is not None:
            request.send_error(self.status)
            return
        first, size = 0, len(self.content)
        if wanted is not None and self.ranges:
            first = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if first >= size:
                request.send_response(416)
                request.send_header("Content-Range", f"bytes */{size}")
                request.end_headers()
                return
            first += self.shift
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {first}-{size - 1}/{size}")
        else:
            request.send_response(200)
        body = self.content[first:]
        length = str(len(body)) if self.claims is None else self.claims
        if length:
            request.send_header("Content-Length", length)
        request.end_headers()
        stop = self.stops.pop(0) if self.stops else len(body)
        request.wfile.write(body[:stop])
