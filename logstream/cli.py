"""The command line: `logstream serve`, `tail`, `grep` and others; in an app of your own, `flask logstream …`."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import sys
import time
import urllib.parse
from typing import Any, NoReturn

import click

from .asking import AnswerError, advised, ask, strange
from .binding import binding_problem
from .client import FollowError
from .config import (
    DEFAULT_ADDRESS,
    ConfigurationError,
    as_environment,
    bind_address,
    check_environment,
    check_workers,
)
from .console import check_output, in_utf8, let_output_go, say
from .engine.patterns import Pattern
from .grep import LineFilter, parse_pattern, search_options, search_sessions
from .output import Output, PlainOutput, TerminalOutput
from .plain import MAX_COLUMNS, MIN_COLUMNS
from .protocol import ProtocolError, check_session_name
from .tail import Wanted, tail_sessions
from .version import __version__

_LINES_HELP = "Begin with so many last lines instead of all; with a plus sign, from that line on."

_url = click.option(
    "--url",
    envvar="LOGSTREAM_URL",
    default=f"http://{DEFAULT_ADDRESS}",
    show_default=True,
    help="Address of the server (also LOGSTREAM_URL).",
)
_token = click.option("--token", envvar="LOGSTREAM_TOKEN", help="The server's token (also LOGSTREAM_TOKEN).")


class _Commands(click.Group):
    """Commands whose expected errors are one line on stderr, and exit code 1."""

    def list_commands(self, context: click.Context) -> list[str]:
        """The names of all."""
        return sorted([*super().list_commands(context), "ship"])

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The one of this name; what a fleet takes is imported only for it."""
        if name != "ship":
            return super().get_command(context, name)
        from .fleet.commands import ship

        return ship

    def invoke(self, context: click.Context) -> Any:
        """Run what was typed."""
        try:
            return super().invoke(context)
        except FollowError as error:
            _fail(advised(error))
        except OSError as error:
            let_output_go(error)
            sys.exit(1)
        except KeyboardInterrupt:
            sys.exit(130)


@click.group("logstream", cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
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
        check_workers()
    except ConfigurationError as error:
        _fail(str(error))
    if importlib.util.find_spec("gunicorn") is None:
        _fail("gunicorn is not installed: pip install 'logstream[server]' brings it.")
    problem = binding_problem(address)
    if problem is not None:
        _fail(f"{address} {problem}: choose another one with -b HOST:PORT.")
    arguments = ["-m", "gunicorn", "-c", "python:logstream.gunicorn_conf", "logstream:create_app()"]
    os.execv(sys.executable, [sys.executable, *arguments])


@cli.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True, callback=lambda *given: _session_names(given[2]))
@click.option("-n", "--lines", metavar="[+]N", callback=lambda *given: _lines(given[2]), help=_LINES_HELP)
@click.option("-f", "--follow/--no-follow", default=True, help="Go on with what is appended (the default), or end.")
@click.option("--wait", "--retry", is_flag=True, help="Wait for a session that is not there yet.")
@click.option("-F", "follow_and_wait", is_flag=True, help="The same as --follow --wait.")
@click.option("--until-complete", is_flag=True, help="End with the session instead of waiting for it to begin again.")
@click.option("-q", "--quiet", "--silent", is_flag=True, help="Never print lines that say whose text comes next.")
@click.option("-v", "--verbose", is_flag=True, help="Always print them, for a single session too.")
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
    names: list[str],
    lines: tuple[int | None, int],
    follow: bool,
    wait: bool,
    follow_and_wait: bool,
    until_complete: bool,
    quiet: bool,
    verbose: bool,
    wanted: Pattern | None,
    plain: bool,
    columns: int | None,
    url: str,
    token: str | None,
) -> None:
    """Print sessions' logs and what is appended to them, like tail -F.

    Survives restarts of the server. Ends with exit code 0 when the sessions are complete, if so asked. Several sessions
    are printed below lines with their names.

    With --plain a line is printed when it has scrolled off the screen of that terminal, as a program may change it
    until then; the last screenful comes when the session is complete or tail ends.
    """
    if columns is not None and not plain:
        raise click.UsageError("--columns is of use with --plain only.")
    if plain and wanted is not None:
        raise click.UsageError("--plain and --grep do not go together: what a terminal shows is no choice of lines.")
    check_output()
    headers = verbose or (len(names) > 1 and not quiet)
    if plain:
        out: Output = PlainOutput(columns, headers=headers)
    else:
        out = TerminalOutput(headers=headers) if sys.stdout.isatty() else Output(headers=headers)
    last, first = lines
    asked = Wanted(
        last,
        first,
        wait=wait or follow_and_wait,
        follow=follow or follow_and_wait,
        until_complete=until_complete,
        filters=None if wanted is None else lambda: LineFilter(wanted),
    )
    with out:
        code = tail_sessions(url, token, names, asked, out)
    sys.exit(code)


def _session_names(names: tuple[str, ...]) -> list[str]:
    """Each of them once. Ends where one is none."""
    decoded = list(dict.fromkeys(map(in_utf8, names)))
    try:
        for name in decoded:
            check_session_name(name)
    except ProtocolError as error:
        _fail(str(error))
    return decoded


def _lines(value: str | None) -> tuple[int | None, int]:
    """How many last lines, and from which one on: one of the two is everything."""
    if value is None:
        return None, 1
    sign, digits = ("", value) if value[:1] not in ("+", "-") else (value[0], value[1:])
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        raise click.BadParameter(f"{value!r} is neither a number of lines nor + and a line's number.")
    return (None, max(1, int(digits))) if sign == "+" else (int(digits), 1)


@cli.command()
@click.argument("name", callback=lambda *given: _session_names((given[2],))[0])
@_url
@_token
def complete(name: str, url: str, token: str | None) -> None:
    """Tell the server that a session is complete."""
    path = f"/sessions/{urllib.parse.quote(name, safe='')}"
    missing: AnswerError | None = None
    try:
        ask(url, path, token)
    except AnswerError as error:
        if error.status == 503:
            raise
        missing = error if error.status == 404 and repr(name) in str(error) else None
    ask(url, f"{path}/complete", token, "POST")  # also where there is no log: somebody may wait for one
    if missing is not None:
        raise missing


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print what the server says.")
@_url
@_token
def sessions(url: str, token: str | None, as_json: bool) -> None:
    """List the sessions, the one that changed last first."""
    check_output()
    listed = ask(url, "/sessions", token)
    if as_json:
        click.echo(json.dumps(listed, indent=2, ensure_ascii=False))
        return
    try:
        rows = [_row(session) for session in listed]
    except (LookupError, TypeError, ValueError, OverflowError):
        raise strange(url) from None
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
    check_output()
    sys.exit(search_sessions(url, token, **wanted))


def _take_settings_of_app() -> None:
    """As `flask logstream`: do as the app does, by its config and where it has mounted LogStream.

    Raises ConfigurationError.
    """
    if "flask.cli" not in sys.modules:
        return  # it is `logstream`, which needs no Flask for what it asks a server
    from flask.cli import NoAppException, ScriptInfo

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


def _fail(sentence: str) -> NoReturn:
    say(sentence)
    sys.exit(1)
