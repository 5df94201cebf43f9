"""Tests of what simple-websocket uses as its socket, on real pairs of sockets."""

import socket
import threading
import time

from logstream.protocol import close_frame, text_frame
from logstream.web.connection import Connection
from logstream.web.socket_adapter import SocketAdapter


def test_nothing_follows_a_close_frame_of_simple_websockets(pair: tuple[Connection, socket.socket]) -> None:
    """A close frame that answers the client's ends the sending, also behind a pong in the same write."""
    connection, client = pair
    adapter = SocketAdapter(connection, 25.0)
    adapter.send(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    adapter.send(b"\x8a\x02hi" + close_frame(1000))
    assert not connection.offer_frame(b"\x81\x00")


def test_no_text_is_taken_for_a_close_frame(pair: tuple[Connection, socket.socket]) -> None:
    """Only control frames are looked into: the bytes of a log may be any."""
    connection, client = pair
    adapter = SocketAdapter(connection, 25.0)
    for length in (130, 254, 1000):
        for byte in (0x88, 0x98, 0xC8):
            adapter.send(text_frame(bytes([byte]) * length))
            assert len(client.recv(4096)) > length
    assert connection.offer_frame(b"\x81\x00")


def test_a_silent_client_is_pinged_and_then_gone(pair: tuple[Connection, socket.socket]) -> None:
    """Silence makes a ping; more silence after it ends the stream for the reader."""
    connection, client = pair
    adapter = SocketAdapter(connection, 0.1)
    assert adapter.recv(100) == b""
    assert client.recv(100) == b"\x89\x00"


def test_an_answer_to_a_ping_keeps_the_client(pair: tuple[Connection, socket.socket]) -> None:
    """Whatever the client says proves that it is there."""
    connection, client = pair
    adapter = SocketAdapter(connection, 0.2)
    for _ in range(3):
        answer = threading.Thread(target=lambda: client.recv(2) and client.sendall(b"pong"))
        answer.start()
        assert adapter.recv(100) == b"pong"
        answer.join()


def test_what_is_due_is_done_though_nothing_comes(pair: tuple[Connection, socket.socket]) -> None:
    """It neither makes a client silent nor keeps one from being asked whether it is there."""
    connection, client = pair
    adapter = SocketAdapter(connection, 0.3)
    done: list[float] = []
    adapter.before_reading = lambda: done.append(time.monotonic())
    adapter.due = lambda: done[-1] + 0.05
    assert adapter.recv(100) == b""
    assert client.recv(100) == b"\x89\x00"
    assert len(done) > 3
