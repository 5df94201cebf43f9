"""What tmux knows of the sessions whose logs there are: that they run, how large they are, and that they have ended."""

from .watcher import Running, TmuxWatcher

__all__ = ["Running", "TmuxWatcher"]
