"""Tests of what is found on the page, in a real browser: search, marks, hits, the filter, errors, all sessions."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from selenium.webdriver.common.keys import Keys

from ..browser import Browser, LogPage, Opening, append
from ..serving import ServerProcess, wait_until
from .test_search import make_hole, take_places

LINES = 105_000  # more than a page keeps
SOME_LINES = 20_000  # many more than a list of hits keeps
EVERY = 9_000  # there is a needle in so many lines

CONTRASTS = """
const context = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
const light = (color) => {
  context.fillStyle = color;
  context.fillRect(0, 0, 1, 1);
  const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data].slice(0, 3)
    .map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
};
const back = (element) => {
  for (let at = element; at !== null; at = at.parentElement) {
    const { backgroundColor } = getComputedStyle(at);
    if (backgroundColor !== 'rgba(0, 0, 0, 0)') return light(backgroundColor);
  }
};
return Object.fromEntries(arguments[0].map((selector) => {
  const element = document.querySelector(selector);
  const values = [light(getComputedStyle(element).color), back(element)];
  return [selector, Math.max(...values) / Math.min(...values)];
}));"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for all tests; one that prints a traceback fails."""
    process = ServerProcess("gunicorn", tmp_path_factory.mktemp("server"))
    process.log("large").write_text("".join(map(numbered, range(LINES))))
    process.log("smaller").write_text("".join(map(numbered, range(SOME_LINES))))
    yield process
    assert "Traceback" not in process.stop()


def numbered(number: int) -> str:
    """A coloured line, which may have a needle."""
    return f"\x1b[3{number % 8}mline {number}\x1b[0m" + (
        " nee\x1b[1mdle\x1b[0m ERROR\n" if number % EVERY == 7 else "\n"
    )


class Search:
    """What the page says of what is searched for."""

    def __init__(self, page: LogPage) -> None:
        self.page = page
        self.run = page.browser.run

    def press(self, *keys: str) -> None:
        """Keys go where the focus is."""
        self.page.browser.driver.switch_to.active_element.send_keys(*keys)

    def type(self, text: str) -> None:
        """Type something else into the search line, which has the focus."""
        self.press(Keys.CONTROL + "a", Keys.NULL, text or Keys.DELETE)

    def click(self, name: str) -> None:
        """Click a button of the search line."""
        self.page.browser.driver.find_element("css selector", f"[data-search={name}]").click()

    def said(self) -> str:
        """What is seen beside what is typed."""
        return str(self.run("return document.querySelector('#search-shown').textContent"))

    def await_said(self, text: str) -> None:
        """Until it says exactly that, to those who hear it too."""
        said = "['#search-shown', '#search [role=status]'].map((one) => document.querySelector(one).textContent)"
        self.page.browser.await_answer(f"return {said}", [text, text])

    def marked(self, name: str = "found") -> list[str]:
        """The texts that are marked in what is shown."""
        return list(self.run("return [...(CSS.highlights.get(arguments[0]) ?? [])].map(String)", name))

    def hits(self, place: str = "#hits") -> list[str]:
        """The lines that match in the list, or in the filter."""
        texts = "[...document.querySelectorAll(`${arguments[0]} .text:not(.beside)`)].map((one) => one.textContent)"
        return list(self.run(f"return {texts}", place))

    def hash(self) -> str:
        """What the address has behind the path."""
        return urlsplit(self.page.browser.driver.current_url).fragment

    def top(self) -> str:
        """The first line that is seen of the excerpt."""
        script = """const { top } = document.querySelector('#excerpt').getBoundingClientRect();
            const lines = [...document.querySelectorAll('#excerpt .line')];
            return lines.find((line) => line.getBoundingClientRect().bottom > top + 2)?.innerText ?? '';"""
        return str(self.run(script))

    def focus(self) -> Any:
        """The id of what has the focus."""
        return self.run("return document.activeElement.id")


def open_search(page: LogPage, text: str = "") -> Search:
    """Open the search line by its key, and type something."""
    page.await_level()
    search = Search(page)
    search.press("/")
    if text:
        search.type(text)
    return search


def test_a_word_is_found_in_the_whole_log_by_keyboard_alone(open_page: Opening, server: ServerProcess) -> None:
    """Hits are counted and heard, gone to with what surrounds them, in a circle; Esc ends it all."""
    content = server.log("large").read_bytes()
    offsets = [content.index(b"line %d\x1b" % number) - 5 for number in range(7, LINES, EVERY)]
    search = open_search(open_page("large"), "NEEDLE")
    search.await_said("12 hits")
    search.press(Keys.ENTER)
    search.await_said("1 of 12 hits, on from the beginning")
    wait_until(lambda: search.marked("current") == ["needle"])
    assert search.hash() == f"at={offsets[0]}"
    search.press(Keys.ENTER)
    search.await_said("2 of 12 hits")
    assert search.hash() == f"at={offsets[1]}"
    search.press(Keys.SHIFT + Keys.ENTER + Keys.NULL)
    search.await_said("1 of 12 hits")
    search.press(Keys.SHIFT + Keys.ENTER + Keys.NULL)
    search.await_said("12 of 12 hits, on from the end")
    assert search.hash() == f"at={offsets[-1]}"
    assert search.run("return document.querySelector('#hits .current .text:not(.beside)').textContent") == (
        f"line {range(7, LINES, EVERY)[-1]} needle ERROR\n"
    )
    wait_until(lambda: len(search.hits()) == 12)
    assert search.run("return document.querySelectorAll('#hits .beside').length") == 4 * 12
    places = """const hit = document.querySelector('#hits .current');
        return ['.number', '.text:not(.beside)'].map((one) => hit.querySelector(one).getBoundingClientRect().top)"""
    assert len(set(search.run(places))) == 1  # the number is beside the line that it is of
    assert search.run("return end.getBoundingClientRect().right <= hits.getBoundingClientRect().left") is True
    # From hit to hit in the list, and to its place.
    search.run("document.querySelector('#hits .hit a').focus()")
    search.press(Keys.ARROW_DOWN)
    search.press(Keys.ENTER)
    search.await_said("2 of 12 hits")
    assert search.hash() == f"at={offsets[1]}"
    search.press("N")
    search.await_said("1 of 12 hits")
    search.press(Keys.ESCAPE)
    wait_until(lambda: not search.run("return document.querySelector('#search').checkVisibility()"))
    assert search.run("return document.querySelector('#hits').checkVisibility()") is False
    assert (search.focus(), search.marked(), search.marked("current")) == ("excerpt", [], [])


def test_expressions_and_case(open_page: Opening, server: ServerProcess, browser: Browser) -> None:
    """Switches say how they are and are remembered; a pattern that is none says where, once, and asks no more."""
    text = "Alpha 1\nalpha 22\nbeta 333 beta\n日本 😀 alpha 4\n"
    server.log("switches").write_text(text)
    search = open_search(open_page("switches"), "alpha")
    search.await_said("3 hits")
    wait_until(lambda: search.marked() == ["Alpha", "alpha", "alpha"])
    search.click("case")
    search.await_said("2 hits")
    wait_until(lambda: search.marked() == ["alpha", "alpha"])
    search.click("regex")
    search.run("document.querySelector('#search input').focus()")
    search.type(r"(a+)+ \d$|b\w+a")
    search.await_said("3 hits")
    wait_until(lambda: search.marked() == ["a 1", "beta", "beta", "a 4"])
    browser.outages = True  # it complains of an answer that says that a pattern is wrong
    search.type("a(b")
    search.await_said("The pattern is wrong at character 2: missing ).")
    assert search.run("return document.querySelector('#search input').ariaInvalid") == "true"
    assert search.marked() == []
    search.press(*[Keys.ENTER] * 4)
    complaints = [entry for entry in browser.driver.get_log("browser") if "q=a%28b&" in entry["message"]]
    assert len(complaints) in (1, 2)  # and not again for each Enter
    search.type("beta")
    search.await_said("1 hit")
    search = open_search(open_page("switches"))
    pressed = "return [...document.querySelectorAll('#search [aria-pressed=true]')].map((one) => one.dataset.search)"
    assert search.run(pressed) == ["case", "regex", "list"]
    for name in ("case", "regex"):
        search.click(name)


def test_a_growing_log_is_searched_and_filtered(open_page: Opening, server: ServerProcess) -> None:
    """New hits are counted; the filter shows those lines only, live, also one that is written bit by bit."""
    path = server.log("growing")
    path.write_text("".join(f"row {number}{' odd' if number % 2 else ''}\n" for number in range(400)))
    page = open_page("growing")
    search = open_search(page, "odd")
    search.await_said("200 hits")
    append(path, "row 400 od")
    append(path, "d\nrow 401 odd")
    search.await_said("202 hits")
    search.press(Keys.ENTER)
    wait_until(lambda: search.hash().startswith("at="))
    search.run("document.querySelector('#excerpt').scrollTop += 700")
    wait_until(lambda: search.top() != "")
    before = search.top()
    search.run("document.querySelector('#excerpt').focus()")
    search.press("f")
    wait_until(lambda: len(search.hits("#filtered")) > 100)
    assert search.focus() == "filtered"
    search.press(Keys.END)
    wait_until(lambda: search.hits("#filtered")[-1:] == ["row 401 odd\n"])
    assert all("odd" in line for line in search.hits("#filtered"))
    download = search.run("return document.querySelector('[data-download=matches]').href")
    assert server.request(urlsplit(download).path + "?" + urlsplit(download).query)[1].splitlines()[-1] == "row 401 odd"
    append(path, "est\nrow 402\nrow 403 odd\n")
    wait_until(lambda: search.hits("#filtered")[-2:] == ["row 401 oddest\n", "row 403 odd\n"])
    end = "const one = document.querySelector('#filtered'); return one.scrollHeight - one.clientHeight - one.scrollTop"
    wait_until(lambda: search.run(end) < 2)
    wait_until(lambda: re.match(r"\d+ of 203 hits", search.said()))
    search.press("f")
    wait_until(lambda: not search.run("return document.querySelector('#filtered').checkVisibility()"))
    assert (search.top(), search.focus()) == (before, "excerpt")
    # One that begins anew is another log.
    path.write_text("odd\n")
    search.await_said("1 hit")
    append(path, "odd again\n")
    search.await_said("2 hits")
    assert search.hits() == ["odd\n", "odd again\n"]
    # Escape leaves the filter first, from the search line too.
    search.press("/")
    search.click("filter")
    wait_until(lambda: search.hits("#filtered") == ["odd\n", "odd again\n"])
    search.run("document.querySelector('#search input').focus()")
    search.press(Keys.ESCAPE)
    wait_until(lambda: not search.run("return document.querySelector('#filtered').checkVisibility()"))
    assert search.run("return document.querySelector('#search').checkVisibility()") is True


def test_errors_are_gone_to(open_page: Opening, server: ServerProcess) -> None:
    """By e and E from where one is, and what looks like one is the reader's to say, and remembered."""
    page = open_page("large")
    page.await_level()
    search = Search(page)
    search.press("E")
    wait_until(lambda: search.top() != "" and search.hash() != "")
    last = search.hash()
    search.press("e")
    said = "return document.querySelector('#said').innerText"
    wait_until(lambda: search.run(said) == "On from the beginning.")
    wait_until(lambda: search.hash() == "at=" + str(len("".join(f"\x1b[3{n}mline {n}\x1b[0m\n" for n in range(7)))))
    search.press("E")
    wait_until(lambda: search.hash() == last)
    search.press("/")
    search.click("errors-shown")
    search.run("document.querySelector('[data-search=errors]').focus()")
    search.type("line 1234$")
    search.press(Keys.ENTER)
    search.run("document.querySelector('#excerpt').focus()")
    search.press("e")
    wait_until(
        lambda: search.run("return document.querySelector('#excerpt .marked .text')?.textContent") == "line 1234\n"
    )
    page = open_page("switches-of-errors")
    page.await_state("waiting for the log")
    server.log("switches-of-errors").write_text("error\n")
    page.await_state("live")
    Search(page).press("e")
    wait_until(lambda: search.run(said) == "No line looks like an error.")
    search.press("/")
    search.click("errors-shown")
    search.click("usual")
    search.run("document.querySelector('#log').focus()")
    search.press("e")
    wait_until(lambda: search.hash() == "at=0")


def test_hostile_logs_and_patterns(open_page: Opening, server: ServerProcess, browser: Browser) -> None:
    """Markup stays text; of what every line has, a few are kept; one line of megabytes holds nobody up."""
    markup = "<img src=x onerror=alert(1)> & \u202e <script>"
    server.log("markup").write_text(markup + "\n")
    search = open_search(open_page("markup"), "<img src=x onerror=alert(1)>")
    search.await_said("1 hit")
    assert search.hits() == [markup + "\n"]
    assert search.run("return document.querySelectorAll('#hits img, #hits script').length") == 0
    search.type("nothing of this")
    search.await_said("no hits")
    search = open_search(open_page("smaller"), "e")
    wait_until(lambda: search.hits()[-1:] == [f"line {SOME_LINES - 1}\n"])
    ends = """const offsets = [...document.querySelectorAll('#hits .hit')].map((hit) => Number(hit.dataset.offset));
        return [offsets[0], offsets.at(-1), offsets.length]"""
    last = search.run(ends)[1]
    while search.run(ends)[1] == last:  # until it lets go of what is far away
        first = search.run(ends)[0]
        search.run("document.querySelector('#hits').scrollTop = 0")
        wait_until(lambda first=first: search.run(ends)[0] != first)
        assert search.run(ends)[2] <= 300
    assert "+ hits" in search.said()
    with server.log("long").open("w") as log:
        log.write("x" * 1_000_000 + " needle " + "y" * 1_000_000)
    search = open_search(open_page("long"), "needle")
    search.await_said("1 hit")
    assert "needle" in search.hits()[0]
    assert len(search.hits()[0]) < 2100


def test_too_many_searches_are_waited_for(open_page: Opening, server: ServerProcess, browser: Browser) -> None:
    """It is said that others search, and found as soon as they do no more. Closing the line lets go of a place."""
    make_hole(server, "hole")
    server.log("waiting").write_text("needle\n")
    browser.outages = True  # it complains of each 503
    search = open_search(open_page("waiting"))
    with contextlib.ExitStack() as stack:
        take_places(server, "/sessions/hole/search?q=needle", stack)
        search.type("needle")
        search.await_said("0+ hits, 0 % searched, waiting for other searches")
    search.await_said("1 hit")
    append(server.log("hole"), "\n" * 101_000)  # or its last lines would take as long to be found
    search = open_search(open_page("hole"), "needle")
    wait_until(lambda: "% searched" in search.said())
    search.press(Keys.ESCAPE)
    with contextlib.ExitStack() as stack:
        take_places(server, "/sessions/hole/search?q=needle", stack)
        os.truncate(server.log("hole"), 0)  # which ends them at once
    server.log("hole").unlink()
    browser.driver.get("about:blank")
    browser.driver.get_log("browser")


def test_on_a_phone_and_in_the_dark(open_page: Opening, server: ServerProcess, browser: Browser) -> None:
    """Hits are below the log, all can be reached by a thumb, all is readable, and has a name for who hears it."""
    server.log("phone").write_text("".join(f"{'a long line ' * 9}{number}\n" for number in range(300)))
    browser.resize(390, 800, mobile=True)
    search = open_search(open_page("phone"), "long")
    search.await_said("300 hits")
    search.press(Keys.ENTER)
    wait_until(lambda: re.fullmatch(r"\d+ of 300 hits", search.said()))
    rect = "const { x, y, width, height } = document.querySelector(arguments[0]).getBoundingClientRect();"
    rects = {name: search.run(f"{rect} return [x, y, width, height]", name) for name in ("#excerpt", "#hits")}
    assert rects["#hits"][1] >= rects["#excerpt"][1] + rects["#excerpt"][3] > rects["#excerpt"][1] + 150
    assert search.run("return document.documentElement.scrollWidth") <= 390
    small = """return [...document.querySelectorAll('#search button')].filter((one) => one.checkVisibility())
        .filter((one) => Math.min(one.offsetWidth, one.offsetHeight) < 40).map((one) => one.outerHTML)"""
    assert search.run(small) == []
    texts = ["#search-shown", "#hits .beside", "#hits .number", "#hits mark", ".current mark", ".current .beside"]
    for scheme in ("light", "dark"):
        browser.emulate(scheme)
        assert {name: ratio for name, ratio in search.run(CONTRASTS, texts).items() if ratio < 4.5} == {}
    browser.command("Emulation.setEmulatedMedia", features=[{"name": "forced-colors", "value": "active"}])
    style = "const style = getComputedStyle(document.querySelector(arguments[0]), arguments[1] ?? null);"
    ground = search.run(f"{style} return style.backgroundColor", "body")
    seen = {"#bar .thumb": None, "[data-state]": "::before", "[aria-pressed=true]": None, ".marked .number": None}
    for selector, part in seen.items():
        assert search.run(f"{style} return style.backgroundColor", selector, part) != ground, selector
    assert search.run(f"{style} return style.outlineStyle", "#hits .current") == "solid"
    browser.emulate("dark")
    tree = browser.command("Accessibility.getFullAXTree")["nodes"]
    named = {(node["role"]["value"], node.get("name", {}).get("value")) for node in tree if not node["ignored"]}
    assert {
        ("search", ""),
        ("searchbox", "Search the whole log"),
        ("button", "Next hit"),
        ("button", "Regular expression"),
        ("complementary", "Hits"),
    } <= named
    above = "return end.getBoundingClientRect().bottom <= hits.getBoundingClientRect().top"
    assert search.run(above) is True
    browser.resize(640, 360)  # as one of 1280 by 720 that shows all twice as large
    height = "return document.querySelector(arguments[0]).clientHeight"
    assert search.run(height, "#excerpt") >= 100
    assert search.run(height, "#hits") >= 50
    browser.resize(390, 800, mobile=True)
    search.click("filter")
    wait_until(lambda: len(search.hits("#filtered")) >= 200)
    assert search.run("return document.documentElement.scrollWidth") <= 390


def test_a_browser_without_highlights_frames_what_matches(
    open_page: Opening, server: ServerProcess, browser: Browser
) -> None:
    """In both views, where the text is, and the log's own elements stay as they are."""
    server.log("frames").write_text("".join(f"row {number}\n" for number in range(500)))
    with browser.before_each_page("delete CSS.highlights"):
        search = open_search(open_page("frames"), "row 499")
    text = """const frame = document.querySelector('#frames > mark');
        if (frame === null) return null;
        const { left, top, height, width } = frame.getBoundingClientRect();
        const place = document.caretPositionFromPoint(left + 1, top + height / 2);
        return place?.offsetNode.data?.slice(place.offset).split('\\n')[0] + (width > 20)"""
    wait_until(lambda: search.run(text) == "row 499true")
    search.press(Keys.ENTER)
    wait_until(lambda: search.run("return document.querySelector('#excerpt #frames mark') !== null"))
    wait_until(lambda: search.run(text) == "row 499true")
    search.press(Keys.ESCAPE)
    wait_until(lambda: search.run("return document.querySelectorAll('#frames mark').length") == 0)


def test_all_sessions_are_searched_from_the_list(server: ServerProcess, browser: Browser) -> None:
    """Those that changed last first, some hits of each, and each link leads to its line."""
    for age, name in enumerate(["größer #1", "other"]):
        server.log(name).write_text("before\n" * 3 + f"haystack <b>{age}</b>\n" * (7 - 6 * age))
        os.utime(server.log(name), (2e9 - age, 2e9 - age))
    browser.driver.get(f"http://127.0.0.1:{server.port}/")
    browser.run("document.querySelector('main').tabIndex = -1; document.querySelector('main').focus()")
    browser.driver.switch_to.active_element.send_keys("/")
    browser.driver.switch_to.active_element.send_keys("haystack")
    said = "return document.querySelector('#search [role=status]').textContent"
    browser.await_answer(said, "8 hits in 2 sessions")
    assert (
        browser.run("return document.querySelector('#found').innerText").split("\n\n")
        == [
            "größer #1",
            *["4\nhaystack <b>0</b>".replace("4", str(number)) for number in range(4, 9)],
            "and 2 more",
            "other",
            "4\nhaystack <b>1</b>",
        ]
        or browser.run("return document.querySelectorAll('#found .hit').length") == 6
    )
    assert browser.run("return [...document.querySelectorAll('#found mark')].map((one) => one.textContent)") == 6 * [
        "haystack"
    ]
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
    browser.driver.switch_to.active_element.send_keys(Keys.TAB, Keys.TAB)
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
    wait_until(lambda: "/sessions/" in browser.driver.current_url)
    assert unquote(urlsplit(browser.driver.current_url).path) == "/sessions/größer #1"
    text = "return document.querySelector('#excerpt .marked .text')?.textContent"
    wait_until(lambda: browser.run(text) == "haystack <b>0</b>\n")
    browser.driver.back()
    wait_until(lambda: browser.driver.title == "Sessions")
    browser.await_answer(said, "8 hits in 2 sessions")  # as it was left
    browser.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    browser.driver.refresh()
    wait_until(lambda: browser.run("return document.querySelector('table').checkVisibility()"))
    assert browser.run("return document.querySelector('#search').hidden") is True
