"""The barrier of workers from their rendezvous until TensorFlow has connected them.

TensorFlow holds Python's lock while it waits for the others, so no signal is handled. Their
connections stay open meanwhile: a worker that ends is noticed by its closed one.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deepattn.errors import DistributionError

# Bytes of a line.
LONGEST = 512
_CONNECTED = b"connected"
_WATCHER = Path(__file__).with_name("watcher.py")


class Barrier:
    """Open connections of a worker: those of the first worker go to all others, theirs to the
    first.

    Args:
        connections: By number of the worker at the other end.
        addresses: ``host:port`` of each worker.
        place: Number of this worker.
        timeout: Time limit of each step, s.
    """

    def __init__(
        self,
        connections: dict[int, socket.socket],
        addresses: Sequence[str],
        place: int,
        timeout: float,
    ) -> None:
        self._connections = connections
        self._addresses = addresses
        self._place = place
        self._timeout = timeout

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Run a block that ignores signals, such as TensorFlow's start, so that it can still be
        ended.

        If another worker ends meanwhile, the time is over, or SIGTERM arrives, a small process
        next to this one reports it and kills this one. SIGINT ends it as the system does.
        """
        with ExitStack() as stack:
            watcher = stack.enter_context(self._start_watcher())
            if watcher.stdin is not None and watcher.stdout is not None:
                stack.enter_context(watcher.stdin)
                # A byte confirms that it watches.
                watcher.stdout.read(1)
            with _signals_for_watcher():
                yield

    def wait_for_all(self) -> None:
        """Wait until all workers have called this; the connections are not used afterwards.

        Raises:
            DistributionError: A worker has ended.
        """
        deadline = time.monotonic() + self._timeout
        try:
            if self._place:
                self._connections[0].sendall(_CONNECTED + b"\n")
            for connection in self._connections.values():
                expect(connection, _CONNECTED, deadline)
            if not self._place:
                for connection in self._connections.values():
                    connection.sendall(_CONNECTED + b"\n")
        except OSError:
            raise DistributionError(
                "another worker has stopped before the training began, so this one (worker "
                f"{self._place}) stops too; see its output."
            ) from None

    def _start_watcher(self) -> subprocess.Popen:
        names = {
            str(connection.fileno()): f"worker {place} ({self._addresses[place]})"
            for place, connection in self._connections.items()
        }
        arguments = [str(os.getpid()), str(self._timeout), json.dumps(names)]
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(_WATCHER), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[int(number) for number in names],
        )


def expect(connection: socket.socket, word: bytes, deadline: float) -> None:
    """Read a line, which must be the given word.

    Args:
        connection: To another worker.
        word: The expected word.
        deadline: On the clock of `time.monotonic`, s.

    Raises:
        OSError: See `line_of`; or the line is another one.
    """
    if line_of(connection, deadline) != word:
        raise ConnectionError


def line_of(connection: socket.socket, deadline: float) -> bytes:
    """Read a line, without its end and no further.

    Args:
        connection: To another worker.
        deadline: On the clock of `time.monotonic`, s.

    Raises:
        OSError: The other side has closed, sends too much, or is too slow.
    """
    text = b""
    while not text.endswith(b"\n"):
        connection.settimeout(max(deadline - time.monotonic(), 1e-3))
        byte = connection.recv(1)
        if not byte or len(text) > LONGEST or time.monotonic() > deadline:
            raise ConnectionError
        text += byte
    return text[:-1]


@contextmanager
def _signals_for_watcher() -> Iterator[None]:
    """Reset SIGINT, and block SIGTERM, which TensorFlow would catch and keep.

    A blocked signal is visible from outside as pending. Outside the main thread nothing is
    changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        # In place of TensorFlow's handler.
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
