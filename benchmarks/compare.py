"""What happens to one log in logstream, and in what else one might take: `python -m benchmarks compare`."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator

from .client import send_text, shake_hands
from .report import Row
from .servers import FlaskRoute, Frontail, Logstream, NodePeer, Server, Tailon, Websocketd

PEERS = (Logstream, Websocketd, NodePeer, FlaskRoute, Frontail, Tailon)

_MB = 1e6
_KEPT = 1 << 20  # bytes of what came last, in which something is looked for
_LINE = "x" * 79 + "\n"

_buffer = bytearray(1 << 18)


class Follower:
    """A viewer of the session `log`: whatever comes on its connection, headers and all.

    What is looked for is ASCII, and so is found in any server's frames.
    """

    def __init__(self, server: Server, cursor: str | None = None, receive_buffer: int | None = None) -> None:
        self.received = 0  # bytes
        self.begun: float | None = None  # by the monotonic clock, in seconds: when the first of them came
        self.ended = False
        self.last = bytearray()
        self.sock = socket.socket()
        if receive_buffer is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(10)
        self.sock.connect(("127.0.0.1", server.port))
        if isinstance(server, FlaskRoute):
            self.sock.sendall(f"GET /log HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode())
            return
        path = {"frontail": "/socket.io/?EIO=3&transport=websocket", "tailon": "/ws/websocket"}.get(server.name, "/ws")
        shake_hands(self.sock, server.port, path)
        if server.speaks_protocol:
            options = {"cursor": cursor or True} if isinstance(server, Logstream) else {}
            self.send({"type": "subscribe:logs", "sessionName": "log", **options})
        elif isinstance(server, Frontail):
            send_text(self.sock, f"40/{hashlib.md5(str(server.log('log')).encode()).hexdigest()},")
        elif isinstance(server, Tailon):
            self.send({"command": "tail", "path": str(server.log("log")), "tail-lines": 10})

    def __enter__(self) -> Follower:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, message: object) -> None:
        """Send something as JSON."""
        send_text(self.sock, json.dumps(message))

    def read(self, timeout: float) -> bool:
        """Read what is there; whether anything has come in so many seconds."""
        if self.ended:
            return False
        self.sock.settimeout(max(timeout, 0.001))
        try:
            size = self.sock.recv_into(_buffer)
        except TimeoutError:
            return False
        except OSError:
            size = 0
        self.ended = not size
        if size and self.begun is None:
            self.begun = time.monotonic()
        self.received += size
        self.last += memoryview(_buffer)[:size]
        del self.last[: max(0, len(self.last) - _KEPT)]
        return bool(size)

    def await_text(self, text: str, timeout: float) -> bool:
        """Read until some text has come; whether it has in so many seconds."""
        deadline = time.monotonic() + timeout
        looked = 0
        while self.last.find(text.encode(), looked) < 0:
            before = len(self.last)
            left = deadline - time.monotonic()
            if left <= 0 or (not self.read(left) and self.ended):
                return False
            looked = 0 if len(self.last) == _KEPT else max(0, before - len(text))
        return True

    def drain(self, seconds: float) -> None:
        """Read until nothing has come for so long."""
        while self.read(seconds):
            pass

    def forget(self) -> None:
        """Begin to look anew."""
        self.last.clear()
        self.received = 0


def burst(server: Server) -> str:
    """The last line of a burst: twenty bursts of five lines that are 10 ms apart, and then nothing for a second"""
    late, delays = 0, []
    with Follower(server) as viewer, server.log("log").open("ab", buffering=0) as log:
        _warm_up(viewer, log.write)
        for number in range(20):
            for line in range(5):
                time.sleep(0.01)
                log.write(b"<%d:%d>\n" % (number, line))
            written = time.monotonic()
            if viewer.await_text(f"<{number}:4>", 1.0):
                delays.append(time.monotonic() - written)
            else:
                late += 1
            time.sleep(0.1)
    if late:
        return f"in {late} of 20 it stays away until the next line"
    return f"it is there, after {sorted(delays)[10] * 1e3:.1f} ms (median)"


def rewrite(server: Server) -> str:
    """A rewrite: 2000 lines are replaced by 500 others, and then by 6000"""
    log = server.log("log")
    log.write_text(_numbered("old", 2000))
    found = []
    with Follower(server) as viewer:
        viewer.await_text("<old:1999>", 3.0)
        viewer.drain(0.5)
        for word, count in (("few", 500), ("many", 6000)):
            viewer.forget()
            log.write_text(_numbered(word, count))
            viewer.await_text(f"<{word}:{count - 1:04}>", 2.0)
            viewer.drain(0.5)
            lines = len(set(re.findall(rb"<%b:\d+>" % word.encode(), viewer.last)))
            said = re.search(rb'"isInitial": ?true|truncated', viewer.last)
            found.append(f"{lines} of {count} lines, {'and the viewer is told' if said else 'behind the old ones'}")
    return "; ".join(found)


def _numbered(word: str, count: int) -> str:
    """Lines whose length divides a page's: a file that is read while it is written ends within none of them."""
    return "".join(f"<{word}:{number:04}>".ljust(15) + "\n" for number in range(count))


def large(server: Server) -> str:
    """A log of 600 MB, to a viewer who comes to it"""
    server.kill()
    with server.log("log").open("wb") as file:
        block = (_LINE * 12_500).encode()  # a megabyte
        for _ in range(600):
            file.write(block)
        file.write(b"<the last line>\n")
    server.start()
    before, most = server.resident(), [0]
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.05):
            most[0] = max(most[0], server.resident())

    looking = threading.Thread(target=look)
    looking.start()
    begun = time.monotonic()
    try:
        with Follower(server) as viewer:
            there = viewer.await_text("<the last line>", 30.0)
            took = time.monotonic() - begun
    finally:
        done.set()
        looking.join()
    memory = f"memory up by {max(0, most[0] - before) / _MB:.0f} MB"
    if not server.is_there():
        return f"the server ends after {took:.1f} s; {memory}"
    first = f"first byte after {((viewer.begun or begun) - begun) * 1e3:.0f} ms"
    if not there:
        ended = "the connection is closed" if viewer.ended else "not all"
        return f"{ended} after {took:.0f} s, {viewer.received / _MB:.0f} MB; {memory}"
    if viewer.received < 600 * _MB:
        return f"its last {viewer.received / 1e3:.1f} kB; {first}; {memory}"
    return f"{first}, all after {took:.1f} s; {memory}"


def slow(server: Server) -> str:
    """A slow reader: one viewer reads nothing while 60 MB are written in 6 s, another reads on"""
    with (
        Follower(server, receive_buffer=65536) as idle,
        Follower(server) as viewer,
        server.log("log").open("ab", buffering=0) as log,
    ):
        _warm_up(viewer, log.write)
        idle.read(0.5)
        before, most, delays, late = server.resident(), 0, [], 0
        block = (_LINE * 1_250).encode()  # a tenth of a megabyte
        for number in range(600):
            begun = time.monotonic()
            log.write(block + b"<%d>\n" % number)
            if late < 5 and viewer.await_text(f"<{number}>", 1.0):
                delays.append(time.monotonic() - begun)
            elif late < 5:
                late += 1  # and is looked for no more
            viewer.forget()
            if number % 50 == 49:
                most = max(most, server.resident())
            time.sleep(max(0.0, begun + 0.01 - time.monotonic()))
        there = idle.await_text("<599>", 10.0)
    other = "the other's lines stay away" if late else f"the other's slowest line {max(delays) * 1e3:.0f} ms"
    return f"memory up by {max(0, most - before) / _MB:.0f} MB; {other}; it {'gets all' if there else 'gets no end'}"


def restart(server: Server) -> str:
    """A restart: the server is killed, 100 lines are written, it is started again, and the viewer of 1 MB comes back"""
    log = server.log("log")
    log.write_text(_LINE * 12_500 + "<the last line>\n")
    with Follower(server) as viewer:
        viewer.await_text("<the last line>", 5.0)
        viewer.drain(0.5)
        cursors = re.findall(rb'"cursor": ?"([^"]+)"', viewer.last)
    server.kill()
    with log.open("a") as file:
        file.write("".join(f"<meanwhile:{number}>\n" for number in range(100)))
    server.start()
    with Follower(server, cursor=cursors[-1].decode() if cursors else None) as viewer:
        viewer.await_text("<meanwhile:99>", 5.0)
        viewer.drain(0.5)
        lines = len(set(re.findall(rb"<meanwhile:\d+>", viewer.last)))
    return f"{lines} of the 100 lines; {viewer.received / 1e3:.1f} kB are sent"


SITUATIONS: tuple[Callable[[Server], str], ...] = (burst, rewrite, large, slow, restart)


def compare(situations: tuple[Callable[[Server], str], ...] = SITUATIONS) -> Iterator[Row]:
    """The same log in logstream and in others: a burst, a rewrite, 600 MB, a slow reader, a restart"""
    for situation in situations:
        for kind in PEERS:
            if kind.missing() is None:
                with kind() as server, contextlib.suppress(BrokenPipeError):
                    yield {
                        situation.__name__: kind.name,
                        (situation.__doc__ or "").partition(":")[0]: situation(server),
                    }


def missing() -> dict[str, str]:
    """Each that is not installed, and how it would be."""
    return {kind.name: how for kind in PEERS if (how := kind.missing())}


def _warm_up(viewer: Follower, write: Callable[[bytes], object]) -> None:
    """Have a viewer that gets what is appended."""
    for number in range(50):
        write(b"<warm:%d>\n" % number)
        if viewer.await_text(f"<warm:{number}>", 0.5):
            break
    viewer.drain(0.3)
    viewer.forget()
