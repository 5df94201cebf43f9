"""Tests of what the page does with answers that come late, or not at all, in a real browser."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from selenium.webdriver.common.keys import Keys

from ..browser import Browser, Opening, append, lines
from ..held_answers import HeldAnswers
from ..serving import ServerProcess

SAID = "return ['#search-shown', '#search [role=status]'].map((one) => document.querySelector(one).textContent)"
IS_LIVE = "return document.querySelector('#views').dataset.view !== 'excerpt'"


pytestmark = pytest.mark.parametrize("server", ["gunicorn"], indirect=True)


@pytest.fixture(autouse=True)
def _as_before(browser: Browser) -> Iterator[None]:
    """Nothing that a test switches on stays so."""
    yield
    browser.run("localStorage.clear()")


def await_excerpt(browser: Browser) -> None:
    """Until there are lines with numbers, and none are asked for."""
    browser.await_so("document.querySelector('#excerpt .line') !== null")
    asked = "performance.getEntriesByType('resource').filter(({ name }) => name.includes('/lines?'))"
    browser.await_so(f"{asked}.every(({{ responseEnd }}) => performance.now() - responseEnd > 1000)")


def test_lines_that_come_late_are_not_added_to_others(
    open_page: Opening, server: ServerProcess, browser: Browser
) -> None:
    """What was asked for beside the lines before is not for those that are shown now."""
    log = server.log("extended")
    log.write_text(lines(0, 3000))
    page = open_page("extended")
    page.await_end("line 2999\n")
    browser.type_keys("l")
    await_excerpt(browser)
    held = HeldAnswers(browser, "/lines?")
    browser.run("location.hash = '#at=0'")
    held.await_questions(1)
    append(log, "more\n")
    held.await_questions(2)
    held.answer(0)
    marked = "document.querySelector('.line.marked .text')?.textContent === 'line 0\\n'"
    browser.await_so(marked)
    held.hold_no_more()
    held.answer(1)
    assert page.seen("#notice") is None
    browser.await_so(marked)


def test_why_a_search_of_all_has_failed_stays_said(server: ServerProcess, browser: Browser) -> None:
    """A refusal that is faster than a frame is said."""
    server.log("any").write_text("any\n")
    browser.driver.get(f"http://127.0.0.1:{server.port}/")
    browser.await_answer("return document.querySelector('#connection').textContent", "connected")
    browser.run(
        """const ask = window.fetch;
        window.fetch = (...question) => !`${question[0]}`.includes('search?') ? ask(...question)
            : Promise.resolve(new Response(`${JSON.stringify({ session: 'any', offset: 0, end: 4, line: 1, text: 'any',
                skipped: 0, cut: false, ranges: [], before: [], after: [] })}\n{"error":"The disk is gone."}\n`));"""
    )
    browser.type_keys("/", "any")
    browser.await_answer(SAID, ["The disk is gone."] * 2)


def test_why_there_is_no_next_hit_stays_said(open_page: Opening, server: ServerProcess, browser: Browser) -> None:
    """Why there is no next hit is said until something else is to be said."""
    server.log("stepped").write_text(lines(0, 3000))
    page = open_page("stepped")
    page.await_end("line 2999\n")
    browser.type_keys("/", "line 1")
    browser.await_so("document.querySelector('#search-shown').textContent === '1,111 hits'")
    browser.run(
        """const ask = window.fetch;
        window.fetch = (...question) => `${question[0]}`.includes('/lines?') ? Promise.reject(new TypeError('no'))
            : ask(...question);"""
    )
    browser.type_keys(Keys.ENTER)
    browser.await_answer(SAID, ["The server does not answer."] * 2)


def test_line_numbers_that_come_late_leave_the_focus_alone(
    open_page: Opening, server: ServerProcess, browser: Browser
) -> None:
    """Line numbers that come late do not take the focus from who types elsewhere by then."""
    server.log("focused").write_text(lines(0, 3000))
    page = open_page("focused")
    page.await_end("line 2999\n")
    held = HeldAnswers(browser, "/lines?")
    browser.type_keys("l")
    held.await_questions(1)
    browser.type_keys("/", "li")
    held.hold_no_more()
    held.answer(0)
    await_excerpt(browser)
    assert browser.run("return document.activeElement.type") == "search"


@pytest.mark.parametrize("key", ["e", "n"])
def test_who_has_gone_elsewhere_meanwhile_stays_there(
    open_page: Opening, server: ServerProcess, browser: Browser, key: str
) -> None:
    """A hit that is found late does not lead away who has gone elsewhere since."""
    server.log("gone").write_text("an error\n" + lines(0, 3000))
    page = open_page("gone")
    page.await_end("line 2999\n")
    browser.type_keys("/", "error")
    browser.await_so("document.querySelector('#search-shown').textContent === '1 hit'")
    browser.run("document.querySelector('#log').focus()")
    held = HeldAnswers(browser, "/lines?")
    browser.type_keys(key)
    held.await_questions(1)
    browser.type_keys(Keys.END)
    held.hold_no_more()
    held.answer(0)
    assert browser.run(IS_LIVE)


def test_who_has_closed_the_field_is_not_led_to_a_time(
    open_page: Opening, server: ServerProcess, browser: Browser
) -> None:
    """Who has closed the field is not led to the time."""
    server.log("timed").write_text(lines(0, 3000))
    page = open_page("timed")
    page.await_end("line 2999\n")
    browser.type_keys("T")
    browser.await_so("document.activeElement.type === 'datetime-local' && document.activeElement.value !== ''")
    held = HeldAnswers(browser, "/times?at")
    browser.type_keys(Keys.ENTER)
    held.await_questions(1)
    browser.type_keys(Keys.ESCAPE)
    held.hold_no_more()
    held.answer(0)
    assert browser.run(IS_LIVE)


def test_as_long_as_errors_are_searched_for_it_is_said(
    open_page: Opening, server: ServerProcess, browser: Browser
) -> None:
    """As long as errors are searched for, it is said."""
    server.log("slow").write_text("an error\n" + lines(0, 3000))
    page = open_page("slow")
    page.await_end("line 2999\n")
    held = HeldAnswers(browser, "/search?")
    browser.type_keys("e")
    browser.await_so("document.querySelector('#said').textContent === 'Searching …'")
    time.sleep(4.5)
    assert page.seen("#said") == "Searching …"
    held.hold_no_more()
    held.answer(0)
    browser.await_so("document.querySelector('.line.marked .text')?.textContent === 'an error\\n'")


def test_each_session_has_one_row(server: ServerProcess, browser: Browser) -> None:
    """Also where a finger leaves the table while rows are made."""
    browser.driver.get(f"http://127.0.0.1:{server.port}/")
    browser.await_answer("return document.querySelector('#connection').textContent", "connected")
    browser.run(
        """const ask = window.fetch;
        const all = Array.from({ length: 3000 }, (_, at) => (
            { name: `s${at}`, size: 1, changed: 1, complete: false, state: 'live', since: 1 }));
        const body = document.querySelector('tbody');
        new MutationObserver((_, observer) => {
            if (body.rows.length < 10) return;
            observer.disconnect();
            body.dispatchEvent(new PointerEvent('pointerleave', { pointerType: 'touch' }));
        }).observe(body, { childList: true });
        window.fetch = async (...question) =>
            `${question[0]}`.endsWith('/sessions') ? Response.json(all) : ask(...question);"""
    )
    browser.await_so("document.querySelectorAll('tbody tr').length >= 3000")
    time.sleep(1)
    assert browser.run("return document.querySelectorAll('tbody tr').length") == 3000


def test_a_list_that_is_not_answered_says_so(server: ServerProcess, browser: Browser) -> None:
    """A server that went silent is asked again."""
    browser.driver.get(f"http://127.0.0.1:{server.port}/")
    browser.await_answer("return document.querySelector('#connection').textContent", "connected")
    browser.run(
        """const { timeout } = AbortSignal;
        AbortSignal.timeout = () => timeout.call(AbortSignal, 200);
        window.fetch = (address, options) => new Promise((done, fail) =>
            options?.signal?.addEventListener('abort', () => fail(options.signal.reason)));"""
    )
    browser.await_answer("return document.querySelector('#connection').textContent", "reconnecting")


def test_marks_are_looked_for_again(open_page: Opening, server: ServerProcess, browser: Browser) -> None:
    """What the server could not say of what is in sight is asked again."""
    server.log("many").write_text("".join(f"line {number} {'x' * 190}\n" for number in range(20_000)))
    page = open_page("many")
    page.await_end("x\n")
    browser.run(
        """const ask = window.fetch;
        window.fetch = (...question) => {
            const { pathname, searchParams } = new URL(question[0], location.href);
            const isOfWhatIsInSight = Number(searchParams.get('from')) >= 3000000 && !searchParams.has('context');
            if (!pathname.endsWith('/search') || !isOfWhatIsInSight) return ask(...question);
            window.failed = true;
            return Promise.reject(new TypeError('no'));
        };
        window.letGo = () => { window.fetch = ask; };"""
    )
    browser.driver.find_element("css selector", "#log").click()
    browser.type_keys("/", "li[n]e")
    browser.run("document.querySelector('[data-search=list]').click()")
    browser.run("document.querySelector('[data-search=regex]').click()")
    browser.await_so("document.querySelector('#search-shown').textContent.startsWith('10,')")
    browser.await_so("window.failed")
    browser.run("window.letGo()")
    append(server.log("many"), "more\n")
    browser.await_so("CSS.highlights.get('found')?.size > 0")


def test_dense_hits_are_marked_to_the_end_of_a_large_log(
    open_page: Opening, server: ServerProcess, browser: Browser
) -> None:
    """Where a regular expression matches each line, and so many that not all are listed."""
    server.log("dense").write_text(lines(0, 60_000))
    page = open_page("dense")
    page.await_end("line 59999\n")
    browser.type_keys("/", "li[n]e")
    browser.run("document.querySelector('[data-search=list]').click()")
    browser.run("document.querySelector('[data-search=regex]').click()")
    browser.await_so("document.querySelector('#search-shown').textContent.startsWith('10,')")
    browser.await_so("CSS.highlights.get('found')?.size > 0")
