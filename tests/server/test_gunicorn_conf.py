"""Tests of how the server starts."""

import os
import shlex
import subprocess
import sys

import pytest

from ..serving import COMMANDS, ROOT


@pytest.mark.parametrize(
    ("kind", "environ"),
    [
        ("gunicorn", {"LOGSTREAM_DIRECTORY": "/etc/passwd"}),
        ("gunicorn", {"LOGSTREAM_SUFFIX": "/x"}),
        ("gunicorn", {"LOGSTREAM_BIND": "nonsense"}),
        ("flask", {"LOGSTREAM_DIRECTORY": "/etc/passwd"}),
        ("flask", {"LOGSTREAM_SUFFIX": "/x"}),
        ("gunicorn", {"PORT": "http", "LOGSTREAM_BIND": ""}),
        ("gunicorn", {"LOGSTREAM_TOKNE": "x"}),
        ("flask", {"LOGSTREAM_TOKNE": "x"}),
        ("flask", {"LOGSTREAM_MAX_CONNECTIONS": "many"}),
    ],
)
def test_bad_configuration_stops_the_start_with_one_line(kind: str, environ: dict[str, str]) -> None:
    """The operator reads which setting is wrong, and no traceback."""
    ended = subprocess.run(
        [sys.executable, *COMMANDS[kind]], cwd=ROOT, env=os.environ | environ, capture_output=True, timeout=30
    )
    assert ended.returncode != 0
    lines = ended.stderr.decode().strip().splitlines()
    assert len([line for line in lines if line.startswith("logstream: ")]) == 1
    assert len(lines) == 1
    assert next(iter(environ)) in lines[0]


def test_the_procfile_runs_what_the_tests_run() -> None:
    """The Procfile's command is the one under test."""
    kind, command = (ROOT / "Procfile").read_text().split(":", 1)
    assert kind == "web"
    assert shlex.split(command)[1:] == COMMANDS["gunicorn"][2:]
