"""A dashboard's part of a fleet, as the settings say."""

from __future__ import annotations

from ..config import Settings
from ..engine.manager import LogStreamManager
from .replica import Replica
from .spool import Spool
from .words import Names


def create_dashboard(settings: Settings, manager: LogStreamManager) -> Replica:
    """The copies that a manager's sessions are, where LOGSTREAM_REDIS is set. Raises ConfigurationError."""
    assert settings.redis is not None
    replica = Replica(
        Spool(settings.directory, settings.suffix),
        settings.redis,
        Names(settings.prefix),
        followed=manager.followed_sessions,
        complete=manager.complete_here,
        copy_all=settings.copy == "all",
        spool_size=settings.spool_size,
    )
    manager.complete_elsewhere(replica.complete)
    manager.on_close(replica.close)
    return replica
