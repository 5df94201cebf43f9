"""Tests of the Python client, against real servers that come and go."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from logstream import client
from logstream.client import Event, NoServerError, NotAllowedError, SessionError, follow, server_address

from .proxy import Proxy
from .scripted import Say, ScriptedServer
from .serving import PATIENCE, ServerProcess, Starting, wait_until
from .stopwatch import Stopwatch

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


def data(text: str, *, initial: bool = False, complete: bool = False) -> dict[str, Any]:
    """A server's message about a session `a`."""
    size = len(text.encode())
    return {
        **{"type": "logs:data", "sessionName": "a", "data": text, "isInitial": initial, "isComplete": complete},
        **{"cursor": f"{size}.0", "size": size},
    }


def error(sentence: str, session: str | None = "a") -> dict[str, Any]:
    """A server's refusal."""
    return {"type": "logs:error", "sessionName": session, "error": sentence}


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that waits for less time."""
    for name, seconds in (("CONNECT_TIMEOUT", 0.5), ("SILENCE", 0.3), ("PATIENCE", 0.3), ("_LAST_DELAY", 0.2)):
        monkeypatch.setattr(client, name, seconds)


def test_how_long_is_waited() -> None:
    """What the documentation promises, and the tests below shorten."""
    assert (client.CONNECT_TIMEOUT, client.SILENCE, client.PATIENCE) == (10, 20, 5)


@pytest.fixture
def full() -> Iterator[tuple[str, int]]:
    """An address at which nobody accepts: a connection is neither made nor refused."""
    with contextlib.ExitStack() as opened:
        listener = opened.enter_context(socket.create_server(("127.0.0.2", 0), backlog=0))
        for _ in range(4):
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()


@pytest.mark.parametrize("first", ["refuses", "hangs", "cannot be"])
def test_each_address_of_a_name_is_tried(
    server: ServerProcess,
    session: str,
    log: Path,
    full: tuple[str, int],
    monkeypatch: pytest.MonkeyPatch,
    hasty: None,
    first: str,
) -> None:
    """`localhost` that leads to ::1 first, with a server on 127.0.0.1; or to one that does not answer."""
    log.write_text("text")
    addresses: dict[str, tuple[int, tuple[Any, ...]]] = {
        "refuses": (socket.AF_INET6, ("::1", server.port, 0, 0)),
        "hangs": (socket.AF_INET, full),
        "cannot be": (socket.AF_APPLETALK, ()),
    }
    family, address = addresses[first]

    def resolve(host: str, port: int, *_: object, **__: object) -> list[Any]:
        assert (host, port) == ("localhost", server.port)
        kind = (socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [(family, *kind, address), (socket.AF_INET, *kind, ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert first_of(follow(f"http://localhost:{server.port}", session)).text == "text"


def test_a_server_on_ipv6_is_followed(server: ServerProcess, session: str, log: Path) -> None:
    """It takes the client for one that names this machine."""
    log.write_text("text")
    try:
        proxy = Proxy(server.port, host="::1")
    except OSError:
        pytest.skip("needs IPv6 on the loopback interface: sysctl net.ipv6.conf.lo.disable_ipv6=0")
    with proxy:
        assert first_of(follow(f"http://[::1]:{proxy.port}", session)).text == "text"


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    "reply", [b"", b"HTTP/1.1 101 Switching Protocols\r\n", b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100]
)
def test_a_server_that_never_has_done_is_an_error(hasty: None, scheme: str, reply: bytes) -> None:
    """It says nothing, or begins, or says a little now and then; in TLS's handshake or behind it."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            sock, _ = listener.accept()
            with sock, contextlib.suppress(OSError):
                for byte in reply:
                    sock.sendall(bytes((byte,)))
                    done.wait(0.05)
                done.wait(10)

        thread = threading.Thread(target=drip)
        thread.start()
        watch = Stopwatch()
        with pytest.raises(NoServerError, match=r"no server|status 200"):
            first_of(follow(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}", "a"))
        assert watch.seconds() < 2
        done.set()
        thread.join()


def test_a_connection_that_goes_silent_is_opened_again(
    server: ServerProcess, session: str, log: Path, hasty: None
) -> None:
    """The proxy between keeps it open and passes nothing: the text goes on where it was, with nothing twice."""
    log.write_text(MIXED)
    with Proxy(server.port) as proxy:
        reader = Reader(f"http://127.0.0.1:{proxy.port}", session)
        wait_until(lambda: reader.text == MIXED)
        time.sleep(1)  # asked and answered several times
        assert proxy.accepted == 1
        for number in range(2, 4):
            proxy.silence()
            with log.open("a") as file:
                file.write(f"{number} {MIXED}")
            wait_until(lambda: reader.text == log.read_text())
            assert proxy.accepted == number
        assert [event.reset for event in reader.events].count(True) == 1
        server.complete(session)
        reader.thread.join(5)


def test_a_client_that_may_not_reconnect_notices_silence_too(
    server: ServerProcess, session: str, log: Path, hasty: None
) -> None:
    """It is an error like any lost connection."""
    with Proxy(server.port) as proxy:
        events = follow(f"http://127.0.0.1:{proxy.port}", session, reconnect=False)
        assert next(events).reset
        proxy.silence()
        with pytest.raises(NoServerError, match="lost"):
            next(events)


@pytest.mark.parametrize(
    "answer", [{"type": "pong"}, error("The type of a command must be …", None), {"type": "anything"}]
)
def test_any_answer_to_a_ping_will_do(hasty: None, answer: dict[str, Any]) -> None:
    """A server that knows none answers with an error of no session; what is not known is no message either."""

    def serve(command: dict[str, Any], say: Say) -> None:
        if command["type"] == "subscribe:logs":
            say(data("text", initial=True))
        else:
            say(answer)
            if len(scripted.commands) == 5:
                say(data(" and more", complete=True))

    with ScriptedServer(serve) as scripted:
        assert "".join(event.text for event in follow(scripted.url, "a")) == "text and more"
        assert scripted.connections == 1
        assert [command["type"] for command in scripted.commands] == ["subscribe:logs", *["ping"] * 4]


def test_an_answer_that_comes_slowly_is_one(hasty: None) -> None:
    """What counts is that something comes."""
    text = "x" * 5_000_000

    def serve(_: dict[str, Any], say: Say) -> None:
        say(data(text, initial=True, complete=True))

    class Slow(Proxy):
        def _pass(self, source: socket.socket, drain: socket.socket, passes: threading.Event) -> None:
            with contextlib.suppress(OSError):
                while received := source.recv(200_000):
                    drain.sendall(received)
                    time.sleep(0.1)

    with ScriptedServer(serve) as scripted, Slow(int(scripted.url.rpartition(":")[2])) as proxy:
        began = time.monotonic()
        assert first_of(follow(f"http://127.0.0.1:{proxy.port}", "a")).text == text
        assert time.monotonic() - began > client.SILENCE + client.PATIENCE
        assert proxy.accepted == 1


def test_a_session_that_was_followed_is_tried_again(hasty: None) -> None:
    """An error about it is told once, and ends nothing; the cursor says where to go on."""
    troubles: list[str] = []

    def serve(command: dict[str, Any], say: Say) -> None:
        count = len(scripted.commands)
        if count == 1:
            say(data("first", initial=True))
            say(error("Session 'a' cannot be read."))
        elif count < 5:
            say(error("Session 'a' cannot be read."))
        elif count == 5:
            say(data(" second"))
            say(error("Session 'a' has a log that the server may not read."))
        else:
            say(data(" third", complete=True))

    with ScriptedServer(serve) as scripted:
        events = list(follow(scripted.url, "a", tail=3, trouble=troubles.append))
        assert [event.text for event in events] == ["first", " second", " third"]
        assert [command["cursor"] for command in scripted.commands] == [True, *["5.0"] * 4, "7.0"]
        assert all(command["wait"] for command in scripted.commands[1:])
    assert troubles == ["Session 'a' cannot be read.", "Session 'a' has a log that the server may not read."]


@pytest.mark.parametrize("reconnect", [True, False])
def test_an_error_from_the_start_is_raised(hasty: None, reconnect: bool) -> None:
    """Nothing was followed yet; without reconnecting, later ones are raised as well."""

    def serve(_: dict[str, Any], say: Say) -> None:
        if begins:
            say(data("text", initial=True))
        say(error("Session 'a' is not for you to follow."))

    for begins in (False, True):
        with ScriptedServer(serve) as scripted:
            events = follow(scripted.url, "a", reconnect=reconnect)
            if begins:
                assert next(events).text == "text"
            if not begins or not reconnect:
                with pytest.raises(SessionError, match="not for you"):
                    next(events)
            events.close()


def test_an_error_without_a_session_is_an_error_where_nothing_was_asked(hasty: None) -> None:
    """A server that cannot read the command has no name to say."""
    with (
        ScriptedServer(lambda _, say: say(error("A command must be valid JSON.", None))) as scripted,
        pytest.raises(SessionError, match="valid JSON"),
    ):
        first_of(follow(scripted.url, "a"))


@pytest.mark.parametrize("message", ["no JSON", [], {"type": "logs:data"}, {**data("a"), "cursor": "x.1"}])
def test_a_websocket_that_is_not_logstream_s_is_an_error(hasty: None, message: object) -> None:
    """And no loop, and no traceback."""
    with (
        ScriptedServer(lambda _, say: say(message)) as scripted,
        pytest.raises(NoServerError, match="something else"),
    ):
        first_of(follow(scripted.url, "a"))


def test_a_reader_that_takes_its_time_misses_nothing(start: Starting) -> None:
    """The server lets it go meanwhile; it goes on where it was."""
    server = start("gunicorn", LOGSTREAM_PING_INTERVAL="0.2", LOGSTREAM_STALL_TIMEOUT="0.3")
    log = server.log("a")
    log.write_text(MIXED * 400_000)
    text = ""
    for number, event in enumerate(follow(url(server), "a")):
        text = event.text if event.reset else text + event.text
        if number == 1:
            time.sleep(1.5)
        if len(text) == len(MIXED) * 400_000:
            break
    assert text == log.read_text()
    server.stop()


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("ws://host/ws", "http://host"),
        ("wss://host/logs/ws/", "https://host/logs"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        *(("", None), ("http://", None), ("ftp://host", None), ("http://host:x", None), ("http://host:99999", None)),
        *(("http://host:0", None), ("http://[::1", None)),
    ],
)
def test_what_is_an_address(url: str, address: str | None) -> None:
    """With or without scheme and endpoint; anything else is said."""
    if address is not None:
        assert server_address(url) == address
        return
    with pytest.raises(NoServerError, match="no address"):
        server_address(url)


def test_what_cannot_be_sent_is_said() -> None:
    """A token that no server has, a name that no host has."""
    with pytest.raises(NotAllowedError, match="ASCII"):
        first_of(follow("http://127.0.0.1:9", "a", token="größer"))
    for host in ("x" * 70, "ö" * 70, "a..b", "größer.invalid"):
        with pytest.raises(NoServerError):
            first_of(follow(f"http://{host}:9/größer", "a"))
