"""Tests of a page whose connection looks open and is dead."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from ..browser import Browser, LogPage, append
from ..proxy import Proxy
from ..serving import ServerProcess

pytestmark = pytest.mark.parametrize("server", ["gunicorn"], indirect=True)


@pytest.fixture
def proxy(server: ServerProcess) -> Iterator[Proxy]:
    """A proxy in front of it."""
    with Proxy(server.port) as made:
        yield made


HURRY = """const [wait, now] = [setTimeout, performance.now.bind(performance)];
window.setTimeout = (call, after, ...values) => wait(call, after / 5, ...values);
performance.now = () => now() * 5;
"""


@pytest.fixture
def hurry(browser: Browser) -> Iterator[Callable[[], None]]:
    """Has the next pages' own clock, and their timers, go five times as fast."""
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(browser.before_each_page(HURRY))


@pytest.mark.parametrize(("event", "patience"), [("", 40), ("dispatchEvent(new Event('online'))", 15)])
def test_a_proxy_that_went_silent_is_noticed(
    browser: Browser, server: ServerProcess, proxy: Proxy, hurry: Callable[[], None], event: str, patience: float
) -> None:
    """The page connects anew and goes on where it was, with nothing lost and nothing twice; at once after an event."""
    if not event:
        hurry()
    name = "silent-event" if event else "silent"
    path = server.log(name)
    path.write_text("before\n")
    page = LogPage(browser, f"http://127.0.0.1:{proxy.port}/sessions/{name}")
    page.await_text("before\n")
    page.await_state("live")
    browser.run("window.same = true")
    proxy.silence()
    append(path, "unheard\n")
    browser.run(event)
    text = "return document.querySelector('.lines').textContent"
    browser.await_answer(text, "before\nunheard\n", timeout=patience)
    append(path, "after\n")
    page.await_text("before\nunheard\nafter\n")
    assert page.state() == "live"
    assert browser.run("return window.same"), "the page was not loaded again"
    browser.outages = True  # the proxy ends before the page does


def test_a_silent_session_keeps_its_connection(
    browser: Browser, server: ServerProcess, hurry: Callable[[], None]
) -> None:
    """Who is asked and answers is not left."""
    hurry()
    server.log("quiet").write_text("text\n")
    page = LogPage(browser, f"http://127.0.0.1:{server.port}/sessions/quiet")
    page.await_state("live")
    browser.run(
        """window.heard = [];
        const { send } = WebSocket.prototype;
        WebSocket.prototype.send = function (text) {
          if (!heard.length) this.addEventListener('message', (event) => heard.push(event.data));
          heard.push(text);
          send.call(this, text);
        };"""
    )
    browser.await_answer("return window.heard.length >= 4", True, timeout=60)
    assert browser.run("return heard")[:4] == ['{"type":"ping"}', '{"type":"pong"}'] * 2
