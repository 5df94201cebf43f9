"""What README.md and docs/ show: their fenced blocks, their headings and their links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..serving import ROOT

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """One fenced block. Behind its language a block may say what it is: readers are shown none of that."""

    page: str
    line: int
    language: str
    kind: str
    text: str

    @property
    def place(self) -> str:
        """Where it begins, for whoever has to mend it."""
        return f"{self.page}:{self.line}"


def page_name(path: Path) -> str:
    """How a page is called in these tests."""
    return str(path.relative_to(ROOT))


def blocks(language: str | None = None, kind: str | None = None, page: str | None = None) -> list[Block]:
    """The blocks of all pages in their order, or those of a language, of a kind, of a page."""
    return [
        block
        for path in PAGES
        for block in _blocks(path)
        if language in (None, block.language) and kind in (None, block.kind) and page in (None, block.page)
    ]


def section(page: str, heading: str) -> str:
    """What stands below a heading, down to the next one of its level."""
    text = (ROOT / page).read_text()
    level, _, _ = heading.partition(" ")
    found = re.search(rf"^{re.escape(heading)}$(.*?)(?=^#{{1,{len(level)}}} |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"{page} has no {heading!r}"
    return found[1]


def rows(text: str) -> Iterator[list[str]]:
    """The rows of all tables in a text, without their heads."""
    for line in text.splitlines():
        if line.startswith("| ") and not line.startswith("| ---"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def codes(text: str) -> list[str]:
    """What is set as code."""
    return re.findall(r"`([^`]+)`", text)


def without_blocks(text: str) -> str:
    """A page's prose."""
    return _FENCE.sub("", text)


def _blocks(path: Path) -> Iterator[Block]:
    text = path.read_text()
    for found in _FENCE.finditer(text):
        language, _, kind = found["info"].partition(" ")
        yield Block(page_name(path), text.count("\n", 0, found.start()) + 1, language, kind, found["text"])
