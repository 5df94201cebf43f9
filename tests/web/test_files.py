"""Tests of the page's own files."""

from __future__ import annotations

import os
import re
from pathlib import Path

from logstream.web.files import Versions

from ..serving import ServerProcess


def test_a_version_is_that_of_the_content(tmp_path: Path) -> None:
    """Another one with each file that comes, changes or is renamed, and the same for the same files elsewhere."""
    here, there = tmp_path / "here", tmp_path / "there"
    for directory in (here, there):
        directory.mkdir()
        (directory / "a.js").write_text("one")
        (directory / "b.js").write_text("two")
        os.utime(directory / "a.js", (1000, 1000 if directory == here else 2000))
    versions = Versions(here)
    seen = [versions.current()]
    assert versions.current() == Versions(there).current() == seen[0]
    for change in (
        lambda: (here / "a.js").write_text("two"),
        lambda: (here / "c.js").write_text(""),
        lambda: (here / "c.js").rename(here / "d.js"),
        lambda: (here / "a.js").write_text("three"),
        lambda: (here / "d.js").unlink(),
    ):
        change()
        assert versions.current() not in seen
        seen.append(versions.current())
    (here / "a.js").write_text("one")
    assert versions.current() == seen[0]


def test_a_file_is_kept_while_it_is_the_same(server: ServerProcess) -> None:
    """At the page's addresses without asking again; at that of another version the present one is, for once."""
    addresses = re.findall(r'(?:href|src)="(/static/[^"]*)"', server.request("/")[1])
    assert len(addresses) == 4
    for address in addresses:
        version, name = address.split("/")[2:]
        kept, other, plain = (server.fetch(path) for path in (address, f"/static/0{version}/{name}", f"/static/{name}"))
        assert kept.headers["Cache-Control"] == "private, max-age=31536000, immutable"
        assert other.headers["Cache-Control"] == plain.headers["Cache-Control"] == "no-cache"
        assert (kept.status, kept.body) == (other.status, other.body) == (200, plain.body)
    missing = server.fetch(f"/static/{version}/nothing.js")
    assert missing.status == 404
    assert "Cache-Control" not in missing.headers
