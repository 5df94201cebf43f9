"""Whether an address is to be had for a server, found out before one is started."""

from __future__ import annotations

import contextlib
import errno
import socket

_REASONS = {
    errno.EADDRINUSE: "is taken by another process",
    errno.EADDRNOTAVAIL: "is no address of this machine",
    errno.EACCES: "is not this user's to take",
}


def binding_problem(address: str) -> str | None:
    """Why a server cannot bind HOST:PORT, as the end of a sentence; None where it can, or for a Unix socket."""
    if address.startswith("unix:"):
        return None
    host, _, port = address.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, place = found[0]
        with contextlib.closing(socket.socket(family, kind, protocol)) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
            sock.bind(place)
    except OSError as error:
        return _REASONS.get(error.errno or 0) or f"cannot be bound: {error.strerror}"
    return None
