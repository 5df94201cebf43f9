"""Runs the tests of the page's modules, in Node: `tests/web/static/` mirrors `logstream/web/static/`."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from ..serving import ROOT

TESTS = sorted((ROOT / "tests" / "web" / "static").glob("*.test.mjs"))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_module(path: object) -> None:
    """All tests of one module pass."""
    if shutil.which("node") is None:
        pytest.skip("needs Node: apt-get install nodejs")
    ran = subprocess.run(["node", "--test", str(path)], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
