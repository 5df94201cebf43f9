"""Tests of the page where a proxy has it under a prefix."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner
from selenium.webdriver.common.keys import Keys

from logstream.cli import cli
from logstream.client import follow

from ..browser import Browser, LogPage, append
from ..proxy import Proxy
from ..serving import ServerProcess, Starting, wait_until

TOKEN = "correct-horse-battery"
ADDRESS = "203.0.113.7"


def strip_prefix(port: int) -> Callable[[bytes], bytes]:
    """What a proxy makes of a request's head: it takes the prefix away, and says so, and asks for one answer only."""

    def rewrite(received: bytes) -> bytes:
        head, blank, body = received.partition(b"\r\n\r\n")
        head = re.sub(rb"^(\S+) /logs/", rb"\1 /", head)
        host = re.search(rb"\r\nHost: (\S+)", head, re.IGNORECASE)
        if host is None:  # a connection that was opened in vain
            return received
        head = head.replace(host[0], b"\r\nHost: 127.0.0.1:%d" % port)
        head = re.sub(rb"\r\nConnection: keep-alive", b"\r\nConnection: close", head, flags=re.IGNORECASE)
        said = {"For": ADDRESS, "Proto": "http", "Host": host[1].decode(), "Prefix": "/logs"}
        head += "".join(f"\r\nX-Forwarded-{key}: {value}" for key, value in said.items()).encode()
        return head + blank + body

    return rewrite


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that knows of one proxy, and has a token; one that prints a traceback fails."""
    environment = {"LOGSTREAM_TOKEN": TOKEN, "LOGSTREAM_PROXIES": "1"}
    process = ServerProcess("gunicorn", tmp_path_factory.mktemp("behind"), **environment)
    yield process
    assert "Traceback" not in process.stop()


@pytest.fixture(params=["X-Forwarded-Prefix", "SCRIPT_NAME"])
def mounted(
    request: pytest.FixtureRequest, start: Starting, behind: ServerProcess
) -> Iterator[tuple[ServerProcess, str]]:
    """A server, and its address with a prefix: a proxy takes the prefix away, or the server knows it."""
    if request.param == "SCRIPT_NAME":
        server = start("gunicorn", LOGSTREAM_TOKEN=TOKEN, SCRIPT_NAME="/logs")
        yield server, f"http://127.0.0.1:{server.port}/logs"
        return
    with Proxy(behind.port, rewrite=strip_prefix(behind.port)) as proxy:
        yield behind, f"http://127.0.0.1:{proxy.port}/logs"


def test_everything_works_below_a_prefix(mounted: tuple[ServerProcess, str], browser: Browser) -> None:
    """The form, its cookie, the list, a session live over its WebSocket, and the whole log; and each command."""
    server, url = mounted
    browser.outages = True  # it complains of each 401
    server.log("build").write_text("one\n")
    browser.driver.get(f"{url}/")
    wait_until(lambda: browser.driver.title == "Log in" and browser.run("return document.readyState") == "complete")
    browser.driver.find_element("name", "token").send_keys(TOKEN)
    browser.driver.find_element("tag name", "button").click()
    wait_until(lambda: browser.driver.title == "Sessions")
    assert browser.driver.current_url == f"{url}/"
    [cookie] = browser.driver.get_cookies()
    assert cookie["path"] == "/logs"
    wait_until(lambda: browser.driver.find_elements("link text", "build"))
    browser.driver.find_element("link text", "build").click()
    page = LogPage(browser, None)
    page.await_state("live")
    assert browser.driver.current_url == f"{url}/sessions/build"
    append(server.log("build"), "two\n")
    page.await_text("one\ntwo\n")
    assert browser.driver.find_element("link text", "Whole log").get_attribute("href") == f"{url}/sessions/build/raw"
    assert browser.run("return (await fetch(arguments[0])).text()", f"{url}/sessions/build/raw") == "one\ntwo\n"
    browser.driver.switch_to.active_element.send_keys("/")
    browser.driver.switch_to.active_element.send_keys("two", Keys.ENTER)
    wait_until(lambda: browser.driver.current_url == f"{url}/sessions/build#at=4")
    browser.driver.get(f"{url}/")
    browser.driver.find_element("id", "search-all").click()
    browser.driver.switch_to.active_element.send_keys("two")
    wait_until(lambda: browser.driver.find_elements("css selector", "#found .hit a"))
    browser.driver.find_element("css selector", "#found .hit a").click()
    wait_until(lambda: browser.driver.current_url == f"{url}/sessions/build#at=4")
    browser.driver.find_element("xpath", "//button[.='Log out']").click()
    wait_until(lambda: browser.driver.title == "Log in")
    assert browser.driver.get_cookies() == []
    runner = CliRunner()
    for address in (url, f"{url}/", f"{url}/ws", url.removeprefix("http://")):
        asking = ["--url", address, "--token", TOKEN]
        for command, printed in (
            (["grep", "tw", "build"], "two\n"),
            (["sessions"], " build\n"),
            (["complete", "build"], ""),
        ):
            ran = runner.invoke(cli, [*command, *asking])
            assert (ran.exit_code, ran.output[len(ran.output) - len(printed) :]) == (0, printed)
        assert "".join(event.text for event in follow(address, "build", token=TOKEN)) == "one\ntwo\n"


def test_only_so_many_proxies_are_believed_as_there_are(start: Starting, behind: ServerProcess) -> None:
    """Without them a prefix, an address and a host that a request says are nobody's; one more is the client's own."""
    said = {"X-Forwarded-Prefix": "/evil", "X-Forwarded-For": "198.51.100.1", "Authorization": f"Bearer {TOKEN}"}
    server = start("gunicorn", LOGSTREAM_TOKEN=TOKEN)
    assert "/evil" not in server.fetch("/", headers=said).body.decode()
    assert server.fetch("/", headers=said | {"Authorization": "Bearer wrong"}).status == 401
    assert "198.51.100.1" not in server.stop()
    before = len(behind.output())
    said |= {"X-Forwarded-Prefix": "/evil, /logs", "X-Forwarded-For": f"198.51.100.1, {ADDRESS}"}
    answer = behind.fetch("/", headers=said).body.decode()
    assert "/evil" not in answer
    assert 'href="/logs/static/' in answer
    assert behind.fetch("/", headers=said | {"Authorization": "Bearer wrong"}).status == 401
    wait_until(lambda: ADDRESS in behind.output()[before:])
    assert "198.51.100.1" not in behind.output()


def test_whoever_comes_by_a_proxy_needs_a_token_or_a_hook(start: Starting) -> None:
    """Also where the proxy is known, and whatever address it says."""
    server = start("gunicorn", LOGSTREAM_PROXIES="1")
    assert server.fetch("/sessions").status == 200
    for address in (ADDRESS, "127.0.0.1"):
        assert server.fetch("/sessions", headers={"X-Forwarded-For": address}).status == 403


def test_a_page_of_the_proxy_s_own_origin_may_connect(behind: ServerProcess) -> None:
    """The origin is compared with the host that the proxy says, and with no other."""
    said = {"Authorization": f"Bearer {TOKEN}", "X-Forwarded-Host": "logs.example", "X-Forwarded-Proto": "https"}
    assert behind.fetch("/sessions", headers=said | {"Origin": "https://logs.example"}).status == 200
    assert behind.fetch("/sessions", headers=said | {"Origin": "https://other.example"}).status == 403
    assert behind.fetch("/sessions", headers=said | {"Origin": f"http://127.0.0.1:{behind.port}"}).status == 403
