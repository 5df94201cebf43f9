"""Tests of keeping tokens out of logs."""

import logging

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
