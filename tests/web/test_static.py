"""Runs the tests of the page's modules, in Node: `tests/web/static/` mirrors `logstream/web/static/`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ..serving import ROOT
from . import make_width_tables

DIRECTORY = ROOT / "tests" / "web" / "static"
TESTS = sorted(DIRECTORY.glob("*.test.mjs"))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
@pytest.mark.timeout(400)
def test_module(path: Path) -> None:
    """All tests of one module pass."""
    if shutil.which("node") is None:
        pytest.skip("needs Node: apt-get install nodejs")
    if "reference.mjs" in path.read_text() and not (DIRECTORY / "node_modules").is_dir():
        pytest.skip("needs the terminal to compare with: npm ci --prefix tests/web/static (apt-get install npm)")
    ran = subprocess.run(["node", str(path)], capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_tables_of_widths_are_unicodes() -> None:
    """They are what the script makes of the data, where that is of the same version."""
    if not make_width_tables.DATA.is_dir():
        pytest.skip("needs Unicode's data: apt-get install unicode-data")
    tables = make_width_tables.TABLES.read_text()
    if f"Unicode {make_width_tables.version()}." not in tables:
        pytest.skip(f"is of another version of Unicode than {make_width_tables.DATA}")
    assert make_width_tables.tables() == tables
    assert make_width_tables.python_tables() == make_width_tables.PYTHON_TABLES.read_text()
