"""Tests of clients that break the rules, many times over, beside one that does not."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from .kinds import watches_for
from .serving import ServerProcess, Starting, wait_until
from .viewer import CLOSE, PING, TEXT, ClosedError, RefusedError, Viewer

TIMES = 8  # twice for each log with each end

# Threads and watches are counted here, of which an observer has more from when on there is a state directory.
pytestmark = pytest.mark.watcher("inotify", "sweep")

COMMAND = b'{"type":"subscribe:logs","sessionName":"large"}'


def masked(first: int, payload: bytes, length: bytes | None = None) -> bytes:
    """A frame masked with zeros, whose length may be a lie."""
    if length is None:
        length = bytes((0x80 | len(payload),)) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2)
    return bytes((first,)) + length + b"\0\0\0\0" + payload


# What is sent after a good subscribe to a log that is still loading.
BROKEN: dict[str, bytes] = {
    "unmasked": b"\x81\x05hello",
    "reserved bits": masked(0xF1, b"x"),
    "reserved opcode": masked(0x83, b"x"),
    "reserved control opcode": masked(0x8B, b""),
    "bad UTF-8": masked(0x81, b"\xc3\x28"),
    "surrogates": masked(0x81, b"\xed\xa0\x80"),
    "a length of 2^63": masked(0x81, b"x" * 100, b"\xff" + (1 << 63).to_bytes(8)),
    "a length of 2^63 - 1": masked(0x81, b"x" * 100, b"\xff" + ((1 << 63) - 1).to_bytes(8)),
    "a length that is not minimal": masked(0x81, b"xxxxx", b"\xff" + (5).to_bytes(8)),
    "64 KiB and one": masked(0x81, b" " * 65537, b"\xff" + (65537).to_bytes(8)),
    "64 KiB and one in pieces": masked(0x01, b" " * 60000) + masked(0x80, b" " * 5537),
    "an unfinished text": masked(0x01, b"{"),
    "a new text in an unfinished one": masked(0x01, b"{") + masked(0x81, b"{}"),
    "a continuation of nothing": masked(0x80, b"{}"),
    "half a header": b"\x81\xfe\x01",
    "a fragmented ping": masked(0x09, b"x"),
    "a ping that is too long": masked(0x89, b"x" * 126),
    "a close frame of one byte": masked(0x88, b"x"),
    "a close frame with a bad code": masked(0x88, (999).to_bytes(2)),
    "a close frame with a bad reason": masked(0x88, (1000).to_bytes(2) + b"\xff"),
    "data after close": masked(0x88, (1000).to_bytes(2)) + masked(0x81, COMMAND) * 5,
    "deep JSON": masked(0x81, b"[" * 60000),
    "garbage": bytes(range(256)) * 8,
    "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "binary": masked(0x82, b"\x00\xff" * 20),
    "a storm of pings": masked(0x89, b"x") * 500,
    "a storm of subscribes": masked(0x81, COMMAND) * 200,
    "a storm of bad commands": masked(0x81, b"{}") * 500,
    "nothing": b"",
}


class Witness:
    """A viewer that was there all along, of a log that is written to all along."""

    def __init__(self, server: ServerProcess, session: str) -> None:
        self.path = server.log(session)
        self.path.touch()
        self._session = session
        self.viewer = Viewer(server.port)
        self.viewer.subscribe(session)
        self.viewer.receive()
        self._stop = threading.Event()
        self._writer = threading.Thread(target=self._write)
        self._writer.start()

    def _write(self) -> None:
        number = 0
        while not self._stop.wait(0.01):
            with self.path.open("a") as file:
                file.write(f"größer {number}\n")
            number += 1

    def check(self) -> None:
        """Nothing is missing, within the promised time."""
        self._stop.set()
        self._writer.join()
        self.viewer.read_text(self._session, self.path.read_text())
        assert [message["isInitial"] for message in self.viewer.messages].count(True) == 1
        with self.path.open("a") as file:
            file.write("last\n")
        self.viewer.read_text(self._session, self.path.read_text(), 0.5)

    def close(self) -> None:
        self._stop.set()
        self._writer.join()
        self.viewer.close()


@pytest.fixture(scope="module")
def at_rest(server: ServerProcess) -> Callable[[], bool]:
    """Whether the server has no more threads and descriptors than before anybody came; there are logs for them."""
    server.log("large").write_text("größer\n" * 1_000_000)
    server.log("small").write_text("text\n")
    server.request("/healthz")
    threads, descriptors = server.threads(), server.descriptors()
    return lambda: server.threads() <= threads and server.descriptors() <= descriptors


@pytest.fixture
def calm(server: ServerProcess, at_rest: Callable[[], bool], session: str) -> Iterator[ServerProcess]:
    """A server that is as it was when the test is over: no thread, descriptor, watch or traceback more."""
    wait_until(at_rest)
    witness = Witness(server, session)

    def is_clean() -> bool:
        counts = json.loads(server.request("/healthz")[1])
        return (
            counts["connections"] == counts["subscriptions"] == counts["watched_sessions"] == 1
            and server.watches() == watches_for(1)
            and server.threads() <= threads
            and server.descriptors() <= descriptors
        )

    server.request("/healthz")
    threads, descriptors = server.threads() + 1, server.descriptors() + 1  # the request that asks takes one itself
    try:
        yield server
        wait_until(is_clean)
        witness.check()
    finally:
        witness.close()
    output = server.output()
    assert "Traceback" not in output, output[output.index("Traceback") :]


@pytest.fixture(scope="module", params=["gunicorn"])
def strict(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with low limits, for all tests of them; one that prints a traceback fails the last of these."""
    limits = {
        "LOGSTREAM_MAX_SUBSCRIPTIONS": "3",
        "LOGSTREAM_MAX_SUBSCRIBES": "20",
        "LOGSTREAM_MAX_COMMAND": "2048",
        "LOGSTREAM_PING_INTERVAL": "0.5",
    }
    process = ServerProcess(request.param, tmp_path_factory.mktemp("strict"), **limits)
    yield process
    assert "Traceback" not in process.stop()


def end(viewer: Viewer, how: int) -> None:
    """Leave in one of the ways that there are."""
    if how == 0:
        viewer.close()
    elif how == 1:
        viewer.reset()
    else:
        with contextlib.suppress(OSError, ClosedError):
            viewer.sock.shutdown(socket.SHUT_WR)
            while True:
                viewer.frame(1)
        viewer.close()


def test_broken_frames_cost_nothing(calm: ServerProcess) -> None:
    """After a good subscribe anything may come, and the client may leave anyhow: nothing of it stays."""
    for turn in range(TIMES):
        for number, data in enumerate(BROKEN.values()):
            viewer = Viewer(calm.port, receive_buffer=8192)
            with contextlib.suppress(OSError):
                viewer.subscribe("large" if turn % 2 else "small")
                viewer.sock.sendall(data)
            end(viewer, (turn // 2 + number) % 2)
    for data in BROKEN.values():
        viewer = Viewer(calm.port)
        viewer.subscribe("small")
        with contextlib.suppress(OSError):
            viewer.sock.sendall(data)
        end(viewer, 2)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("unmasked", 1002),
        ("reserved bits", 1002),
        ("reserved opcode", 1002),
        ("bad UTF-8", 1007),
        ("64 KiB and one", 1009),
        ("64 KiB and one in pieces", 1009),
        ("a continuation of nothing", 1002),
        ("a ping that is too long", 1002),
        ("data after close", 1000),
    ],
)
def test_a_broken_frame_is_answered_by_the_rfc(calm: ServerProcess, kind: str, code: int) -> None:
    """The close code says what was wrong, and then the stream ends."""
    with Viewer(calm.port) as viewer:
        viewer.sock.sendall(BROKEN[kind])
        with pytest.raises(ClosedError) as caught:
            viewer.receive()
        assert caught.value.code == code
        with pytest.raises((ClosedError, OSError)):
            viewer.frame()


def test_handshakes_that_end_anywhere_cost_nothing(calm: ServerProcess) -> None:
    """A handshake that is cut at any byte, or reset, or not read to its end, leaves nothing."""
    handshake = (
        b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    frame = masked(0x81, COMMAND)
    for length in range(0, len(handshake + frame) + 1):
        sock = socket.create_connection(("127.0.0.1", calm.port))
        sock.sendall((handshake + frame)[:length])
        if length % 2:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.close()


def test_random_bytes_cost_nothing(calm: ServerProcess) -> None:
    """Frames with random headers and payloads, cut anywhere."""
    dice = random.Random(7)
    for _ in range(150):
        viewer = Viewer(calm.port)
        with contextlib.suppress(OSError):
            for _ in range(dice.randrange(1, 6)):
                first = dice.choice([0x81, 0x82, 0x01, 0x80, 0x88, 0x89, dice.randrange(256)])
                payload = dice.randbytes(dice.choice([0, 1, 10, 125, 200]))
                frame = masked(first, payload)
                viewer.sock.sendall(frame[: dice.choice([len(frame), len(frame), dice.randrange(len(frame))])])
        end(viewer, dice.randrange(2))


def test_clients_that_come_and_go_at_once_cost_nothing(calm: ServerProcess) -> None:
    """Eight threads of clients that connect, subscribe, and leave in the middle of what they are sent."""

    def come_and_go(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(15):
            viewer = Viewer(calm.port, receive_buffer=4096)
            with contextlib.suppress(OSError, ClosedError):
                for _ in range(dice.randrange(4)):
                    viewer.subscribe(dice.choice(["large", "small", "missing"]), wait=dice.random() < 0.3)
                    viewer.unsubscribe(dice.choice(["large", "small", "missing"]))
                if dice.random() < 0.5:
                    viewer.frame(0.2)
            end(viewer, dice.randrange(2))

    threads = [threading.Thread(target=come_and_go, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("kind", ["gunicorn", "flask"])
def test_a_client_that_takes_nothing_is_gone_within_seconds(start: Starting, kind: str) -> None:
    """Blocked in a send, behind, or with half a frame on its way: its thread, descriptor and watch go with it."""
    server = start(kind, LOGSTREAM_STALL_TIMEOUT="1", LOGSTREAM_PING_INTERVAL="1")
    server.log("large").write_text("x" * 40_000_000)
    server.log("first").write_text("x" * 1_000_000)
    server.log("live").touch()
    server.request("/healthz")
    threads, descriptors = server.threads() + 1, server.descriptors() + 1
    stalled = [Viewer(server.port, receive_buffer=4096) for _ in range(3)]
    for viewer, name in zip(stalled, ("large", "first", "live"), strict=True):
        viewer.subscribe(name)
        if name != "first":  # which is too large for the socket: the connection's own thread is blocked in it
            viewer.receive()
    for _ in range(40):
        with server.log("live").open("a") as file:
            file.write("x" * 100_000)
    wait_until(lambda: json.loads(server.request("/healthz")[1])["connections"] == 0)
    wait_until(lambda: server.threads() <= threads and server.descriptors() <= descriptors and not server.watches())
    for viewer in stalled:
        viewer.close()
    assert "Traceback" not in server.stop()


def test_a_client_that_answers_no_ping_is_gone(strict: ServerProcess) -> None:
    """Silence is asked about; a client that is there answers and stays, one that is not is let go."""
    wait_until(lambda: json.loads(strict.request("/healthz")[1])["connections"] == 0)  # of the tests before
    with Viewer(strict.port) as silent:
        assert silent.frame() == (PING, b"")
        with pytest.raises(ClosedError):
            silent.frame()
    with Viewer(strict.port) as there:
        for _ in range(4):
            opcode, payload = there.frame()
            assert opcode == PING
            there.send_frame(10, payload)
        assert json.loads(strict.request("/healthz")[1])["connections"] == 1


@pytest.mark.parametrize("kind", ["gunicorn", "flask"])
def test_one_connection_too_many_is_told_at_once(start: Starting, kind: str) -> None:
    """503 past LOGSTREAM_MAX_CONNECTIONS, while HTTP answers; who leaves makes room."""
    server = start(kind, LOGSTREAM_MAX_CONNECTIONS="4")
    viewers = [Viewer(server.port) for _ in range(4)]
    for _ in range(20):
        with pytest.raises(RefusedError) as caught:
            Viewer(server.port)
        assert caught.value.status == 503
    assert server.request("/healthz")[0] == 200
    assert "LOGSTREAM_MAX_CONNECTIONS" in server.output()
    assert server.output().count("refused") <= 10
    for _ in range(10):  # what is refused for another reason takes no place
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            sock.sendall(b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            assert sock.recv(100)
    viewers.pop().close()
    wait_until(lambda: json.loads(server.request("/healthz")[1])["connections"] == 3)
    wait_until(lambda: may_connect(server, viewers))
    for viewer in viewers:
        viewer.close()
    server.stop()


def may_connect(server: ServerProcess, viewers: list[Viewer]) -> bool:
    """Whether there is room for one more, who then stays."""
    try:
        viewers.append(Viewer(server.port))
    except RefusedError:
        return False
    return True


@pytest.mark.parametrize(("arguments", "expected"), [("--threads 8", 6), ("--threads 1", 1), ("--threads 100", 75)])
def test_by_default_some_threads_are_left_to_http(start: Starting, arguments: str, expected: int) -> None:
    """As many connections as there are threads, less some that always answer."""
    server = start("gunicorn", GUNICORN_CMD_ARGS=arguments)
    viewers: list[Viewer] = []
    while may_connect(server, viewers):
        assert len(viewers) <= expected
    assert len(viewers) == expected
    assert server.request("/healthz")[0] == 200
    for viewer in viewers:
        viewer.close()
    server.stop()


def test_more_connections_than_threads_are_not_promised(start: Starting) -> None:
    """A limit that the threads do not allow is lowered, and the operator is told."""
    server = start("gunicorn", GUNICORN_CMD_ARGS="--threads 8", LOGSTREAM_MAX_CONNECTIONS="50")
    viewers: list[Viewer] = []
    while may_connect(server, viewers):
        pass
    assert len(viewers) == 6
    for viewer in viewers:
        viewer.close()
    assert "LOGSTREAM_MAX_CONNECTIONS is 50" in server.stop()


def test_one_subscription_too_many_is_an_error(strict: ServerProcess) -> None:
    """Past LOGSTREAM_MAX_SUBSCRIPTIONS a subscribe fails until another is given up; what is followed goes on."""
    for number in range(5):
        strict.log(f"{number}").write_text("text")
    with Viewer(strict.port) as viewer:
        kinds = []
        for name in (*"01234", "0"):  # the last one again: no further one
            viewer.subscribe(name)
            kinds.append(viewer.receive()["type"])
        assert kinds == ["logs:data"] * 3 + ["logs:error"] * 2 + ["logs:data"]
        assert "3" in viewer.messages[3]["error"]
        viewer.unsubscribe("1")
        viewer.subscribe("4")
        assert viewer.receive()["type"] == "logs:data"
        strict.complete("4")
        assert viewer.receive()["isComplete"]
        viewer.subscribe("3")
        assert viewer.receive()["type"] == "logs:data"


def test_a_loop_of_subscribes_is_slowed_down(strict: ServerProcess) -> None:
    """Past LOGSTREAM_MAX_SUBSCRIBES in a minute a subscribe is an error; the connection and the others work on."""
    strict.log("a").write_text("text")
    with Viewer(strict.port) as viewer, Viewer(strict.port) as other:
        for _ in range(60):
            viewer.subscribe("a")
        kinds = [viewer.receive()["type"] for _ in range(60)]
        assert kinds[:20] == ["logs:data"] * 20
        assert kinds[20:].count("logs:error") >= 38
        other.subscribe("a")
        assert other.receive()["data"] == "text"
        with strict.log("a").open("a") as file:
            file.write(" more")
        viewer.read_text("a", "text more")
    assert 0 < strict.output().count("LOGSTREAM_MAX_SUBSCRIBES") <= 10


def check_limit(server: ServerProcess, limit: int) -> None:
    """A command may have so many bytes, and not one more."""
    for character in ("x", "ö"):
        with Viewer(server.port) as viewer:
            viewer.send_frame(TEXT, (character * limit).encode()[:limit])
            assert viewer.receive()["type"] == "logs:error"
            viewer.send_frame(TEXT, b" " + (character * limit).encode()[:limit])
            with pytest.raises(ClosedError) as caught:
                viewer.receive()
            assert caught.value.code == 1009


def test_a_command_may_have_64_kib_and_not_one_byte_more(server: ServerProcess) -> None:
    """By bytes, not by characters."""
    check_limit(server, 65536)


def test_the_limit_of_a_command_can_be_moved(strict: ServerProcess) -> None:
    """By LOGSTREAM_MAX_COMMAND."""
    check_limit(strict, 2048)


@pytest.mark.linux  # or else the whole first message goes into the kernel's buffer
def test_commands_wait_in_the_kernel_while_one_is_carried_out(start: Starting) -> None:
    """A client that sends commands without end and reads no answer costs the server no memory for them."""
    server = start("gunicorn", LOGSTREAM_STALL_TIMEOUT="20")
    server.log("large").write_text("x" * 1_000_000)
    with Viewer(server.port, receive_buffer=4096) as viewer:
        viewer.subscribe("large")
        memory = server.memory()
        viewer.sock.settimeout(2)
        command = masked(0x81, b" " * 60_000)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 200_000_000:
                sent += viewer.sock.send(command)
        assert sent < 200_000_000
        assert server.memory() - memory < 24_000_000
    server.stop()


def test_close_is_not_answered_twice(calm: ServerProcess) -> None:
    """Whatever follows a close frame, one close frame comes back."""
    with Viewer(calm.port) as viewer:
        viewer.sock.sendall(masked(0x88, (1000).to_bytes(2)) * 3)
        assert viewer.frame()[0] == CLOSE
        with pytest.raises((ClosedError, OSError)):
            viewer.frame()
