"""Addresses for the workers of a test, on this machine alone."""

import socket


def free_addresses(count):
    """Addresses of unused ports."""
    return [f"127.0.0.1:{port}" for port in free_ports(count)]


def free_ports(count):
    """Numbers of unused ports."""
    sockets = [socket.socket() for _ in range(count)]
    for entry in sockets:
        entry.bind(("127.0.0.1", 0))
    ports = [entry.getsockname()[1] for entry in sockets]
    for entry in sockets:
        entry.close()
    return ports
