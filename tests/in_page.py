"""Waiting for something in a page, which looks by itself: to ask a browser all the time is more work than to wait."""

from __future__ import annotations

import json

from .browser import Browser
from .serving import PATIENCE


def await_answer(browser: Browser, script: str, *answers: object, timeout: float = PATIENCE) -> None:
    """Until a script, which the page runs again and again, returns one of these answers; it must not leave the page."""
    look = """
        const [answers, until, done] = [arguments[0], Date.now() + arguments[1], arguments[2]];
        const answer = () => { SCRIPT };
        const look = () => {
          const found = JSON.stringify(answer() ?? null);
          if (answers.includes(found) || Date.now() > until) done(found);
          else setTimeout(look, 100);
        };
        look();"""
    expected = [json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in answers]
    browser.driver.set_script_timeout(2 * timeout)
    try:
        found = browser.driver.execute_async_script(look.replace("SCRIPT", script), expected, 1000 * timeout)
    finally:
        browser.driver.set_script_timeout(PATIENCE)
    assert found in expected
