"""Tests of the fixtures, in suites of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from ..serving import PATIENCE, ROOT

_SUITE = """
import pytest
from flask import Flask

from logstream import LogStream

pytest_plugins = ["logstream.testing.fixtures"]


@pytest.fixture
def app(tmp_path):
    app = Flask("dashboard")
    app.config.update(LOGSTREAM_DIRECTORY=str(tmp_path), LOGSTREAM_TMUX="off")
    app.logs = LogStream(app)
    return app


@pytest.mark.usefixtures("logstream_nothing_left")
@pytest.mark.parametrize("number", range(5))
def test_a_session_reaches_its_viewer(logstream_server, tmp_path, number):
    with logstream_server.view("build", wait=True) as viewer:
        (tmp_path / "build.out").write_text("one\\n")
        viewer.await_text("one\\n")
        logstream_server.app.logs.manager.notify_session_completed("build")
        viewer.await_complete()


def test_served_by_hand(logstream_serve, app):
    assert logstream_serve(app).url.startswith("http://127.0.0.1:")


def test_leaves_a_thread(request, monkeypatch):
    import functools, threading
    from logstream.testing import fixtures

    monkeypatch.setattr(fixtures, "nothing_left", functools.partial(fixtures.nothing_left, 0.1))
    request.getfixturevalue("logstream_nothing_left")
    threading.Thread(target=threading.Event().wait, name="forgotten", daemon=True).start()
"""


def test_two_suites_run_side_by_side(tmp_path: Path) -> None:
    """Each has its fixtures, which nobody has without asking for them, and nothing of the other."""
    suites = []
    for name in ("one", "other"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "test_suite.py").write_text(_SUITE)
        arguments = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)]
        environment = os.environ | {"PYTEST_ADDOPTS": ""}  # which may be to measure this suite
        command = [sys.executable, *arguments]
        suites.append(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True))
    for suite in suites:
        said, _ = suite.communicate(timeout=2 * PATIENCE)
        assert re.search(r"7 passed, 1 error", said), said
        assert "something is left behind: the thread 'forgotten'" in said


def test_pytest_is_needed_by_the_fixtures_alone() -> None:
    """Whoever uses the rest needs it not."""
    program = "import logstream.testing, sys; assert 'pytest' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, timeout=PATIENCE)
