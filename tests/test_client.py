"""Tests of the Python client, against real servers that come and go."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Generator
from pathlib import Path

import pytest

from logstream.client import Event, NoServerError, NotAllowedError, SessionError, follow

from .serving import PATIENCE, ServerProcess, Starting, wait_until

MIXED = "größer 日本語 😀\n"


def url(server: ServerProcess) -> str:
    """A server's address."""
    return f"http://127.0.0.1:{server.port}"


def first_of(events: Generator[Event, None, None]) -> Event:
    """The first event of an iterator that then ends, and its connection with it."""
    with contextlib.closing(events):
        return next(events)


class Reader:
    """Follows a session on a thread, by the rule of the protocol."""

    def __init__(self, *arguments: str, **options: object) -> None:
        self.text = ""
        self.events: list[Event] = []
        self.thread = threading.Thread(target=self._read, args=(arguments, options), daemon=True)
        self.thread.start()

    def _read(self, arguments: tuple[str, ...], options: dict[str, object]) -> None:
        for event in follow(*arguments, **options):  # type: ignore[arg-type]
            self.events.append(event)
            self.text = event.text if event.reset else self.text + event.text


def test_a_session_is_followed_to_its_end(server: ServerProcess, session: str, log: Path) -> None:
    """The whole log, what is appended, a start over, the rest; then the loop is over."""
    log.write_text(MIXED * 100_000)
    reader = Reader(url(server), session)
    wait_until(lambda: reader.text == MIXED * 100_000)
    assert reader.events[0].reset
    assert reader.events[0].size == log.stat().st_size
    assert reader.events[-1].offset == log.stat().st_size
    with log.open("a") as file:
        file.write("appended")
    wait_until(lambda: reader.text.endswith("appended"))
    log.write_text("anew")
    wait_until(lambda: reader.text == "anew")
    server.complete(session)
    reader.thread.join(PATIENCE)
    assert reader.events[-1].complete
    assert [event.complete for event in reader.events].count(True) == 1


def test_a_restart_of_the_server_is_not_seen(start: Starting, address: str) -> None:
    """While the server is down the iterator waits; then it goes on, with nothing lost or twice, and one load."""
    server = start("gunicorn", LOGSTREAM_BIND=address)
    log = server.log("a")
    log.write_text(MIXED)
    reader = Reader(url(server), "a")
    wait_until(lambda: reader.text == MIXED)
    for number in range(3):
        server.stop()
        with log.open("a") as file:
            file.write(f"{number} {MIXED}")
        server = start("gunicorn", LOGSTREAM_BIND=address)
        wait_until(lambda: reader.text == log.read_text())
    server.complete("a")
    reader.thread.join(PATIENCE)
    assert [event.reset for event in reader.events].count(True) == 1
    server.stop()


def test_where_to_begin(server: ServerProcess, session: str, log: Path) -> None:
    """With the last lines, behind a cursor, or when there is a log."""
    log.write_text("1\n2\n3\n")
    first = first_of(follow(url(server), session, tail=1))
    assert (first.text, first.reset) == ("3\n", True)
    with log.open("a") as file:
        file.write("4\n")
    resumed = first_of(follow(f"{url(server)}/ws", session, cursor=first.cursor))
    assert (resumed.text, resumed.reset) == ("4\n", False)
    reader = Reader(f"127.0.0.1:{server.port}", f"{session}-later", wait=True)
    server.log(f"{session}-later").write_text("there")
    wait_until(lambda: reader.text == "there")
    server.complete(f"{session}-later")
    reader.thread.join(PATIENCE)


def test_what_is_wrong_is_said(start: Starting) -> None:
    """No server, not allowed, no such session: each is an error of its own, with a sentence."""
    server = start("gunicorn", LOGSTREAM_TOKEN="secret")
    with pytest.raises(NotAllowedError, match="token"):
        first_of(follow(url(server), "a"))
    with pytest.raises(SessionError, match="not found"):
        first_of(follow(url(server), "a", token="secret"))
    server.log("a").write_text("text")
    assert first_of(follow(url(server), "a", token="secret")).text == "text"
    server.stop()
    with pytest.raises(NoServerError):
        first_of(follow(url(server), "a"))
    for nonsense in ("ftp://127.0.0.1", "http://", "http://127.0.0.1:x"):
        with pytest.raises(NoServerError):
            first_of(follow(nonsense, "a"))


def test_a_server_that_speaks_something_else_is_no_server() -> None:
    """Whoever answers, and with whatever: it is an error with a sentence."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            for reply in (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", b"SSH-2.0-OpenSSH\r\n", b""):
                sock, _ = listener.accept()
                sock.recv(1000)
                sock.sendall(reply)
                sock.close()

        thread = threading.Thread(target=answer)
        thread.start()
        for _ in range(3):
            with pytest.raises(NoServerError):
                first_of(follow(f"http://127.0.0.1:{listener.getsockname()[1]}", "a"))
        thread.join()


def test_without_reconnecting_a_lost_connection_is_an_error(start: Starting) -> None:
    """For programs that want to decide for themselves."""
    server = start("gunicorn")
    server.log("a").write_text("text")
    events = follow(url(server), "a", reconnect=False)
    assert next(events).text == "text"
    server.stop()
    with pytest.raises(NoServerError, match="lost"):
        next(events)
