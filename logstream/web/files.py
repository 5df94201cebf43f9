"""The page's own files, at addresses that change with them: a browser that has them need not ask for them again."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from flask import Blueprint, Response

_AGE = 365 * 24 * 3600  # seconds that a file of an address is kept: what is at it is never another one


class Versions:
    """What the files of a directory are called that are in it now. Any thread may ask."""

    def __init__(self, directory: Path) -> None:
        """Nothing is read yet."""
        self._directory = directory
        self._last: tuple[list[tuple[str, int, int]], str] = ([], "")  # replaced as a whole: needs no lock

    def current(self) -> str:
        """The name of what is there: the same on each machine. Raises OSError where it cannot be read."""
        with os.scandir(self._directory) as entries:
            files = [(entry.name, entry.stat()) for entry in entries if entry.is_file()]
        found = sorted((name, stat.st_mtime_ns, stat.st_size) for name, stat in files)
        last, version = self._last
        if found != last:
            version = self._digest([name for name, _, _ in found])
            self._last = found, version
        return version

    def _digest(self, names: list[str]) -> str:
        digest = hashlib.blake2b(digest_size=8)
        for name in names:
            content = (self._directory / name).read_bytes()
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()


def add_routes(page: Blueprint) -> None:
    """Have the page's files at such addresses, too, and `file_version` in its templates, to be asked once a page."""
    assert page.static_folder is not None
    versions = Versions(Path(page.static_folder))

    def versioned(version: str, filename: str) -> Response:
        """A file; one of another version is the present one, and asked for each time."""
        response = page.send_static_file(filename)
        if version == versions.current():  # now that it is open: or it might have been replaced before
            response.headers["Cache-Control"] = f"private, max-age={_AGE}, immutable"
        return response

    page.get("/static/<version>/<filename>", endpoint="versioned")(versioned)
    page.context_processor(lambda: {"file_version": versions.current})
