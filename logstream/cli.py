"""The command line: `logstream serve`, `tail`, `grep` and others; in an app of your own, `flask logstream …`."""

from __future__ import annotations

import http.client
import io
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, NoReturn

import click
from flask.cli import NoAppException, ScriptInfo

from .binding import binding_problem
from .client import (
    CONNECT_TIMEOUT,
    Backoff,
    Event,
    FollowError,
    NoServerError,
    NotAllowedError,
    SessionError,
    authorization,
    follow,
    server_address,
)
from .config import DEFAULT_ADDRESS, ConfigurationError, as_environment, bind_address, check_environment
from .console import in_utf8, say
from .fleet.commands import ship
from .grep import LineFilter, parse_pattern, search_options, search_sessions
from .output import Output, PlainOutput, TerminalOutput
from .plain import MAX_COLUMNS, MIN_COLUMNS
from .version import __version__

_LARGE = 4 * 1024 * 1024  # bytes of a first load whose progress is worth showing
_ANEW = 1.0  # seconds between looks for a session that begins again

_url = click.option(
    "--url",
    envvar="LOGSTREAM_URL",
    default=f"http://{DEFAULT_ADDRESS}",
    show_default=True,
    help="Address of the server (also LOGSTREAM_URL).",
)
_token = click.option("--token", envvar="LOGSTREAM_TOKEN", help="The server's token (also LOGSTREAM_TOKEN).")


_name = click.argument("name", callback=lambda context, parameter, value: in_utf8(value))


@click.group("logstream", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="logstream")
def cli() -> None:
    """Live logs over WebSocket."""
    try:
        _take_settings_of_app()
        check_environment()
    except ConfigurationError as error:
        _fail(str(error))
    if isinstance(sys.stdout, io.TextIOWrapper):  # or names that its encoding does not have could not be printed
        sys.stdout.reconfigure(errors="backslashreplace")


@cli.command()
@click.option("-d", "--directory", help="Where the logs are (also LOGSTREAM_DIRECTORY).")
@click.option("-b", "--bind", metavar="HOST:PORT", help="Address to serve at (also LOGSTREAM_BIND).")
@click.option("--token", help="What each client has to show (better: LOGSTREAM_TOKEN, which no process list shows).")
@click.option("--redis", help="Serve sessions of other hosts; DIRECTORY has copies (also LOGSTREAM_REDIS).")
def serve(directory: str | None, bind: str | None, token: str | None, redis: str | None) -> None:
    """Serve the logs of a directory, under gunicorn."""
    settings = {"DIRECTORY": directory, "BIND": bind, "TOKEN": token, "REDIS": redis}
    os.environ.update({f"LOGSTREAM_{key}": value for key, value in settings.items() if value is not None})
    try:
        address = bind_address()
    except ConfigurationError as error:
        _fail(str(error))
    problem = binding_problem(address)
    if problem is not None:
        _fail(f"{address} {problem}: choose another one with -b HOST:PORT.")
    arguments = ["-m", "gunicorn", "-c", "python:logstream.gunicorn_conf", "logstream:create_app()"]
    os.execv(sys.executable, [sys.executable, *arguments])


cli.add_command(ship)


@cli.command()
@_name
@click.option("-n", "--lines", type=click.IntRange(min=0), help="Begin with so many last lines instead of all.")
@click.option("--until-complete", is_flag=True, help="End with the session instead of waiting for it to begin again.")
@click.option("--grep", "wanted", metavar="PATTERN", callback=parse_pattern, help="Print only lines that match.")
@click.option("--plain", is_flag=True, help="Print the text that a terminal would have shown in the end, by itself.")
@click.option(
    "--columns",
    type=click.IntRange(MIN_COLUMNS, MAX_COLUMNS),
    help="With --plain: the width of the terminal, instead of the one that script has noted, or 80.",
)
@_url
@_token
def tail(
    name: str,
    lines: int | None,
    until_complete: bool,
    wanted: LineFilter | None,
    plain: bool,
    columns: int | None,
    url: str,
    token: str | None,
) -> None:
    """Print a session's log and what is appended to it, like tail -F.

    Survives restarts of the server. Ends with exit code 0 when the session is complete, if so asked.

    With --plain a line is printed when it has scrolled off the screen of that terminal, as a program may change it
    until then; the last screenful comes when the session is complete or tail ends.
    """
    if columns is not None and not plain:
        raise click.UsageError("--columns is of use with --plain only.")
    if plain and wanted is not None:
        raise click.UsageError("--plain and --grep do not go together: what a terminal shows is no choice of lines.")
    out = PlainOutput(columns) if plain else TerminalOutput() if sys.stdout.isatty() else Output()
    try:
        with out:
            _tail(name, lines, until_complete, wanted, url, token, out)
    except FollowError as error:
        _fail(_advice(str(error)) if isinstance(error, NotAllowedError) and error.needs_token else str(error))
    except BrokenPipeError:
        sys.stderr.close()  # who reads has left; Python would complain at its end
        sys.exit(1)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left Python would print at its end
        _fail(f"The log cannot be printed: {error.strerror}.")
    except KeyboardInterrupt:
        sys.exit(130)


def _tail(
    name: str,
    lines: int | None,
    until_complete: bool,
    wanted: LineFilter | None,
    url: str,
    token: str | None,
    out: Output,
) -> None:
    """Follow a session, and then the next one of its name, whatever keeps it from being followed meanwhile."""
    progress = _Progress()
    backoff = Backoff()
    cursor: str | None = None
    said = False  # what keeps it
    while True:
        try:
            for event in follow(url, name, token=token, tail=lines, cursor=cursor, trouble=say):
                progress.show(event)
                if event.reset and cursor is not None:
                    out.restart()
                    say(f"{name} has begun again")
                if event.reset and wanted is not None:
                    wanted.restart()
                out.write(event.text if wanted is None else wanted.feed(event.text, final=event.complete))
                cursor, said = event.cursor, False
            if until_complete:
                return
            out.restart()
            backoff.reset()
            time.sleep(_ANEW)
        except (NoServerError, SessionError) as error:
            if cursor is None:
                raise
            if not said:
                say(str(error))
            said = True
            backoff.pause()


@cli.command()
@_name
@_url
@_token
def complete(name: str, url: str, token: str | None) -> None:
    """Tell the server that a session is complete."""
    _request(url, f"/sessions/{urllib.parse.quote(name, safe='')}/complete", token, method="POST")


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print what the server says.")
@_url
@_token
def sessions(url: str, token: str | None, as_json: bool) -> None:
    """List the sessions, the one that changed last first."""
    listed = _request(url, "/sessions", token)
    if as_json:
        click.echo(json.dumps(listed, indent=2, ensure_ascii=False))
        return
    try:
        rows = [_row(session) for session in listed]
    except (LookupError, TypeError, ValueError, OverflowError):
        _fail(f"The server at {url} speaks something else than logstream's do.")
    for row in rows:
        click.echo(row)


def _row(session: dict[str, Any]) -> str:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(session["changed"]))
    return f"{when}  {session['size']:>14,}  {session['state']:<8}  {session['name']}"


@cli.command()
@search_options
@_url
@_token
def grep(url: str, token: str | None, **wanted: Any) -> None:
    """Print the lines that match PATTERN in the sessions' logs, or in all, like grep -E."""
    sys.exit(search_sessions(url, token, **wanted))


def _take_settings_of_app() -> None:
    """As `flask logstream`: do as the app does, by its config and where it has mounted LogStream.

    Raises ConfigurationError.
    """
    info = click.get_current_context().find_object(ScriptInfo)
    if info is None:
        return
    try:
        app = info.load_app()
    except NoAppException as error:
        if info.app_import_path is None:
            return  # there is none to be had
        _fail(f"The app cannot be loaded: {str(error).strip().splitlines()[0]}")
    os.environ.update(as_environment(app.config))
    address = bind_address()
    if "LOGSTREAM_URL" in os.environ or address.startswith("unix:"):
        return
    host, _, port = address.rpartition(":")
    host = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)
    endpoints = [rule.rule for rule in app.url_map.iter_rules() if rule.endpoint == "logstream.websocket"]
    prefix = endpoints[0].removesuffix("/ws") if endpoints else ""
    os.environ["LOGSTREAM_URL"] = f"http://{host}:{port}{prefix}"


class _Progress:
    """How far a large first load is, on a terminal's last line."""

    def __init__(self) -> None:
        self._wanted = sys.stderr.isatty()
        self._shown = False

    def show(self, event: Event) -> None:
        """Show, or when all is there, wipe it."""
        loading = self._wanted and event.size - event.offset > _LARGE
        if loading or self._shown:
            share = f"{event.offset / event.size:4.0%} of {event.size:,} bytes" if loading else ""
            sys.stderr.write(f"\r\x1b[K{share}")
            sys.stderr.flush()
            self._shown = loading


def _request(url: str, path: str, token: str | None, method: str = "GET") -> Any:
    """What the server answers, from JSON."""
    try:
        address = server_address(url) + path
        asked = urllib.request.Request(address, method=method, headers=authorization(token))
        with urllib.request.urlopen(asked, timeout=CONNECT_TIMEOUT) as response:
            body = response.read()
            return json.loads(body) if body else None
    except urllib.error.HTTPError as error:
        said = f"The server refuses: {_sentence(error)}"
        _fail(_advice(said) if error.code == 401 else said)
    except (OSError, ValueError, http.client.HTTPException) as error:
        problem = " ".join(str(getattr(error, "reason", error)).split())  # which may be what it has said
        _fail(f"There is no server at {url}: {problem}.")
    except FollowError as error:
        _fail(str(error))


def _advice(sentence: str) -> str:
    """What is said where a token is missing or wrong."""
    return f"{sentence.rstrip('.')}: give it with --token or LOGSTREAM_TOKEN."


def _sentence(error: urllib.error.HTTPError) -> str:
    """What a server says beside a status of 400 and more."""
    if error.code == 404 and error.headers.get_content_type() == "text/html":
        return "nothing of logstream is at this address: is there a path in --url that is wrong or missing?"
    try:
        said = error.read(200).decode(errors="replace").strip().splitlines()
    except (OSError, http.client.HTTPException):
        said = []
    return said[0] if said and said[0].isprintable() and error.code < 500 else error.reason


def _fail(sentence: str) -> NoReturn:
    say(sentence)
    sys.exit(1)
