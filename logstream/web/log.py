"""Where this package's log lines go in an app that has set up no logging: to the log that the app's own go to."""

from __future__ import annotations

import logging

from flask.logging import default_handler


def set_up_logging() -> None:
    """Have this package's lines printed where gunicorn prints its own, else as Flask prints an app's.

    What the app sets up itself takes their place, whenever it does.
    """
    logger = logging.getLogger("logstream")
    if not logger.hasHandlers():
        logger.addHandler(_Handler())
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.INFO)


class _Handler(logging.Handler):
    """Hands a line on, unless the app's own handlers get it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a line, with its time and level."""
        if logging.getLogger().handlers:
            return
        for handler in logging.getLogger("gunicorn.error").handlers or [default_handler]:
            if record.levelno >= handler.level:
                handler.handle(record)
