"""A WebSocket's handshake for servers that do nothing else with care."""

from __future__ import annotations

import base64
import hashlib
import socket

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def shake_hands(sock: socket.socket) -> bool:
    """Answer a request with a WebSocket; whether there was one."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    request = b""
    while not request.endswith(b"\r\n\r\n"):
        if not (data := sock.recv(4096)):
            return False
        request += data
    key = request.lower().partition(b"sec-websocket-key: ")[2].partition(b"\r\n")[0]
    key = request[request.lower().index(key) :][: len(key)]
    accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    sock.sendall(head + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
    return True
