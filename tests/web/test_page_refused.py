"""Tests of pages that may not connect: what they learn, and where they go."""

from __future__ import annotations

from pathlib import Path

from flask import Flask, redirect, request, session, url_for
from werkzeug.wrappers import Response

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


def test_a_page_whose_user_has_logged_out_goes_to_the_form_and_back(browser: Browser, tmp_path: Path) -> None:
    """It is sent away within the time that is promised, and the app's own form leads to where it was."""
    browser.outages = True  # it complains of the refusal
    (tmp_path / "build.out").write_text("one\n")
    app = Flask("dashboard")
    app.secret_key = "known to nobody"
    app.config.update(LOGSTREAM_DIRECTORY=tmp_path, LOGSTREAM_TMUX="off", LOGSTREAM_RECHECK=0.5)
    icon = '<link rel="icon" href="data:,">'
    logged_in: set[str] = set()

    def authorize(session_name: str | None) -> object:
        return session.get("user") in logged_in or redirect(url_for("log_in", next=request.path))

    @app.route("/login", methods=["GET", "POST"])
    def log_in() -> str | Response:
        if request.method == "GET":
            return f"{icon}<title>The form</title><form method='post'><button>Log in</button></form>"
        session["user"] = "alice"
        logged_in.add("alice")
        return redirect(request.args["next"])

    LogStream(app, authorize=authorize, url_prefix="/logs")
    with serve(app) as server:
        for _ in range(2):
            browser.driver.get(f"{server.url}/logs/sessions/build")
            wait_until(lambda: browser.driver.title == "The form")
            browser.driver.find_element("tag name", "button").click()
            wait_until(lambda: "one" in str(browser.run("return document.querySelector('.lines')?.textContent")))
            wait_until(lambda: browser.run("return location.href") == f"{server.url}/logs/sessions/build", 5)
            logged_in.clear()
            wait_until(lambda: browser.driver.title == "The form")
        browser.driver.get("about:blank")
    browser.complaints()
