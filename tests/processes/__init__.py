"""Programs of Python as children of a process that has imported TensorFlow already.

Importing TensorFlow or DeePMD-kit takes seconds of computing, mostly longer than what a test does
with it. `start` and `run` give a program to a server (``server.py``), which forks. The child has
what it would have as a fresh process: arguments, working folder, standard streams, environment,
signals and exit status; a kill hits the program itself.

A server is started for each interpreter, list of modules and environment, when the first program
needs it. Few are kept; `close` ends them. Where imports start threads, which forks do not survive,
programs are started as fresh processes.

Tests of the start itself (imports, time, first lines of the log) use `subprocess`.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol

ROOT = Path(__file__).resolve().parents[2]
SERVER = Path(__file__).with_name("server.py")
DEEPATTN = ("tensorflow", "keras", "deepattn.train", "deepattn.infer", "deepattn.export")
# Each has several hundred megabytes.
MOST_SERVERS = 3

_servers: dict[tuple, _Server] = {}
_lock = threading.Lock()  # tests may start programs in threads


def environment() -> dict[str, str]:
    """This process' environment, and the repository on the path of Python."""
    path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}


def start(
    command: Sequence[object],
    *,
    cwd: str | Path | None = None,
    env: Mapping[str, str] | None = None,
    imports: Sequence[str] = DEEPATTN,
) -> Process:
    """Start a program, whose output is kept in files.

    Args:
        command: An interpreter, then ``FILE``, ``-m MODULE`` or ``-c CODE``, then its arguments.
        cwd: Its working folder; by default this process'.
        env: Its environment; by default `environment`.
        imports: Modules that may be imported before.
    """
    python, *words = map(str, command)
    variables = dict(environment() if env is None else env)
    variables.pop("PYTEST_CURRENT_TEST", None)  # another one for each test
    folder = os.path.abspath(cwd or os.getcwd())
    child: _Child | None = None
    with _lock:
        server = _server(python, tuple(imports), variables)
        output, errors = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        if server.forks:
            child = server.fork(words, folder, output, errors)
    if child is None:
        child = subprocess.Popen(
            [python, *words],
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
        )
    return Process([python, *words], child, output, errors)


def run(
    command: Sequence[object], *, timeout: float | None = None, **options: object
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; it is killed after ``timeout`` seconds.

    Args:
        command: As for `start`.
        timeout: Seconds; by default any time.
        **options: Of `start`.

    Raises:
        subprocess.TimeoutExpired: It took longer.
    """
    with start(command, **options) as process:
        output, errors = process.communicate(timeout)
        return subprocess.CompletedProcess(
            process.args, process.returncode, stdout=output, stderr=errors
        )


def close() -> None:
    """End all servers."""
    while _servers:
        _servers.popitem()[1].close()


class _Child(Protocol):
    pid: int
    returncode: int | None

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, number: int) -> None: ...


class Process:
    """A started program, with the methods of `subprocess.Popen`; at the end of a block killed.

    Attributes:
        args: Its command.
        pid: Its process ID.
    """

    def __init__(self, args: list[str], child: _Child, output: IO[bytes], errors: IO[bytes]):
        self.args, self.pid = args, child.pid
        self._child, self._files = child, (output, errors)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()
        self.wait()
        for file in self._files:
            file.close()

    @property
    def returncode(self) -> int | None:
        """The exit status, or minus the signal that ended it; None while it runs."""
        return self._child.returncode

    def poll(self) -> int | None:
        """`returncode` of now."""
        return self._child.poll()

    def wait(self, timeout: float | None = None) -> int:
        """`returncode` of the end; raises `subprocess.TimeoutExpired`."""
        return self._child.wait(timeout)

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        self._child.send_signal(number)

    def kill(self) -> None:
        """End it at once, if it still runs."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for the end; what it has written to its standard output and error."""
        self.wait(timeout)
        texts = []
        for file in self._files:
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
        return texts[0], texts[1]


class _Forked:
    """A child of a server's keeper, known by what that reports."""

    def __init__(self, args: list[str], answer: int):
        self.args, self.returncode = args, None
        self._answer = os.fdopen(answer, "rb", buffering=0)
        self.pid = self._line()

    def _line(self) -> int:
        line = self._answer.readline()
        if not line:
            raise RuntimeError(f"{self.args}: the process that forked this program has ended")
        return int(line)

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._answer], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = self._line()
            self._answer.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


class _Server:
    """A process that forks programs.

    Attributes:
        forks: Whether it can, which depends on its imports.
    """

    def __init__(self, python: str, imports: tuple[str, ...], environment: dict[str, str]):
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with tempfile.TemporaryFile() as log, theirs:
            self._process = subprocess.Popen(
                [python, str(SERVER), str(theirs.fileno()), *imports],
                env=environment,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            theirs.close()
            answer = self._control.recv(100).decode()
            if not answer:
                self.close()
                log.seek(0)
                raise RuntimeError(f"{python} cannot import {imports}:\n{log.read().decode()}")
        self.forks = answer == "threads: 1"

    def fork(self, words: list[str], cwd: str, output: IO[bytes], errors: IO[bytes]) -> _Forked:
        """Start a program with these standard streams."""
        if words[0] in ("-m", "-c"):
            request = {"kind": words[0], "name": words[1], "arguments": words[2:]}
        else:
            request = {"kind": "file", "name": words[0], "arguments": words[1:]}
        message = json.dumps({**request, "cwd": cwd}).encode()
        reader, writer = os.pipe()
        null = os.open(os.devnull, os.O_RDONLY)
        try:
            descriptors = [null, output.fileno(), errors.fileno(), writer]
            socket.send_fds(self._control, [message], descriptors)
        finally:
            os.close(null)
            os.close(writer)
        return _Forked(words, reader)

    def close(self) -> None:
        """End it. Its programs continue."""
        self._control.close()
        self._process.wait()


def _server(python: str, imports: tuple[str, ...], environment: dict[str, str]) -> _Server:
    """The server for these; the one that was not used for longest makes room."""
    key = (python, imports, *sorted(environment.items()))
    server = _servers.pop(key, None) or _Server(python, imports, environment)
    _servers[key] = server
    while len(_servers) > MOST_SERVERS:
        _servers.pop(next(iter(_servers))).close()
    return server
