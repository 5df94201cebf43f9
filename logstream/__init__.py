"""Live logs over WebSocket: follow growing files and send them to many clients at once."""

from .config import ConfigurationError
from .engine.manager import LogStreamManager
from .server.app import create_app
from .signals import session_completed, session_started
from .version import __version__
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
