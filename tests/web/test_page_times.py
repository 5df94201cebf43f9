"""Tests of times on the page, of what is downloaded there, and of what is copied, in a real browser."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from logstream.engine.arrivals import Standing, beginning, lines
from logstream.engine.logfile import LogFile
from logstream.engine.reading import Reader

from ..browser import Browser, Opening
from ..held_answers import HeldAnswers
from ..serving import ServerProcess, wait_until

pytestmark = pytest.mark.parametrize("server", ["gunicorn"], indirect=True)


def await_file(path: Path, content: bytes) -> None:
    """Until a file is there that has just this."""
    wait_until(lambda: path.exists() and path.read_bytes() == content)


def times(browser: Browser) -> dict[str, str]:
    """The lines that are shown, and when it is said that each arrived."""
    script = """return Object.fromEntries([...document.querySelectorAll('.line')].map((line) =>
        [line.querySelector('.text').textContent.trimEnd(),
         line.querySelector('time')?.checkVisibility() ? line.querySelector('time').innerText : '']));"""
    return dict(browser.run(script))


def clock(moment: float) -> str:
    """A time as the page shows it, with its day unless that is today's."""
    day, shown = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment)).split()
    return shown if day == time.strftime("%Y-%m-%d") else f"{day} {shown}"


def note_arrivals(server: ServerProcess, session: str, seen: dict[int, tuple[float, float]]) -> None:
    """Write down from when till when somebody has seen a log have these sizes."""
    log = server.log(session)
    place = server.directory / ".logstream" / "times" / log.name
    place.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(LogFile.open(str(log))) as file:
        standings = [
            Standing(size, int(since * 1000), int(until * 1000), Reader.at(file, size).cursor)
            for size, (since, until) in seen.items()
        ]
        place.write_bytes(beginning(file.identity[1]) + lines(standings))


def test_when_lines_arrived(open_page: Opening, server: ServerProcess, browser: Browser) -> None:
    """A key shows it: one time where it was seen, else what is known; and a time leads to its line."""
    log = server.log("timed")
    log.write_text("unseen\nseen\nlast\n")
    seen = int(time.time()) - 60  # when the middle line came, as somebody has written down
    note_arrivals(server, "timed", {7: (seen - 60.0, seen - 0.5), 12: (seen, seen + 59.5), 17: (seen + 60, seen + 60)})
    page = open_page("timed")
    page.await_text("unseen\nseen\nlast\n")
    browser.type_keys("t")
    wait_until(lambda: all(times(browser).get(line) for line in ("unseen", "seen", "last")))
    shown = times(browser)
    assert shown == {"unseen": f"by {clock(seen - 60)}", "seen": clock(seen), "last": clock(seen + 60)}
    assert browser.run("return document.querySelector('[aria-keyshortcuts=t]').ariaPressed") == "true"
    selected = """getSelection().selectAllChildren(document.querySelector('#excerpt .lines'));
        const data = new DataTransfer();
        document.querySelector('#excerpt').dispatchEvent(
            new ClipboardEvent('copy', { clipboardData: data, bubbles: true, cancelable: true }));
        return data.getData('text/plain');"""
    assert browser.run(selected) == "unseen\nseen\nlast\n"
    browser.type_keys("t")
    wait_until(lambda: set(times(browser).values()) == {""})
    browser.type_keys("T")
    wait_until(lambda: browser.run("return document.activeElement.type") == "datetime-local")
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(seen + 30))
    browser.run("document.activeElement.value = arguments[0]", moment)
    browser.type_keys(Keys.ENTER)
    wait_until(lambda: page.seen("#go-to-time") is None)
    wait_until(lambda: browser.run("return document.querySelector('.line.marked .text')?.textContent") == "last\n")
    wait_until(lambda: times(browser)["last"])  # who goes to a time sees times
    assert browser.run("return location.hash") == "#at=12"
    browser.run("localStorage.clear()")


def test_a_time_that_was_entered_stays(open_page: Opening, server: ServerProcess, browser: Browser) -> None:
    """The field begins with the time of the line that is read, but for who has entered another one by then."""
    log = server.log("entered")
    log.write_text("line\n")
    seen = int(time.time()) - 1000
    note_arrivals(server, "entered", {5: (seen, seen)})
    page = open_page("entered")
    page.await_text("line\n")
    field = "document.querySelector('#go-to-time input')"
    shown = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(seen)).removesuffix(":00")
    browser.type_keys("T")
    browser.await_so(f"{field}.value === values[0]", shown)
    browser.type_keys(Keys.ESCAPE)
    browser.run(f"{field}.value = ''")
    held = HeldAnswers(browser, "/times?")
    browser.type_keys("T")
    held.await_questions(1)
    browser.run(f"{field}.value = '2001-02-03T04:05:06'")
    held.hold_no_more()
    held.answer(0)
    assert browser.run(f"return {field}.value") == "2001-02-03T04:05:06"


def test_what_can_be_downloaded(open_page: Opening, server: ServerProcess, browser: Browser, tmp_path: Path) -> None:
    """The keyboard opens the menu; each entry gives a file of its name; Escape closes it."""
    server.log("loaded").write_bytes(b"\x1b[31mred\x1b[0m\r\n")
    page = open_page("loaded")
    page.await_text("red\n")
    browser.command("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    browser.run("document.querySelector('#download > summary').focus()")
    browser.type_keys(Keys.ENTER)
    wait_until(lambda: page.seen("#download ul") == "The log as it is\nAs plain text")
    tree = browser.command("Accessibility.getFullAXTree")["nodes"]
    found = [node for node in tree if node.get("name", {}).get("value") == "Download" and not node.get("ignored")]
    assert {"name": "expanded", "value": {"type": "booleanOrUndefined", "value": True}} in found[0]["properties"]
    browser.type_keys(Keys.TAB, Keys.ENTER)
    await_file(tmp_path / "loaded.out", b"\x1b[31mred\x1b[0m\r\n")
    assert page.seen("#download ul") is None
    browser.driver.find_element("css selector", "#download > summary").click()
    browser.driver.find_element("link text", "As plain text").click()
    await_file(tmp_path / "loaded.txt", b"red\n")
    browser.driver.find_element("css selector", "#download > summary").click()
    browser.type_keys(Keys.ESCAPE)
    assert page.seen("#download ul") is None
    assert browser.run("return document.activeElement.localName") == "summary"


def test_what_is_copied_of_the_live_view(open_page: Opening, server: ServerProcess, browser: Browser) -> None:
    """A line that a terminal wraps is one line, without escape sequences."""
    line = "a word " * 60
    server.log("copied").write_bytes(
        b'Script started on 2026-01-01 00:00:00+00:00 [TERM="xterm" COLUMNS="40" LINES="10"]\n'
        + f"\x1b[32m{line}\x1b[0m\r\n".encode() * 30
        + b"\x1b[1mend\x1b[0m\r\n"
    )
    page = open_page("copied")
    wait_until(lambda: page.text().endswith("end\n"))
    browser.run("getSelection().selectAllChildren(document.querySelector('#log .lines'))")
    copied = browser.run(
        """const data = new DataTransfer();
        document.querySelector('#log').dispatchEvent(
            new ClipboardEvent('copy', { clipboardData: data, bubbles: true, cancelable: true }));
        return data.getData('text/plain');"""
    )
    assert [one.rstrip() for one in copied.splitlines()] == [line.rstrip()] * 30 + ["end"]
