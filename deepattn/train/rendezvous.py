"""A meeting of all workers before TensorFlow connects them; it never gives up on a missing one."""

import os
import socket
import time
from collections.abc import Sequence

from deepattn.errors import DistributionError

_GO = b"go\n"
# s. Between two attempts to reach the first worker, and for a guest to say who it is.
_PAUSE = 0.2
_PATIENCE = 5.0


def meet(addresses: Sequence[str], place: int, *, timeout: float) -> None:
    """Return when all workers have called this, each at its own address.

    The first worker listens, the others call it, and when all have called it lets them go. The port
    is free again afterwards, for TensorFlow.

    Args:
        addresses: ``host:port`` of each worker.
        place: which of them this process is.
        timeout: how long to wait, s.

    Raises:
        DistributionError: some have not come, or the own port cannot be used.
    """
    deadline = time.monotonic() + timeout
    _, port = _split(addresses[place])
    try:
        listener = socket.create_server(("", port))
    except OSError as error:
        raise DistributionError(
            f"worker {place} cannot listen at port {port}, as {addresses[place]} in TF_CONFIG "
            f"says: {os.strerror(error.errno)}; give it a port that is free."
        ) from None
    with listener:
        if place == 0:
            _receive(listener, addresses, deadline, timeout)
        else:
            _call(addresses, place, deadline, timeout)


def _receive(
    listener: socket.socket, addresses: Sequence[str], deadline: float, timeout: float
) -> None:
    guests: dict[int, socket.socket] = {}
    try:
        while len(guests) < len(addresses) - 1:
            listener.settimeout(max(deadline - time.monotonic(), 1e-3))
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                missing = [k for k in range(1, len(addresses)) if k not in guests]
                names = ", ".join(f"{k} ({addresses[k]})" for k in missing)
                raise DistributionError(
                    f"TF_CONFIG asks for {len(addresses)} workers, but worker {names} has not come "
                    f"within {timeout:g} s; start one process for each address."
                ) from None
            place = _who(connection, len(addresses))
            if place is None:
                connection.close()
            else:
                guests[place] = connection
        for connection in guests.values():
            connection.sendall(_GO)
    finally:
        for connection in guests.values():
            connection.close()


def _who(connection: socket.socket, count: int) -> int | None:
    """Which worker calls; None if it is someone else, or one of another training."""
    connection.settimeout(_PATIENCE)
    try:
        with connection.makefile("rb") as stream:
            words = stream.readline(64).split()
    except OSError:
        return None
    known = {_greeting(place, count).strip(): place for place in range(1, count)}
    return known.get(b" ".join(words))


def _greeting(place: int, count: int) -> bytes:
    return f"deepattn worker {place} of {count}\n".encode()


def _call(addresses: Sequence[str], place: int, deadline: float, timeout: float) -> None:
    while True:
        left = max(deadline - time.monotonic(), 1e-3)
        try:
            with socket.create_connection(_split(addresses[0]), timeout=left) as connection:
                connection.sendall(_greeting(place, len(addresses)))
                # The first worker's time may have begun later than ours.
                connection.settimeout(left + timeout)
                if connection.recv(len(_GO)) == _GO:
                    return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise DistributionError(
                f"worker 0 at {addresses[0]} has not gathered the {len(addresses)} workers of "
                f"TF_CONFIG within {timeout:g} s; start one process for each address."
            )
        time.sleep(_PAUSE)


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
