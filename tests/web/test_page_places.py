"""Tests of any place of a log on its page: excerpts with line numbers, marks, the bar, keys and tools."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from ..browser import Browser, LogPage, Opening, append, is_beside, lines
from ..serving import ServerProcess, wait_until

LINES = 150_000  # more than a page keeps
HOME, END, PAGE_DOWN, ENTER = ("Home", 36), ("End", 35), ("PageDown", 34), ("Enter", 13)

# Of an element's text to what is behind it.
CONTRAST = """
const element = document.querySelector(arguments[0]);
const values = (color) => color.match(/[\\d.]+/g).map(Number);
const light = ([red, green, blue]) => [red, green, blue].map((value) => value / 255)
  .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
  .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
let behind = element;
while (values(getComputedStyle(behind).backgroundColor)[3] === 0) behind = behind.parentElement;
const [one, other] = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor].map(values).map(light);
return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for all tests; one that prints a traceback fails."""
    process = ServerProcess("gunicorn", tmp_path_factory.mktemp("server"))
    process.log("large").write_text(large())
    yield process
    assert "Traceback" not in process.stop()


def large() -> str:
    """Lines of many lengths, a fifth of them coloured."""
    words = ["\x1b[31mline\x1b[0m", "line", "line", "line", "line"]
    return "".join(f"{words[number % 5]} {number} {'x' * (number % 90)}\n" for number in range(LINES))


class Excerpt:
    """What a page shows of any place."""

    def __init__(self, page: LogPage) -> None:
        self._run = page.browser.run

    def shown(self) -> bool:
        """Whether it is what is seen."""
        return (
            self._run("return document.querySelector('#excerpt').checkVisibility({visibilityProperty: true})") is True
        )

    def lines(self) -> list[list[Any]]:
        """Of each line there is: its number, its text, and its offset."""
        return list(
            self._run(
                """return [...document.querySelectorAll('#excerpt .line')].map((line) =>
                [line.firstChild.textContent, line.lastChild.textContent, Number(line.dataset.offset)]);"""
            )
        )

    def top(self) -> list[Any]:
        """The same of the first line in sight."""
        script = """const { top } = document.querySelector('#excerpt').getBoundingClientRect();
            const lines = [...document.querySelectorAll('#excerpt .line')];
            const index = lines.findIndex((line) => line.getBoundingClientRect().bottom > top + 2);
            const line = lines[index];
            if (line === undefined) return null;
            return [line.firstChild.textContent, line.lastChild.textContent, Number(line.dataset.offset)];"""
        return self._run(script) or ["", "", -1]

    def number(self) -> int:
        """The first line in sight's own number, by its text; -1 where there is none."""
        found = re.match(r"line (\d+) x*\n", self.top()[1])
        return int(found[1]) if found else -1

    def marked(self) -> list[str]:
        """The numbers of the lines that are marked and in sight."""
        script = """const view = document.querySelector('#excerpt').getBoundingClientRect();
            return [...document.querySelectorAll('#excerpt .line.marked')].filter((line) => {
                const { top, bottom } = line.getBoundingClientRect();
                return top >= view.top && bottom <= view.bottom;
            }).map((line) => line.firstChild.textContent);"""
        return list(self._run(script))

    def bar(self) -> list[Any]:
        """Where the bar says one is, in bytes and in words, and how large it says that the log is."""
        script = """const { ariaValueNow, ariaValueText, ariaValueMax } = document.querySelector('#bar');
            return [Number(ariaValueNow), ariaValueText, Number(ariaValueMax)];"""
        return list(self._run(script))

    def check(self, log: str | list[str]) -> None:
        """That lines are those of the log, or of a list, each at its place and with its number, and not too many."""
        found = self.lines()
        assert 0 < len(found) <= 2000
        written = log.splitlines(True) if isinstance(log, str) else log
        first = int(found[0][0])
        assert [int(number) for number, _, _ in found] == list(range(first, first + len(found)))
        plain = re.sub(r"\x1b\[\d+m", "", "".join(written[first - 1 :][: len(found)]))
        assert "".join(text for _, text, _ in found) == plain
        assert len("".join(written[: first - 1]).encode()) == found[0][2]


def test_a_log_is_read_from_its_end_to_its_beginning(open_page: Opening, server: ServerProcess) -> None:
    """By the wheel past what is kept, by keys and by the bar; the page keeps few lines, and each one is right."""
    path = server.log("large")
    log, size = path.read_text().splitlines(True), path.stat().st_size
    page = open_page("large")
    excerpt = Excerpt(page)
    page.await_state("live")
    assert not excerpt.shown()
    assert excerpt.bar()[0] == size
    page.drag_scrollbar(0)
    wait_until(lambda: page.seen("#end"))
    wait_until(lambda: page.scroll(-1000) is None and excerpt.shown())  # type: ignore[func-returns-value]
    wait_until(lambda: excerpt.number() >= 0)
    assert LINES - 110_000 < excerpt.number() < LINES - 90_000
    begun = excerpt.number()
    wait_until(lambda: page.scroll(-6000) is None and excerpt.number() < begun - 3000)  # type: ignore[func-returns-value]
    excerpt.check(log)
    turned = excerpt.number()
    wait_until(lambda: page.scroll(6000) is None and excerpt.number() > turned + 1000)  # type: ignore[func-returns-value]
    excerpt.check(log)
    page.press(*HOME)
    wait_until(lambda: excerpt.top()[:2] == ["1", "line 0 \n"])
    excerpt.check(log)
    assert excerpt.bar() == [0, f"line 1, 0 % of {size / 1e6:.2f} MB", size]
    assert page.seen("#place") == excerpt.bar()[1]
    drag_bar(page, 0.2)
    wait_until(lambda: abs(excerpt.top()[2] / size - 0.2) < 0.02)
    excerpt.check(log)
    page.press(*PAGE_DOWN)  # on the bar
    wait_until(lambda: abs(excerpt.top()[2] / size - 0.25) < 0.02)
    drag_bar(page, 1.0)
    wait_until(lambda: not excerpt.shown())
    wait_until(lambda: page.from_end() == 0)
    assert page.seen("#end") is None
    page.press(*HOME)
    wait_until(lambda: excerpt.top()[0] == "1")
    page.press(*END)
    wait_until(lambda: not excerpt.shown() and page.from_end() == 0)
    assert page.browser.run("return document.activeElement.id") == "log"


def drag_bar(page: LogPage, share: float) -> None:
    """Take the bar's thumb, and let it go at a share of the way."""
    x, y, height, thumb_y, thumb = page.browser.run(
        """const bar = document.querySelector('#bar').getBoundingClientRect();
        const thumb = document.querySelector('#bar > .thumb').getBoundingClientRect();
        return [bar.x + bar.width / 2, bar.y, bar.height, thumb.y, thumb.height];"""
    )
    mouse = {"x": x, "button": "left", "buttons": 1, "clickCount": 1}
    begin, end = thumb_y + thumb / 2, y + thumb / 2 + share * (height - thumb)
    page.browser.command("Input.dispatchMouseEvent", type="mousePressed", y=begin, **mouse)
    for step in range(1, 6):
        at = begin + (end - begin) * step / 5
        page.browser.command("Input.dispatchMouseEvent", type="mouseMoved", y=at, **mouse)
    page.browser.command("Input.dispatchMouseEvent", type="mouseReleased", y=end, **mouse)


def test_lines_are_marked_and_their_address_opens_them(
    open_page: Opening, server: ServerProcess, browser: Browser
) -> None:
    """By click and by keys, from where the live view is; in a fresh page they are marked, with what surrounds them."""
    log = lines(0, 5000)
    server.log("marked").write_text(log)
    page = open_page("marked")
    excerpt = Excerpt(page)
    page.await_text(log)
    page.drag_scrollbar(0.4)
    wait_until(lambda: page.seen("#end") is not None)
    reading = page.settled_top_line()
    page.press("l", 76)
    wait_until(lambda: excerpt.top()[1])
    wait_until(lambda: is_beside(excerpt.top()[1], reading))  # where the edge lies between them
    excerpt.check(log)
    first = int(excerpt.top()[0])
    wait_until(lambda: browser.run("return document.activeElement.ariaLabel") == f"Line {first}")
    page.press("ArrowDown", 40)
    page.press("ArrowDown", 40)
    enter(page, shift=False)
    offset = log.index(f"line {first + 1}\n")
    wait_until(lambda: browser.driver.current_url.endswith(f"#at={offset}"))
    assert excerpt.marked() == [f"{first + 2}"]
    for _ in range(3):
        page.press("ArrowDown", 40)
    enter(page, shift=True)
    end = log.index(f"line {first + 4}\n")
    wait_until(lambda: browser.driver.current_url.endswith(f"#at={offset}-{end}"))
    marked = [f"{number}" for number in range(first + 2, first + 6)]
    assert excerpt.marked() == marked
    assert len(browser.driver.window_handles) == 1
    url = browser.driver.current_url
    browser.driver.get("about:blank")
    browser.driver.get(url)
    wait_until(lambda: excerpt.marked() == marked)
    excerpt.check(log)
    assert first - 20 < int(excerpt.top()[0]) < first  # with some lines above
    assert browser.run("return document.activeElement.id") == "excerpt"
    for scheme in ("light", "dark"):
        browser.emulate(scheme)
        for element in (
            ".line:not(.marked) .number",
            ".marked .number",
            "#place",
            "#tools button",
            "[aria-pressed=true]",
        ):
            assert browser.run(CONTRAST, element) >= 4.5, (scheme, element)
    page.await_state("live")
    number = f"#excerpt [data-line='{first}'] .number"
    browser.driver.find_element("css selector", number).click()
    assert excerpt.marked() == [f"{first}"]
    browser.run(f"location.hash = '#at={log.index('line 4000')}'")  # as a link on another page, or the reader
    wait_until(lambda: excerpt.marked() == ["4001"])
    assert page.seen("#notice") is None
    browser.driver.back()
    wait_until(lambda: excerpt.marked() == [f"{first}"])
    browser.run("location.hash = ''")
    wait_until(lambda: not excerpt.shown())
    browser.run("location.hash = '#at=999999'")
    wait_until(lambda: "The log ends before the marked place" in (page.seen("#notice") or ""))
    assert excerpt.marked() == []
    page.press(*END)
    wait_until(lambda: not excerpt.shown())


def enter(page: LogPage, *, shift: bool) -> None:
    """Press Enter, with Shift or without."""
    fields = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "modifiers": 8 if shift else 0}
    page.browser.command("Input.dispatchKeyEvent", type="keyDown", text="\r", **fields)
    page.browser.command("Input.dispatchKeyEvent", type="keyUp", **fields)


def test_an_excerpt_is_what_is_in_the_log_now(open_page: Opening, server: ServerProcess) -> None:
    """It grows with the log, an unfinished line too; where that was truncated, rewritten or replaced it begins anew."""
    path = server.log("changes")
    path.write_text(lines(0, 1000) + "unfin")
    page = open_page("changes")
    excerpt = Excerpt(page)
    page.await_state("live")
    page.press("l", 76)
    wait_until(lambda: excerpt.lines()[-1:] == [["1001", "unfin", len(lines(0, 1000))]])
    append(path, "ished\nmore")
    wait_until(lambda: [line[:2] for line in excerpt.lines()[-2:]] == [["1001", "unfinished\n"], ["1002", "more"]])
    append(path, "\n" + "grown\n" * 500)
    page.browser.run("document.querySelector('#excerpt').scrollTop = 1e9")
    wait_until(lambda: page.scroll(2000) is None and excerpt.lines()[-1][0] == "1502")  # type: ignore[func-returns-value]
    excerpt.check(path.read_text())
    for name, text in (("truncated", "short\n"), ("rewritten", lines(7000, 8000)), ("replaced", lines(3000, 4000))):
        if name == "replaced":
            path.rename(path.with_suffix(".old"))
        path.write_text(text)
        wait_until(lambda text=text: has(excerpt, text))  # type: ignore[misc]
        excerpt.check(text)
        assert page.seen("#notice") == "The log has begun anew."
    path.write_text("")
    wait_until(lambda: excerpt.lines() == [])
    append(path, text)
    wait_until(lambda: has(excerpt, text))
    assert page.seen("#notice") == "The log has begun anew."
    # No answer for a while is said, and no more when it has come.
    page.press(*END)
    wait_until(lambda: not excerpt.shown())
    os.kill(server.pid, signal.SIGSTOP)
    try:
        page.press("l", 76)
        wait_until(lambda: page.seen("#notice") == "Waiting for the server …")
    finally:
        os.kill(server.pid, signal.SIGCONT)
    wait_until(lambda: has(excerpt, text) and page.seen("#notice") is None)


def has(excerpt: Excerpt, text: str) -> bool:
    """Whether all lines that there are now are of this text."""
    found = "".join(line[1] for line in excerpt.lines())
    return found != "" and found in text


def test_keys_and_tools(open_page: Opening, server: ServerProcess, browser: Browser) -> None:
    """The tool bar and the list of keys can be used by the keyboard alone; what was chosen is remembered."""
    server.log("tools").write_text(f"short\n{'long ' * 500}\n" * 50)
    page = open_page("tools")
    page.await_state("live")
    overflow = "const { scrollWidth, clientWidth } = document.querySelector('#log'); return scrollWidth > clientWidth"
    assert browser.run(overflow) is False
    page.press("w", 87)
    assert browser.run(overflow) is True
    pressed = "return document.querySelector('#tools [aria-keyshortcuts=w]').ariaPressed"
    assert browser.run(pressed) == "false"
    browser.driver.refresh()
    page.await_state("live")
    assert browser.run(overflow) is True
    page.press("l", 76)
    wait_until(lambda: Excerpt(page).shown() and Excerpt(page).lines())
    assert browser.run(overflow.replace("#log", "#excerpt")) is True
    browser.driver.find_element("xpath", "//button[.='Wrap']").click()
    assert browser.run(overflow.replace("#log", "#excerpt")) is False
    focused = "return document.activeElement.textContent"
    page.press("ArrowLeft", 37)
    page.press("ArrowLeft", 37)
    assert browser.run(focused) == "Beginning"
    browser.run("document.querySelector('#tools button').focus()")
    page.press("ArrowLeft", 37)
    assert browser.run(focused) == "Keys", "it goes round"
    enter(page, shift=False)
    dialog = page.seen("#keys")
    assert dialog is not None
    assert {"Home", "End", "l", "w", "?"} <= set(re.split(r"\s", dialog))
    page.press(*END)
    assert Excerpt(page).shown(), "keys of the page are none of the dialog's"
    page.press("Escape", 27)
    wait_until(lambda: page.seen("#keys") is None)
    page.press("?", 191)
    wait_until(lambda: page.seen("#keys") is not None)
    page.press("Escape", 27)
    tree = browser.command("Accessibility.getFullAXTree")["nodes"]
    names = {(node["role"]["value"], node.get("name", {}).get("value")) for node in tree if not node["ignored"]}
    assert {
        ("scrollbar", "Place in the log"),
        ("toolbar", "Tools"),
        ("button", "Beginning"),
        ("link", "Line 2"),
    } <= names
    assert {("button", "Follow the end ↓"), ("region", "Lines of tools")} <= names
    assert not [name for name in names if name[0] == "log"]
    browser.resize(360, 640, mobile=True)
    wait_until(lambda: browser.run("return innerWidth") == 360)
    assert browser.run("return document.documentElement.scrollWidth") == 360
    assert browser.run("return document.querySelector('#bar').clientWidth") >= 24
    page.press("?", 191)
    wait_until(lambda: page.seen("#keys") is not None)
    dialog = "const { scrollTop, scrollHeight, clientHeight } = document.querySelector('#keys');"
    assert browser.run(f"{dialog} return [scrollTop, scrollHeight > clientHeight]") == [0, True]


def test_what_is_copied_is_what_was_written(open_page: Opening, server: ServerProcess, browser: Browser) -> None:
    """No numbers, no escape sequences and no line breaks by wrapping, from either view."""
    shown = "".join(f"line {number} {'wide ' * 100}end\n" for number in range(60))
    server.log("copied").write_text(shown.replace("wide", "\x1b[31mwide\x1b[0m"))
    page = open_page("copied")
    page.await_text(shown)
    script = """getSelection().selectAllChildren(document.querySelector(arguments[0]));
        const clipboardData = new DataTransfer();
        const event = new ClipboardEvent('copy', { clipboardData, bubbles: true, cancelable: true });
        document.querySelector(arguments[0]).dispatchEvent(event);
        return clipboardData.getData('text/plain');"""
    assert browser.run(script, "#log .lines") == shown
    assert browser.run(script, "#log") == shown
    ActionChains(browser.driver).key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL).perform()
    assert browser.run("return String(getSelection())") == shown.rstrip("\n")
    page.press("l", 76)
    excerpt = Excerpt(page)
    wait_until(lambda: excerpt.lines())
    page.press(*HOME)
    wait_until(lambda: len(excerpt.lines()) == 60)
    assert browser.run(script, "#excerpt .lines") == shown
    browser.run("getSelection().empty()")
    ActionChains(browser.driver).key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL).perform()
    assert browser.run("return String(getSelection())").strip().startswith("line 0 wide")
    # What is selected stays so while more comes, and its line scrolls off the screen.
    page.press(*END)
    wait_until(lambda: not excerpt.shown())
    browser.run(
        """const line = document.querySelector('#log .screen > div:last-child').previousElementSibling;
        const text = document.createTreeWalker(line, NodeFilter.SHOW_TEXT).nextNode();
        getSelection().setBaseAndExtent(text, 2, text, 7);"""
    )
    for first in (0, 20, 400):
        append(server.log("copied"), lines(first, first + 20))
        shown += lines(first, first + 20)
        page.await_text(shown)
        assert browser.run("return String(getSelection())") == "ne 59"
    assert browser.run("return getSelection().anchorNode.parentElement.closest('.chunk') !== null") is True
