"""Everything at once, on both servers: what every viewer shows in the end is the file."""

import random
import threading
from collections.abc import Callable
from pathlib import Path

from .serving import ServerProcess
from .viewer import Viewer

WRITERS, WRITES = 4, 800
ALPHABET = ["plain ", "größer ", "日本語", "😀🧨", "\x1b[1;31mred\x1b[0m ", "\r\n", "\n", "\0", "€" * 50, "x" * 3000]


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
                pause.wait(self._random.random() * 0.02)


class Watching(threading.Thread):
    """A viewer of some temper, that follows a session to its completion and then shows its text."""

    def __init__(self, port: int, session: str, temper: str, seed: int, calm: threading.Event) -> None:
        super().__init__()
        self._port, self._session, self._temper, self._random = port, session, temper, random.Random(seed)
        self._calm = calm  # set when nobody is to leave any more
        self._subscribes = 0  # on the present connection, each answered by one initial message
        self.settled = threading.Event()
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
        viewer = self._connect()
        while not viewer.messages or not viewer.messages[-1]["isComplete"]:
            calm = self._calm.is_set()
            if calm and sum(message["isInitial"] for message in viewer.messages) == self._subscribes:
                self.settled.set()
            try:
                viewer.receive(0.1 if not self.settled.is_set() else 30)
            except TimeoutError:
                continue
            if self._temper == "slow" and len(viewer.messages) % 40 == 0:
                pause.wait(self._random.random() * 0.05)
            if self._temper == "fickle" and not calm and self._random.random() < 0.02:
                viewer = self._leave_and_come_back(viewer)
        viewer.drain(0.3)
        self.text = viewer.texts[self._session]
        self.completions = sum(message["isComplete"] for message in viewer.messages)
        self.last_is_completion = viewer.messages[-1]["isComplete"]
        viewer.close()

    def _connect(self) -> Viewer:
        small = 8192 if self._temper == "slow" else None
        viewer = Viewer(self._port, receive_buffer=small)
        viewer.subscribe(self._session)
        self._subscribes = 1
        return viewer

    def _leave_and_come_back(self, viewer: Viewer) -> Viewer:
        how = self._random.choice(["reset", "close", "again", "unsubscribe"])
        if how in ("reset", "close"):
            viewer.reset() if how == "reset" else viewer.close()
            return self._connect()
        if how == "unsubscribe":
            viewer.unsubscribe(self._session)
        viewer.subscribe(self._session)
        self._subscribes += 1
        return viewer


def test_every_viewer_shows_the_file(
    server: ServerProcess, view: Callable[..., Viewer], session: str, log: Path
) -> None:
    """Writers that cut characters anywhere, and viewers that join late, read slowly, leave and come back.

    Each viewer's text equals the file in the end, and exactly one isComplete is the last thing it gets.
    """
    tempers = ["steady", "late", "slow", "fickle"] * 4
    calm = threading.Event()
    viewers = [Watching(server.port, session, temper, seed, calm) for seed, temper in enumerate(tempers)]
    lock = threading.Lock()
    writers = [Writer(log, lock, seed) for seed in range(WRITERS)]
    for thread in (*viewers, *writers):
        thread.start()
    for writer in writers:
        writer.join()
    calm.set()
    for viewer in viewers:
        assert viewer.settled.wait(30), viewer.error
    server.complete(session)
    expected = log.read_bytes().decode()
    for viewer in viewers:
        viewer.join(30)
        assert not viewer.is_alive()
        assert viewer.error is None, viewer.error
        assert viewer.text == expected
        assert viewer.completions == 1
        assert viewer.last_is_completion
