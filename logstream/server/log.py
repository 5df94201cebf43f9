"""Where this package's log lines go when it is the server."""

from __future__ import annotations

import logging

from flask.logging import default_handler


def set_up_logging() -> None:
    """Have this package's lines printed where gunicorn prints its own, else to stderr."""
    logger = logging.getLogger("logstream")
    if not logger.hasHandlers():
        logger.setLevel(logging.INFO)
        for handler in logging.getLogger("gunicorn.error").handlers or [default_handler]:
            logger.addHandler(handler)
