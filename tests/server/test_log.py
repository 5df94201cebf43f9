"""Tests of what gets into logs, and where."""

import logging
import subprocess
import sys

import pytest

from logstream.web.redaction import hide_tokens


@pytest.mark.parametrize("name", ["werkzeug", "gunicorn.access", "gunicorn.error"])
@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ('"GET /ws?token=se%63ret HTTP/1.1" 101', '"GET /ws?token=[hidden] HTTP/1.1" 101'),
        ("/a?x=1&TOKEN=secret&y=2", "/a?x=1&TOKEN=[hidden]&y=2"),
        ("/a?%74o%6Ben=secret", "/a?%74o%6Ben=[hidden]"),
        ("/a?token=1 /b?token=2", "/a?token=[hidden] /b?token=[hidden]"),
        ("/a?tokens=5&mytoken=6 50%", "/a?tokens=5&mytoken=6 50%"),
    ],
)
def test_tokens_in_addresses_are_hidden(name: str, line: str, printed: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a web server prints of an address, the token in it is not shown, and nothing else is touched."""
    hide_tokens()
    hide_tokens()
    logging.getLogger(name).warning("%s", line)
    assert caplog.messages == [printed]


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
