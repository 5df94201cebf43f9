"""Searching and reading any place of large logs, beside grep and sed on the same files."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlencode

from .client import Client, read_until
from .reading import browser_memory
from .report import Row, quantiles, ratios
from .servers import Logstream, Server

_MB = 1 << 20
_WRITER = Path(__file__).with_name("writer.py")
_PLAIN = "2026-01-01 08:00:{0:02d} INFO worker {1} has done task number {2} in {3} ms\n"
_COLOURED = (
    "\x1b[2m2026-01-01 08:00:{0:02d}\x1b[0m \x1b[32mINFO\x1b[0m worker \x1b[1m{1}\x1b[0m "
    "has done task number {2} in {3} ms\n"
)
_NEEDLE = "the needle that is looked for\n"
_EXPRESSION = "task number [0-9]+ in [0-9]+ s$|needle that i[st]"
_SED = r"s/\x1b\[[0-9;]*m//g"


def search() -> Iterator[Row]:
    """Searching 1 GB against grep and sed, a first hit, lines of others meanwhile, and the middle of 10 GB"""
    with Logstream() as server:
        for name, row in _measure(server):
            yield {"search": name} | row


def _measure(server: Server) -> Iterator[tuple[str, Row]]:
    plain, coloured = server.log("plain"), server.log("coloured")
    _fill(plain, _PLAIN, 1024 * _MB)
    _fill(coloured, _COLOURED, 256 * _MB)
    with plain.open("ab") as file:
        file.write(_NEEDLE.encode())
    _run("cat", str(plain), str(coloured))  # into the page cache, for all alike
    _ask(server, "plain", q="x", to=1)  # warm
    memory = server.memory()
    server.reset_peak_memory()
    ours = _timed(lambda: _ask(server, "plain", q="needle that is", case=1))
    yield "a word once in 1 GB: s, against grep -F", _against(ours, _run("grep", "-F", "needle that is", str(plain)))
    ours = _timed(lambda: _ask(server, "plain", q=_EXPRESSION, regex=1, case=1))
    yield "an expression over 1 GB: s, against grep -E", _against(ours, _run("grep", "-E", _EXPRESSION, str(plain)))
    ours = _timed(lambda: _ask(server, "coloured", q=_EXPRESSION, regex=1, case=1))
    pipe = f"sed '{_SED}' '{coloured}' | grep -E '{_EXPRESSION}'"
    yield "an expression over coloured 256 MB: s, against sed | grep -E", _against(ours, _run("sh", "-c", pipe))
    yield "memory up: MB", {"logstream": (server.peak_memory() - memory) / _MB}
    with server.log("first").open("wb") as file:
        file.write(_lines(_PLAIN, 99 * _MB) + _NEEDLE.encode() + _lines(_PLAIN, 99 * _MB))
    yield "first hit behind 99 MB: ms", {"logstream": _first_hit(server, "first") * 1e3}
    middle = 5 << 30
    with server.log("sparse").open("wb") as file:
        file.truncate(10 << 30)
        file.seek(middle)
        file.write(b"\n" + _lines(_PLAIN, _MB))
    took = [_timed(lambda: _lines_around(server, middle + 500_000 + 997 * step)) for step in range(20)]
    yield "lines around the middle of 10 GB: ms", {"median": sorted(took)[10] * 1e3, "worst": max(took) * 1e3}
    alone, beside = _live(server, searches=0), _live(server, searches=4)
    yield "a live line in another session", alone
    yield "the same during four searches", beside
    yield "the same, against without", ratios(beside, alone, {"p99": "p99 ms"})
    _fill(server.log("long"), _COLOURED, 2048 * _MB)
    yield "browser memory up, from the end of 2 GB to its beginning: MB", browser_memory(server, "long")


def _live(server: Server, searches: int) -> Row:
    """From write to arrival of 250 lines, 50 a second."""
    session = f"beside-{searches}"  # which has no lines yet
    server.log(session).touch()
    over = threading.Event()

    def go_on() -> None:
        while not over.is_set():
            _ask(server, "plain", q=_EXPRESSION, regex=1, to=256 * _MB)

    threads = [threading.Thread(target=go_on) for _ in range(searches)]
    with contextlib.closing(Client(server.port)) as client:
        client.subscribe(session)
        time.sleep(0.5)
        for thread in threads:
            thread.start()
        try:
            with subprocess.Popen([sys.executable, str(_WRITER), "50", "250", "100", str(server.log(session))]):
                read_until([client], lambda: len(client.delays) >= 250)
        finally:
            over.set()
            for thread in threads:
                thread.join()
        return quantiles(client.delays)


def _ask(server: Server, session: str, **options: object) -> None:
    with urllib.request.urlopen(_address(server, session, "search", options), timeout=60) as response:
        last = response.read().splitlines()[-1]
    assert not json.loads(last)["more"], last


def _first_hit(server: Server, session: str) -> float:
    begun = time.monotonic()
    with urllib.request.urlopen(_address(server, session, "search", {"q": "needle"}), timeout=60) as response:
        for line in response:
            if "text" in json.loads(line):
                return time.monotonic() - begun
    raise RuntimeError("nothing was found")


def _lines_around(server: Server, at: int) -> None:
    options = {"at": at, "before": 50, "after": 50}
    with urllib.request.urlopen(_address(server, "sparse", "lines", options), timeout=60) as response:
        assert len(json.load(response)["lines"]) == 101


def _address(server: Server, session: str, what: str, options: Mapping[str, object]) -> str:
    return f"http://127.0.0.1:{server.port}/sessions/{session}/{what}?{urlencode(options)}"


def _against(ours: float, theirs: float) -> Row:
    return {"logstream": ours, "the other": theirs, "ratio": ours / theirs}


def _run(*command: str) -> float:
    """The time that a command takes, its start included."""
    environment = {"LC_ALL": "C.UTF-8", "PATH": os.defpath}
    return _timed(lambda: subprocess.run(command, stdout=subprocess.DEVNULL, env=environment, check=False))


def _timed(do: Callable[[], object]) -> float:
    begun = time.monotonic()
    do()
    return time.monotonic() - begun


def _lines(line: str, size: int) -> bytes:
    """About so many bytes of lines, a megabyte at least."""
    lines = (line.format(number % 60, number % 8, number * 7919, number % 977) for number in range(14_000))
    block = "".join(lines).encode()
    return block * max(1, size // len(block))


def _fill(path: Path, line: str, size: int) -> None:
    block = _lines(line, _MB)
    with path.open("wb") as file:
        while file.tell() < size:
            file.write(block)
