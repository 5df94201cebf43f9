"""The page's memory while somebody reads a log of gigabytes in it from its end to its beginning."""

from __future__ import annotations

import importlib
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from .report import Row
from .servers import Server

_MB = 1 << 20
_PATIENCE = 60.0  # seconds
_PLACES = 40  # that are read on the way, by the bar
_PAGES = 6  # of each
_TOP = """
const line = document.querySelector('#excerpt .line');
return line === null ? null : Number(line.dataset.offset);
"""


def browser_memory(server: Server, session: str) -> Row:
    """MB by which Chromium's processes grow, from when the page is live; no figure where there is no Chromium."""
    if not all(map(shutil.which, ("chromium", "chromedriver"))):
        return {"browser": "there is none"}
    driving = importlib.import_module("tests.browser")  # as the tests do it
    with tempfile.TemporaryDirectory() as profile:
        browser = driving.Browser(Path(profile))
        try:
            page = driving.LogPage(browser, f"http://127.0.0.1:{server.port}/sessions/{session}")
            page.await_state("live", _PATIENCE)
            _await_rest(browser)
            before = most = browser.memory()
            page.press("l", 76)
            offset = _await_other(page, None)
            browser.run("document.querySelector('#bar').focus()")
            for _ in range(_PLACES):
                for _ in range(_PAGES):
                    page.scroll(-3000)
                    time.sleep(0.05)
                most = max(most, browser.memory())
                for _ in range(2):
                    page.press("PageUp", 33)
                most = max(most, browser.memory())
                if offset == 0:
                    break
                offset = _await_other(page, offset)
            page.press("Home", 36)
            deadline = time.monotonic() + _PATIENCE
            while browser.run(_TOP) != 0 and time.monotonic() < deadline:
                time.sleep(0.01)
            most = max(most, browser.memory())
            browser.command("HeapProfiler.collectGarbage")
            time.sleep(1.0)
            return {
                "kept": (browser.memory() - before) / _MB,
                "at most, before garbage is collected": (most - before) / _MB,
            }
        finally:
            browser.close()


def _await_rest(browser: Any) -> None:
    """Until all of the live view has its colours, and nothing is kept that is in no use."""
    deadline = time.monotonic() + _PATIENCE
    spans, before = 0, -1
    while spans != before and time.monotonic() < deadline:
        time.sleep(2.0)
        spans, before = browser.run("return document.querySelectorAll('#log span').length"), spans
    browser.command("HeapProfiler.collectGarbage")


def _await_other(page: Any, offset: int | None) -> int:
    """The offset of the first line that there is, once it is another one."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        found = page.browser.run(_TOP)
        if found is not None and found != offset:
            return int(found)
        time.sleep(0.01)
    raise TimeoutError("the page shows no other lines")
