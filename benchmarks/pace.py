"""How many lines a second a server keeps pace with: the highest rate at which each line still arrives by itself, soon.

A server that is short of time does not get slower by the line: what has come meanwhile goes out in one message. So it
is not asked how many lines a second arrive, but up to which rate there is a message for nearly every line, in time.
"""

from __future__ import annotations

import math
import select
import time
from collections.abc import Callable, Sequence

from .client import Client, find_stamps
from .report import Row, quantiles
from .servers import Server
from .writing import writing

IN_TIME = 0.05  # seconds from write to arrival, of 99 % of all lines
BY_ITSELF = 0.95  # of all lines, that come in a message of their own
_LAST = 1.0  # seconds that a rate is tried for
_TRIES = 2  # for each rate: something else may have had the processor
_STEP = 1.5  # from rate to rate, until one is held and the next one is too high
_HALVINGS = 4  # between the last two
_LOOK = 0.002  # seconds between two looks of those whose lines are timed
_LOOK_RARELY = 0.05  # the same of all others, who share the processors with the server and are not what is measured
_LEAST = 10.0  # lines a second, which any server holds that works
_QUIET = 1.0  # seconds in which nothing arrives, after which the rest is lost
_WITNESSES = 8  # clients whose lines are timed; the others' are counted


class Crowd:
    """Clients that look at their sockets now and then, and count what has come; some time it, and look often."""

    def __init__(self, clients: Sequence[Client]) -> None:
        self._clients = {client.sock.fileno(): client for client in clients}
        self._buffer = bytearray(1 << 20)
        witnesses = clients[:: -(-len(clients) // _WITNESSES)]  # not the first: who comes first is served first
        self._witnesses = {client.sock.fileno() for client in witnesses}
        self._often, self._rarely = select.epoll(), select.epoll()
        for number in self._clients:
            (self._often if number in self._witnesses else self._rarely).register(number, select.EPOLLIN)
        self.lines = self.messages = 0
        self.delays: list[float] = []

    def close(self) -> None:
        """Give up the selectors."""
        self._often.close()
        self._rarely.close()

    def read_lines(self, count: int) -> None:
        """Read until so many lines have arrived at all of them together, or nothing more does."""
        self.lines = self.messages = 0
        self.delays = []
        last = looked = time.monotonic()
        while self.lines < count and last > time.monotonic() - _QUIET:
            time.sleep(_LOOK)
            ready = self._often.poll(0)
            if time.monotonic() > looked + _LOOK_RARELY:
                ready += self._rarely.poll(0)
                looked = time.monotonic()
            for number, _ in ready:
                self._read(number)
            if ready:
                last = time.monotonic()

    def _read(self, number: int) -> None:
        size = self._clients[number].sock.recv_into(self._buffer)
        if not size:
            raise ConnectionError("the server has closed the connection")
        self.messages += self._buffer.count(b'"logs:data"', 0, size)
        self.lines += self._buffer.count(b"\\n", 0, size)
        if number in self._witnesses:
            now = time.monotonic_ns()
            self.delays += [(now - stamp) / 1e9 for stamp in find_stamps(self._buffer[:size])]


def keep_pace(server: Server, clients: Sequence[Client], names: Sequence[str], viewers: int, rate: float) -> Row:
    """The highest rate, in lines a second that arrive at all clients together, and how that was.

    Each session of `names` has so many `viewers` among the clients. It begins at `rate`, in lines that are written.
    """
    crowd = Crowd(clients)
    try:
        crowd.read_lines(1)  # until all is calm
        highest, held = find_highest(lambda rate: _hold(server, crowd, names, viewers, rate), rate)
        return {"lines a second": highest * viewers} | held
    finally:
        crowd.close()


def find_highest(hold: Callable[[float], Row | None], rate: float) -> tuple[float, Row]:
    """The highest rate that is held, to 3 %, and what `hold(rate)` said of it: None for one that is too high.

    Raises RuntimeError where not even a few lines a second are held.
    """
    held: tuple[float, Row] | None = None
    too_high = math.inf
    while held is None or too_high == math.inf:
        if rate < _LEAST:
            raise RuntimeError(f"the server does not keep pace with {rate:.0f} lines a second")
        if (found := hold(rate)) is not None:
            held = rate, found
            rate *= _STEP
        else:
            too_high = rate
            rate /= _STEP
    for _ in range(_HALVINGS):
        middle = math.sqrt(held[0] * too_high)
        if (found := hold(middle)) is not None:
            held = middle, found
        else:
            too_high = middle
    return held


def _hold(server: Server, crowd: Crowd, names: Sequence[str], viewers: int, rate: float) -> Row | None:
    """What a rate costs and how late its lines are; None where it is too high."""
    lines = int(rate * _LAST)
    for _ in range(_TRIES):
        cpu, own = server.cpu(), time.process_time()
        with writing(server, names, rate=rate, lines=lines):
            crowd.read_lines(lines * viewers)
        cpu, own = server.cpu() - cpu, time.process_time() - own
        delays = quantiles(crowd.delays or [math.inf])
        if crowd.messages >= BY_ITSELF * lines * viewers and delays["p99 ms"] <= IN_TIME * 1e3:
            count = lines * viewers
            return {"CPU µs a line": cpu / count * 1e6, "clients' CPU µs": own / count * 1e6} | delays
    return None
