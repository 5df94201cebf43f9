"""May this request connect? Before a WebSocket's upgrade, and for every HTTP route.

Without a token or a hook, only this machine may, by a name that no other machine can have: a page that has made its
own name lead here (DNS rebinding) still says that name. A browser says whose page it acts for, which a page
of somebody else's cannot hide (cross-site WebSocket hijacking).
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from flask import Flask, Request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from ..config import Settings, parse_origin
from .sockets import find_socket

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Authorize = Callable[[str | None], object]

_REFUSALS = (401, 403, 404)  # HTTP errors by which a hook may say no, beside a redirection

# The last one is a tunnel's, which makes addresses of its own.
_PROXY_HEADER = re.compile(r"Forwarded|Via|X-Forwarded(-.+)?|X-Real-Ip|Cf-.+", re.IGNORECASE)
_LOOPBACK_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d+)?|::1", re.IGNORECASE)


class Refusal(NamedTuple):
    """Why a request is refused: what the client is told, and what the operator can do about it."""

    status: int
    sentence: str
    advice: str
    answer: BaseResponse | None = None  # what the hook has for people: a way to the form, for instance
    of_origin: bool = False  # what it says is no secret of this server's, and the page that asks should know it


NO_TOKEN = Refusal(401, "A valid token is needed.", "it shows no token (LOGSTREAM_TOKEN)")
WRONG_TOKEN = Refusal(401, "A valid token is needed.", "its token is wrong (LOGSTREAM_TOKEN)")


class Cookie(NamedTuple):
    """What a browser that has shown the token keeps in its place. The token cannot be told from it."""

    name: str
    value: str


class Access:
    """The rules of one app. Any thread."""

    def __init__(self, settings: Settings, authorize: Authorize | None = None) -> None:
        """`authorize(session_name)` returns whether the current request may follow a session.

        With None for the name it returns whether the request may connect at all. It runs in a request's context. A
        response says no, and is what people are shown where they ask for a page.
        """
        self._token = settings.token
        self.cookie = _cookie(settings.token) if settings.token is not None else None
        self._origins = settings.allowed_origins
        self._authorize = authorize

    def describe(self) -> str:
        """Who may connect, for the operator."""
        if self._token is not None:
            return "whoever shows LOGSTREAM_TOKEN" + (" and is authorized" if self._authorize else "")
        if self._authorize is not None:
            return "whoever the authorize hook lets in"
        return "this machine only (set LOGSTREAM_TOKEN to serve others)"

    def check(self, request: Request, *, monitoring: bool = False) -> Refusal | None:
        """Why a request may not be served; None if it may.

        One for `monitoring` that only asks about the server's health may come from whoever can reach the server,
        once it is meant to be reached.
        """
        if monitoring and (self._token is not None or self._authorize is not None):
            return None
        if self._token is not None:
            if not self._shows_token(request):
                return WRONG_TOKEN if any(_shown(request)) else NO_TOKEN
        elif self._authorize is None:
            refusal = _check_local(request)
            if refusal is not None:
                return refusal
        origin = request.headers.get("Origin")
        if origin is not None and not self.admits(origin, request):
            return Refusal(
                403,
                "Pages of this origin may not connect: LOGSTREAM_ALLOWED_ORIGINS can admit it.",
                f"its page is from {_quote(origin)}, not from this server: LOGSTREAM_ALLOWED_ORIGINS can admit it",
                of_origin=True,
            )
        return self.check_session(None)

    def check_session(self, session_name: str | None) -> Refusal | None:
        """Why the hook says no to the current request; None if it does not.

        Raises what the hook raises, unless that is a refusal.
        """
        if self._authorize is None:
            return None
        try:
            said = self._authorize(session_name)
        except HTTPException as error:
            if not _is_refusal(error):
                raise
            said = error.response
        answer = said if isinstance(said, BaseResponse) else None
        if said and answer is None:
            return None
        sentence = (
            "You may not connect." if session_name is None else f"Session {session_name!r} is not for you to see."
        )
        return Refusal(403, sentence, "the authorize hook says no", answer)

    @property
    def has_hook(self) -> bool:
        """Whether there is a hook, whose answers may change."""
        return self._authorize is not None

    def allows_later(self, app: Flask, environ: WSGIEnvironment, session_name: str | None) -> bool:
        """What the hook says of a request that is over, as if it were made again: in a context of its own.

        So nothing is remembered or held between two calls. What the app does before each request it does here too; an
        answer from there is a refusal. Raises what the app or the hook raises, unless that is a refusal.
        """
        if self._authorize is None:
            return True
        with app.request_context(dict(environ)):
            try:
                answer = app.preprocess_request()
            except HTTPException as error:
                if not _is_refusal(error):
                    raise
                return False
            return answer is None and self.check_session(session_name) is None

    def is_token(self, text: str) -> bool:
        """Whether this is the token."""
        return self._token is not None and _same(text, self._token)

    def has_cookie(self, request: Request) -> bool:
        """Whether a browser has shown the token before."""
        return self.cookie is not None and _same(request.cookies.get(self.cookie.name, ""), self.cookie.value)

    def has_token_in_address(self, request: Request) -> bool:
        """Whether the request's address has the token in it."""
        return any(self.is_token(one) for one in request.args.getlist("token"))

    def _shows_token(self, request: Request) -> bool:
        return any(self.is_token(shown) for shown in _shown(request)) or self.has_cookie(request)

    def admits(self, text: str, request: Request) -> bool:
        """Whether a page's origin is the server's own by the request's Host, whoever ends TLS, or is allowed."""
        origin = parse_origin(text)
        if origin is None:
            return False
        own = parse_origin(f"{origin[0]}://{_host(request)}")
        return origin == own or origin in self._origins


def _is_refusal(error: HTTPException) -> bool:
    """Whether an app says no by what it raises: by a status, or an answer of its own, such as a redirection."""
    if error.response is None:
        return error.code in _REFUSALS
    status = error.response.status_code
    return status in _REFUSALS or 300 <= status < 400


def _shown(request: Request) -> list[str]:
    """The tokens that a request shows, right or wrong."""
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    return [*request.args.getlist("token"), *([credentials.strip()] if scheme.lower() == "bearer" else [])]


def _cookie(token: str) -> Cookie:
    """The cookie for a token. Its name is of the token too: browsers give a cookie to all servers of a host."""
    digest = hmac.new(token.encode(), b"logstream cookie", hashlib.sha256).hexdigest()
    return Cookie(f"logstream_{digest[:8]}", digest[8:])


def _same(shown: str, expected: str) -> bool:
    return hmac.compare_digest(shown.encode(errors="replace"), expected.encode())


def _check_local(request: Request) -> Refusal | None:
    if not _is_from_here(request):
        return _serves_here_only(f"it comes from {_quote(request.remote_addr or '')}")
    sign = _sign_of_proxy(request)
    if sign is not None:
        return _serves_here_only(f"it comes through a proxy, as {sign} shows")
    if not _LOOPBACK_HOST.fullmatch(_host(request)):
        return Refusal(
            403,
            "This server goes by the name of localhost only.",
            f"it asks for the host {_quote(_host(request))}: use localhost, or set LOGSTREAM_TOKEN",
        )
    return None


def _serves_here_only(reason: str) -> Refusal:
    return Refusal(
        403, "This server serves its own machine only.", f"{reason}: set LOGSTREAM_TOKEN to serve other machines"
    )


def _is_from_here(request: Request) -> bool:
    """Whether the peer is this machine, by a loopback address or a Unix socket."""
    sock = find_socket(request.environ)
    on_unix_socket = sock is not None and sock.family == socket.AF_UNIX
    return on_unix_socket or _is_loopback(request.remote_addr or "")


def _sign_of_proxy(request: Request) -> str | None:
    """What shows that a proxy stands between, whoever it acts for. What a client makes up can only harm itself."""
    for name, _ in request.headers:
        if _PROXY_HEADER.fullmatch(name):
            return name
    # No browser does the following, nor any client of ours, but nginx, by default and where it passes WebSockets on.
    if request.environ.get("SERVER_PROTOCOL") == "HTTP/1.0":
        return "HTTP/1.0"
    if request.headers.get("Connection", "").lower() == "upgrade" and "Upgrade" not in request.headers:
        return "Connection: upgrade"
    return None


def _host(request: Request) -> str:
    return str(request.environ.get("HTTP_HOST", ""))


def _is_loopback(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_loopback


def _quote(text: str) -> str:
    """What a client said, safe and short enough for a line of a log."""
    return ascii(text[:100])
