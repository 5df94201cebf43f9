"""A real browser, headless, as a reader of the page has one."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains

from .processes import command_of, cpu_time_of, descendants, memory_of
from .serving import PATIENCE, wait_until

NEEDS = "needs Chromium: apt-get install chromium chromium-driver"

# What has no windows of a desktop behind it takes half of the processor's time.
_SHELL = "/usr/lib/chromium/chromium-headless-shell"
_OPTIONS = (
    "--no-sandbox",  # which root cannot have
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # who asks anybody else has something to complain about
)
Opening = Callable[[str], "LogPage"]  # the type of the fixture `open_page`

# Looks in the page itself whether something is so: to ask it again and again from outside is work for three processes.
_AWAIT = """
const [milliseconds, ...values] = arguments;
const end = performance.now() + milliseconds;
const isSo = () => %s;
let pause = 5;
return new Promise((resolve) => {
  (function look() {
    if (isSo()) resolve(true);
    else if (performance.now() >= end) resolve(false);
    else setTimeout(look, (pause = Math.min(50, 1.25 * pause)));
  })();
});
"""
_TEXT = "document.querySelector('.lines')?.textContent"

_ELSEWHERE = "net::ERR_NAME_NOT_RESOLVED"
_OUTAGE = ("net::ERR_", "WebSocket connection to", "status of 400", "status of 401", "status of 404", "status of 503")


class Browser:
    """One window. Remembers what its pages complain about, and leads them to this machine only."""

    def __init__(self) -> None:
        """Start it, with nothing from an earlier one; skips the test where there is none."""
        chromium, driver = shutil.which(_SHELL) or shutil.which("chromium"), shutil.which("chromedriver")
        if chromium is None or driver is None:
            pytest.skip(NEEDS)
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for option in (*_OPTIONS, "--headless" if chromium == _SHELL else "--headless=new"):
            options.add_argument(option)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.outages = False  # a server is away for a while, of which a browser complains
        self.driver = webdriver.Chrome(options, Service(driver))
        self.driver.set_script_timeout(10 * PATIENCE)  # what awaits something has a limit of its own

    def close(self) -> None:
        """End it."""
        self.driver.quit()

    def reset(self) -> None:
        """Leave the page, and forget what was set and what was heard."""
        if self.driver.current_url != "about:blank":
            self.driver.get("about:blank")
        self.command("Network.clearBrowserCookies")
        self.outages = False
        self.emulate("light")
        self.resize(1000, 700)
        self.complaints()

    def memory(self) -> int:
        """Bytes that all of its processes have in use."""
        return sum(memory_of(pid) for pid in descendants(self.driver.service.process.pid))

    def renderers(self) -> list[int]:
        """The processes that its pages run in."""
        return [pid for pid in descendants(self.driver.service.process.pid) if "--type=renderer" in command_of(pid)]

    def command(self, name: str, **parameters: Any) -> Any:
        """A command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(name, parameters)

    def run(self, script: str, *values: Any) -> Any:
        """What a script returns that runs in the page."""
        return self.driver.execute_script(script, *values)

    def type_keys(self, *keys: str) -> None:
        """Press keys, wherever the focus is."""
        ActionChains(self.driver).send_keys(*keys).perform()

    @contextlib.contextmanager
    def before_each_page(self, script: str) -> Iterator[None]:
        """Have a script run before those of each page that is opened."""
        added = self.command("Page.addScriptToEvaluateOnNewDocument", source=script)
        try:
            yield
        finally:
            self.command("Page.removeScriptToEvaluateOnNewDocument", **added)

    def await_so(self, condition: str, *values: Any, timeout: float = PATIENCE) -> None:
        """Until an expression is true in the page, of `values`; fail where it does not become so."""
        deadline = time.monotonic() + timeout
        is_so = False
        while not is_so:
            left = deadline - time.monotonic()
            assert left > 0, f"waited in vain for {condition}"
            try:
                is_so = self.run(_AWAIT % condition, 1000 * left, *values)
            except WebDriverException:  # another page has come meanwhile
                time.sleep(0.05)

    def await_answer(self, script: str, *answers: object, timeout: float = PATIENCE) -> None:
        """Until a script returns one of these, which the page runs again and again."""
        expected = [json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in answers]
        self.await_so(f"values.includes(JSON.stringify((() => {{ {script} }})() ?? null))", *expected, timeout=timeout)

    def emulate(self, scheme: str) -> None:
        """Prefer `light` or `dark`."""
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def resize(self, width: int, height: int, mobile: bool = False) -> None:
        """Show pages in so many pixels."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        self.command("Emulation.setDeviceMetricsOverride", **metrics)

    def complaints(self) -> list[str]:
        """Errors and warnings on the console since it was asked, but those that tell of an outage that is meant."""
        entries = [entry for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
        messages = [entry["message"] for entry in entries]
        if self.outages:
            return [one for one in messages if _ELSEWHERE in one or not any(said in one for said in _OUTAGE)]
        return messages

    def screenshot(self, path: Path) -> None:
        """Write what is seen as a PNG file."""
        assert self.driver.save_screenshot(str(path))


def append(path: Path, text: str) -> None:
    """Write some more to a log."""
    with path.open("a") as file:
        file.write(text)


def lines(first: int, last: int) -> str:
    """Numbered lines."""
    return "".join(f"line {number}\n" for number in range(first, last))


def is_beside(line: str, other: str) -> bool:
    """Whether two of them are the same or neighbours, whatever is behind their numbers."""
    return abs(int(line.split()[1]) - int(other.split()[1])) <= 1


class LogPage:
    """The page of one session, as its reader sees it."""

    def __init__(self, browser: Browser, url: str | None) -> None:
        """Open it; None: it is what the browser shows already."""
        self.browser = browser
        self._run = browser.run
        if url is not None:
            browser.driver.get(url)

    def text(self) -> str:
        """All lines that the page has."""
        return str(self._run(f"return {_TEXT}"))

    def state(self) -> str:
        """The word that says how the session is."""
        return str(self._run("return document.querySelector('#state')?.textContent"))

    def connection(self) -> str:
        """The word that says how the connection is."""
        return str(self._run("return document.querySelector('#connection')?.textContent"))

    def seen(self, selector: str) -> str | None:
        """The text of an element; None where it is not shown."""
        found = "const found = document.querySelector(arguments[0]);"
        return self._run(f"{found} return found?.checkVisibility() ? found.innerText : null", selector)

    def await_text(self, text: str, timeout: float = PATIENCE) -> None:
        """Until the page has exactly this text."""
        try:
            self.browser.await_so(f"{_TEXT} === values[0]", text, timeout=timeout)
        except AssertionError:
            assert self.text() == text  # pytest shows where they differ

    def await_end(self, end: str, timeout: float = PATIENCE) -> None:
        """Until the page's text ends so."""
        self.browser.await_so(f"{_TEXT}?.endsWith(values[0])", end, timeout=timeout)

    def length(self) -> int:
        """How many characters of the Basic Multilingual Plane the page's text has."""
        return int(self._run(f"return {_TEXT}.length"))

    def count_lines(self) -> int:
        """How many lines the page has, but for an unfinished one."""
        return int(self._run(f"return {_TEXT}.split('\\n').length - 1"))

    def await_state(self, *states: str, timeout: float = PATIENCE) -> None:
        """Until the page says that it is so, or so."""
        state = "document.querySelector('#state')?.textContent"
        self.browser.await_so(f"values.includes({state})", *states, timeout=timeout)

    def await_level(self, timeout: float = PATIENCE) -> None:
        """Until the page has all of a log that others have used before, and that may have been quiet for a while."""
        self.await_state("live", "quiet", timeout=timeout)

    def from_end(self) -> float:
        """Pixels between what is seen and the end of the log."""
        log = "const log = document.querySelector('#log');"
        return float(self._run(f"{log} return log.scrollHeight - log.clientHeight - log.scrollTop"))

    def top_line(self, below: int = 30) -> str:
        """The line that is seen so many pixels below the top."""
        script = """const { x, y } = document.querySelector('#log').getBoundingClientRect();
        const { offsetNode, offset } = document.caretPositionFromPoint(x + 20, y + arguments[0]);
        return offsetNode.data.slice(0, offset).split('\\n').at(-1) + offsetNode.data.slice(offset).split('\\n')[0];"""
        return str(self._run(script, below))

    def settled_top_line(self) -> str:
        """The first line of which something is seen, once the page has been laid out for good."""
        before, line = "", None
        while line != before:
            for _ in range(3):
                self.browser.driver.execute_async_script("requestAnimationFrame(() => setTimeout(arguments[0]))")
            before, line = line, self.top_line(2)
        return line

    def await_reading(self, line: str) -> None:
        """Until this is what is read, or its neighbour where the edge lies between them."""
        wait_until(lambda: is_beside(self.settled_top_line(), line))

    def style(self, text: str) -> dict[str, str]:
        """How the run with this text is shown."""
        return dict(
            self._run(
                """const spans = [...document.querySelectorAll('.lines span')];
                const style = getComputedStyle(spans.find((span) => span.textContent === arguments[0]));
                const names = ['color', 'backgroundColor', 'fontWeight', 'fontStyle', 'textDecorationLine', 'opacity'];
                return Object.fromEntries(names.map((name) => [name, style[name]]));""",
                text,
            )
        )

    def scroll(self, pixels: int) -> None:
        """Turn the mouse's wheel over the log, up where negative."""
        wheel = {"type": "mouseWheel", "x": 300, "y": 300, "deltaX": 0, "deltaY": pixels}
        self.browser.command("Input.dispatchMouseEvent", **wheel)

    def drag_scrollbar(self, share: float) -> None:
        """Drag the scrollbar's thumb from the end to a share of the log."""
        left, top, width, height = self._run(
            "const { x, y, width, height } = document.querySelector('#log').getBoundingClientRect();"
            "return [x, y, width, height];"
        )
        bar = {"x": left + width - 7, "button": "left", "buttons": 1, "clickCount": 1}
        bottom = top + height - 22  # above the button with an arrow
        mouse = "Input.dispatchMouseEvent"
        self.browser.command(mouse, type="mousePressed", y=bottom, **bar)
        for step in range(1, 11):
            self.browser.command(mouse, type="mouseMoved", y=bottom - step / 10 * (1 - share) * height, **bar)
        self.browser.command(mouse, type="mouseReleased", y=bottom - (1 - share) * height, **bar)

    def press(self, key: str, code: int) -> None:
        """Press a key, and let it go."""
        for kind in ("rawKeyDown", "keyUp"):
            self.browser.command("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def watch_answers(self) -> None:
        """Measure from now on how long the page takes to answer a key."""
        self._run(
            """window.answers = [];
            addEventListener('keydown', (event) => answers.push(performance.now() - event.timeStamp));"""
        )
        self._renderers = self.browser.renderers()
        assert self._renderers
        self._worked: list[float] = []

    def ask_for_answer(self) -> None:
        """Press a key that does nothing."""
        before = [cpu_time_of(pid) for pid in self._renderers]
        self.press("Shift", 16)
        after = [cpu_time_of(pid) for pid in self._renderers]
        self._worked.append(1000 * sum(max(0.0, new - old) for old, new in zip(before, after, strict=True)))

    def answers(self) -> list[float]:
        """Milliseconds that the page took for each answer, the quickest first.

        Where it has worked for less time than it took, it waited for a busy machine, and its work counts.
        """
        return sorted(min(both) for both in zip(self._run("return answers"), self._worked, strict=True))
