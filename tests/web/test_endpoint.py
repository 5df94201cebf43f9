"""Tests of the WebSocket endpoint: real clients of gunicorn and of Flask's development server."""

import contextlib
import json
import os
import resource
import socket
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from flask import Flask
from simple_websocket import Server

from logstream import LogStream
from logstream.config import Settings
from logstream.protocol import close_frame
from logstream.web.connection import Connection
from logstream.web.endpoint import Endpoint

from ..kinds import watches_for
from ..serving import ServerProcess, Starting, wait_until
from ..viewer import CLOSE, PING, PONG, TEXT, ClosedError, Viewer

Viewing = Callable[..., Viewer]

MAX_COMMAND = Settings().max_command

MIXED = "größer 日本語 😀\n"


def append(path: Path, text: str | bytes) -> None:
    """One write at the end of a file."""
    with path.open("ab") as file:
        file.write(text if isinstance(text, bytes) else text.encode())


def test_a_log_is_followed_to_its_completion(server: ServerProcess, view: Viewing, session: str, log: Path) -> None:
    """The whole log, then what is appended, then the rest with isComplete; afterwards the socket still works."""
    log.write_text(MIXED)
    viewer = view()
    viewer.subscribe(session)
    assert viewer.receive() == {
        "type": "logs:data",
        "sessionName": session,
        "data": MIXED,
        "isInitial": True,
        "isComplete": False,
    }
    append(log, "appended\n")
    assert viewer.receive() == {
        "type": "logs:data",
        "sessionName": session,
        "data": "appended\n",
        "isInitial": False,
        "isComplete": False,
    }
    append(log, "the rest")
    server.complete(session)
    viewer.read_until(lambda: viewer.messages[-1]["isComplete"])
    assert viewer.texts[session] == MIXED + "appended\nthe rest"
    append(log, "too late")
    viewer.subscribe("missing")
    assert viewer.receive()["type"] == "logs:error"


def test_every_viewer_gets_every_byte(server: ServerProcess, view: Viewing, session: str, log: Path) -> None:
    """Twenty viewers of one log, some of them late, all show the same."""
    early = [view() for _ in range(10)]
    for viewer in early:
        viewer.subscribe(session)
        viewer.receive()
    for number in range(20):
        append(log, f"{number} {MIXED}")
    late = [view() for _ in range(10)]
    for viewer in late:
        viewer.subscribe(session)
    for number in range(20, 40):
        append(log, f"{number} {MIXED}")
    for viewer in early + late:
        viewer.read_text(session, log.read_text())


def test_no_last_line_is_stranded(server: ServerProcess, view: Viewing, session: str, log: Path) -> None:
    """The last line of each burst arrives within 500 ms, with nothing written after it."""
    viewer = view()
    viewer.subscribe(session)
    expected = ""
    for burst in range(40):
        with log.open("ab", buffering=0) as file:
            for line in range(5):
                file.write(b"%d-%d\n" % (burst, line))
                expected += f"{burst}-{line}\n"
        viewer.read_text(session, expected, 0.5)


def test_a_large_log_comes_in_pieces_and_goes_on(server: ServerProcess, view: Viewing, session: str, log: Path) -> None:
    """Ten megabytes arrive whole, in their order, while the log grows."""
    log.write_text(MIXED * 400_000)
    viewer = view()
    viewer.subscribe(session)
    viewer.receive()
    append(log, "appended")
    expected = log.read_text()
    viewer.read_text(session, expected)
    assert [message["isInitial"] for message in viewer.messages].count(True) == 1
    assert max(len(message["data"].encode()) for message in viewer.messages) <= 256 * 1024


@pytest.mark.linux  # or else the kernel takes much of it in advance
def test_unsubscribe_in_the_middle_of_a_load(server: ServerProcess, view: Viewing, session: str, log: Path) -> None:
    """Once the answer to a later command is there, nothing more about the session comes."""
    log.write_text("x" * 30_000_000)
    viewer = view()
    viewer.subscribe(session)
    viewer.receive()
    viewer.unsubscribe(session)
    viewer.subscribe("missing")
    viewer.read_until(lambda: viewer.messages[-1]["type"] == "logs:error")
    assert len(viewer.texts[session]) < 30_000_000
    append(log, "more")
    assert viewer.drain(0.4) == []


def test_subscribing_again_in_the_middle_of_a_load(
    server: ServerProcess, view: Viewing, session: str, log: Path
) -> None:
    """A load that is started over ends with the right text, however often it was cut short."""
    log.write_text(MIXED * 300_000)
    viewer = view()
    for _ in range(10):
        viewer.subscribe(session)
    viewer.read_text(session, log.read_text())
    append(log, "once")
    viewer.read_text(session, log.read_text())


def test_sessions_on_one_socket_do_not_queue(server: ServerProcess, view: Viewing, session: str, log: Path) -> None:
    """While a large log loads, a small one on the same socket arrives among its pieces."""
    log.write_text("x" * 100_000_000)
    small = server.log(f"{session}-small")
    small.write_text("")
    viewer = view()
    viewer.subscribe(session)
    viewer.receive()
    viewer.subscribe(f"{session}-small")
    viewer.read_until(lambda: f"{session}-small" in viewer.texts)
    append(small, "news")
    while viewer.texts[f"{session}-small"] != "news":
        viewer.receive()
        threading.Event().wait(0.01)  # the whole load takes seconds, and a look at the small log a fraction of one
    assert len(viewer.texts[session]) < 100_000_000


def test_a_stalled_client_delays_nobody_and_gets_every_byte(
    server: ServerProcess, view: Viewing, session: str, log: Path
) -> None:
    """What is written past a client that does not read reaches the others at once, and that client in the end."""
    stalled, viewer = view(receive_buffer=4096), view()
    for one in (stalled, viewer):
        one.subscribe(session)
        one.receive()
    block = "x" * 500_000 + MIXED
    for number in range(20):
        append(log, f"{number}{block}")
        viewer.read_text(session, log.read_text(), 2)
    stalled.read_text(session, log.read_text())
    append(log, "level again")
    for one in (stalled, viewer):
        one.read_text(session, log.read_text())


def test_completion_reaches_a_stalled_client_at_the_end(
    server: ServerProcess, view: Viewing, session: str, log: Path
) -> None:
    """A client that is behind when the session completes gets all of it, then isComplete, once and last."""
    stalled = view(receive_buffer=4096)
    stalled.subscribe(session)
    stalled.receive()
    append(log, MIXED * 500_000)
    server.complete(session)
    stalled.read_until(lambda: stalled.messages[-1]["isComplete"])
    assert stalled.texts[session] == MIXED * 500_000
    assert sum(message["isComplete"] for message in stalled.messages) == 1


BAD_COMMANDS = [
    "",
    "{",
    "null",
    "[]",
    "[" * 60_000,
    "7",
    b"\x00\xff",
    '{"type": "unknown", "sessionName": "a"}',
    {"type": "subscribe:logs"},
    {"type": "subscribe:logs", "sessionName": None},
    {"type": "subscribe:logs", "sessionName": ["a"]},
    {"type": "subscribe:logs", "sessionName": "../../etc/passwd"},
    {"type": "subscribe:logs", "sessionName": "a\u0000"},
    {"type": "subscribe:logs", "sessionName": "x" * 300},
    {"type": "subscribe:logs", "sessionName": "a", "tail": -1},
    {"type": "subscribe:logs", "sessionName": "a", "tail": 1.5},
    {"type": "subscribe:logs", "sessionName": "a", "tail": True},
    {"type": "subscribe:logs", "sessionName": "a", "tail": "5"},
    {"type": "subscribe:logs", "sessionName": "a", "cursor": 7},
    {"type": "subscribe:logs", "sessionName": "a", "wait": "yes"},
    {"type": "unsubscribe:logs", "sessionName": 5},
]


def test_every_bad_command_is_answered_and_the_socket_works_on(
    server: ServerProcess, view: Viewing, session: str, log: Path
) -> None:
    """Each malformed command gets one logs:error, in a sentence without a path, and does no harm."""
    viewer = view()
    viewer.subscribe(session)
    viewer.receive()
    for command in BAD_COMMANDS:
        viewer.send(command)
        error = viewer.receive()
        assert set(error) == {"type", "sessionName", "error"}
        assert error["type"] == "logs:error"
        assert str(server.directory) not in error["error"]
        if isinstance(command, dict) and isinstance(command.get("sessionName"), str):
            assert error["sessionName"] == command["sessionName"]
        else:
            assert error["sessionName"] in (None, "a")
    append(log, "still here")
    viewer.read_text(session, "still here")


def test_a_ping_is_answered_by_a_pong(server: ServerProcess) -> None:
    """How a page learns that a connection which looks open still is; it is no subscribe, and answered in order."""
    with Viewer(server.port) as viewer:
        viewer.subscribe("no such session")
        viewer.send({"type": "ping"})
        assert viewer.receive()["type"] == "logs:error"
        assert viewer.receive() == {"type": "pong"}


def test_the_options_of_a_subscribe(server: ServerProcess, view: Viewing, session: str, log: Path) -> None:
    """The last lines, cursors, resuming and waiting, by the names on the wire."""
    log.write_text("1\n2\n3\n")
    viewer = view()
    viewer.subscribe(session, tail=2, cursor=True)
    first = viewer.receive()
    assert first["data"] == "2\n3\n"
    assert first["size"] == 6
    assert first["cursor"].startswith("6.")
    viewer.close()
    append(log, "4\n")
    viewer = view()
    viewer.subscribe(session, cursor=first["cursor"])
    resumed = viewer.receive()
    assert (resumed["data"], resumed["isInitial"], resumed["size"]) == ("4\n", False, 8)
    missing = f"{session}-later"
    viewer.subscribe(missing, wait=True)
    assert viewer.drain(0.3) == []
    server.log(missing).write_text("there")
    assert viewer.receive(1)["data"] == "there"


def test_the_last_lines_of_a_large_log_come_at_once(
    server: ServerProcess, view: Viewing, session: str, log: Path
) -> None:
    """Neither 100 MB before the last lines nor one line of 500 MB cost the server memory, or the viewer a wait."""
    with log.open("wb") as file:
        for _ in range(100):
            file.write(b"a line of a log, as long as such a line is\n" * 24_000)
        file.write(b"".join(b"last %d\n" % number for number in range(5)))
    enormous = server.log(f"{session}-enormous")
    enormous.touch()
    os.truncate(enormous, 500_000_000)  # a hole, without a newline
    viewer = view()
    viewer.subscribe("missing")  # all is warm
    viewer.receive()
    memory = server.memory()
    waits = []
    for _ in range(5):
        begin = time.monotonic()
        viewer.subscribe(session, tail=5)
        assert viewer.receive()["data"] == "last 0\nlast 1\nlast 2\nlast 3\nlast 4\n"
        waits.append(time.monotonic() - begin)
    assert min(waits) < 0.1  # in the others, the machine may have had something else to do
    viewer.subscribe(f"{session}-enormous", tail=5)
    assert len(viewer.receive()["data"]) == 256 * 1024
    assert server.memory() - memory < 24_000_000


def test_a_bad_file_is_refused_and_never_hangs(server: ServerProcess, view: Viewing, session: str) -> None:
    """A pipe, a directory, a link, and a file that is not there are errors that come at once."""
    os.mkfifo(server.log(f"{session}-pipe"))
    server.log(f"{session}-directory").mkdir()
    server.log(f"{session}-link").symlink_to("/etc/passwd")
    viewer = view()
    for kind in ("pipe", "directory", "link", "missing"):
        viewer.subscribe(f"{session}-{kind}")
        error = viewer.receive(2)
        assert error["type"] == "logs:error"
        assert error["sessionName"] == f"{session}-{kind}"
        assert str(server.directory) not in error["error"]


def test_a_command_in_fragments_is_one_command(server: ServerProcess, view: Viewing, session: str, log: Path) -> None:
    """A client may send its text in several frames, with a ping between them."""
    viewer = view()
    command = json.dumps({"type": "subscribe:logs", "sessionName": session}).encode()
    viewer.send_frame(TEXT, command[:10], final=False)
    viewer.send_frame(PING, b"between")
    viewer.send_frame(0, command[10:])
    assert viewer.frame() == (PONG, b"between")
    assert viewer.receive()["isInitial"]


def test_pongs_and_log_messages_share_the_socket(server: ServerProcess, view: Viewing, session: str, log: Path) -> None:
    """A client that pings all the time while a log streams sees whole frames only."""
    viewer = view()
    viewer.subscribe(session)
    stop = threading.Event()

    def ping() -> None:
        number = 0
        while not stop.is_set() and number < 2000:
            viewer.send_frame(PING, b"%d" % number)
            number += 1

    thread = threading.Thread(target=ping)
    thread.start()
    content = MIXED * 300_000
    append(log, content)
    try:
        viewer.read_text(session, content)
    finally:
        stop.set()
        thread.join()


def test_the_close_handshake_is_answered(server: ServerProcess, view: Viewing, session: str, log: Path) -> None:
    """A client's close frame is echoed, as RFC 6455 has it, and the stream then ends."""
    viewer = view()
    viewer.subscribe(session)
    viewer.receive()
    viewer.send_frame(CLOSE, (1000).to_bytes(2))
    assert viewer.frame() == (CLOSE, (1000).to_bytes(2))
    with pytest.raises(ClosedError):
        viewer.frame()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x05hello", 1002),  # not masked
        (b"\xf1\x80\0\0\0\0", 1002),  # reserved bits
        (b"\x83\x80\0\0\0\0", 1002),  # unknown opcode
        (b"\x81\x82\0\0\0\0\xc3\x28", 1007),  # text that is not UTF-8
        (b"\x01\xff" + MAX_COMMAND.to_bytes(8) + b"\0\0\0\0" + b"x" * MAX_COMMAND + b"\x80\x81\0\0\0\0x", 1009),
    ],
)
def test_a_broken_frame_closes_with_its_code(server: ServerProcess, view: Viewing, data: bytes, code: int) -> None:
    """Frames that break the RFC, or are too long, close the connection with the code that says so."""
    viewer = view()
    viewer.sock.sendall(data)
    with pytest.raises(ClosedError) as caught:
        viewer.receive()
    assert caught.value.code == code


@pytest.mark.parametrize("how", ["close", "reset", "close frame", "garbage"])
def test_clients_that_vanish_leave_nothing_behind(
    server: ServerProcess, view: Viewing, session: str, log: Path, how: str
) -> None:
    """However a client goes, in the middle of a load or idle, its thread, descriptor and watch go with it."""
    threads, descriptors, watches = server.threads(), server.descriptors(), server.watches()
    log.write_text("x" * 20_000_000)
    small = server.log(f"{session}-small")
    small.write_text("")
    for number in range(10):
        viewer = view()
        viewer.subscribe(session if number % 2 else f"{session}-small")
        viewer.receive()
        if how == "close frame":
            viewer.send_frame(CLOSE, (1001).to_bytes(2))
        elif how == "garbage":
            viewer.sock.sendall(b"garbage\r\n" * 10)
        elif how == "reset":
            viewer.reset()
            continue
        viewer.close()
    wait_until(lambda: json.loads(server.request("/healthz")[1])["connections"] == 0)
    wait_until(lambda: server.watches() == watches)
    if server.kind == "flask":  # gunicorn keeps its pool's threads
        wait_until(lambda: server.threads() <= threads)
    wait_until(lambda: server.descriptors() <= descriptors + 1)
    assert json.loads(server.request("/healthz")[1]) == {
        "connections": 0,
        "subscriptions": 0,
        "watched_sessions": 0,
        "clients_behind": 0,
    }


def test_many_sessions_cost_one_watch_each_and_no_thread(server: ServerProcess, view: Viewing, session: str) -> None:
    """Fifty sessions of one client are fifty kernel watches, on the files, and not one more thread.

    By watchdog's observer, it is one watch, on their directory.
    """
    viewer = view()
    names = [f"{session}-{number}" for number in range(50)]
    for name in names:
        server.log(name).touch()
    for name in (names[0], "missing"):  # so that the first is done with, and what it has started
        viewer.subscribe(name)
        viewer.receive()
    threads, watches = server.threads(), server.watches()
    for name in names[1:]:
        viewer.subscribe(name)
    viewer.read_until(lambda: len(viewer.texts) == 50)
    wait_until(lambda: server.watches() == watches + watches_for(50) - watches_for(1))
    wait_until(lambda: server.threads() <= threads)
    for name in names:
        append(server.log(name), name)
    viewer.read_until(lambda: all(viewer.texts[name] == name for name in names))


@pytest.mark.watcher("inotify")
def test_small_frames_of_a_burst_do_not_wait(server: ServerProcess, view: Viewing, session: str, log: Path) -> None:
    """The second line of a pair comes without waiting for the client's delayed acknowledgement (40 ms)."""
    viewer = view()
    viewer.subscribe(session)
    viewer.receive()
    waits = []
    for _ in range(20):
        append(log, "one\n")
        viewer.receive()
        append(log, "two\n")
        begin = time.monotonic()
        viewer.receive()
        waits.append(time.monotonic() - begin)
    assert sorted(waits)[10] < 0.03


OFFER = "permessage-deflate; client_max_window_bits"  # as browsers have it


def test_large_messages_are_compressed_for_who_can_read_them(
    server: ServerProcess, view: Viewing, session: str, log: Path
) -> None:
    """A first load and a large increment cost those who offer compression a quarter of the bytes, and read the same."""
    log.write_text(MIXED * 100_000)
    browser, plain = view(deflate=OFFER), view()
    assert b"server_no_context_takeover" in browser.handshake
    assert b"extensions" not in plain.handshake.lower()
    for viewer in (browser, plain):
        viewer.subscribe(session)
        viewer.read_text(session, log.read_text())
    before = browser.received
    append(log, MIXED * 10_000)
    for viewer in (browser, plain):
        viewer.read_text(session, log.read_text())
    assert browser.received - before < len(MIXED.encode()) * 10_000 / 4
    assert browser.compressed > 5
    assert plain.compressed == 0
    assert browser.received < plain.received / 4


def test_small_messages_are_not_compressed(server: ServerProcess, view: Viewing, session: str, log: Path) -> None:
    """Lines go to all as the same plain frames, in their order, also around a large one that is compressed."""
    viewer = view(deflate=OFFER)
    viewer.subscribe(session)
    viewer.receive()
    for number in range(30):
        append(log, f"{number}\n")
    viewer.read_text(session, log.read_text())
    assert viewer.compressed == 0
    for number in range(10):
        append(log, "x" * 50_000)
        append(log, f"{number}\n")
    viewer.read_text(session, log.read_text())
    assert viewer.compressed > 0
    server.complete(session)
    viewer.read_until(lambda: viewer.messages[-1]["isComplete"])


def test_commands_may_be_compressed(server: ServerProcess, view: Viewing, session: str, log: Path) -> None:
    """A client that compresses what it sends is understood, each time anew."""
    log.write_text("text")
    viewer = view(deflate=OFFER)
    assert b"client_no_context_takeover" in viewer.handshake
    for _ in range(3):
        compressor = zlib.compressobj(wbits=-15)
        command = json.dumps({"type": "subscribe:logs", "sessionName": session}).encode()
        payload = (compressor.compress(command) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]
        viewer.send_frame(0x40 | TEXT, payload)
        assert viewer.receive()["data"] == "text"


@pytest.mark.parametrize(
    "offer", ["x-webkit-deflate-frame", "permessage-deflate; server_max_window_bits=10", "foo, bar"]
)
def test_what_cannot_be_had_is_declined(server: ServerProcess, view: Viewing, offer: str) -> None:
    """An offer that the shared frames do not fit is not accepted, and all goes uncompressed."""
    viewer = view(deflate=offer)
    assert b"extensions" not in viewer.handshake.lower()
    viewer.subscribe("missing")
    assert viewer.receive()["type"] == "logs:error"


def test_several_load_the_same_log_at_once(server: ServerProcess, view: Viewing, session: str, log: Path) -> None:
    """Ten clients, of all kinds, that load a large log at the same time while it grows, all show the file."""
    log.write_text(MIXED * 300_000)
    viewers = [view(deflate=OFFER if number % 2 else None) for number in range(10)]
    for number, viewer in enumerate(viewers):
        viewer.subscribe(session, **({"cursor": True} if number % 3 == 0 else {}))

    def read(viewer: Viewer) -> None:
        viewer.read_until(lambda: viewer.messages != [] and viewer.messages[-1]["data"].endswith("the last line\n"))

    readers = [threading.Thread(target=read, args=(viewer,)) for viewer in viewers]
    for reader in readers:
        reader.start()
    for number in range(50):
        append(log, f"{number} {MIXED}")
    append(log, "the last line\n")
    for reader in readers:
        reader.join()
    for number, viewer in enumerate(viewers):
        assert viewer.texts[session] == log.read_text()
        assert ("cursor" in viewer.messages[-1]) == (number % 3 == 0)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /ws HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        b"POST /ws HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_what_is_no_handshake_is_refused_in_http(server: ServerProcess, request_bytes: bytes) -> None:
    """A request that is no WebSocket handshake gets an HTTP answer of the 400s."""
    with socket.create_connection(("127.0.0.1", server.port), 5) as sock:
        sock.sendall(request_bytes)
        assert sock.recv(1000).split(b" ")[1].startswith(b"4")


def test_a_server_without_a_socket_says_so() -> None:
    """Where the web server hides its socket, the client gets 501 and the operator one line."""
    app = Flask("app")
    LogStream(app)
    headers = {"Connection": "Upgrade", "Upgrade": "websocket"}
    assert app.test_client().get("/ws", headers=headers).status_code == 501


@pytest.mark.linux  # glibc's settings of memory are among what is taken away
def test_who_does_not_read_costs_one_form_of_one_message(start: Starting) -> None:
    """Clients that never read their first message of a megabyte cost little more than its frame."""
    server, clients = start("gunicorn"), 40
    for number in range(clients):
        server.log(str(number)).write_bytes((b"x" * 79 + b"\n") * 13_000)
    with contextlib.ExitStack() as open_ones:
        viewers = [open_ones.enter_context(Viewer(server.port, receive_buffer=4096)) for _ in range(clients)]
        before = server.resident()
        for number, viewer in enumerate(viewers):
            viewer.subscribe(str(number))
        wait_until(lambda: json.loads(server.request("/healthz")[1])["subscriptions"] == clients)
        wait_until(lambda: server.resident() > before + clients * 800_000)
        rested = [server.resident()]
        wait_until(lambda: (rested.append(server.resident()), rested[-1] == rested[-2])[1])
        assert (rested[-1] - before) / clients < 1_600_000


@pytest.fixture
def endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    """An endpoint by itself, which does not linger."""
    monkeypatch.setattr("logstream.web.connection._LINGER", 0.0)
    app = Flask("app")
    app.config.update(LOGSTREAM_DIRECTORY=str(tmp_path), LOGSTREAM_TMUX="off")
    LogStream(app)
    found: Endpoint = app.extensions["logstream"]
    return found


def test_a_client_that_comes_as_the_server_goes_is_told(
    endpoint: Endpoint, pair: tuple[Connection, socket.socket]
) -> None:
    """Nothing is read from it any more."""
    connection, client = pair
    endpoint.manager.close()
    endpoint._serve(lambda name: True, "a client", cast(Server, None), connection)
    assert client.recv(100) == close_frame(1001)
    assert endpoint.counts()["connections"] == 0


def test_a_connection_that_fails_is_closed_as_an_error_of_the_server(
    endpoint: Endpoint,
    pair: tuple[Connection, socket.socket],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A bug costs that client only, and the operator gets the traceback."""
    connection, client = pair

    def fail() -> None:
        raise ValueError("broken")

    monkeypatch.setattr(endpoint.metrics, "connected", fail)
    endpoint._serve(lambda name: True, "a client", cast(Server, None), connection)
    assert client.recv(100) == close_frame(1011)
    assert endpoint.counts()["connections"] == 0
    assert "ValueError: broken" in caplog.text


def test_without_a_limit_of_descriptors_threads_alone_bound_the_connections(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some are left to HTTP."""
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    endpoint.limit_connections(8)
    taken = 0
    while endpoint._places.acquire(blocking=False):
        taken += 1
    assert taken == 6
