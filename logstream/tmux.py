"""Noticing that a tmux session has ended, for whose log somebody waits."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterable

logger = logging.getLogger(__name__)

POLL_INTERVAL = 1.0  # seconds
GRACE = 0.5  # seconds after a session is gone until its log is taken as complete: its last bytes may be on their way

_TIMEOUT = 5.0  # seconds that tmux has to answer
_NO_SERVER = ("no server running", "server exited", "lost server", "No such file or directory", "Connection refused")

Key = tuple[str, str]  # a tmux server's process and the session's number there, which outlives a change of name


class TmuxError(Exception):
    """tmux did not say which sessions there are."""


class TmuxWatcher:
    """Asks tmux once a second which sessions there are, as long as somebody follows any log.

    A session that was seen and is gone is reported once. One that was never seen is left alone. Any thread may call.
    """

    def __init__(
        self, socket: str | None, followed: Callable[[], Iterable[str]], report: Callable[[str], object]
    ) -> None:
        """`socket` is the name or path of a tmux server's socket, None for the default one.

        `followed()` are the names of the sessions that somebody follows; `report(name)` is told of one that is gone.
        Neither is called with a lock held.
        """
        self._socket = socket
        self._followed = followed
        self._report = report
        self._stop = threading.Event()
        # Guards both below: the thread ends by itself, and whoever comes then starts the next one.
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._asked = False  # somebody has come since the thread last looked
        self._seen: dict[str, Key] = {}  # only for the thread

    def wake(self) -> None:
        """Somebody follows a log, perhaps the first one."""
        with self._lock:
            self._asked = True
            if self._thread is not None or self._stop.is_set():
                return
            self._thread = threading.Thread(target=self._run, name="logstream-tmux", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # none to be had; the next one who comes tries again
                self._thread = None

    def close(self) -> None:
        """End the thread, soon."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                self._asked = False
            followed = list(self._followed())
            with self._lock:
                if not followed and not self._asked:
                    self._thread = None
                    return
            try:
                gone = self._look(followed)
            except Exception:
                logger.exception("looking for tmux sessions failed")
                gone = []
            if gone and not self._stop.wait(GRACE):
                for name in gone:
                    self._report(name)
            self._stop.wait(POLL_INTERVAL - GRACE if gone else POLL_INTERVAL)

    def _look(self, followed: Iterable[str]) -> list[str]:
        """Which of the followed sessions were seen and are gone."""
        try:
            alive = list_sessions(self._socket)
        except TmuxError as error:
            logger.warning("tmux does not answer, so sessions that end now are not noticed: %s", error)
            return []
        keys = set(alive.values())
        gone = []
        for name in followed:
            key = alive.get(tmux_name(name))
            if key is not None:
                self._seen[name] = key
            elif name in self._seen and self._seen[name] not in keys:
                del self._seen[name]
                gone.append(name)
        return gone


def is_installed() -> bool:
    """Whether there is a tmux to ask."""
    return shutil.which("tmux") is not None


def tmux_name(session_name: str) -> str:
    """What tmux makes of a name: it keeps two characters for itself."""
    return session_name.replace(".", "_").replace(":", "_")


def list_sessions(socket: str | None) -> dict[str, Key]:
    """The sessions of a tmux server by name; none where there is no such server. Raises TmuxError."""
    if not os.path.exists(_socket_path(socket)):
        return {}
    option = ["-S", socket] if socket and "/" in socket else ["-L", socket] if socket else []
    environment = {key: value for key, value in os.environ.items() if key != "TMUX"}  # it may lead to another server
    try:
        ran = subprocess.run(
            ["tmux", "-u", *option, "list-sessions", "-F", "#{pid} #{session_id} #{session_name}"],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TmuxError(str(error)) from None
    if ran.returncode != 0:
        problem = ran.stderr.decode(errors="replace").strip()
        if any(sign in problem for sign in _NO_SERVER):
            return {}
        raise TmuxError(problem)
    lines = (line.split(" ", 2) for line in ran.stdout.decode(errors="replace").splitlines())
    return {line[2]: (line[0], line[1]) for line in lines if len(line) == 3}


def _socket_path(socket: str | None) -> str:
    if socket and "/" in socket:
        return socket
    return os.path.join(os.environ.get("TMUX_TMPDIR", "/tmp"), f"tmux-{os.getuid()}", socket or "default")
