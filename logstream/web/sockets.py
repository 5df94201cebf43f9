"""The socket that a request has come on, which web servers put into the WSGI environ."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

    from _typeshed.wsgi import WSGIEnvironment

SOCKET_KEYS = ("werkzeug.socket", "gunicorn.socket")  # where simple-websocket looks, too


def find_socket(environ: WSGIEnvironment) -> socket.socket | None:
    """A request's socket; None where the web server hides it, or ends TLS on it."""
    sock = next((environ[key] for key in SOCKET_KEYS if key in environ), None)
    return None if isinstance(sock, ssl.SSLSocket) else sock
