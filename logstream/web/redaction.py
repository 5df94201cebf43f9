"""Keeping tokens out of the web servers' logs."""

from __future__ import annotations

import logging
import re

# `token=` in a URL, however its letters are written.
_TOKEN = re.compile(
    r"([?&]" + "".join(f"(?:{letter}|%{ord(letter):02x})" for letter in "token") + r"=)[^&\s\"'#\x1b]+", re.IGNORECASE
)
_ACCESS_LOGS = ("werkzeug", "gunicorn.access", "gunicorn.error")


class _TokenFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if "=" in text:
            clean = _TOKEN.sub(r"\1[hidden]", text)
            if clean != text:
                record.msg, record.args = clean, ()
        return True


_token_filter = _TokenFilter()


def hide_tokens() -> None:
    """Keep `?token=…` out of the web servers' logs."""
    for name in _ACCESS_LOGS:
        logging.getLogger(name).addFilter(_token_filter)
