"""For the tests of those who embed logstream: an app that is served, a viewer with deadlines, and what is left behind.

Nothing in here needs pytest but `logstream.testing.fixtures`, which a suite asks for by
`pytest_plugins = ["logstream.testing.fixtures"]`; installing logstream alone adds nothing to a suite.
"""

from ..websocket import RefusedError
from .leftovers import nothing_left
from .serving import AppServer, serve
from .viewing import Viewer

__all__ = ["AppServer", "RefusedError", "Viewer", "nothing_left", "serve"]
