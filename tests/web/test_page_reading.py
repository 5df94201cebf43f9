"""Tests of what is in sight on a session's page: the end first, and what is read stays where it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ..browser import Browser, LogPage, Opening, append, lines
from ..serving import ServerProcess, wait_until

SOON = 1000  # milliseconds from the end's arrival until it is seen

# Notes when messages come, when the end is seen, and the state at each frame.
WATCH = """
const { WebSocket } = window;
window.arrived = window.seen = window.live = 0;
window.WebSocket = class extends WebSocket {
  constructor(...values) {
    super(...values);
    this.addEventListener('message', () => (arrived = performance.now()));
  }
};
function look() {
  const log = document.querySelector('#log');
  const screen = document.querySelector('.screen')?.textContent ?? '';
  const state = document.querySelector('#state')?.textContent;
  const isAtEnd = log && log.scrollHeight - log.clientHeight - log.scrollTop < 2;
  if (!seen && isAtEnd && screen.includes('the end is here')) seen = performance.now();
  if (!live && state === 'live') live = performance.now();
  requestAnimationFrame(look);
}
requestAnimationFrame(look);
"""

pytestmark = pytest.mark.parametrize("server", ["gunicorn"], indirect=True)


def coloured(first: int, last: int) -> str:
    """Lines as a build writes them."""
    return "".join(
        f"\x1b[2m12:00:00\x1b[0m \x1b[3{number % 8}mINFO\x1b[0m line {number} of \x1b[1mmany\x1b[0m\r\n"
        for number in range(first, last)
    )


def plain(first: int, last: int) -> str:
    """What is shown of them."""
    return "".join(f"12:00:00 INFO line {number} of many\n" for number in range(first, last))


def watched(browser: Browser, server: ServerProcess, session: str) -> LogPage:
    """Open a session's page, watched from its beginning."""
    with browser.before_each_page(WATCH):
        return LogPage(browser, f"http://127.0.0.1:{server.port}/sessions/{session}")


def check_soon(measure: Callable[[], float]) -> None:
    """It is soon, in one of five tries: others use the machine, too."""
    took: list[float] = []
    while not took or took[-1] >= SOON:
        assert len(took) < 5, took
        took.append(measure())


def test_the_end_of_a_long_coloured_log_is_shown_first(browser: Browser, server: ServerProcess) -> None:
    """It is seen within a second of its arrival, and not said to be live earlier."""
    server.log("end-first").write_text(coloured(0, 100_000) + "the end is here")

    def load() -> float:
        page = watched(browser, server, "end-first")
        page.await_state("live")
        browser.await_so("seen")
        arrived, seen, live = browser.run("return [arrived, seen, live]")
        assert live >= seen
        page.await_text(plain(1, 100_000) + "the end is here")
        return float(seen - arrived)

    check_soon(load)


def test_what_was_shown_without_its_looks_has_them_in_the_end(open_page: Opening, server: ServerProcess) -> None:
    """All of a coloured log does, with the same text, and the end in sight."""
    server.log("looks").write_text(coloured(0, 20_000) + "the end is here")
    page = open_page("looks")
    page.await_state("live")
    assert page.text() == plain(0, 20_000) + "the end is here"
    spans = "document.querySelectorAll('.chunk span').length + document.querySelectorAll('.screen span').length"
    page.browser.await_so(f"{spans} >= 3 * 19_999", timeout=60)
    assert page.text() == plain(0, 20_000) + "the end is here"
    assert page.from_end() == 0


def test_the_end_of_much_that_is_appended_is_shown_first(browser: Browser, server: ServerProcess) -> None:
    """So it is with what comes to a page that is open."""
    path = server.log("append-first")

    def pour() -> float:
        path.write_text("begun\n")
        page = watched(browser, server, "append-first")
        page.await_state("live")
        append(path, coloured(0, 100_000) + "the end is here")
        browser.await_so("seen")
        arrived, seen = browser.run("return [arrived, seen]")
        return float(seen - arrived)

    check_soon(pour)


def test_what_is_scrolled_to_looks_as_it_should_at_once(open_page: Opening, server: ServerProcess) -> None:
    """Lines that a reader drags into sight do not wait until it is their turn."""
    server.log("sight").write_text(coloured(0, 100_000))
    page = open_page("sight")
    page.await_state("live")
    page.drag_scrollbar(0.3)
    script = """const { x, y } = document.querySelector('#log').getBoundingClientRect();
    const { offsetNode } = document.caretPositionFromPoint(x + 20, y + 30);
    return offsetNode.parentElement.localName;"""
    wait_until(lambda: page.browser.run(script) == "span")


def test_what_is_read_stays_when_old_lines_are_dropped(open_page: Opening, server: ServerProcess) -> None:
    """After the scrollbar was dragged to the middle, too, and with lines that have never been in sight before it."""
    path = server.log("dropped")
    wide = "".join(f"line {number} {'wide ' * (number % 60)}\n" for number in range(100_000))
    path.write_text(wide)
    page = open_page("dropped")
    page.await_state("live")
    page.drag_scrollbar(0.6)
    wait_until(lambda: page.seen("#end") is not None)
    reading = page.settled_top_line()
    for first in range(100_000, 130_000, 5_000):
        append(path, lines(first, first + 5_000))
        page.await_end(f"line {first + 4_999}\n")
        page.await_reading(reading)


def test_where_what_is_read_is_dropped_the_oldest_line_is_read(open_page: Opening, server: ServerProcess) -> None:
    """Nothing else is as near to it."""
    path = server.log("gone")
    path.write_text(lines(0, 100_000))
    page = open_page("gone")
    page.await_state("live")
    page.drag_scrollbar(0)
    wait_until(lambda: page.seen("#end") is not None)
    append(path, lines(100_000, 130_000))
    page.await_end("line 129999\n")
    first = int(page.text().partition("\n")[0].removeprefix("line "))
    assert abs(int(page.settled_top_line().removeprefix("line ")) - first) < 3


def test_what_is_read_stays_in_a_window_of_another_size(open_page: Opening, server: ServerProcess) -> None:
    """Lines wrap otherwise in it, those above what is read too."""
    server.log("turned").write_text("".join(f"line {number} {'wide ' * (number % 90)}\n" for number in range(2000)))
    page = open_page("turned")
    page.await_state("live")
    page.drag_scrollbar(0.5)
    wait_until(lambda: page.seen("#end") is not None)
    reading = page.settled_top_line()
    for width, height in ((400, 700), (1200, 500), (360, 300), (1000, 700)):
        page.browser.resize(width, height)
        page.browser.await_so("innerWidth === values[0]", width)
        page.await_reading(reading)
