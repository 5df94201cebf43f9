"""Tests of where the server's log lines go."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("setting", "logging_setup", "lines"),
    [
        ("", "", ["serving *.out in /nowhere, which does not exist yet, to this machine only"]),
        ("warning", "", []),
        ("", "import logging; logging.basicConfig(level='ERROR', format='own %(message)s')", []),
        ("", "import logging; logging.basicConfig(level='INFO', format='own %(message)s')", ["own serving *.out"]),
    ],
)
def test_the_start_is_one_line(setting: str, logging_setup: str, lines: list[str]) -> None:
    """What is served, from where and to whom is one line, by the level and the logging that the process has."""
    code = f"""
{logging_setup}
from logstream import create_app
create_app({{"LOGSTREAM_DIRECTORY": "/nowhere", "LOGSTREAM_LOG_LEVEL": {setting or None!r}}})
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=20)
    printed = ran.stderr.splitlines()
    assert len(printed) == len(lines)
    assert all(expected in line for expected, line in zip(lines, printed, strict=True))
