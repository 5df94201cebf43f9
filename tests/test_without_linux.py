"""The servers without what Linux alone has: it costs nothing but speed."""

from __future__ import annotations

import json
import sys

import pytest

from .serving import PATIENCE, Starting, wait_until
from .tmux.tmuxserver import TmuxServer, needs_ps, needs_tmux
from .viewer import Viewer

WITHOUT = [sys.executable, "-m", "tests.without_linux"]


@needs_tmux
@needs_ps
@pytest.mark.parametrize("kind", ["gunicorn", "flask"])
def test_logs_are_followed_listed_and_completed_without_linux(start: Starting, tmux: TmuxServer, kind: str) -> None:
    """No inotify, /proc, /dev/shm, epoll, pidfd, eventfd, nor TCP's own limits: a client sees all the same things."""
    server = start(kind, prefix=WITHOUT, LOGSTREAM_TMUX=tmux.socket, WEB_CONCURRENCY="2")
    log = server.log("a")
    log.write_text("one\n")
    tmux.begin("a", f"sh -c 'while sleep 0.1; do date; done >> {log}'")
    viewer = Viewer(server.port)
    try:
        viewer.subscribe("a")
        viewer.read_until(lambda: viewer.texts.get("a", "").count("\n") > 3)
        assert viewer.texts["a"].startswith("one\n")
        wait_until(lambda: json.loads(server.fetch("/sessions").body)[0]["state"] == "running")
        assert server.fetch("/sessions/a").status == 200
        assert server.fetch("/sessions/a/raw").body.startswith(b"one\n")
        tmux.close()  # with the last session, tmux itself ends, as it does by itself
        viewer.read_until(lambda: viewer.messages[-1]["isComplete"], PATIENCE)
        assert viewer.texts["a"] == log.read_text()
    finally:
        viewer.close()
    assert json.loads(server.fetch("/sessions").body)[0]["complete"]
    counts = json.loads(server.fetch("/healthz").body)
    assert counts.get("workers", 2) == 2
    output = server.stop()
    assert "Traceback" not in output
    assert "no inotify watch" in output
