"""Tests of the client's end of a WebSocket, against one that is scripted frame by frame."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Event, Ping, Pong, Request, TextMessage

from logstream.websocket import LostError, RefusedError, WebSocket

Served = Callable[..., tuple[WebSocket, list[Event]]]


@pytest.fixture
def serve() -> Iterator[Served]:
    """Connects a client to a server that sends these events at once, then notes what comes, and closes in the end."""
    listener = socket.create_server(("127.0.0.1", 0))
    opened: list[WebSocket] = []
    threads: list[threading.Thread] = []

    def connect(*events: Event, headers: dict[str, str] | None = None) -> tuple[WebSocket, list[Event]]:
        received: list[Event] = []

        def run() -> None:
            sock, _ = listener.accept()
            protocol = WSConnection(ConnectionType.SERVER)
            with sock:
                sock.settimeout(5)
                while data := sock.recv(65536):
                    protocol.receive_data(data)
                    for event in protocol.events():
                        received.append(event)
                        if isinstance(event, Request):
                            sock.sendall(b"".join(map(protocol.send, (AcceptConnection(), *events))))
                        if isinstance(event, CloseConnection):
                            return

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        opened.append(WebSocket(f"ws://127.0.0.1:{listener.getsockname()[1]}/a b/ö/ws", headers or {}, 5))
        return opened[-1], received

    yield connect
    for ws in opened:
        ws.close()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    listener.close()


def test_messages_arrive_whole(serve: Served) -> None:
    """In fragments or not, several in one read, and those that come before a close frame."""
    ws, _ = serve(
        TextMessage(data="grö", message_finished=False),
        Ping(),
        TextMessage(data="ßer"),
        BytesMessage(data=b"not for us"),
        TextMessage(data="second"),
        CloseConnection(code=1001),
    )
    assert [ws.receive(1), ws.receive(1)] == ["größer", "second"]
    for _ in range(2):
        with pytest.raises(LostError, match="closed"):
            ws.receive(1)


def test_a_ping_is_answered(serve: Served) -> None:
    """With what it carries."""
    ws, received = serve(Ping(payload=b"there?"), TextMessage(data="text"))
    ws.receive(1)
    ws.send("answer")
    ws.close()
    while not any(isinstance(event, CloseConnection) for event in received):
        threading.Event().wait(0.01)
    _, pong, answer, close = received
    assert isinstance(pong, Pong)
    assert pong.payload == b"there?"
    assert isinstance(answer, TextMessage)
    assert answer.data == "answer"
    assert isinstance(close, CloseConnection)
    assert close.code == 1000


def test_silence_is_an_error_that_ends_nothing(serve: Served) -> None:
    """The next message can be waited for again; a closed connection cannot."""
    ws, _ = serve()
    for _ in range(2):
        with pytest.raises(TimeoutError):
            ws.receive(0.05)
    ws.close()
    ws.close()
    with pytest.raises(OSError):
        ws.receive(1)
    with pytest.raises((LostError, OSError)):
        ws.send("text")


def test_the_request_names_the_server_and_the_path(serve: Served) -> None:
    """The host with its port, and the path in ASCII."""
    _, received = serve(TextMessage(data="text"), headers={"X-Test": "yes"})
    request = received[0]
    assert isinstance(request, Request)
    assert request.host.startswith("127.0.0.1:")
    assert request.target == "/a%20b/%C3%B6/ws"
    assert (b"x-test", b"yes") in request.extra_headers


def test_headers_are_ascii() -> None:
    """Anything else is an error before anything is sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(ValueError):
        WebSocket(f"ws://127.0.0.1:{listener.getsockname()[1]}/ws", {"X-Test": "ö"}, 5)


def test_a_refusal_has_its_status() -> None:
    """Also where the answer ends with the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.recv(1000)
                sock.sendall(b"HTTP/1.1 503 Full\r\n\r\n")

        thread = threading.Thread(target=refuse)
        thread.start()
        with pytest.raises(RefusedError) as refused:
            WebSocket(f"ws://127.0.0.1:{listener.getsockname()[1]}/ws", {}, 5)
        assert refused.value.status == 503
        thread.join()


def test_a_server_has_so_much_time_to_answer_and_no_more() -> None:
    """Where it is up, nothing more is tried."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with pytest.raises(TimeoutError):
            WebSocket(f"ws://127.0.0.1:{listener.getsockname()[1]}/ws", {}, 0)
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_an_interrupt_ends_the_connecting(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not taken for an address that does not answer, and leaves no socket open."""
    made: list[socket.socket] = []

    class Interrupted(socket.socket):
        def connect(self, address: object) -> None:
            made.append(self)
            raise KeyboardInterrupt

    addresses = socket.getaddrinfo("127.0.0.1", 9, type=socket.SOCK_STREAM)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses * 2)
    monkeypatch.setattr(socket, "socket", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        WebSocket("ws://127.0.0.1:9/ws", {}, 5)
    assert [sock.fileno() for sock in made] == [-1]
