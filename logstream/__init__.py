"""Live logs over WebSocket: follow growing files and send them to many clients at once."""

from .app import create_app
from .config import ConfigurationError
from .extension import LogStream
from .manager import LogStreamManager

__all__ = ["ConfigurationError", "LogStream", "LogStreamManager", "create_app"]
