"""Tests of the page as people use it, in a real browser."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..browser import Browser, LogPage, Opening, append, lines
from ..serving import ServerProcess, Starting, wait_until

TOKEN = "correct-horse"
ANSWER = 100  # milliseconds in which the page answers, whatever it is doing
END = ("End", 35)

COLOURS = [196, 202, 208, 214, 220, 226, 190, 154, 118, 82, 83, 84, 85, 86, 87, 81, 75, 69]
BUILD = (
    "\x1b[1m$ make train\x1b[0m\n"
    + "".join(
        f"\x1b[2m12:{5 * step:02}:07\x1b[0m \x1b[32mINFO\x1b[0m  epoch {step:2}  loss \x1b[38;5;{colour}m"
        f"{2.3 * 0.83**step:.4f}\x1b[0m  accuracy {1 - 0.6 * 0.85**step:.1%}\n"
        for step, colour in enumerate(COLOURS[:8])
    )
    + "\x1b[2m12:39:51\x1b[0m \x1b[33mWARN\x1b[0m  learning rate lowered to \x1b[1m1e-4\x1b[0m\n"
    + "\x1b[2m12:40:00\x1b[0m \x1b[31mERROR\x1b[0m checkpoint: \x1b[4mdisk/run-7\x1b[0m is \x1b[7m full \x1b[0m\n"
    + "".join(f"\x1b[48;5;{colour}m \x1b[0m" for colour in COLOURS)
    + "\n\x1b[48;2;30;70;110m\x1b[97m größer · 日本語 · 😀 \x1b[0m\n"
    + "\x1b[36mtraining\x1b[0m  \x1b[32m━━━━━━━━━━━━━━━━━━━━\x1b[90m━━━━━━━━━━━━\x1b[0m  62%"
)


@pytest.fixture(scope="module")
def server(only_server: ServerProcess) -> ServerProcess:
    """One server for all tests."""
    return only_server


def nine_of_ten(answers: list[float]) -> float:
    """The longest of nine in ten answers: for the tenth, the machine may have had something else to do."""
    return answers[len(answers) * 9 // 10]


# What a screen reader says from now on: each change in a place that is a status.
HEAR = """window.heard = [];
for (const place of document.querySelectorAll('[role=status], [role=alert]')) {
  new MutationObserver((changes) => {
    heard.push(...changes.filter(({ addedNodes }) => addedNodes.length).map(() => place.textContent));
  }).observe(place, { childList: true, characterData: true, subtree: true });
}"""

# All sessions


def await_rows(browser: Browser, *rows: list[str]) -> None:
    """Until the table has these rows: name, size, state."""
    found = """[...document.querySelectorAll('tbody tr')].map((row) => [
        row.cells[0].textContent, row.cells[1].textContent, row.querySelector('[data-state]').textContent
    ])"""
    browser.await_so(f"JSON.stringify({found}) === JSON.stringify(values)", *rows)


def test_the_list_keeps_itself_current(browser: Browser, empty_server: ServerProcess) -> None:
    """Sessions come, grow, complete and go in it without a reload, the one that changed last first."""
    server = empty_server
    browser.driver.get(f"http://127.0.0.1:{server.port}/")
    wait_until(lambda: browser.run("return document.querySelector('#empty').checkVisibility()"))
    server.log("größer <b>?#%2F").write_text("x" * 999)
    await_rows(browser, ["größer <b>?#%2F", "999 B", "live"])
    os.utime(server.log("größer <b>?#%2F"), (1000, 1000))
    server.log("other").write_text("x" * 1500)
    await_rows(browser, ["other", "1.50 kB", "live"], ["größer <b>?#%2F", "999 B", "quiet"])
    browser.run("document.querySelectorAll('tbody a')[1].focus()")
    server.complete("other")
    begun = time.monotonic()
    append(server.log("größer <b>?#%2F"), "x")
    await_rows(browser, ["größer <b>?#%2F", "1.00 kB", "live"], ["other", "1.50 kB", "complete"])
    assert browser.run("return document.activeElement.textContent") == "größer <b>?#%2F"
    age = re.fullmatch(r"now|(\d+) seconds? ago", browser.driver.find_element("css selector", "tbody time").text)
    assert age
    assert int(age[1] or 0) <= time.monotonic() - begun + 1
    server.log("other").unlink()
    await_rows(browser, ["größer <b>?#%2F", "1.00 kB", "live"])
    browser.driver.find_element("link text", "größer <b>?#%2F").click()
    wait_until(lambda: browser.driver.title == "größer <b>?#%2F: live")
    browser.driver.find_element("link text", "Sessions").click()
    await_rows(browser, ["größer <b>?#%2F", "1.00 kB", "live"])


def test_the_readmes_example_is_a_page_of_its_own(browser: Browser, start: Starting, address: str) -> None:
    """The app and the ten lines that the README shows follow a session in a dashboard of one's own."""
    server = start("gunicorn", app="tests.readme_app", LOGSTREAM_BIND=address)
    path = server.log("build")
    path.write_text("one\n")
    browser.driver.get(f"http://127.0.0.1:{server.port}/")
    text = "return document.querySelector('#log').textContent"
    wait_until(lambda: browser.run(text) == "one\n")
    append(path, "two\n")
    wait_until(lambda: browser.run(text) == "one\ntwo\n")
    assert browser.driver.title == "open"
    browser.outages = True
    server.stop()
    append(path, "three\n")
    wait_until(lambda: browser.driver.title == "reconnecting")
    server = start("gunicorn", app="tests.readme_app", LOGSTREAM_BIND=address)
    wait_until(lambda: browser.run(text) == "one\ntwo\nthree\n")
    LogPage(browser, f"http://127.0.0.1:{server.port}/logs/sessions/build").await_text("one\ntwo\nthree\n")


# One session


def test_a_log_is_shown_and_what_is_appended(open_page: Opening, server: ServerProcess) -> None:
    """All text, then each piece as it is written, a line that is not finished too."""
    path = server.log("append")
    path.write_text("größer 日本語 😀\n" * 1000)
    page = open_page("append")
    page.await_text(path.read_text())
    assert page.state() == "live"
    assert page.seen("#missing") is None
    for piece in ("half", " a line", " done\n", "\ttab\n\n", "next\n" * 500, "last"):
        append(path, piece)
        page.await_text(path.read_text())
    for number in range(30):
        append(path, f"{number}\n")
        page.await_text(path.read_text())
    nodes = "[...document.querySelectorAll('.chunk')].map((chunk) => chunk.childNodes.length)"
    assert page.browser.run(f"return Math.max(...{nodes})") == 1
    assert page.seen("#size") == f"{path.stat().st_size / 1000:.1f} kB"


def test_a_page_that_is_opened_again_asks_for_none_of_its_files(
    open_page: Opening, server: ServerProcess, browser: Browser
) -> None:
    """The browser has kept them, and does not ask whether they are others now."""
    server.log("again").write_text("text\n")
    open_page("again").await_text("text\n")
    for _ in range(2):
        open_page("again").await_text("text\n")
        sent = browser.run(
            """const files = performance.getEntriesByType("resource").filter(({ name }) => name.includes("/static/"));
            return files.map(({ transferSize }) => transferSize);"""
        )
        assert len(sent) > 30
        assert set(sent) == {0}


def test_a_log_that_is_not_there_yet_is_waited_for(open_page: Opening, server: ServerProcess, browser: Browser) -> None:
    """The page may be opened before the job begins, and says so; what changes then is heard once."""
    browser.outages = True  # it complains of a 404
    page = open_page("future")
    page.await_state("there is no such session yet; waiting for it")
    assert page.connection() == "connected"
    assert page.browser.driver.title == "future: there is no such session yet; waiting for it"
    page.browser.run(HEAR)
    server.log("future").write_text("begun\n")
    page.await_text("begun\n")
    page.await_state("live")
    assert page.browser.run("return heard") == ["live"]


def test_a_name_that_is_none_is_told(open_page: Opening) -> None:
    """What the server says of a session that cannot be followed stands where the state does."""
    page = open_page("x" * 252)
    page.await_state("A session name must not be longer than 251 bytes.")


def test_a_trouble_that_ends_is_over(open_page: Opening, server: ServerProcess) -> None:
    """What could not be followed is tried again, and its text is shown once the operator has helped."""
    server.log("trouble").mkdir()
    page = open_page("trouble")
    page.await_state("Session 'trouble' has a log that is not a regular file.")
    server.log("trouble").rmdir()
    server.log("trouble").write_text("text\n")
    page.await_text("text\n")
    page.await_state("live")


def test_a_log_that_is_rewritten_starts_over(open_page: Opening, server: ServerProcess) -> None:
    """What was shown of the old text goes."""
    path = server.log("rewritten")
    path.write_text(lines(0, 1000))
    page = open_page("rewritten")
    page.await_text(path.read_text())
    path.write_text("anew\n")
    page.await_text("anew\n")
    append(path, lines(0, 1000))
    page.await_text(path.read_text())
    wait_until(lambda: page.from_end() == 0)
    assert page.seen("#end") is None


def test_colours_are_a_terminals(open_page: Opening, server: ServerProcess, browser: Browser) -> None:
    """16, 256 and all colours, and the attributes, by what the browser computes."""
    server.log("colours").write_text(
        "\x1b[31mred\x1b[0m \x1b[92mbright\x1b[0m \x1b[44mback\x1b[0m \x1b[38;5;208morange\x1b[0m "
        "\x1b[38;2;254;255;2;48;2;4;5;6mtrue\x1b[0m \x1b[1mbold\x1b[0m \x1b[2mdim\x1b[0m \x1b[3mitalic\x1b[0m "
        "\x1b[4munderline\x1b[0m \x1b[4;9mboth\x1b[0m \x1b[7minverse\x1b[0m \x1b[7;31mred inverse\x1b[0m\n"
    )
    page = open_page("colours")
    wait_until(lambda: page.text().endswith("\n"))
    assert page.style("red")["color"] == "rgb(179, 32, 42)"
    assert page.style("back")["backgroundColor"] == "rgb(10, 88, 176)"
    assert page.style("true")["color"] == "rgb(254, 255, 2)"
    assert page.style("true")["backgroundColor"] == "rgb(4, 5, 6)"
    assert page.style("bold")["fontWeight"] == "700"
    assert page.style("dim")["opacity"] == "0.65"
    assert page.style("italic")["fontStyle"] == "italic"
    assert page.style("underline")["textDecorationLine"] == "underline"
    assert page.style("both")["textDecorationLine"] == "underline line-through"
    fore, back = "rgb(29, 33, 38)", "rgb(255, 255, 255)"
    assert (page.style("inverse")["color"], page.style("inverse")["backgroundColor"]) == (back, fore)
    assert page.style("red inverse")["backgroundColor"] == "rgb(179, 32, 42)"
    assert page.style("red inverse")["color"] == back
    browser.emulate("dark")
    assert page.style("red")["color"] == "rgb(240, 105, 111)"
    assert page.style("inverse")["backgroundColor"] == "rgb(216, 222, 228)"
    assert page.style("bright")["color"] == "rgb(116, 221, 155)"
    assert page.style("orange")["color"] == "rgb(255, 135, 0)"


def test_a_progress_bar_moves_in_its_line(open_page: Opening, server: ServerProcess) -> None:
    """A carriage return and an erased line change what is there instead of adding to it."""
    path = server.log("progress")
    path.write_text("begin\n")
    page = open_page("progress")
    for done in range(0, 101, 20):
        append(path, f"\r\x1b[K\x1b[32m{'#' * (done // 10)}\x1b[0m {done} %")
        page.await_text(f"begin\n{'#' * (done // 10)} {done} %")
    append(path, "\r\x1b[2Kdone\n")
    page.await_text("begin\ndone\n")


HEADER = 'Script started on 2026-01-01 00:00:00+00:00 [COMMAND="demo" TERM="screen" COLUMNS="60" LINES="10"]\n'
FOOTER = '\nScript done on 2026-01-01 00:00:09+00:00 [COMMAND_EXIT_CODE="0"]\n'


def test_what_a_program_redraws_changes_where_it_is(open_page: Opening, server: ServerProcess) -> None:
    """Rows above the cursor are written over, a selection in another row stays, and what script adds is not shown."""
    path = server.log("redraws")
    path.write_text(f"{HEADER}one\r\ntwo\r\nthree\r\n")
    page = open_page("redraws")
    page.await_text("one\ntwo\nthree\n")
    page.browser.run("getSelection().selectAllChildren(document.querySelector('.screen').children[0])")
    for number in range(10):
        append(path, f"\x1b[2A\x1b[2K\x1b[31m{number}\x1b[m {'x' * 40}\r\n\x1b[B")
        page.await_text(f"one\n{number} {'x' * 40}\nthree\n")
        assert page.browser.run("return getSelection().toString().trim()") == "one"
        append(path, "\x1b[2A\x1b[Jtwo\r\nthree\r\n")
        page.await_text("one\ntwo\nthree\n")
    append(path, f"\x1b[?1049h\x1b[2J\x1b[HFull\x1b[10;1Hscreen\x1b[?1049l{FOOTER}")
    page.await_text("one\ntwo\nthree\n")


def test_a_full_screen_program_is_seen_and_goes(open_page: Opening, server: ServerProcess) -> None:
    """On the alternate screen the history stays above, and what was under it is there again when it ends."""
    path = server.log("full")
    path.write_text(f"{HEADER}{''.join(f'line {number}' + chr(13) + chr(10) for number in range(20))}")
    page = open_page("full")
    page.await_text(lines(0, 20))
    append(path, "\x1b[?1049h\x1b[2J\x1b[HFull\x1b[3;5Hscreen")
    page.await_text(lines(0, 11) + "Full\n\n    screen")
    append(path, "\x1b[?1049l")
    page.await_text(lines(0, 20))


def test_what_is_drawn_synchronously_is_not_seen_half_done(open_page: Opening, server: ServerProcess) -> None:
    """Until a program says that it has drawn all, what it had drawn before is shown."""
    path = server.log("synchronous")
    path.write_text(f"{HEADER}whole")
    page = open_page("synchronous")
    page.await_text("whole")
    before = "whole"
    for number in range(5):
        append(path, "\x1b[?2026h\x1b[2J\x1b[Hhalf")
        wait_until(lambda: page.seen("#size") == f"{path.stat().st_size} B")
        page.browser.driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
        assert page.text() == before
        append(path, f" and half {number}\x1b[?2026l")
        before = f"half and half {number}"
        page.await_text(before)


def test_hostile_text_is_only_text(open_page: Opening, server: ServerProcess, browser: Browser) -> None:
    """No markup, script, link or sequence in a log does anything but be shown, or be left out."""
    shown = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>&lt;</div></main>\u202e\n"
    path = server.log("hostile")
    path.write_text(
        f'{shown}\x1b]8;;javascript:window.hacked=1\x07link\x1b]8;;\x07\x1b]0;hacked\x07\x1b[31;"<script>m\n'
    )
    page = open_page("hostile")
    page.await_text(f"{shown}link<script>m\n")
    append(path, "\x1b]unfinished <b>title")
    append(path, "\n\x9b\x00\xff<iframe src='javascript:parent.hacked=1'></iframe>\n")
    wait_until(lambda: page.text().endswith("</iframe>\n"))
    assert browser.run("return window.hacked") is None
    kinds = browser.run("return [...new Set([...document.querySelectorAll('.lines *')].map((one) => one.localName))]")
    assert set(kinds) <= {"div", "span"}
    assert browser.driver.title == "hostile: live"


def test_the_end_stays_in_sight_until_the_reader_scrolls_up(open_page: Opening, server: ServerProcess) -> None:
    """Then what is read stays where it is, until a button or a key leads back to the end."""
    path = server.log("stick")
    path.write_text(lines(0, 5000))
    page = open_page("stick")
    page.await_text(path.read_text())
    wait_until(lambda: page.from_end() == 0)
    append(path, lines(5000, 5500))
    page.await_text(path.read_text())
    wait_until(lambda: page.from_end() == 0)
    assert page.seen("#end") is None

    for back in ("button", "key", "wheel"):
        page.scroll(-300)
        wait_until(lambda: page.seen("#end") is not None)
        wait_until(lambda: page.from_end() >= 299)
        reading = page.top_line()
        append(path, lines(0, 300))
        page.await_text(path.read_text())
        wait_until(lambda: page.from_end() > 1000)
        assert page.top_line() == reading
        if back == "button":
            page.browser.driver.find_element("id", "end").click()
        elif back == "key":
            page.press(*END)
        else:
            wait_until(lambda: page.seen("#end") is None or page.scroll(2000))  # type: ignore[func-returns-value]
        wait_until(lambda: page.from_end() == 0 and page.seen("#end") is None)
        append(path, lines(0, 300))
        page.await_text(path.read_text())
        wait_until(lambda: page.from_end() == 0)


def test_the_end_stays_in_sight_in_a_window_of_another_size(open_page: Opening, server: ServerProcess) -> None:
    """A phone that is turned, or a keyboard that slides in, does not hide the last line."""
    server.log("resize").write_text(lines(0, 1000))
    page = open_page("resize")
    page.await_text(lines(0, 1000))
    for width, height in ((1000, 300), (300, 800), (800, 300)):
        page.browser.resize(width, height)
        page.browser.await_so("innerHeight === values[0]", height)
        wait_until(lambda: page.from_end() == 0)
        assert page.seen("#end") is None


def test_a_small_turn_of_the_wheel_is_enough_while_text_pours_in(open_page: Opening, server: ServerProcess) -> None:
    """The page does not pull a reader back who has just begun to scroll up."""
    path = server.log("pour")
    path.write_text(lines(0, 1000))
    page = open_page("pour")
    page.await_text(path.read_text())
    with pouring(path):
        wait_until(lambda: "INFO" in page.text())
        page.scroll(-40)
        wait_until(lambda: page.seen("#end") is not None)
        before = page.from_end()
        wait_until(lambda: page.from_end() > before + 1000)


def test_completion_is_shown_and_a_session_that_begins_again(open_page: Opening, server: ServerProcess) -> None:
    """The last text is there when the page says complete; a new run of the same name is followed."""
    path = server.log("again")
    path.write_text("first run\n")
    page = open_page("again")
    page.await_text("first run\n")
    append(path, "last words")
    server.complete("again")
    page.await_state("complete")
    page.await_text("first run\nlast words")
    assert page.browser.driver.title == "again: complete"
    page.browser.run(
        """window.asked = [];
        const { send } = WebSocket.prototype;
        WebSocket.prototype.send = function (text) { asked.push(JSON.parse(text)); send.call(this, text); };"""
    )
    page.browser.await_so("asked.length > 0")
    assert page.browser.run("return parseInt(asked[0].cursor)") == path.stat().st_size, "no text comes again"
    path.unlink()
    path.write_text("second run\n")
    page.await_text("second run\n")
    page.await_state("live")


def title(browser: Browser) -> str:
    """What the tab says."""
    return browser.driver.title


def stale(browser: Browser) -> bool:
    """Whether the session's state is shown as one that may be over."""
    return bool(browser.run("return document.querySelector('#state').matches('.stale[title]:not([title=\"\"])')"))


def test_a_session_that_is_not_written_to_is_quiet(open_page: Opening, server: ServerProcess) -> None:
    """As the list has it, until it is written to again; whatever the browser's clock says."""
    path = server.log("silent")
    path.write_text("one\n")
    os.utime(path, (1000, 1000))
    page = open_page("silent")
    page.await_state("quiet")
    page.browser.run(HEAR)
    append(path, "two\n")
    page.await_state("live")
    append(path, "three\n")
    page.await_text("one\ntwo\nthree\n")
    assert page.browser.run("return heard") == ["live"]


def test_a_restart_of_the_server_loses_nothing(browser: Browser, start: Starting, address: str) -> None:
    """The page says that it reconnects, and goes on where it was, with nothing twice."""
    server = start("gunicorn", LOGSTREAM_BIND=address)
    path = server.log("restart")
    path.write_text(lines(0, 1000))
    page = LogPage(browser, f"http://127.0.0.1:{server.port}/sessions/restart")
    page.await_text(path.read_text())
    browser.run("window.same = true")
    page.await_state("live")
    browser.run(HEAR)
    browser.outages = True
    for first in (1000, 2000):
        server.stop()
        append(path, lines(first, first + 1000))
        wait_until(lambda: page.connection() == "reconnecting")
        assert page.state() == "live"
        assert (title(browser), stale(browser)) == ("restart: reconnecting", True)
        server = start("gunicorn", LOGSTREAM_BIND=address)
        page.await_text(path.read_text())
        wait_until(lambda: page.connection() == "connected")
        page.await_state("live")
        assert (title(browser), stale(browser)) == ("restart: live", False)
    assert browser.run("return heard") == ["reconnecting", "connected"] * 2
    assert browser.run("return window.same"), "the page was not loaded again"


@pytest.mark.timeout(300)
def test_a_large_log_loads_while_the_page_answers(open_page: Opening, server: ServerProcess) -> None:
    """Of 100 MB the progress is shown in bytes, keys are answered at once, and memory is bounded."""
    path = server.log("large")
    rest = f" {'x' * 993}\n"
    with path.open("w") as file:
        for number in range(100_000):
            file.write(f"{number:06}{rest}")
    page = open_page("large")
    page.watch_answers()
    progress = set()
    before = most = page.browser.memory()
    while page.state() != "live":
        page.ask_for_answer()
        progress.add(page.seen("#loading"))
        most = max(most, page.browser.memory())
        time.sleep(0.05)  # the page has to load, too
    answers = page.answers()
    assert len(answers) > 5
    assert nine_of_ten(answers) < ANSWER
    shown = {one for one in progress if one}
    assert len(shown) > 3
    assert [one for one in shown if not re.fullmatch(r"[\d.]+ [kM]B of 100 MB", one)] == []
    page.await_end(f"099999 {'x' * 993}\n")
    assert page.seen("#loading") is None
    assert 30_000_000 < page.length() <= 32_000_000
    kept = page.count_lines()
    assert f"{100_000 - kept:,} lines" in (page.seen("#missing") or "")
    assert most - before < 250_000_000


def test_of_a_log_with_many_lines_the_last_ones_are_loaded(open_page: Opening, server: ServerProcess) -> None:
    """More lines than the page keeps are not even sent; it says what is missing, and where all of it is."""
    path = server.log("many")
    path.write_text("".join(f"{number:09}\n" for number in range(120_000)))
    page = open_page("many")
    page.await_text("".join(f"{number:09}\n" for number in range(20_000, 120_000)))
    assert page.seen("#missing") == "Not shown: about 200 kB at the beginning. Read on above The whole log has all."
    page.browser.driver.find_element("link text", "The whole log").click()
    page.browser.await_so("document.body.textContent.length === 1_200_000")


def test_the_page_keeps_the_last_lines_only(open_page: Opening, server: ServerProcess) -> None:
    """What is appended beyond 100,000 lines pushes the first ones out, and they are counted; what is read stays."""
    path = server.log("long")
    path.write_text(lines(0, 50_000))
    page = open_page("long")
    page.await_text(path.read_text())
    for first in range(50_000, 150_000, 10_000):
        append(path, lines(first, first + 10_000))
    page.await_end("line 149999\n")
    text = page.text()
    kept = text.count("\n")
    assert 100_000 <= kept < 100_200
    assert text == lines(150_000 - kept, 150_000)
    assert page.seen("#missing") == f"Not shown: {150_000 - kept:,} lines. Read on above The whole log has all."
    wait_until(lambda: page.from_end() == 0)
    page.scroll(-300)
    wait_until(lambda: page.from_end() >= 299)
    reading = page.top_line()
    append(path, lines(150_000, 180_000))
    page.await_end("line 179999\n")
    assert page.top_line() == reading


@contextlib.contextmanager
def pouring(path: Path) -> Iterator[None]:
    """Writes 10,000 coloured lines a second to a log, on a thread of its own: fewer than a page keeps."""
    ended = threading.Event()

    def pour() -> None:
        with path.open("a") as file:
            number = 0
            while number < 90_000 and not ended.wait(0.01):
                for _ in range(100):
                    file.write(f"\x1b[32mINFO\x1b[0m {number} some text that is as long as lines of a log often are\n")
                    number += 1
                file.flush()

    thread = threading.Thread(target=pour)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_a_burst_leaves_the_page_responsive(open_page: Opening, server: ServerProcess) -> None:
    """With 10,000 lines a second coming in, keys are answered at once, and all lines are there in the end."""
    path = server.log("burst")
    path.write_text("")
    page = open_page("burst")
    page.await_state("live")
    with pouring(path):
        wait_until(lambda: "INFO" in page.text())
        page.watch_answers()
        end = time.monotonic() + 2
        asked = 0
        while time.monotonic() < end or asked <= 20:
            page.ask_for_answer()
            asked += 1
            time.sleep(0.05)
    answers = page.answers()
    assert len(answers) > 20
    assert nine_of_ten(answers) < ANSWER
    page.await_text(path.read_text().replace("\x1b[32m", "").replace("\x1b[0m", ""))
    wait_until(lambda: page.from_end() == 0)


def test_light_and_dark(open_page: Opening, server: ServerProcess, browser: Browser) -> None:
    """The page is as its reader prefers, and each colour can be read on it."""
    colours = "".join(f"\x1b[{base + index}mcolour {base + index}\x1b[0m\n" for base in (30, 90) for index in range(8))
    server.log("scheme").write_text(colours)
    browser.emulate("dark")
    page = open_page("scheme")
    wait_until(lambda: page.text().count("\n") == 16)
    for scheme, back in (("dark", "rgb(22, 24, 29)"), ("light", "rgb(255, 255, 255)")):
        browser.emulate(scheme)
        assert browser.run("return getComputedStyle(document.body).backgroundColor") == back
        for base in (30, 90):
            for index in range(8):
                assert contrast(page.style(f"colour {base + index}")["color"], back) >= 4.5, base + index
        for selector in ("#state", "#size", "a"):
            color = browser.run("return getComputedStyle(document.querySelector(arguments[0])).color", selector)
            assert contrast(color, back) >= 4.5


def contrast(one: str, other: str) -> float:
    """How well one colour can be read on another, from 1 to 21 (WCAG 2)."""

    def luminance(color: str) -> float:
        values = [int(value) / 255 for value in color.removeprefix("rgb(").removesuffix(")").split(", ")]
        parts = [value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in values]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    dark, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


def test_the_readmes_picture(
    open_page: Opening, server: ServerProcess, browser: Browser, pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    """A build with colours and a progress bar, as the README shows it; `--screenshots DIR` keeps the picture."""
    browser.emulate("dark")
    browser.resize(960, 400)
    path = server.log("build")
    path.write_text(BUILD)
    page = open_page("build")
    wait_until(lambda: page.text().endswith("62%"))
    append(path, "\r\x1b[K\x1b[36mtraining\x1b[0m  \x1b[32m━━━━━━━━━━━━━━━━━━━━━━━━\x1b[90m━━━━━━━━\x1b[0m  75%")
    wait_until(lambda: page.text().endswith("75%"))
    picture = Path(pytestconfig.getoption("--screenshots") or tmp_path) / "session.png"
    browser.screenshot(picture)
    assert picture.stat().st_size > 20_000


@pytest.mark.parametrize("path", ["/", "/sessions/phone"])
def test_a_phone_shows_all_of_it(browser: Browser, server: ServerProcess, path: str) -> None:
    """Nothing is wider than a phone, long lines are wrapped, and text is not tiny."""
    text = f"{'long ' * 100}\n{'x' * 1000}\n" * 20
    server.log("phone").write_text(text)
    browser.resize(360, 640, mobile=True)
    page = LogPage(browser, f"http://127.0.0.1:{server.port}{path}")
    wait_until(lambda: page.connection() == "connected")
    assert browser.run("return document.scrollingElement.scrollWidth") <= 360
    if path != "/":
        page.await_text(text)
        wait_until(lambda: page.from_end() == 0)
        wider = "[...document.querySelectorAll('.chunk')].map((chunk) => chunk.scrollWidth - chunk.clientWidth)"
        assert browser.run(f"return Math.max(...{wider})") == 0
        assert browser.run("return parseFloat(getComputedStyle(document.querySelector('.lines')).fontSize)") >= 12
        assert browser.run("return document.querySelector('#log').clientHeight") > 500


def test_the_keyboard_and_a_screen_reader_reach_everything(
    open_page: Opening, server: ServerProcess, browser: Browser
) -> None:
    """The log is a named region that keys scroll at once; state and progress have roles; nothing reads out a flood."""
    server.log("access").write_text(lines(0, 1000))
    page = open_page("access")
    page.await_text(lines(0, 1000))
    tree = browser.command("Accessibility.getFullAXTree")["nodes"]
    found = {
        (node["role"]["value"], node["name"]["value"])
        for node in tree
        if not node.get("ignored") and node.get("name", {}).get("value")
    }
    assert ("log", "Log of access") in found
    assert ("heading", "access") in found
    assert ("link", "Sessions") in found
    assert ("link", "Whole log") in found
    assert "status" in {node["role"]["value"] for node in tree if not node.get("ignored")}
    assert browser.run("return document.querySelector('#log').ariaLive") == "off"
    assert browser.run("return document.activeElement.id") == "log"
    wait_until(lambda: page.from_end() == 0)
    page.press("PageUp", 33)
    wait_until(lambda: page.seen("#end") is not None)
    page.press(*END)
    wait_until(lambda: page.seen("#end") is None and page.from_end() == 0)


def log_in(browser: Browser, token: str) -> None:
    """Fill in the form."""
    wait_until(lambda: browser.run("return document.readyState") == "complete")
    assert browser.driver.title == "Log in"
    field = browser.driver.find_element("name", "token")
    assert field.get_attribute("type") == "password"
    field.send_keys(token)
    browser.driver.find_element("tag name", "button").click()


def test_a_token_is_asked_for_once(browser: Browser, start: Starting, address: str) -> None:
    """The form lets a reader in to the page that was asked for, live; a new token asks again."""
    browser.outages = True
    server = start("gunicorn", LOGSTREAM_TOKEN=TOKEN, LOGSTREAM_BIND=address)
    server.log("guarded").write_text("text\n")
    page = LogPage(browser, f"http://127.0.0.1:{server.port}/sessions/guarded#at=0")
    log_in(browser, "wrong")
    wait_until(lambda: page.seen("[role=alert]") == "This is not the token.")
    log_in(browser, TOKEN)
    page.await_text("text\n")
    page.await_state("live")
    assert browser.driver.current_url.endswith("/sessions/guarded#at=0")
    wait_until(lambda: page.seen("#excerpt .marked .text") == "text\n")  # the line that was asked for, too
    assert browser.run("return document.cookie") == ""
    server.stop()
    server = start("gunicorn", LOGSTREAM_TOKEN="another", LOGSTREAM_BIND=address)
    wait_until(lambda: browser.driver.title == "Log in")
    log_in(browser, "another")
    page.await_state("live")
    browser.driver.find_element("xpath", "//button[text()='Log out']").click()
    wait_until(lambda: browser.driver.title == "Log in")
