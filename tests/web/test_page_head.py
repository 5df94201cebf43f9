"""Tests of a session page's head: what is known of the session, and how large its terminal is."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from ..browser import Browser, LogPage, Opening, append
from ..serving import ServerProcess, wait_until

HEADER = 'Script started on 2026-11-25 08:00:00+00:00 [COMMAND="make \\"all\\"" TERM="screen" {size}]\n'
FOOTER = '\nScript done on 2026-11-25 08:01:00+00:00 [COMMAND_EXIT_CODE="3"]\n'
FIRST_FAILS = """
const ask = window.fetch;
window.fetch = (...question) => {
    if (window.failed || question[1]?.headers?.Accept !== 'application/json') return ask(...question);
    window.failed = true;
    return Promise.reject(new TypeError('no'));
};
"""
TWO_ROWS = f"{'a' * 90}\x1b[1G<"  # at 80 columns, `<` is in the second row; at 90 or more, in the first


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for all tests, which tells what they say; one that prints a traceback fails."""
    process = ServerProcess("gunicorn", tmp_path_factory.mktemp("server"), app="tests.sized_app")
    yield process
    assert "Traceback" not in process.stop()


def say(server: ServerProcess, session: str, **values: object) -> None:
    """Let the server say this of a session."""
    log = server.log(session)
    new = log.with_suffix(".new")
    new.write_text(json.dumps({"name": session, "complete": False, **values}))
    new.rename(log.with_suffix(".json"))


def asked(server: ServerProcess, session: str) -> int:
    """How often pages have asked for a session."""
    return int(server.request(f"/asked/{session}")[1])


def facts(page: LogPage) -> dict[str, str]:
    """What the head says of the recording, by the name of each value."""
    script = """const seen = [...document.querySelectorAll('#recording dt')].filter((name) => name.checkVisibility());
    return Object.fromEntries(seen.map((name) => [name.textContent, name.nextElementSibling.innerText]));"""
    return dict(page.browser.run(script))


def choose(page: LogPage, name: str, value: str) -> None:
    """Enter a number of columns or rows."""
    field = page.browser.driver.find_element("name", name)
    field.send_keys(Keys.CONTROL + "a" + Keys.NULL + Keys.BACKSPACE + value + Keys.TAB)


def test_what_script_writes_around_a_session_is_in_the_head(open_page: Opening, server: ServerProcess) -> None:
    """When it began and ended, what was run, the exit code and the size; none of it is text."""
    path = server.log("recorded")
    path.write_text(HEADER.format(size='COLUMNS="100" LINES="30"') + "text\r\n")
    page = open_page("recorded")
    page.await_text("text\n")
    begun = {"Command": 'make "all"', "Started": "2026-11-25 08:00:00+00:00"}
    wait_until(lambda: facts(page) == begun)
    assert page.seen("#terminal-size") == "100 \u00d7 30"
    assert page.seen("#choice") is None
    append(path, FOOTER)
    wait_until(lambda: facts(page) == {**begun, "Ended": "2026-11-25 08:01:00+00:00", "Exit code": "3"})
    page.await_text("text\n")


def test_a_log_that_says_nothing_has_no_facts_and_the_usual_size(open_page: Opening, server: ServerProcess) -> None:
    """The reader can choose another one."""
    server.log("plain").write_text(TWO_ROWS)
    page = open_page("plain")
    page.await_text(f"{'a' * 80}<{'a' * 9}")
    assert facts(page) == {}
    assert page.seen("#terminal-size") is None
    assert page.seen("#choice") is not None
    assert asked(server, "plain") == 1


def test_the_reader_chooses_the_size_where_nothing_says_it(
    open_page: Opening, server: ServerProcess, browser: Browser
) -> None:
    """The whole log is read so, and others later; what makes no sense changes nothing."""
    server.log("wide").write_text("\r\n".join(["one", "two", "three", TWO_ROWS + "\x1b[9Atop"]))
    page = open_page("wide")
    rest = f"{'a' * 80}<{'a' * 9}"
    page.await_text(f"otop\ntwo\nthree\n{rest}")
    choose(page, "columns", "100")
    page.await_text(f"otop\ntwo\nthree\n<{'a' * 89}")
    page.await_state("live")
    choose(page, "rows", "2")
    page.await_text(f"one\ntwo\nttope\n<{'a' * 89}")
    for value in ("3", "", "1e9"):
        choose(page, "columns", value)
        wait_until(lambda: browser.run("return document.querySelector('[name=columns]').value") == "100")
    browser.driver.refresh()
    page.await_text(f"one\ntwo\nttope\n<{'a' * 89}")
    values = "return [...document.querySelectorAll('#choice input')].map((field) => field.value)"
    assert browser.run(values) == ["100", "2"]
    browser.run("localStorage.clear()")


def test_a_choice_is_read_in_a_complete_session(open_page: Opening, server: ServerProcess) -> None:
    """It is complete again after that."""
    server.log("over").write_text(TWO_ROWS)
    server.complete("over")
    page = open_page("over")
    page.await_state("complete")
    choose(page, "columns", "100")
    page.await_text(f"<{'a' * 89}")
    page.await_state("complete")
    page.browser.run("localStorage.clear()")


def test_what_is_chosen_does_not_hold_where_the_size_is_known(
    open_page: Opening, server: ServerProcess, browser: Browser
) -> None:
    """A recording's own size, and the one that the server says, are the terminal's."""
    server.log("any").write_text("text")
    open_page("any").await_text("text")
    browser.run("localStorage.setItem('logstream.size', '100x30')")
    for name, header in (("own", HEADER.format(size='COLUMNS="80" LINES="24"')), ("said", "")):
        server.log(name).write_text(header + TWO_ROWS)
    say(server, "said", columns=80, rows=24)
    for name in ("own", "said"):
        open_page(name).await_text(f"{'a' * 80}<{'a' * 9}")
    browser.run("localStorage.clear()")


def test_the_servers_size_holds_and_a_resize_is_followed(open_page: Opening, server: ServerProcess) -> None:
    """From the first character on, whatever the recording says, until the session has no terminal any more."""
    path = server.log("pane")
    path.write_text(HEADER.format(size='COLUMNS="80" LINES="24"') + TWO_ROWS)
    say(server, "pane", columns=100, rows=30)
    page = open_page("pane")
    page.await_text(f"<{'a' * 89}")
    assert page.seen("#terminal-size") == "100 \u00d7 30"
    say(server, "pane", columns=120, rows=40)
    wait_until(lambda: page.seen("#terminal-size") == "120 \u00d7 40")
    append(path, f"\r\n{'b' * 110}\x1b[1G<")
    page.await_text(f"<{'a' * 89}\n<{'b' * 109}")
    count = asked(server, "pane")
    say(server, "pane", exit_status=7)
    wait_until(lambda: facts(page).get("Exit code") == "7")
    assert asked(server, "pane") > count
    assert page.seen("#terminal-size") == "120 \u00d7 40"
    page.await_text(f"<{'a' * 89}\n<{'b' * 109}")


def test_a_hidden_page_and_one_of_a_complete_session_ask_no_more(
    open_page: Opening, server: ServerProcess, browser: Browser
) -> None:
    """A page asks at once when it is seen again."""
    server.log("asking").write_text("text")
    say(server, "asking", columns=100, rows=30)
    page = open_page("asking")
    page.await_state("live")
    wait_until(lambda: asked(server, "asking") >= 3)
    see = """Object.defineProperty(document, 'hidden', { value: arguments[0], configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));"""
    asks = "return performance.getEntriesByType('resource').filter(({ name }) => name === location.href).length"
    tick = "setTimeout(arguments[0], 2500)"
    browser.run(see, True)
    browser.driver.execute_async_script(tick)
    count = browser.run(asks)
    browser.driver.execute_async_script(tick)
    assert browser.run(asks) == count
    browser.run(see, False)
    wait_until(lambda: browser.run(asks) > count, 1)
    server.complete("asking")
    page.await_state("complete")
    browser.driver.execute_async_script("setTimeout(arguments[0], 500)")
    count = browser.run(asks)
    browser.driver.execute_async_script(tick)
    assert browser.run(asks) == count


def test_an_answer_that_says_no_size_says_nothing(open_page: Opening, server: ServerProcess) -> None:
    """The log is shown as if nobody had been asked."""
    answers = ("[]", "null", "{", '{"columns": "100", "rows": 30}', '{"columns": 0, "rows": 30}')
    for number, answer in enumerate(answers):
        server.log(f"odd-{number}").write_text(TWO_ROWS)
        server.log(f"odd-{number}").with_suffix(".json").write_text(answer)
        page = open_page(f"odd-{number}")
        page.await_text(f"{'a' * 80}<{'a' * 9}")
        page.await_state("live")
        assert page.seen("#choice") is not None


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs redis-server: apt-get install redis-server")
def test_host_or_relay_that_is_away_is_said(browser: Browser, tmp_path: Path) -> None:
    """Beside how the connection is, also where a log never begins; and no more when it is there again."""
    from ..fleet.fleetparts import Dashboard, RedisServer, ShipProcess

    browser.outages = True
    with contextlib.ExitStack() as stack:
        redis = RedisServer(tmp_path)
        stack.callback(redis.end)
        ship = ShipProcess(tmp_path, "host1", redis.url)
        stack.callback(ship.end)
        dashboard = Dashboard(tmp_path / "dashboard", redis.url)
        stack.callback(dashboard.end)
        stack.callback(browser.driver.get, "about:blank")
        ship.log("build").write_text("one\n")
        wait_until(lambda: "build" in dashboard.request("/sessions")[1])
        page = LogPage(browser, f"http://127.0.0.1:{dashboard.port}/sessions/build")

        shown = """const found = document.querySelector('#away');
            return found?.checkVisibility() ? found.innerText : null;"""

        def await_said(said: str) -> None:
            def is_said() -> bool:
                browser.run("document.dispatchEvent(new Event('visibilitychange'))")  # it asks again
                with contextlib.suppress(AssertionError):
                    browser.await_answer(shown, said, timeout=1)
                return page.seen("#away") == said

            wait_until(is_said)

        page.await_text("one\n")
        await_said("")
        ship.stop()
        await_said("host away")
        ship.start()
        await_said("")
        redis.kill()
        await_said("relay away")
        page = LogPage(browser, f"http://127.0.0.1:{dashboard.port}/sessions/unknown")
        await_said("relay away")
        assert page.state() == "waiting for the log"


def test_a_question_about_a_session_without_an_answer_is_asked_again(
    open_page: Opening, server: ServerProcess, browser: Browser
) -> None:
    """A question without an answer is asked again."""
    server.log("facts").write_text("text\n")
    say(server, "facts", columns=100, rows=30)
    with browser.before_each_page(FIRST_FAILS):
        page = open_page("facts")
        page.await_text("text\n")
        wait_until(lambda: page.seen("#terminal-size") == "100 \u00d7 30")


def test_a_session_that_has_ended_is_asked_about_once_more(
    open_page: Opening, server: ServerProcess, browser: Browser
) -> None:
    """An answer that was on its way when the session ended is not the last one."""
    server.log("ended").write_text("text\n")
    say(server, "ended", columns=100, rows=30)
    page = open_page("ended")
    wait_until(lambda: page.seen("#terminal-size") == "100 \u00d7 30")
    browser.run(
        """const ask = window.fetch;
        window.fetch = async (...question) => {
            const answer = await ask(...question);
            if (question[1]?.headers?.Accept === 'application/json' && window.answer === undefined) {
                await new Promise((done) => (window.answer = done));
            }
            return answer;
        };
        AbortSignal.timeout = () => new AbortController().signal;"""
    )
    browser.await_so("window.answer !== undefined")
    say(server, "ended", columns=100, rows=30, exit_status=3, complete=True)
    server.complete("ended")
    page.await_state("complete")
    browser.run("window.answer()")
    wait_until(lambda: browser.run("return document.querySelector('[data-fact=exit]').textContent") == "3")
