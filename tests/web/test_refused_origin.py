"""A test of what a browser's page of another origin learns."""

from __future__ import annotations

from pathlib import Path

from flask import Flask

from logstream import LogStream
from logstream.testing import AppServer, serve

from ..browser import Browser
from ..serving import wait_until

TOKEN = "correct-horse-battery"


def test_a_page_is_told_why_it_may_not_connect(browser: Browser, tmp_path: Path) -> None:
    """That its origin is not admitted, and once it is, that the token is wrong; nothing else of a server is told it."""

    def make(**config: object) -> AppServer:
        app = Flask("dashboard")
        app.config.update(LOGSTREAM_DIRECTORY=tmp_path, LOGSTREAM_TMUX="off", **config)
        LogStream(app, url_prefix="/logs")
        app.get("/")(lambda: '<link rel="icon" href="data:,"><title>own</title>')
        return serve(app)

    with make() as own, make() as stranger, make(LOGSTREAM_TOKEN=TOKEN, LOGSTREAM_ALLOWED_ORIGINS=own.url) as friend:
        browser.driver.get(own.url)
        script = """
            const { LogStream } = await import("/logs/static/logstream.js");
            new LogStream(arguments[0]).subscribe("build", { error: (sentence) => (document.title = sentence) });
        """
        for server, path, sentence in (
            (stranger, "ws", "Pages of this origin may not connect: LOGSTREAM_ALLOWED_ORIGINS can admit it."),
            (friend, "ws?token=wrong", "A valid token is needed."),
        ):
            browser.run(script, f"{server.url}/logs/{path}")
            wait_until(lambda sentence=sentence: browser.driver.title == sentence)
        read = "return fetch(arguments[0]).then((answer) => answer.text(), () => null)"
        assert browser.run(read, f"{friend.url}/logs/healthz") is None
        browser.driver.get("about:blank")
    browser.complaints()  # it has some about each refusal
