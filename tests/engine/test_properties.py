"""Any sequence of what can happen, against a model: what each client shows is the file, whichever process serves it."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from logstream import LogStreamManager
from logstream.engine.logfile import Signature, signature_of

from ..recorder import Recorder
from ..reference import last_lines, whole
from ..serving import wait_until

PIECES = [b"a", b"line\n", "größer\n".encode(), "日".encode(), "😀".encode(), b"\xff", b"\xe2\x82", b"\xf0\x9f", b"\0"]
data = st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map(b"".join)
HOMES = {"one": 0, "two": 1, "three": 0}  # whose client each viewer is
viewers = st.sampled_from(list(HOMES))
managers = st.sampled_from([0, 1])


class Following(RuleBasedStateMachine):
    """A session's file, two managers that know nothing of each other and may be replaced, as two processes would be,
    and clients of theirs that come, go, lag and resume.
    """

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="logstream-property-"))
        self.log = self.directory / "a.out"
        self.clients = Recorder()
        self.managers = [self._start(), self._start()]
        self.completed: tuple[Signature, bytes] | None = None  # the log as it was when the session was last completed
        self.following: set[str] = set()  # the clients that are subscribed
        self.skipped: dict[str, set[int]] = {}  # how many bytes of the log a client's text may leave out, by its tail

    @initialize(content=data)
    def begin(self, content: bytes) -> None:
        """There is a log."""
        self.log.write_bytes(content)

    def teardown(self) -> None:
        """Close everything, and see that nothing is left."""
        self.clients.open.set()
        for manager in self.managers:
            manager.close()
            assert not manager.counts()["subscriptions"]
        shutil.rmtree(self.directory, ignore_errors=True)  # a thread that is late may write into it

    # What happens to the file.

    @rule(content=data)
    def append(self, content: bytes) -> None:
        """One write, which may end inside a character."""
        with self.log.open("ab") as file:
            file.write(content)

    @rule(content=data)
    def rewrite(self, content: bytes) -> None:
        """The same file with other text."""
        self.log.write_bytes(content)
        self._changed()

    @rule(share=st.floats(0, 1))
    def truncate(self, share: float) -> None:
        """The same file with less text."""
        size = int(self.log.stat().st_size * share)
        with self.log.open("r+b") as file:
            file.truncate(size)
        self._changed()

    @rule(content=data, last=st.one_of(st.none(), data))
    def rotate(self, content: bytes, last: bytes | None) -> None:
        """Another file at the path, and a last write to the first."""
        kept = self.log.with_suffix(".1")
        self.log.rename(kept)
        if last is not None:
            with kept.open("ab") as file:
                file.write(last)
        self.log.write_bytes(content)
        self._changed()

    @rule(content=data)
    def replace(self, content: bytes) -> None:
        """Another file renamed over the path."""
        new = self.log.with_suffix(".new")
        new.write_bytes(content)
        new.rename(self.log)
        self._changed()

    def _changed(self) -> None:
        """A client that began with a tail shows the whole text if this starts it over, which it need not."""
        for skipped in self.skipped.values():
            skipped.add(0)

    # What clients do.

    @rule(viewer=viewers, tail=st.none() | st.integers(0, 3), cursor=st.sampled_from([None, True, "last", "0.0"]))
    def subscribe(self, viewer: str, tail: int | None, cursor: str | bool | None) -> None:
        """Any subscribe, also a repeated one, and a resuming one after whatever has happened meanwhile."""
        if cursor == "last":
            self.unsubscribe(viewer)
            last = self.clients.of(viewer)[-1:]
            cursor = last[0].get("cursor", True) if last else True
        count, content = len(self.clients.of(viewer)), self.log.read_bytes()
        told = self.clients.completions(viewer)
        self._manager(viewer).subscribe("a", viewer, tail=tail, cursor=cursor)
        if self.clients.of(viewer)[count]["isInitial"]:
            self.skipped[viewer] = {len(content) - len(last_lines(content, tail)) if tail is not None else 0}
        if self._is_complete():
            self._check_completion(viewer, told, content)
            self.following.discard(viewer)
        else:
            self.following.add(viewer)

    @rule(viewer=viewers)
    def unsubscribe(self, viewer: str) -> None:
        """A client leaves."""
        self._manager(viewer).unsubscribe("a", viewer)
        self.following.discard(viewer)

    @rule(viewer=viewers)
    def disconnect(self, viewer: str) -> None:
        """A client vanishes."""
        self._manager(viewer).handle_client_disconnect(viewer)
        self.following.discard(viewer)

    @rule(viewer=viewers)
    def lag(self, viewer: str) -> None:
        """A client stops taking offers, and is served at its own pace."""
        self.clients.full.symmetric_difference_update({viewer})

    @rule(by=managers)
    def complete(self, by: int) -> None:
        """One process is told that the session is complete: all subscribers are, once, as the last thing."""
        expected = self.log.read_bytes()
        counts = {viewer: self.clients.completions(viewer) for viewer in self.following}
        self.managers[by].notify_session_completed("a")
        self.completed = signature_of(self.log.stat()), expected
        for viewer, count in counts.items():
            self._check_completion(viewer, count, expected)
        self.following.clear()
        for manager in self.managers:
            wait_until(lambda manager=manager: not manager.has_watcher("a"), 10)

    @rule(which=managers)
    def restart(self, which: int) -> None:
        """Another manager: the clients that were there have gone."""
        self.managers[which].close()
        self.following = {viewer for viewer in self.following if HOMES[viewer] != which}
        self.managers[which] = self._start()

    def _start(self) -> LogStreamManager:
        return LogStreamManager(self.clients.send, self.clients.offer, directory=self.directory)

    def _manager(self, viewer: str) -> LogStreamManager:
        return self.managers[HOMES[viewer]]

    def _is_complete(self) -> bool:
        return self.completed == (signature_of(self.log.stat()), self.log.read_bytes())

    # What must hold.

    @invariant()
    def every_client_shows_the_file(self) -> None:
        """At rest, each subscribed client's text is the file's, and the counts are right."""
        content = self.log.read_bytes()
        for viewer in self.following:
            self._check(viewer, content)
        for number, manager in enumerate(self.managers):
            assert manager.subscription_count("a") == sum(HOMES[viewer] == number for viewer in self.following)

    @invariant()
    def the_list_knows_what_is_complete(self) -> None:
        """Whichever manager is asked: complete is the log that has not changed since, and no other."""
        signature = signature_of(self.log.stat())
        for manager in self.managers:
            with manager.completions() as completed_since:
                if self._is_complete():
                    assert completed_since("a", signature) is not None
                elif self.completed is None or self.completed[0] != signature:
                    assert completed_since("a", signature) is None

    def _check_completion(self, viewer: str, told_before: int, content: bytes) -> None:
        wait_until(lambda: self.clients.completions(viewer) > told_before, 10)
        assert self.clients.completions(viewer) == told_before + 1
        assert self.clients.last(viewer)["isComplete"]
        self._check(viewer, content, final=True)

    def _check(self, viewer: str, content: bytes, *, final: bool = False) -> None:
        def right() -> bool:
            texts = [content[skipped:] for skipped in self.skipped[viewer]]
            return self.clients.text(viewer) in (
                [text.decode(errors="replace") for text in texts] if final else [whole(text) for text in texts]
            )

        wait_until(right, 10)


Following.TestCase.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestFollowing = Following.TestCase
