"""Tests of making a WebSocket of an HTTP request."""

import socket

import pytest
from werkzeug.test import EnvironBuilder

from logstream.config import Settings
from logstream.web.connection import Connection, Traffic
from logstream.web.upgrade import WebSockets


def test_what_ends_the_process_ends_the_connection_first(pair: tuple[Connection, socket.socket]) -> None:
    """After an upgrade nothing of HTTP may follow, whatever the server makes of the error."""
    connection, client = pair
    headers = {
        "Host": "localhost",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    environ = EnvironBuilder("/ws", headers=headers).get_environ()

    def serve(*_: object) -> None:
        raise SystemExit

    started: list[object] = []
    answer = WebSockets(Settings(), Traffic()).run(
        environ, connection.sock, serve, lambda *given: started.append(given) or print
    )
    with pytest.raises(SystemExit):
        list(answer)
    assert not started
    received = b""
    while data := client.recv(65536):
        received += data
    assert received.startswith(b"HTTP/1.1 101 ")
    assert received.endswith(b"\r\n\r\n")
