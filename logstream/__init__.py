"""Live logs over WebSocket: follow growing files and send them to many clients at once."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from .version import __version__

if TYPE_CHECKING:
    from .config import ConfigurationError
    from .engine.manager import LogStreamManager
    from .server.app import create_app
    from .signals import session_completed, session_started
    from .web.extension import LogStream

__all__ = [
    "ConfigurationError",
    "LogStream",
    "LogStreamManager",
    "__version__",
    "create_app",
    "session_completed",
    "session_started",
]

_HOMES = {
    "ConfigurationError": "config",
    "LogStream": "web.extension",
    "LogStreamManager": "engine.manager",
    "create_app": "server.app",
    "session_completed": "signals",
    "session_started": "signals",
}


def __getattr__(name: str) -> object:
    """Each is imported when it is asked for: the command line needs none of them, nor Flask."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
