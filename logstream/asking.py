"""What the command line asks a server over HTTP."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from typing import Any

from .client import CONNECT_TIMEOUT, FollowError, NoServerError, NotAllowedError, authorization, refusal, server_address

_LONGEST = 1000  # bytes of a refusal that are read


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Leads nowhere else: another server is not to be shown the token, and a POST would become a GET."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


class AnswerError(FollowError):
    """The server answers with a status of 300 and more; the text says why. `status` is that."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


def open_answer(url: str, path: str, token: str | None, method: str = "GET") -> http.client.HTTPResponse:
    """The answer to a request below a server's address, to be read and closed.

    Raises NoServerError, NotAllowedError, and AnswerError.
    """
    address = server_address(url) + path
    headers = {"Accept": "application/json", **authorization(token)}
    try:
        asked = urllib.request.Request(address, method=method, headers=headers)
        answer: http.client.HTTPResponse = urllib.request.build_opener(_NoRedirects).open(asked, None, CONNECT_TIMEOUT)
        return answer
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(address, error) from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise _no_server(url, error) from None


def ask(url: str, path: str, token: str | None, method: str = "GET") -> Any:
    """What the server answers, from JSON; None where that is nothing. Raises as `open_answer` does."""
    with open_answer(url, path, token, method) as answer:
        try:
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise _no_server(url, error) from None
    try:
        return json.loads(body) if body else None
    except ValueError:
        raise strange(url) from None


def strange(url: str) -> NoServerError:
    """The error that a server speaks something else."""
    return NoServerError(f"The server at {url} speaks something else than logstream's do.")


def advised(error: FollowError) -> str:
    """What is said of an error: where a token is missing or wrong, also how to give it."""
    if isinstance(error, NotAllowedError) and error.needs_token:
        return f"{str(error).rstrip('.')}: give it with --token or LOGSTREAM_TOKEN."
    return str(error)


def _no_server(url: str, error: Exception) -> NoServerError:
    problem = " ".join(str(getattr(error, "reason", error)).split())  # which may be what it has said
    return NoServerError(f"There is no server at {url}: {problem}.")


def _refusal(address: str, error: urllib.error.HTTPError) -> FollowError:
    try:
        body = error.read(_LONGEST)
    except (OSError, http.client.HTTPException):
        body = b""
    refused = refusal(address, error.code, {name.lower(): value for name, value in error.headers.items()}, body)
    return refused if isinstance(refused, NotAllowedError) else AnswerError(str(refused), error.code)
