"""Tests of the list of all sessions, in a real browser."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from ..browser import Browser, append
from ..processes import cpu_time_of, delay_of
from ..serving import AS_ANYONE, ServerProcess, Starting, wait_until
from ..tmux.tmuxserver import TmuxServer, needs_tmux

SHOWN = "return [...document.querySelectorAll('tbody tr')].filter((row) => row.checkVisibility()).map((row) => {0})"
# Run before the page's own scripts: the longest task so far, in milliseconds, and when all rows were there.
WATCHED = """
window.longest = 0;
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) window.longest = Math.max(window.longest, duration);
}).observe({ type: 'longtask', buffered: true });
window.ask = window.fetch;
window.fetch = async (...asked) => {
  const answer = await window.ask(...asked);
  if (window.arrived === undefined) await new Promise((resolve) => { window.goOn = resolve; });
  window.arrived ??= performance.now();
  return answer;
};
new MutationObserver(() => {
  if (window.shown === undefined && document.querySelectorAll('tbody tr').length === COUNT) {
    requestAnimationFrame(() => setTimeout(() => { window.shown = performance.now(); }));
  }
}).observe(document, { childList: true, subtree: true });
"""


@pytest.fixture(scope="module")
def only_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for all tests, to which a directory can be forbidden; one that prints a traceback fails."""
    process = ServerProcess("gunicorn", tmp_path_factory.mktemp("server"), prefix=AS_ANYONE)
    yield process
    assert "Traceback" not in process.stop()


@pytest.fixture
def server(empty_server: ServerProcess) -> ServerProcess:
    """It, without sessions."""
    return empty_server


def open_list(browser: Browser, server: ServerProcess) -> None:
    """The list, as soon as it is there."""
    browser.driver.get(f"http://127.0.0.1:{server.port}/")
    browser.await_answer("return document.querySelector('#connection').textContent", "connected")


def await_names(browser: Browser, *expected: list[str]) -> None:
    """Until these sessions are shown, in one of these orders."""
    browser.await_answer(SHOWN.format("row.cells[0].textContent"), *expected)


def names(browser: Browser) -> list[str]:
    """The sessions that are shown, from top to bottom."""
    return list(browser.run(SHOWN.format("row.cells[0].textContent")))


def point_at(browser: Browser, name: str) -> None:
    """Move the pointer to a session's row."""
    ActionChains(browser.driver).move_to_element(browser.driver.find_element("link text", name)).perform()


def test_rows_stay_under_the_pointer(browser: Browser, server: ServerProcess) -> None:
    """What they say changes; they move, come and go when the pointer has left them."""
    for number, name in enumerate(("old", "middle", "new")):
        server.log(name).write_text("x")
        os.utime(server.log(name), (1000 + number, 1000 + number))
    open_list(browser, server)
    await_names(browser, ["new", "middle", "old"])
    point_at(browser, "middle")
    append(server.log("old"), "more")
    server.log("newest").write_text("x")
    server.log("new").unlink()
    size = SHOWN.format("row.cells[1].textContent")
    browser.await_answer(size, ["1 B", "1 B", "5 B"])
    browser.await_answer("return document.querySelector('tr.gone')?.cells[0].textContent", "new")
    assert names(browser) == ["new", "middle", "old"]
    ActionChains(browser.driver).move_to_element(browser.driver.find_element("tag name", "h1")).perform()
    await_names(browser, ["newest", "old", "middle"], ["old", "newest", "middle"])


@pytest.mark.parametrize("width", [390, 1000])
def test_a_row_is_its_link_as_a_whole(browser: Browser, server: ServerProcess, width: int) -> None:
    """A click anywhere in it opens its session; on a phone it is high enough for a thumb, and nothing sticks out."""
    server.log("build").write_text("x")
    server.log("a-session-with-a-long-name-" + "x" * 100).write_text("x")
    open_list(browser, server)
    browser.resize(width, 700)
    wait_until(lambda: len(names(browser)) == 2)
    if width < 500:
        assert min(browser.run(SHOWN.format("row.getBoundingClientRect().height"))) >= 44
        assert min(browser.run(SHOWN.format("row.cells[0].clientWidth"))) > 0.9 * width  # names are what is looked for
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    row = browser.driver.find_element("link text", "build").find_element("xpath", "ancestor::tr")
    ActionChains(browser.driver).move_to_element(row.find_element("css selector", "td.changed")).click().perform()
    wait_until(lambda: browser.driver.title.startswith("build: "))


def test_a_filter_finds_sessions(browser: Browser, server: ServerProcess) -> None:
    """By a part of their names, whatever its case; those that come later too."""
    for name in ("train-1", "Train-2", "test"):
        server.log(name).write_text("x")
    open_list(browser, server)
    wait_until(lambda: len(names(browser)) == 3)
    assert browser.run("return document.querySelector('#count').textContent") == "3"
    box = browser.driver.find_element("id", "filter")
    box.send_keys("TRAIN")
    wait_until(lambda: sorted(names(browser)) == ["Train-2", "train-1"])
    assert browser.run("return document.querySelector('#count').textContent") == "2 of 3"
    browser.driver.find_element("link text", "train-1").send_keys(Keys.ENTER)  # no pointer that rows would wait for
    wait_until(lambda: browser.driver.title.startswith("train-1"))
    browser.driver.back()
    wait_until(lambda: sorted(names(browser)) == ["Train-2", "train-1"])  # as it was left
    box = browser.driver.find_element("id", "filter")
    server.log("other").write_text("x")
    server.log("retrain").write_text("x")
    sorted_names = SHOWN.format("row.cells[0].textContent") + ".sort()"
    browser.await_answer(sorted_names, ["Train-2", "retrain", "train-1"])
    box.clear()
    box.send_keys(" ")
    wait_until(lambda: len(names(browser)) == 5)


def test_a_directory_that_cannot_be_read_is_said(browser: Browser, server: ServerProcess) -> None:
    """On the page in a sentence, once, and not as a list without sessions; the connection is none the worse for it."""
    server.log("a").write_text("x")
    open_list(browser, server)
    await_names(browser, ["a"])
    browser.outages = True  # it complains of each 503
    server.directory.chmod(0)
    try:
        shown = """return [...document.querySelectorAll('main > *')].filter((one) => one.checkVisibility())
            .map((one) => one.id)"""
        browser.await_answer(shown, ["trouble"])
        said = "return document.querySelector('#trouble').textContent"
        assert browser.run(said) == "The directory of the logs cannot be read: Permission denied."
        assert browser.run("return document.querySelector('#connection').textContent") == "connected"
    finally:
        server.directory.chmod(0o700)
    await_names(browser, ["a"])
    assert browser.run("return document.querySelector('#trouble').checkVisibility()") is False


def test_states_are_told_apart(browser: Browser, server: ServerProcess) -> None:
    """Only a session that goes on is green; since when one is complete is said."""
    for name in ("live", "quiet", "complete"):
        server.log(name).write_text("x")
    os.utime(server.log("quiet"), (1000, 1000))
    server.complete("complete")
    open_list(browser, server)
    states = SHOWN.format("[row.cells[0].textContent, row.cells[3].textContent]")
    wait_until(lambda: len(names(browser)) == 3)
    found = dict(browser.run(states))
    assert found["live"] == "live"
    assert found["quiet"] == "quiet"
    assert found["complete"].startswith("complete")
    assert found["complete"].removeprefix("complete").endswith(("now", "ago"))
    color = "getComputedStyle(row.querySelector('[data-state]'), '::before').backgroundColor"
    colors = dict(browser.run(SHOWN.format(f"[row.cells[0].textContent, {color}]")))
    assert colors["live"] not in (colors["quiet"], colors["complete"])


def are_short(tries: list[tuple[float, float]]) -> bool:
    """Whether rows are shown soon, and in small steps: other work on the machine makes each of both longer only."""
    return bool(tries) and min(took for took, _ in tries) < 500 and min(longest for _, longest in tries) < 100


@needs_tmux
def test_what_tmux_has_is_running_until_it_ends(browser: Browser, start: Starting, tmux: TmuxServer) -> None:
    """Also where nobody follows it; how its program has ended is said."""
    server = start("gunicorn", LOGSTREAM_TMUX=tmux.socket)
    server.log("job").write_text("x")
    tmux.begin("job", f"exec sleep 60 >> {server.log('job')}")
    open_list(browser, server)
    state = "return document.querySelector('tbody [data-state]').textContent"
    await_names(browser, ["job"])
    browser.await_answer(state, "running")
    append(server.log("job"), '\nScript done on 2026-01-01 00:00:00+00:00 [COMMAND_EXIT_CODE="3"]\n')
    tmux.end("job")
    browser.await_answer(state, "complete, exit code 3")


def test_three_thousand_sessions_are_shown_while_the_page_answers(browser: Browser, server: ServerProcess) -> None:
    """Within half a second of their arrival, and in small steps.

    On a busy machine it is its work that counts, and where it was kept from working most of the time, nothing is told.
    """
    now = time.time()
    for number in range(3000):
        path = server.log(f"session-{number:04}")
        path.write_text("x")
        os.utime(path, (now - 100 - number, now - 100 - number))
    tries: list[tuple[float, float]] = []
    tells = False
    with browser.before_each_page(WATCHED.replace("COUNT", "3000")):
        while len(tries) < 10 and not are_short(tries):
            browser.driver.get(f"http://127.0.0.1:{server.port}/")
            wait_until(lambda: browser.run("return window.goOn !== undefined"))
            before = [(pid, cpu_time_of(pid), delay_of(pid)) for pid in browser.renderers()]
            browser.run("window.goOn()")
            wait_until(lambda: browser.run("return window.shown"))
            worked = 1000 * sum(max(0.0, cpu_time_of(pid) - earlier) for pid, earlier, _ in before)
            kept = 1000 * sum(max(0.0, delay_of(pid) - earlier) for pid, _, earlier in before)
            took, longest = browser.run("return [window.shown - window.arrived, window.longest]")
            tries.append((min(took, worked), longest))
            tells = tells or kept < took / 2
    assert names(browser)[::2999] == ["session-0000", "session-2999"]
    assert are_short(tries) or not tells, tries


def test_a_list_that_has_not_changed_is_not_sent_again(server: ServerProcess) -> None:
    """Only that it has not; and what is sent is compressed."""
    for number in range(100):
        server.log(f"session-{number}").write_text("x")
        os.utime(server.log(f"session-{number}"), (1000, 1000))
    answer = server.fetch("/sessions", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(answer.body) < 3000
    tag = answer.headers["ETag"]
    again = server.fetch("/sessions", headers={"If-None-Match": tag})
    assert (again.status, again.body) == (304, b"")
    append(server.log("session-0"), "x")
    other = server.fetch("/sessions", headers={"If-None-Match": tag})
    assert other.status == 200
    assert other.headers["ETag"] != tag
    assert other.body.startswith(b"[{")
