"""Answers of a server that are held back, so that a page gets them late, or never."""

from __future__ import annotations

from .browser import Browser

_HOLD = """
window.held = [];
window.ask = window.fetch;
window.fetch = (...question) => !`${question[0]}`.includes(arguments[0]) ? window.ask(...question)
    : new Promise((done) => window.held.push(() => done(window.ask(...question))));
"""
_ANSWER = """const [at, later] = arguments;
window.held[at]();
setTimeout(later, 500);
"""


class HeldAnswers:
    """Those to a page's questions whose addresses contain something, from now on, until the next page."""

    def __init__(self, browser: Browser, part: str) -> None:
        self._browser = browser
        browser.run(_HOLD, part)

    def await_questions(self, count: int) -> None:
        """Until so many have been asked."""
        self._browser.await_so("window.held.length === values[0]", count)

    def hold_no_more(self) -> None:
        """What is asked from now on is answered."""
        self._browser.run("window.fetch = window.ask")

    def answer(self, at: int) -> None:
        """Let go of the answer to one of them, and wait for what comes of it."""
        self._browser.driver.execute_async_script(_ANSWER, at)
