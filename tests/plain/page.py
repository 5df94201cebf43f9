"""What the page shows of a log, to compare with."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from collections.abc import Sequence

import pytest

from ..serving import ROOT

STATIC = ROOT / "tests" / "web" / "static"
RECORDINGS = STATIC / "recordings"
NAMES = sorted(json.loads((RECORDINGS / "index.json").read_text()))


def recorded(name: str) -> str:
    """A recording's text."""
    return gzip.decompress((RECORDINGS / f"{name}.out.gz").read_bytes()).decode("utf-8", "replace")


def page_lines(logs: Sequence[Sequence[str]], columns: int | None = None) -> list[list[str]]:
    """The lines that the page's terminal has of each log, which comes in pieces."""
    if shutil.which("node") is None:
        pytest.skip("needs Node: apt-get install nodejs")
    asked = json.dumps([{"columns": columns, "pieces": pieces} for pieces in logs])
    ran = subprocess.run(
        ["node", str(STATIC / "lines.mjs")], input=asked, capture_output=True, encoding="utf-8", timeout=100, check=True
    )
    found: list[list[str]] = json.loads(ran.stdout)
    return found
