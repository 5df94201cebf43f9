"""Noticing that a tmux session has ended whose log somebody follows."""

from .watcher import TmuxWatcher

__all__ = ["TmuxWatcher"]
