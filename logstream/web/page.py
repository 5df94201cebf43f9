"""The page: all sessions, each one live, and its whole log, as a blueprint that an app mounts where it likes."""

from __future__ import annotations

import logging
import re
import secrets
import time
from typing import cast
from urllib.parse import urlsplit

from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    g,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from werkzeug.wrappers import Response as BaseResponse

from ..engine.completion import Listing
from ..engine.sessions import Session, directory_problem, find_session, unreadable
from ..tmux import Running
from .access import WRONG_TOKEN
from .conditional import json_response
from .endpoint import current_endpoint
from .files import add_routes as add_file_routes
from .gate import Gate
from .lines import add_routes as add_lines_route
from .raw import close_unsent, raw_response
from .refusals import cannot_be_read, plain_answer, refuse_errors
from .search import add_routes as add_search_routes
from .text import add_routes as add_text_route
from .times import add_routes as add_times_route

logger = logging.getLogger(__name__)

NAME = "logstream_page"

_LIVE = 60.0  # seconds after its last change in which a log counts as live
_COOKIE_AGE = 30 * 24 * 3600  # seconds that a browser need not be shown the token again
_MAX_FORM = 16 * 1024  # bytes of a form with a token
_FILES = ("static", "versioned")  # of the page itself, which are the same for everybody
_PAGES = ("index", "session")  # for people, who are asked for a token where one is missing
_LOCAL = re.compile(r"/(?![/\\])[!-~]*")  # what a browser cannot take for the address of another server
_HOST = re.compile(r"[\w.:\[\]-]+", re.ASCII)


def create_page() -> Blueprint:
    """The blueprint. The app that it is mounted on has `LogStream` on it too."""
    page = Blueprint(NAME, __name__, static_folder="static", template_folder="templates")
    page.before_request(_check_access)
    page.after_request(_secure)
    page.after_request(lambda response: current_endpoint().limit_stall(response))
    page.teardown_request(close_unsent)
    refuse_errors(page)
    page.context_processor(lambda: {"logged_in": _gate().access.has_cookie(request), "theme": _theme()})
    page.get("/", endpoint="index")(_index)
    page.get("/sessions", endpoint="sessions")(_sessions)
    page.get("/sessions/<name>", endpoint="session")(_session)
    page.get("/sessions/<name>/raw", endpoint="raw")(_raw)
    add_file_routes(page)
    add_lines_route(page)
    add_search_routes(page)
    add_text_route(page)
    add_times_route(page)
    page.post("/login", endpoint="login")(_login)
    page.post("/logout", endpoint="logout")(_logout)
    return page


def _index() -> str:
    return render_template("logstream/sessions.html")


def _sessions() -> Response:
    """The sessions that this client may see, the one that changed last first."""
    endpoint = current_endpoint()
    now = time.time()
    if endpoint.fleet is not None:
        return json_response([entry for entry in endpoint.fleet.sessions(now) if endpoint.gate.allows(entry["name"])])
    try:
        listed = endpoint.manager.sessions.read()
    except OSError as error:
        return _unreadable(unreadable(error))
    sessions = [session for session in listed if endpoint.gate.allows(session.name)]
    running = endpoint.running()
    with endpoint.manager.completions() as completions:
        rows = [_entry(session, completions, running.get(session.name), now) for session in sessions]
    return json_response(rows)


def _unreadable(sentence: str) -> Response:
    """The answer where the directory of the logs cannot be read: nothing is known of what is in it."""
    _gate().refusals.warning("refused a request for %s: %s", ascii(request.path[:100]), sentence)
    return plain_answer(sentence, 503)


def _entry(session: Session, completions: Listing, running: Running | None, now: float) -> dict[str, object]:
    """A session as the list has it: what it is doing, and since when, in seconds since the epoch."""
    completed = completions(session.name, session.signature)
    exit_status = None
    if completed is not None:
        state, since, exit_status = "complete", completed, completions.exit_status(session.name)
    elif running is not None:
        state, since, exit_status = "running", running.since, running.exit_status
    else:
        state, since = "live" if now - session.changed < _LIVE else "quiet", session.changed
    entry = {
        "name": session.name,
        "size": session.size,
        "changed": session.changed,
        "complete": completed is not None,
        "state": state,
        "since": since,
    }
    if exit_status is not None:
        entry["exit_status"] = exit_status
    return entry


def _theme() -> str:
    """The colours that the reader has chosen; empty for the system's."""
    chosen = request.cookies.get("logstream_theme", "")
    return chosen if chosen in ("light", "dark") else ""


def _session(name: str) -> str | Response:
    """The page of a session, which waits where there is no log yet; or what the list says of it, as JSON."""
    if _wants_json():
        return _one(name)
    return render_template(
        "logstream/session.html",
        session=name,
        # Its path alone: whether TLS ends before us, only the browser knows.
        endpoint=urlsplit(url_for("logstream.websocket")).path,
        elsewhere=current_endpoint().fleet is not None,
    )


def _one(name: str) -> Response:
    """A session's row, and how large its terminal is, as long as tmux has it."""
    endpoint = current_endpoint()
    config = current_app.config
    fleet = endpoint.fleet
    if fleet is not None:
        known = fleet.session(name, time.time())
        if known is not None:
            return json_response(known)
        if fleet.is_relay_away():
            return _error(503, f"Whether there is a session {name!r} cannot be known now.", away="relay")
        return _error(404, f"Session {name!r} was not found.", away=None)
    found = find_session(config["LOGSTREAM_DIRECTORY"], config["LOGSTREAM_SUFFIX"], name)
    if found is None:
        problem = directory_problem(config["LOGSTREAM_DIRECTORY"])
        if problem is not None:
            return _unreadable(problem)
        return _error(404, f"Session {name!r} was not found.")
    running = endpoint.running().get(name)
    with endpoint.manager.completions() as completions:
        entry = _entry(found, completions, running, time.time())
    if running is not None and running.size is not None:
        entry["columns"], entry["rows"] = running.size
    return json_response(entry)


def _error(status: int, sentence: str, **more: object) -> Response:
    response = json_response({"error": sentence, **more})
    response.status_code = status
    return response


def _wants_json() -> bool:
    """Whether the current request would rather have JSON than a page, as a browser that shows one never does."""
    accepted = request.accept_mimetypes
    return accepted["application/json"] > accepted["text/html"]


def _raw(name: str) -> Response:
    file = current_endpoint().open_log(name)
    try:
        return raw_response(file, name + current_app.config["LOGSTREAM_SUFFIX"])
    except OSError as error:
        return cannot_be_read(name, error)


def _login() -> BaseResponse:
    gate = _gate()
    if gate.access.cookie is None:
        abort(404)  # there is no token
    _check_form()
    wanted = request.form.get("next", "")
    target = wanted if _LOCAL.fullmatch(wanted) else url_for(".index")
    if not gate.access.is_token(request.form.get("token", "")):
        return _ask_for_token(gate.refuse(WRONG_TOKEN), target, wrong=True)
    return _remember(redirect(target, 303))


def _check_form() -> None:
    """Refuse a request by its headers alone where its body is none that the form makes: it comes from a stranger."""
    if request.mimetype != "application/x-www-form-urlencoded":
        abort(415)
    if request.content_length is None:
        abort(411)
    if request.content_length > _MAX_FORM:
        abort(413)


def _logout() -> BaseResponse:
    response = redirect(url_for(".index"), 303)
    cookie = _gate().access.cookie
    if cookie is not None:
        response.delete_cookie(cookie.name, path=_cookie_path())
    return response


def _check_access() -> BaseResponse | None:
    """Before each request: the rules of the app. People who have no token yet get a form for it."""
    view = _view()
    if view == "login":
        return None
    gate = _gate()
    refusal = gate.check_view()
    if refusal is not None:
        refused = gate.refuse(refusal)
        if view not in _PAGES or _wants_json():
            return refused
        if refusal.answer is not None:
            g.logstream_answer = refusal.answer
            return refusal.answer
        return _ask_for_token(refused, _here()) if refusal.status == 401 else refused
    if view in _PAGES and gate.access.has_token_in_address(request):
        return _remember(redirect(_here(), 303))  # the address bar and the history need not have it
    return None


def _ask_for_token(refused: Response, target: str, *, wrong: bool = False) -> Response:
    g.logstream_nonce = secrets.token_urlsafe(16)  # style and script are in the page: a file would need the token
    form = render_template("logstream/login.html", next=target, wrong=wrong, nonce=g.logstream_nonce)
    response = make_response(form, refused.status_code)
    response.headers["WWW-Authenticate"] = refused.headers["WWW-Authenticate"]
    return response


def _remember(response: BaseResponse) -> BaseResponse:
    """Let the browser go without the token from now on."""
    cookie = _gate().access.cookie
    assert cookie is not None, "a token was shown"
    response.set_cookie(
        cookie.name,
        cookie.value,
        max_age=_COOKIE_AGE,
        path=_cookie_path(),
        secure=request.is_secure or request.headers.get("X-Forwarded-Proto") == "https",
        httponly=True,
        samesite="Lax",
    )
    return response


def _cookie_path() -> str:
    return request.script_root or "/"


def _secure(response: Response) -> Response:
    """After each request: the headers by which a browser runs, shows and asks for the server's own files only."""
    if "logstream_answer" in g:  # which is the app's page, and not ours
        response.headers.setdefault("Cache-Control", "no-store")
        return response
    nonce = g.get("logstream_nonce")
    own = f"'nonce-{nonce}'" if nonce else "'self'"
    sockets = f" ws://{request.host} wss://{request.host}" if _HOST.fullmatch(request.host) else ""
    policy = {
        "default-src": "'none'",
        "script-src": own,
        "style-src": own,
        "img-src": "'self' data:",
        "connect-src": "'self'" + sockets,  # not every browser counts WebSockets in
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'self'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    response.headers["Content-Security-Policy"] = "; ".join(f"{key} {value}" for key, value in policy.items())
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"  # with less, a browser does not say whose page a form is on
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    if _view() == "session":
        response.vary.add("Accept")
    if _view() not in _FILES:
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def _here() -> str:
    """The page that was asked for, with nothing of the query."""
    return url_for(cast(str, request.endpoint), **(request.view_args or {}))


def _view() -> str:
    """Which of the blueprint's views answers, whatever name the app has given the blueprint."""
    return (request.endpoint or "").rpartition(".")[2]


def _gate() -> Gate:
    return current_endpoint().gate
