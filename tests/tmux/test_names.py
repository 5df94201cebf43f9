"""Tests of how tmux names sessions, against tmux itself."""

from __future__ import annotations

import random

import pytest

from logstream.protocol import ProtocolError, check_session_name
from logstream.tmux.names import possible_names
from logstream.tmux.server import ask

from .tmuxserver import TmuxServer, needs_tmux

NAMES = [
    *("a.b", "a:b", ".", "a_b", "cost$a", "cost$1", "$_", "${a}", "x$", "$", "back\\slash", "a\\", "\\101", "a\\$b"),
    *("a#b", "C#", "#12", "a##b", "a###b", "##", "a#[b]", "a##[b", "###[", "#[##]", "a#,b", "a#}b", "PR#Draft", "#Sa"),
    *("a b", " a", "a ", "-a", "-", "--", "=a", "@a", "%1", "%H:%M", "!a", "~", "*", "?", "^a", "{a}", "a,b", "a;b"),
    *("'a'", '"a"', "`a`", "|", "&", "<a>", "größer", "e\u0301", "日本語", "😀", "👨\u200d👩\u200d👧", "🇩🇪", "한"),
    *("\u1160", "\u00a0", "\u00ad", "\u200b", "\u2028", "\u202e", "\u0378", "\ue000", "\ufeff", "\ufffe", "\U0001fae9"),
    *("a#h#H", "\U0010ffff", "x" * 250, "é" * 125, "😀" * 62, "$a" * 100, "\\" * 200, "." * 200),
]
ALPHABET = "ab_.:$\\#,}[]DHhST{( -=@%'\"é日😀\u0301\u2028\u0378\u00ad01"


@pytest.fixture
def kept(tmux: TmuxServer) -> TmuxServer:
    """A server that stays, whatever sessions come and go."""
    tmux.begin("kept")
    return tmux


def making(name: str) -> list[str]:
    """The command that makes a session with a name, and prints its number; in it runs no shell."""
    quoted = name.removesuffix(";") + "\\;" * name.endswith(";")
    return ["new-session", "-d", "-P", "-F", "#{session_id}", "-s", quoted, "sleep", "60"]


def name_given(tmux: TmuxServer, name: str) -> str:
    """What the session is called that is made with a name, in the place of an earlier one."""
    tmux.run("kill-session", "-a", "-t", "=kept", ";", *making(name))
    (found,) = (session for session in ask(tmux.socket).sessions.values() if session.name != "kept")
    return found.name


def all_names_given(tmux: TmuxServer, names: list[str]) -> dict[str, str]:
    """The same for many, each with its number before or behind it."""
    numbered = [f"{number}{name}" if number % 2 else f"{name}~{number}" for number, name in enumerate(names)]
    given = {}
    for start in range(0, len(numbered), 25):
        commands: list[str] = []
        for name in numbered[start : start + 25]:
            commands += [*making(name), ";"]
        made = tmux.run(*commands[:-1]).split()
        sessions = ask(tmux.socket).sessions
        given |= {name: sessions[number].name for name, number in zip(numbered[start:], made, strict=False)}
        tmux.run("kill-session", "-a", "-t", "=kept")
    assert len(given) == len(numbered)
    return given


@needs_tmux
def test_each_name_is_found_again(kept: TmuxServer) -> None:
    """Whatever a log is called, what tmux makes of its name is among what it may make of it."""
    for name in NAMES:
        given = name_given(kept, name)
        assert given in possible_names(name), ascii(name)


@needs_tmux
@pytest.mark.parametrize("seed", range(4))
def test_any_name_is_found_again(kept: TmuxServer, seed: int) -> None:
    """Also one of random characters, as it is and with each "#" doubled, unless only tmux can tell what it becomes."""
    chance = random.Random(seed)
    names = ["".join(chance.choices(ALPHABET, k=chance.randint(1, 12))) for _ in range(50)]
    plain = [name for name in names if "#{" not in name and "#(" not in name]
    for name, given in all_names_given(kept, plain).items():
        assert given in possible_names(name), ascii(name)
    escaped = {name.replace("#", "##"): name for name in names if "[" not in name}
    for name, given in all_names_given(kept, list(escaped)).items():
        assert given in possible_names(name.replace("##", "#")), ascii(name)


@needs_tmux
def test_names_that_tmux_tells_apart_are_told_apart(kept: TmuxServer) -> None:
    """A name without what tmux keeps for itself has one name there, which no other such name has."""
    chance = random.Random(1)
    alphabet = [character for character in ALPHABET if character not in ".:#"]
    names = ["".join(chance.choices(alphabet, k=10)) for _ in range(150)]
    given = all_names_given(kept, names)
    assert given == {name: name for name in given}
    assert all(possible_names(name) == [name] for name in given)


@needs_tmux
def test_every_character_of_a_log_s_name_is_known(kept: TmuxServer) -> None:
    """Some of each part of Unicode, in names as the server allows them."""
    chance = random.Random(1)
    parts = []
    for start in range(0x20, 0x110000, 0x800):
        points = chance.sample(range(start, min(start + 0x800, 0x110000)), 12)
        parts.append("".join(character for character in map(chr, points) if _is_allowed(character)))
    names = ["".join(parts[start : start + 4]) for start in range(0, len(parts), 4)]
    for name, given in all_names_given(kept, names).items():
        assert given in possible_names(name), ascii(name)


def _is_allowed(character: str) -> bool:
    try:
        check_session_name(character + "x")
    except ProtocolError:
        return False
    return character != "#"


def test_what_only_tmux_can_expand_is_taken_as_it_is() -> None:
    """No command is run and nothing guessed: only the session whose name was escaped is found."""
    assert possible_names("a#{b}") == ["a#{b}"]
    assert possible_names("a#(touch b)") == ["a#(touch b)"]


def test_the_likelier_name_is_first() -> None:
    """The name itself, which newer versions keep; then without separators; then expanded."""
    assert possible_names("a.b##c") == ["a.b##c", "a_b##c", "a.b#c", "a_b#c"]
