"""Rendezvous of all workers, before TensorFlow connects them.

TensorFlow waits forever for a missing worker, and trusts any process. The rendezvous has a
deadline, and authenticates workers by a shared secret.
"""

import errno
import hmac
import ipaddress
import logging
import os
import secrets
import selectors
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from deepattn.errors import DistributionError
from deepattn.train.distributed.barrier import LONGEST, Barrier, expect, line_of
from deepattn.train.distributed.secret import VARIABLE

log = logging.getLogger(__name__)

_GREETING = b"deepattn 2 "
_REFUSED = b"refused"
_GO = b"go"
_NONCE = 32  # bytes of a number used once
# Connections that have not authenticated yet; with more, the oldest are closed.
_UNAUTHENTICATED = 64
# s. For authentication, between two calls, and between two that were refused.
_PATIENCE = 10.0
_PAUSE = 0.2
_LONG_PAUSE = 1.0
# Refused callers that are logged; the rest would only fill the log.
_LOGGED = 5


@contextmanager
def rendezvous(
    addresses: Sequence[str], place: int, *, secret: Callable[[], bytes | None], timeout: float
) -> Iterator[Barrier]:
    """Enter the block when all workers have called this, each at its own address.

    The first worker listens and the others connect to it. Both sides prove that they know the
    secret without sending it. When all are connected, the first releases them; its port is then
    free for TensorFlow.

    Args:
        addresses: ``host:port`` of each worker.
        place: Number of this worker.
        secret: Returns the secret, or None while this worker does not have it.
        timeout: How long to wait, s.

    Yields:
        The connections, which are closed after the block.

    Raises:
        DistributionError: Workers are missing or inconsistent, or the own address cannot be
            used.
    """
    deadline = time.monotonic() + timeout
    with ExitStack() as listening, ExitStack() as connected:
        listeners = _listen(addresses, place, listening)
        if place == 0:
            with _Host(addresses, secret, timeout) as host:
                connections = host.receive(listeners, deadline)
            for connection in connections.values():
                connected.enter_context(connection)
                connection.setblocking(True)
            listening.close()
            with suppress(OSError):  # one that has ended since is noticed when it is waited for
                for connection in connections.values():
                    connection.sendall(_GO + b"\n")
        else:
            listening.close()
            first = _call(addresses, place, secret, deadline, timeout)
            connections = {0: connected.enter_context(first)}
        yield Barrier(connections, addresses, place, timeout)


@dataclass
class _Caller:
    """A connection to the first worker."""

    connection: socket.socket
    name: str
    give_up: float
    nonce: str = field(default_factory=lambda: secrets.token_hex(_NONCE))
    received: bytes = b""
    place: int | None = None


class _Host:
    """The first worker's part of the rendezvous, which no caller can block.

    Args:
        addresses: ``host:port`` of each worker.
        secret: Returns the secret.
        timeout: Time limit, s, for the message.
    """

    def __init__(
        self, addresses: Sequence[str], secret: Callable[[], bytes | None], timeout: float
    ) -> None:
        key = secret()
        if key is None:
            raise DistributionError(f"worker 0 has no secret; see {VARIABLE}.")
        self._addresses = addresses
        self._key = key
        self._timeout = timeout
        self._callers: list[_Caller] = []
        self._refused = 0
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> "_Host":
        return self

    def __exit__(self, *error: object) -> None:
        self._selector.close()
        # Those of workers are kept if all is well.
        for caller in self._callers:
            if error[0] is not None or caller.place is None:
                caller.connection.close()

    def receive(
        self, listeners: Sequence[socket.socket], deadline: float
    ) -> dict[int, socket.socket]:
        """Accept the connections of all other workers, by number."""
        for listener in listeners:
            self._selector.register(listener, selectors.EVENT_READ, listener)
        while len(workers := self._workers()) < len(self._addresses) - 1:
            now = time.monotonic()
            if now >= deadline:
                missing = [k for k in range(1, len(self._addresses)) if k not in workers]
                names = ", ".join(f"{k} ({self._addresses[k]})" for k in missing)
                raise DistributionError(
                    f"TF_CONFIG has {len(self._addresses)} workers, but worker {names} has "
                    f"not connected within {self._timeout:g} s; start one process per "
                    "address."
                )
            for caller in [c for c in self._callers if c.place is None and c.give_up <= now]:
                self._drop(caller)
            ends = [caller.give_up for caller in self._callers if caller.place is None]
            for key, _ in self._selector.select(min([deadline, *ends]) - now):
                if isinstance(key.data, socket.socket):
                    self._accept(key.data)
                elif key.data in self._callers:
                    self._read(key.data)
        return workers

    def _workers(self) -> dict[int, socket.socket]:
        return {c.place: c.connection for c in self._callers if c.place is not None}

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, address = listener.accept()
        except OSError:  # the caller is gone already
            return
        connection.setblocking(False)
        caller = _Caller(connection, str(address[0]), time.monotonic() + _PATIENCE)
        unauthenticated = [other for other in self._callers if other.place is None]
        if len(unauthenticated) >= _UNAUTHENTICATED:
            self._drop(unauthenticated[0])
        self._callers.append(caller)
        self._selector.register(connection, selectors.EVENT_READ, caller)
        self._send(caller, _GREETING + caller.nonce.encode())

    def _read(self, caller: _Caller) -> None:
        try:
            text = caller.connection.recv(LONGEST)
        except BlockingIOError:
            return
        except OSError:
            text = b""
        caller.received += text
        # A worker sends nothing before it is released.
        if not text or caller.place is not None or len(caller.received) > LONGEST:
            self._drop(caller)
        elif b"\n" in caller.received:
            self._answer(caller, caller.received.partition(b"\n")[0].split(b" "))

    def _answer(self, caller: _Caller, words: list[bytes]) -> None:
        count = len(self._addresses)
        if len(words) != 4 or not all(word.isalnum() for word in words):
            self._drop(caller)
            return
        place, theirs, nonce, proof = (word.decode("ascii", "replace") for word in words)
        facts = (caller.nonce, nonce, place, theirs)
        if not hmac.compare_digest(_prove(self._key, "worker", *facts), proof.encode()):
            self._refuse(caller, place)
            return
        self._send(caller, _prove(self._key, "first", *facts) + f" {count}".encode())
        if int(theirs) != count:
            raise DistributionError(
                f"worker {place} on {caller.name} has another TF_CONFIG: it has {theirs} "
                f"workers, that of worker 0 has {count}; give all workers the same cluster."
            )
        if int(place) in self._workers():
            raise DistributionError(
                f"two processes, the second on {caller.name}, are both worker {place}; give "
                "each a different index in TF_CONFIG."
            )
        caller.place = int(place)

    def _refuse(self, caller: _Caller, place: str) -> None:
        self._refused += 1
        if self._refused <= _LOGGED:
            log.warning(
                "rejected a connection from %s as worker %.20s: wrong secret",
                caller.name,
                place,
            )
        self._send(caller, _REFUSED)
        self._drop(caller)

    def _send(self, caller: _Caller, line: bytes) -> None:
        # A few hundred bytes always fit into what the system keeps for a connection.
        with suppress(OSError):
            caller.connection.send(line + b"\n")

    def _drop(self, caller: _Caller) -> None:
        self._callers.remove(caller)
        self._selector.unregister(caller.connection)
        caller.connection.close()


def _call(
    addresses: Sequence[str],
    place: int,
    secret: Callable[[], bytes | None],
    deadline: float,
    timeout: float,
) -> socket.socket:
    """A connection to the first worker, which has let this one go."""
    reason = ""
    while True:
        pause = _PAUSE
        with ExitStack() as stack:
            try:
                left = max(deadline - time.monotonic(), 1e-3)
                connection = socket.create_connection(_split(addresses[0]), timeout=left)
                stack.enter_context(connection)
                _introduce(connection, len(addresses), place, secret(), deadline)
                # The first worker's time may have begun later than ours.
                expect(connection, _GO, deadline + timeout)
                connection.settimeout(None)
                stack.pop_all()
                return connection
            except _Refused as error:
                if not reason:
                    log.warning("worker 0 at %s: %s; trying again", addresses[0], error)
                pause, reason = _LONG_PAUSE, f" ({error})"
            except OSError:  # it does not listen yet, or has gone
                pass
        if time.monotonic() > deadline:
            raise DistributionError(
                f"worker 0 at {addresses[0]} has not connected the {len(addresses)} workers "
                f"of TF_CONFIG within {timeout:g} s{reason}; start one process per address."
            )
        time.sleep(pause)


class _Refused(Exception):
    """The two sides do not know the same secret, in words."""


def _introduce(
    connection: socket.socket, count: int, place: int, key: bytes | None, deadline: float
) -> None:
    """Prove to the first worker that this one knows the secret, and verify that it does too."""
    deadline = min(deadline, time.monotonic() + _PATIENCE)
    greeting = line_of(connection, deadline)
    if not greeting.startswith(_GREETING):
        raise ConnectionError
    if key is None:
        raise _Refused(f"this worker has not found the secret; see {VARIABLE}")
    nonce = secrets.token_hex(_NONCE)
    theirs = greeting.removeprefix(_GREETING).decode("ascii", "replace")
    facts = (theirs, nonce, str(place), str(count))
    proof = _prove(key, "worker", *facts)
    connection.sendall(f"{place} {count} {nonce} ".encode() + proof + b"\n")
    answer = line_of(connection, deadline)
    if answer == _REFUSED:
        raise _Refused(f"it has another secret; see {VARIABLE}")
    proof, _, named = answer.partition(b" ")
    if not hmac.compare_digest(_prove(key, "first", *facts), proof):
        raise _Refused("the process at that address does not know the secret")
    if named.decode("ascii", "replace") != str(count):
        raise DistributionError(
            f"worker {place} has another TF_CONFIG than worker 0: it has {count} workers, "
            f"that of worker 0 has {named.decode('ascii', 'replace')}; give all workers the "
            "same cluster."
        )


def _prove(key: bytes, *words: str) -> bytes:
    """Message authentication code of these words."""
    return hmac.digest(key, " ".join(words).encode(), "sha256").hex().encode()


def _listen(addresses: Sequence[str], place: int, stack: ExitStack) -> list[socket.socket]:
    """Sockets at the address of this worker, one for each that its name stands for."""
    host, port = _split(addresses[place])
    try:
        entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise DistributionError(
            f"worker {place} cannot listen at {addresses[place]} (from TF_CONFIG): "
            f"{error.strerror}."
        ) from None
    found: dict[str, tuple[int, Any]] = {str(e[4][0]): (e[0], e[4]) for e in entries}
    # Some systems give their own name the address 127.0.1.1, where no other machine can call.
    loopback = all(ipaddress.ip_address(name.partition("%")[0]).is_loopback for name in found)
    if (
        loopback
        and any(_split(address)[0] != host for address in addresses)
        and not _is_local(host)
    ):
        found = {"": (socket.AF_INET, ("", port))}
    listeners = []
    for family, address in found.values():
        listener = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            listener.bind(address)
            listener.listen()
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL and len(found) > 1:
                continue
            raise DistributionError(
                f"worker {place} cannot listen at port {port} ({addresses[place]} in "
                f"TF_CONFIG): {os.strerror(error.errno or errno.EINVAL)}; use an address of "
                "its machine and a free port."
            ) from None
        listener.setblocking(False)
        listeners.append(listener)
    if not listeners:
        raise DistributionError(
            f"worker {place} cannot listen at {addresses[place]} (from TF_CONFIG): it is not "
            "an address of this machine."
        )
    return listeners


def _is_local(host: str) -> bool:
    """Whether a name refers to this machine only."""
    with suppress(ValueError):
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    return host == "localhost" or host.endswith(".localhost")


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
