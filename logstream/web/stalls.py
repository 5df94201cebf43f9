"""An end to HTTP answers that their client does not read: they would hold a thread for ever."""

from __future__ import annotations

import contextlib
import socket
import struct

from flask import Response, request

from .connection import limit_unsent, milliseconds
from .sockets import find_socket

# Bytes that may wait in the kernel. A blocked thread is not told that its client takes something before half of them
# are gone, or without a limit a third of megabytes.
_UNSENT = 256 * 1024


def limit_stall(response: Response, seconds: float) -> Response:
    """Have sending a response fail where its client takes nothing for so long. For `after_request`."""
    sock = find_socket(request.environ)
    if sock is not None:
        response.direct_passthrough = False  # the web server would wait by itself, and not say when it has sent a file
        _limit(sock, seconds, _UNSENT)
        response.call_on_close(lambda: _limit(sock, 0, 0))  # what follows on the connection may be the app's own
    return response


def _limit(sock: socket.socket, seconds: float, unsent: int) -> None:
    """Set the kernel's own timeout, of each call that blocks, and how much may wait there; 0 for as it was."""
    whole, thousandths = divmod(milliseconds(seconds), 1000)
    timeout = struct.pack("ll", whole, thousandths * 1000)
    with contextlib.suppress(OSError):  # it is gone
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeout)
    with contextlib.suppress(OSError):  # not TCP, or gone
        limit_unsent(sock, unsent)
