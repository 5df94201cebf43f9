"""The command line: `logstream serve`, `tail`, `complete`, `sessions`; in an app of your own, `flask logstream …`."""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, NoReturn

import click

from .client import Event, FollowError, follow, server_address
from .config import DEFAULT_ADDRESS

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


@click.group("logstream", context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Live logs over WebSocket."""


@cli.command()
@click.option("-d", "--directory", help="Where the logs are (also LOGSTREAM_DIRECTORY).")
@click.option("-b", "--bind", metavar="HOST:PORT", help="Address to serve at (also LOGSTREAM_BIND).")
@click.option("--token", help="What each client has to show (better: LOGSTREAM_TOKEN, which no process list shows).")
def serve(directory: str | None, bind: str | None, token: str | None) -> None:
    """Serve the logs of a directory, under gunicorn."""
    settings = {"LOGSTREAM_DIRECTORY": directory, "LOGSTREAM_BIND": bind, "LOGSTREAM_TOKEN": token}
    os.environ.update({key: value for key, value in settings.items() if value is not None})
    arguments = ["-m", "gunicorn", "-c", "python:logstream.gunicorn_conf", "logstream:create_app()"]
    os.execv(sys.executable, [sys.executable, *arguments])


@cli.command()
@click.argument("name")
@click.option("-n", "--lines", type=click.IntRange(min=0), help="Begin with so many last lines instead of all.")
@click.option("--until-complete", is_flag=True, help="End with the session instead of waiting for it to begin again.")
@_url
@_token
def tail(name: str, lines: int | None, until_complete: bool, url: str, token: str | None) -> None:
    """Print a session's log and what is appended to it, like tail -F.

    Survives restarts of the server. Ends with exit code 0 when the session is complete, if so asked.
    """
    progress = _Progress()
    cursor: str | None = None
    try:
        while True:
            for event in follow(url, name, token=token, tail=lines, cursor=cursor):
                progress.show(event)
                if event.reset and cursor is not None:
                    click.echo(f"logstream: {name} has begun again", err=True)
                _write(event.text)
                cursor = event.cursor
            if until_complete:
                return
            time.sleep(_ANEW)
    except FollowError as error:
        _fail(str(error))
    except BrokenPipeError:
        sys.stderr.close()  # who reads has left; Python would complain at its end
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


@cli.command()
@click.argument("name")
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
    for session in listed:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(session["changed"]))
        click.echo(f"{when}  {session['size']:>14,}  {session['state']:<8}  {session['name']}")


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


def _write(text: str) -> None:
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()


def _request(url: str, path: str, token: str | None, method: str = "GET") -> Any:
    """What the server answers, from JSON."""
    try:
        address = server_address(url) + path
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        with urllib.request.urlopen(urllib.request.Request(address, method=method, headers=headers)) as response:
            body = response.read()
            return json.loads(body) if body else None
    except urllib.error.HTTPError as error:
        said = error.read(200).decode(errors="replace").strip().splitlines()
        hint = ": give it with --token or LOGSTREAM_TOKEN" if error.code == 401 else ""
        _fail(f"The server refuses: {said[0] if said and error.code < 500 else error.reason}{hint}")
    except (OSError, ValueError) as error:
        _fail(f"There is no server at {url}: {getattr(error, 'reason', error)}.")
    except FollowError as error:
        _fail(str(error))


def _fail(sentence: str) -> NoReturn:
    click.echo(f"logstream: {sentence}", err=True)
    sys.exit(1)
