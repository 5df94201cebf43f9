"""Everything at once, on both servers: what every viewer shows in the end is the file."""

import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from .serving import PATIENCE, ServerProcess
from .viewer import Viewer

WRITERS, WRITES = 4, 300
ALPHABET = ["plain ", "größer ", "日本語", "😀🧨", "\x1b[1;31mred\x1b[0m ", "\r\n", "\n", "\0", "€" * 50, "x" * 2000]


class Writer(threading.Thread):
    """Appends text in pieces that are cut anywhere, also inside characters, now in bursts and now slowly."""

    def __init__(self, path: Path, lock: threading.Lock, seed: int) -> None:
        super().__init__()
        self._path, self._lock, self._random = path, lock, random.Random(seed)

    def run(self) -> None:
        """Write; the lock keeps the writers' characters apart, as a line-buffered program would."""
        pause = threading.Event()
        for _ in range(WRITES):
            data = "".join(self._random.choices(ALPHABET, k=self._random.randint(1, 12))).encode()
            with self._lock, self._path.open("ab", buffering=0) as file:
                while data:
                    cut = self._random.randint(1, min(len(data), 2000))
                    file.write(data[:cut])
                    data = data[cut:]
            if self._random.random() < 0.3:
                pause.wait(self._random.random() * 0.04)


class Disturber(threading.Thread):
    """Rewrites, truncates and rotates the log while others write to it."""

    def __init__(self, path: Path, lock: threading.Lock) -> None:
        super().__init__()
        self._path, self._lock, self._random = path, lock, random.Random(7)

    def run(self) -> None:
        """Disturb from time to time."""
        for number in range(25):
            threading.Event().wait(self._random.random() * 0.2)
            with self._lock:
                kept, new = self._path.with_suffix(".1"), self._path.with_suffix(".new")
                match self._random.choice(["rewrite", "truncate", "rotate", "replace", "recreate"]):
                    case "rewrite":
                        self._path.write_text(f"rewritten {number}\n")
                    case "truncate":
                        with self._path.open("r+b") as file:
                            file.truncate(0)
                    case "rotate":
                        self._path.rename(kept)
                        self._path.write_text(f"rotated {number}\n")
                    case "replace":
                        new.write_text(f"replaced {number}\n")
                        new.rename(self._path)
                    case "recreate":
                        self._path.unlink()
                        self._path.write_text(f"recreated {number}\n")


class Watching(threading.Thread):
    """A viewer of some temper, that follows a session to its completion and then shows its text."""

    def __init__(self, port: int, session: str, temper: str, seed: int, calm: threading.Event) -> None:
        super().__init__()
        self._port, self._session, self._temper, self._random = port, session, temper, random.Random(seed)
        self._calm = calm  # set when nobody is to leave any more
        self.settled = threading.Event()  # and nothing of an earlier subscription can come any more
        self.text = ""
        self.completions = 0
        self.last_is_completion = False
        self.error: BaseException | None = None

    def run(self) -> None:
        """Follow, and keep what went wrong for the test to raise."""
        try:
            self._follow()
        except BaseException as error:
            self.error = error

    def _follow(self) -> None:
        pause = threading.Event()
        if self._temper == "late":
            pause.wait(self._random.random())
        viewer = self._come()
        asked = False
        while not viewer.messages or not viewer.messages[-1].get("isComplete"):
            if self._calm.is_set() and not asked:
                asked = True
                viewer.subscribe("missing")  # its error comes behind all that was asked for before
            try:
                message = viewer.receive(0.1)
            except TimeoutError:
                continue
            if message["type"] == "logs:error":
                assert message["sessionName"] == "missing", message
                self.settled.set()
            if self._temper == "slow" and len(viewer.messages) % 40 == 0:
                pause.wait(self._random.random() * 0.05)
            if self._temper in ("fickle", "resuming") and not asked and self._random.random() < 0.02:
                viewer = self._leave_and_come_back(viewer)
        viewer.drain(0.3)
        self.text = viewer.texts[self._session]
        self.completions = sum(message.get("isComplete", False) for message in viewer.messages)
        self.last_is_completion = viewer.messages[-1].get("isComplete", False)
        viewer.close()

    def _come(self) -> Viewer:
        viewer = Viewer(self._port, receive_buffer=8192 if self._temper == "slow" else None)
        viewer.subscribe(self._session, cursor=True, wait=True)
        return viewer

    def _leave_and_come_back(self, viewer: Viewer) -> Viewer:
        how = self._random.choice(["reset", "close", "again", "unsubscribe"])
        if how in ("reset", "close"):
            viewer.reset() if how == "reset" else viewer.close()
            return self._resume(viewer) if self._temper == "resuming" else self._come()
        if how == "unsubscribe":
            viewer.unsubscribe(self._session)
        viewer.subscribe(self._session, wait=True)
        return viewer

    def _resume(self, viewer: Viewer) -> Viewer:
        """Another connection, that goes on with the text of this one."""
        cursor = viewer.messages[-1].get("cursor", True)
        resumed = Viewer(self._port)
        resumed.texts = viewer.texts
        resumed.subscribe(self._session, cursor=cursor, wait=True)
        return resumed


@pytest.mark.parametrize("disturbed", [False, True], ids=["appends", "rewrites"])
def test_every_viewer_shows_the_file(
    server: ServerProcess, view: Callable[..., Viewer], session: str, log: Path, disturbed: bool
) -> None:
    """Writers that cut characters anywhere, a file that may be rewritten and rotated under them, and viewers
    that join late, read slowly, leave, come back and resume: each one's text equals the file in the end, with
    exactly one isComplete, as the last thing.
    """
    tempers = ["steady", "late", "slow", "fickle", "resuming"] * 3
    calm = threading.Event()
    viewers = [Watching(server.port, session, temper, seed, calm) for seed, temper in enumerate(tempers)]
    lock = threading.Lock()
    writers: list[threading.Thread] = [Writer(log, lock, seed) for seed in range(WRITERS)]
    if disturbed:
        writers.append(Disturber(log, lock))
    for thread in (*viewers, *writers):
        thread.start()
    for writer in writers:
        writer.join()
    calm.set()
    for viewer in viewers:
        assert viewer.settled.wait(PATIENCE), viewer.error
    server.complete(session)
    expected = log.read_bytes().decode()
    for viewer in viewers:
        viewer.join(PATIENCE)
        assert not viewer.is_alive()
        assert viewer.error is None, viewer.error
        assert viewer.text == expected
        assert viewer.completions == 1
        assert viewer.last_is_completion
