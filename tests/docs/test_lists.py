"""Tests that the lists in the documentation have everything, and nothing else, and that each link leads somewhere."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import click
import pytest

import logstream
from logstream import LogStreamManager, create_app
from logstream.cli import cli
from logstream.config import ConfigurationError, Settings, check_environment

from ..serving import ROOT
from .blocks import codes, page_name, rows, section, without_blocks

LINKED = sorted({ROOT / "README.md", *ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")})
COMMANDS = {name: cli.get_command(click.Context(cli), name) for name in cli.list_commands(click.Context(cli))}
ASKING = {"--url", "--token"}  # options that are listed once, for all commands that ask a server


@pytest.mark.parametrize("name", COMMANDS)
def test_each_option_of_a_command_is_listed(name: str) -> None:
    """The command's section names its options by all their spellings, and none that there is not."""
    command = COMMANDS[name]
    assert command is not None
    options = {
        flag for one in command.params if isinstance(one, click.Option) for flag in (*one.opts, *one.secondary_opts)
    }
    listed = {code for row in rows(section("docs/cli.md", f"## {name}")) for code in codes(row[0]) if code[0] == "-"}
    common = {code for row in rows(section("docs/cli.md", "# The command line")) for code in codes(row[0])}
    assert common >= ASKING
    assert listed | (ASKING if options >= ASKING else set()) == options


def test_each_command_is_there() -> None:
    """There is a section for each command, and for nothing else."""
    assert set(re.findall(r"^## (.*)$", (ROOT / "docs/cli.md").read_text(), re.MULTILINE)) == set(COMMANDS)


def known_settings() -> set[str]:
    """All LOGSTREAM_ names that there are: what the error says that there are."""
    with pytest.raises(ConfigurationError) as raised:
        check_environment({"LOGSTREAM_0123456789": ""})
    return set(re.findall(r"LOGSTREAM_[A-Z_]+", str(raised.value)))


def test_each_setting_is_listed_with_its_default() -> None:
    """All keys, and no other; where the default is a number or a word, the one in the code."""
    listed = {
        codes(row[0])[0]: row[1]
        for row in rows((ROOT / "docs/configuration.md").read_text())
        if row[0].startswith("`LOGSTREAM_")
    }
    assert set(listed) == known_settings()
    defaults = Settings()
    for key, default in listed.items():
        value = getattr(defaults, key.removeprefix("LOGSTREAM_").lower(), None)
        if isinstance(value, (int, float)) and "GiB" not in default:
            assert float(default) == value, key
        elif isinstance(value, str) and "else" not in default:
            assert default == f"`{value}`", key
        elif isinstance(value, int):
            assert float(default.removesuffix(" GiB")) * 1024**3 == value, key


@pytest.mark.parametrize("page", ["README.md", "docs/fleet.md"])
def test_what_another_page_says_of_a_setting_is_the_same(page: str) -> None:
    """A table that shows some settings shows their defaults as the full list does."""
    full = {codes(row[0])[0]: row[1] for row in rows((ROOT / "docs/configuration.md").read_text()) if codes(row[0])}
    for row in rows((ROOT / page).read_text()):
        if row[0].startswith("`LOGSTREAM_"):
            assert full[codes(row[0])[0]] == row[1], row[0]


def test_each_key_of_the_page_is_listed() -> None:
    """The guide's table has the keys that the page's modules add, and no other."""
    sources = "".join(path.read_text() for path in (ROOT / "logstream/web/static").glob("*.js"))
    found = re.findall(r'keys\.add\(\{\s*key: "([^"]+)"(, ctrl: true)?', sources)
    added = {f"Ctrl-{key.upper()}" if ctrl else key for key, ctrl in found}
    listed = {code for row in rows(section("docs/guide.md", "## Keys")) for code in codes(row[0])}
    assert listed == added


def test_each_route_is_listed() -> None:
    """All addresses under HTTP with their methods, and no other."""
    listed = {tuple(code.split(" ")) for row in rows(section("docs/protocol.md", "## HTTP")) for code in codes(row[0])}
    rules = create_app({"LOGSTREAM_DIRECTORY": "/nowhere", "LOGSTREAM_TMUX": "off"}).url_map.iter_rules()
    served = {
        (method, rule.rule)
        for rule in rules
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule not in ("/ws", "/favicon.ico")
    }
    assert listed == served


def test_the_methods_of_the_manager_are_as_listed() -> None:
    """Each method that is shown is there, with these parameters."""
    for row in rows(section("docs/embedding.md", "## Without Flask")):
        for code in codes(row[0]):
            name, _, shown = code.partition("(")
            parameters = list(inspect.signature(getattr(LogStreamManager, name)).parameters)[1:]
            assert re.findall(r"(\w+)(?:=[^,)]*)?[,)]", shown) == parameters, code


def test_each_public_name_is_mentioned() -> None:
    """Whatever `from logstream import …` gives is somewhere in the documentation."""
    said = "".join(path.read_text() for path in LINKED)
    assert [name for name in logstream.__all__ if name[0] != "_" and not re.search(rf"\b{name}\b", said)] == []


def anchors(text: str) -> set[str]:
    """The names that headings get on the pages of code hosts."""
    headings = re.findall(r"^#+ (.*)$", without_blocks(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", LINKED, ids=page_name)
def test_no_link_is_dead(path: Path) -> None:
    """Each link within the repository leads to a file that is there, and to a heading that it has."""
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", without_blocks(path.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        file = (path.parent / target).resolve() if target else path
        if not file.exists() or (anchor and anchor not in anchors(file.read_text())):
            dead.append(link)
    assert dead == []


def test_each_page_can_be_found_from_the_readme() -> None:
    """A page that nobody links is one that nobody reads."""
    text = (ROOT / "README.md").read_text()
    assert [path.name for path in (ROOT / "docs").glob("*.md") if f"docs/{path.name})" not in text] == []
