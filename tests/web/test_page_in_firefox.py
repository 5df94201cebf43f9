"""Tests of scrolling on a session's page in Firefox, whose scrolling is smooth and happens beside the page."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from ..browser import append, lines
from ..firefox import Firefox
from ..serving import ServerProcess, wait_until

pytestmark = pytest.mark.parametrize("server", ["gunicorn"], indirect=True)


@pytest.fixture(scope="module")
def firefox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    """One browser for all tests."""
    made = Firefox(tmp_path_factory.mktemp("firefox") / "profile")
    yield made
    made.close()


class Page:
    """The page of a session in it."""

    def __init__(self, firefox: Firefox, server: ServerProcess, session: str) -> None:
        self.firefox = firefox
        firefox.resize(1000, 700)
        firefox.open(f"http://127.0.0.1:{server.port}/sessions/{session}")
        wait_until(lambda: firefox.run("return document.querySelector('#state').textContent") == "live")

    def is_at_end(self) -> bool:
        """Whether the end of the log is in sight."""
        log = "const log = document.querySelector('#log');"
        return bool(self.firefox.run(f"{log} return log.scrollHeight - log.clientHeight - log.scrollTop < 2"))

    def is_following(self) -> bool:
        """Whether there is no button that leads to the end."""
        return bool(self.firefox.run("return document.querySelector('#end').hidden"))

    def top_line(self) -> str:
        """The line that is seen at the top, once nothing moves."""
        line = """await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
        const { x, y } = document.querySelector('#log').getBoundingClientRect();
        const { offsetNode, offset } = document.caretPositionFromPoint(x + 20, y + 2);
        return offsetNode.data.slice(0, offset).split('\\n').at(-1) + offsetNode.data.slice(offset).split('\\n')[0];"""
        seen = [self.firefox.run(line)]

        def is_settled() -> bool:
            seen.append(self.firefox.run(line))
            return len(seen) > 5 and len(set(seen[-5:])) == 1

        wait_until(is_settled)
        return str(seen[-1])

    def go_to_the_middle_of_a_line(self) -> None:
        """Scroll by less than a line, so that pixels that are rounded change none for `top_line`."""
        self.firefox.run(
            """const log = document.querySelector('#log');
            const { x, y } = log.getBoundingClientRect();
            const { offsetNode, offset } = document.caretPositionFromPoint(x + 20, y + 2);
            const character = new Range();
            character.setStart(offsetNode, offset);
            character.setEnd(offsetNode, offset + 1);
            const { top, height } = character.getBoundingClientRect();
            log.scrollTop += top + height / 2 - (y + 2);"""
        )

    def await_end(self, line: str) -> None:
        """Until the page has this as its last line."""
        last = "return document.querySelector('.lines').textContent.trimEnd().split('\\n').at(-1)"
        wait_until(lambda: self.firefox.run(last) == line)

    def resize(self, width: int, height: int) -> None:
        """Give the window another size."""
        self.firefox.resize(width, height)
        wait_until(lambda: self.firefox.run("return [innerWidth, innerHeight]") == [width, height])


def wide(last: int) -> str:
    """Lines of many lengths."""
    return "".join(f"line {number} {'wide ' * (number % 45)}\n" for number in range(last))


def test_the_end_stays_in_sight(firefox: Firefox, server: ServerProcess) -> None:
    """Of a long log, while more comes, and in a window of another size."""
    path = server.log("long")
    path.write_text(wide(100_000))
    page = Page(firefox, server, "long")
    assert page.is_at_end()
    for first in range(100_000, 103_000, 1000):
        append(path, lines(first, first + 1000))
        page.await_end(f"line {first + 999}")
        wait_until(page.is_at_end)
    for width, height in ((400, 700), (1200, 500), (1000, 700)):
        page.resize(width, height)
        wait_until(page.is_at_end)
    assert page.is_following()


def test_what_is_read_stays_where_it_is(firefox: Firefox, server: ServerProcess) -> None:
    """When old lines are dropped, and in a window of another size; the End key leads back."""
    path = server.log("read")
    path.write_text(wide(100_000))
    page = Page(firefox, server, "read")
    left, top, width, height = firefox.run(
        "const { x, y, width, height } = document.querySelector('#log').getBoundingClientRect();"
        "return [x, y, width, height];"
    )
    firefox.drag(left + width - 5, top + height - 10, top + 0.6 * height)
    wait_until(lambda: not page.is_following())
    page.top_line()  # once nothing moves
    page.go_to_the_middle_of_a_line()
    reading = page.top_line()
    assert not page.is_at_end()
    for first in range(100_000, 115_000, 5000):
        append(path, lines(first, first + 5000))
        page.await_end(f"line {first + 4999}")
        wait_until(lambda: page.top_line() == reading)
    for size in ((400, 700), (1200, 500), (360, 300), (1000, 700)):
        page.resize(*size)
        wait_until(lambda: page.top_line() == reading)
    firefox.press("End")
    wait_until(lambda: page.is_following() and page.is_at_end())


def test_a_reader_gets_away_from_the_end_while_text_pours_in(firefox: Firefox, server: ServerProcess) -> None:
    """What the page scrolls by itself does not end what the reader has begun."""
    path = server.log("pouring")
    path.write_text(lines(0, 1000))
    page = Page(firefox, server, "pouring")
    over = threading.Event()

    def pour() -> None:
        number = 1000
        while not over.wait(0.02):
            append(path, lines(number, number + 20))
            number += 20

    thread = threading.Thread(target=pour)
    thread.start()
    try:
        for turn in (-30, -100, "PageUp", "Home"):
            length = "return document.querySelector('.lines').textContent.length"
            before = firefox.run(length)
            wait_until(lambda before=before: firefox.run(length) > before + 5_000)
            if isinstance(turn, str):
                firefox.press(turn)
            else:
                firefox.wheel(turn)
            wait_until(lambda: not page.is_following())
            reading = page.top_line()
            assert not page.is_at_end()
            assert page.top_line() == reading
            firefox.press("End")
            wait_until(lambda: page.is_following() and page.is_at_end())
    finally:
        over.set()
        thread.join()


def test_what_is_searched_for_is_marked_and_gone_to(firefox: Firefox, server: ServerProcess) -> None:
    """By the browser's own highlights."""
    server.log("search").write_text(lines(0, 3000) + "needle\n" + lines(0, 9))
    Page(firefox, server, "search")
    for key in "/needle":
        firefox.press(key)
    marked = "return [...(CSS.highlights.get(%r) ?? [])].map(String).join()"
    wait_until(lambda: firefox.run(marked % "found") == "needle")
    firefox.press("\ue007")  # Enter
    wait_until(lambda: firefox.run(marked % "current") == "needle")
    assert firefox.run("return location.hash") == f"#at={len(lines(0, 3000))}"
