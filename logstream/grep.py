"""`logstream grep`: searching sessions' logs from a terminal, through the server, in grep's manner."""

from __future__ import annotations

import http.client
import json
import re
import sys
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from .asking import AnswerError, advised, ask, open_answer, strange
from .client import FollowError, NotAllowedError
from .console import in_utf8, let_output_go, say
from .engine.escapes import plain
from .engine.patterns import Pattern, PatternError

FOUND, NOTHING, TROUBLE = 0, 1, 2  # exit codes

_HITS = 10_000  # asked for at once
_MOST_CONTEXT = 50  # lines
_LONGEST = 64 * 1024  # characters of a line; a longer one counts as several
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
_MARK = ("\x1b[1;31m", "\x1b[m")

_Line = tuple[dict[str, Any], int | None]  # with its number

_Command = TypeVar("_Command", bound=Callable[..., object])


class LineFilter:
    """The lines of a log that match, as the log's text arrives in pieces. Only for one thread."""

    def __init__(self, pattern: Pattern) -> None:
        self._pattern = pattern
        self._begun = ""  # a line that is not whole yet

    def feed(self, text: str, *, final: bool = False) -> str:
        """The lines that are whole now and match, as they are; with `final` the last one is whole, too."""
        *whole, self._begun = (self._begun + text).split("\n")
        lines = [line + "\n" for line in whole]
        if final or len(self._begun) > _LONGEST:
            lines.append(self._begun)
            self._begun = ""
        return "".join(line for line in lines if line and self._matches(line))

    def restart(self) -> None:
        """What comes next is the beginning of a log."""
        self._begun = ""

    def _matches(self, line: str) -> bool:
        return self._pattern.exact.search(plain(line.removesuffix("\n").encode())) is not None


def parse_pattern(context: click.Context, parameter: click.Parameter, value: str | None) -> Pattern | None:
    """For an option: a regular expression."""
    if value is None:
        return None
    try:
        return Pattern(in_utf8(value), regex=True, case=True)
    except PatternError as error:
        raise click.BadParameter(str(error)) from None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is searched for, and how it is printed."""

    pattern: str
    ignore_case: bool
    fixed: bool
    number: bool
    context: int
    as_json: bool

    def query(self, start: int) -> str:
        """The same as a server is asked for it."""
        options = {
            "q": self.pattern,
            "regex": int(not self.fixed),
            "case": int(not self.ignore_case),
            "context": self.context,
            "numbers": int(self.number or self.as_json),
            "limit": _HITS,
            "from": start,
        }
        return urllib.parse.urlencode(options, errors="replace")


def search_options(command: _Command) -> _Command:
    """Give a command the arguments and options of `search_sessions`, but for those that all commands have."""
    for decorate in reversed(
        [
            click.argument("pattern", callback=lambda context, parameter, value: in_utf8(value)),
            click.argument("names", nargs=-1, callback=lambda context, parameter, value: tuple(map(in_utf8, value))),
            click.option("-i", "--ignore-case", is_flag=True, help="Let upper and lower case be the same."),
            click.option("-F", "--fixed-strings", "fixed", is_flag=True, help="PATTERN is a word, no expression."),
            click.option("-E", "--extended-regexp", is_flag=True, expose_value=False, help="The default."),
            click.option("-n", "--line-number", "number", is_flag=True, help="Print each line's number."),
            click.option(
                "-C",
                "--context",
                type=click.IntRange(0, _MOST_CONTEXT),
                default=0,
                help="Print so many lines before and after, too.",
            ),
            click.option("--json", "as_json", is_flag=True, help="Print what the server finds, as JSON lines."),
        ]
    ):
        command = decorate(command)
    return command


def search_sessions(url: str, token: str | None, names: tuple[str, ...], **wanted: Any) -> int:
    """Print what is found in some sessions' logs, or in all; returns the exit code."""
    asked = Wanted(**wanted)
    code = NOTHING
    try:
        sessions = names or _listed(url, token)
        printer = _Printer(asked, named=len(names) != 1)
        for name in sessions:
            try:
                for hit in _hits(url, token, name, asked):
                    printer.show(name, hit)
                    code = FOUND if code == NOTHING else code
            except _SessionError as error:
                say(f"{error}")
                code = TROUBLE
            finally:
                printer.finish()
        sys.stdout.flush()
    except FollowError as error:
        say(advised(error))
        return TROUBLE
    except OSError as error:
        let_output_go(error)
        return TROUBLE
    return code


class _SessionError(Exception):
    """One session cannot be searched."""


def _listed(url: str, token: str | None) -> list[str]:
    try:
        return [str(session["name"]) for session in ask(url, "/sessions", token)]
    except (TypeError, LookupError):
        raise strange(url) from None


def _hits(url: str, token: str | None, name: str, wanted: Wanted) -> Iterator[dict[str, Any]]:
    """All hits in one session's log."""
    start: int | None = 0
    quoted = urllib.parse.quote(name, safe="")
    while start is not None:
        try:
            answer = open_answer(url, f"/sessions/{quoted}/search?{wanted.query(start)}", token)
        except NotAllowedError as error:
            if error.needs_token:
                raise
            raise _SessionError(str(error)) from None
        except AnswerError as error:
            if error.status not in (404, 503):
                raise
            raise _SessionError(str(error)) from None
        with answer as response:
            end: dict[str, Any] = {}
            try:
                for line in response:
                    end = json.loads(line)
                    if "text" in end:
                        yield end
            except (ValueError, TypeError):
                raise strange(url) from None
            except (OSError, http.client.HTTPException):
                end = {}
        if "more" not in end:
            raise _SessionError(end.get("error") or f"The search in {name!r} was cut off.")
        start = end.get("next")


class _Printer:
    """Prints hits as grep does: each line once, with `--` where lines are left out beside context."""

    def __init__(self, wanted: Wanted, *, named: bool) -> None:
        self._wanted = wanted
        self._named = named
        self._colours = sys.stdout.isatty()
        self._session = ""
        self._end = -1  # of the line that was printed last
        self._begun = False
        self._behind: list[_Line] = []  # what stands behind the last hit, and is not printed yet

    def show(self, session: str, hit: dict[str, Any]) -> None:
        """Print the next hit, and what stands around it as far as it is certain that no hit is in it."""
        if self._wanted.as_json:
            click.echo(json.dumps({"session": session, **hit}, ensure_ascii=False))
            return
        self._session = session
        number, before = hit["line"], hit["before"]
        self._print_behind(hit["offset"])
        for distance, side in zip(range(len(before), 0, -1), before, strict=True):
            if side["offset"] >= self._end:
                self._print(side, number and number - distance, "-")
        self._print(hit, number, ":")
        self._behind = [(side, number and number + distance) for distance, side in enumerate(hit["after"], 1)]

    def finish(self) -> None:
        """A session has no more hits."""
        self._print_behind(None)
        self._end = -1

    def _print_behind(self, stop: int | None) -> None:
        for side, number in self._behind:
            if stop is None or side["offset"] < stop:
                self._print(side, number, "-")
        self._behind = []

    def _print(self, line: dict[str, Any], number: int | None, mark: str) -> None:
        if self._wanted.context and self._begun and line["offset"] != self._end:
            click.echo("--")
        self._begun, self._end = True, line["end"]
        parts = [f"{self._session}{mark}"] if self._named else []
        if self._wanted.number:
            parts.append(f"{'?' if number is None else number}{mark}")
        if line.get("skipped"):
            parts.append("…")
        text, place = line["text"], 0
        for first, last in line.get("ranges", []) if self._colours else []:
            parts += [_shown(text[place:first]), _MARK[0], _shown(text[first:last]), _MARK[1]]
            place = last
        parts.append(_shown(text[place:]))
        if line.get("cut"):
            parts.append("…")
        click.echo("".join(parts))


def _shown(text: str) -> str:
    """What a terminal may get of a text."""
    return _CONTROL.sub("", text)
