"""Tests of links on a session's page."""

from __future__ import annotations

import pytest

from ..browser import Browser, Opening
from ..serving import ServerProcess, wait_until

LINKS = "return [...document.querySelectorAll('.lines a')].map((link) => [link.textContent, link.href])"

pytestmark = pytest.mark.parametrize("server", ["gunicorn"], indirect=True)


def osc8(address: str, text: str) -> str:
    """Text that a program makes a link."""
    return f"\x1b]8;;{address}\x1b\\{text}\x1b]8;;\x1b\\"


def test_addresses_and_links_of_programs_are_links(open_page: Opening, server: ServerProcess) -> None:
    """To web servers alone; one that wraps, or changes its colour, is one link, on the screen and above it."""
    long = "https://a.example/" + "x" * 150
    lines = [
        "see https://a.example/b, and",
        osc8("https://a.example/report", "the report"),
        osc8("javascript:alert(1)", "no link") + " javascript:alert(2) data:text/html,x",
        f"it is {long} here",
        "http://a.\x1b[31mexample\x1b[0m/c",
        osc8("https://a.example/\x07<b>", "<i>hostile</i>"),
    ]
    expected = [
        ["https://a.example/b", "https://a.example/b"],
        ["the report", "https://a.example/report"],
        [long, long],
        ["http://a.example/c", "http://a.example/c"],
    ]
    server.log("links").write_text("".join(f"{line}\n" for line in lines))
    page = open_page("links")
    wait_until(lambda: "hostile" in page.text())
    wait_until(lambda: page.browser.run(LINKS)[:4] == expected)
    assert page.browser.run("return document.querySelectorAll('.lines i, .lines b').length") == 0
    with server.log("links").open("a") as log:
        log.write("\n" * 40)
    wait_until(lambda: page.browser.run("return document.querySelector('.chunk')?.textContent.includes('hostile')"))
    wait_until(lambda: page.browser.run(LINKS)[:4] == expected)


def test_a_link_opens_a_page_that_knows_nothing_of_this_one(
    open_page: Opening, server: ServerProcess, browser: Browser
) -> None:
    """In a window of its own, without a referrer; what is read stays where it is."""
    target = f"http://127.0.0.1:{server.port}/healthz"
    server.log("click").write_text(f"{target}\n")
    page = open_page("click")
    page.await_text(f"{target}\n")
    assert browser.run("return document.querySelector('.lines a').rel") == "noopener noreferrer"
    window = browser.driver.current_window_handle
    browser.driver.find_element("css selector", ".lines a").click()
    wait_until(lambda: len(browser.driver.window_handles) == 2)
    other = next(handle for handle in browser.driver.window_handles if handle != window)
    browser.driver.switch_to.window(other)
    try:
        wait_until(lambda: browser.driver.current_url == target)
        assert browser.run("return [window.opener, document.referrer]") == [None, ""]
    finally:
        browser.driver.close()
        browser.driver.switch_to.window(window)
    page.await_text(f"{target}\n")
