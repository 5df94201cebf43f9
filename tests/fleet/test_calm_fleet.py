"""Sessions of other hosts, followed on a dashboard, in one fleet for all tests, which nothing befalls."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from ..serving import wait_until
from ..viewer import ClosedError, Viewer
from .conftest import Fleet
from .fleetparts import Dashboard, ShipProcess
from .test_fleet import append, copied, resets


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One for all tests."""
    with contextlib.ExitStack() as stack:
        yield Fleet(tmp_path_factory.mktemp("fleet"), stack)


@pytest.fixture(scope="module")
def ship(fleet: Fleet) -> ShipProcess:
    """Its session host."""
    return fleet.ship()


@pytest.fixture(scope="module")
def dashboard(fleet: Fleet) -> Dashboard:
    """Its dashboard."""
    return fleet.dashboard()


@pytest.fixture
def viewer(dashboard: Dashboard) -> Iterator[Viewer]:
    """A client of the dashboard."""
    with Viewer(dashboard.port) as viewer:
        yield viewer


def test_viewer_of_another_host_shows_the_log_and_what_is_appended(
    ship: ShipProcess, dashboard: Dashboard, viewer: Viewer, session: str
) -> None:
    """A subscribe brings the log, and each further line comes within the promised half second."""
    ship.log(session).write_text("one\n")
    viewer.subscribe(session)
    viewer.read_text(session, "one\n")
    for number in range(20):
        append(ship.log(session), b"line %d\n" % number)
        viewer.read_text(session, ship.log(session).read_text(), timeout=0.5)
    assert resets(viewer, session) == 1
    assert copied(dashboard, session) == ship.log(session).read_bytes()


def test_large_log_of_any_bytes_is_copied_byte_for_byte(
    ship: ShipProcess, dashboard: Dashboard, viewer: Viewer, session: str
) -> None:
    """Cuts within characters and bytes that are not UTF-8 change nothing: the copy is the file."""
    data = ("€😀ü" * 700_000).encode() + b"\xff\xfe\xc3" + os.urandom(200_000)
    ship.log(session).write_bytes(data)
    viewer.subscribe(session)
    viewer.read_until(lambda: viewer.texts.length(session) > 2_100_000)
    append(ship.log(session), b"\x82\xac end")
    text = (data + b"\x82\xac end").decode(errors="replace")
    viewer.read_text(session, text)
    assert copied(dashboard, session) == ship.log(session).read_bytes()
    assert resets(viewer, session) == 1


def test_nothing_is_sent_of_sessions_that_nobody_follows(
    fleet: Fleet, ship: ShipProcess, dashboard: Dashboard, viewer: Viewer, session: str
) -> None:
    """What is written to other sessions passes no relay, and makes no copy."""
    ship.log(session).write_text("one\n")
    viewer.subscribe(session)
    viewer.read_text(session, "one\n")
    with fleet.redis.client() as client:
        before = client.info("stats")["total_net_output_bytes"]
        ship.log("other").write_bytes(b"x" * 5_000_000)
        append(ship.log(session), b"two\n")
        viewer.read_text(session, "one\ntwo\n")
        assert client.info("stats")["total_net_output_bytes"] - before < 1_000_000
    assert not dashboard.log("other").exists()


def test_raw_is_the_whole_log(ship: ShipProcess, dashboard: Dashboard, session: str) -> None:
    """A download of a log that nobody has followed yet is all of it; it can be searched, and read anywhere, too."""
    data = os.urandom(9_000_000)
    ship.log(session).write_bytes(data)
    answer = dashboard.fetch(f"/sessions/{session}/raw")
    assert answer.status == 200
    assert answer.body == data
    for name in ("searched", "read"):
        ship.log(name).write_text("one\ntwo\n")
    assert '"offset":4' in dashboard.request("/sessions/searched/search?q=two")[1]
    assert '"text":"two"' in dashboard.request("/sessions/read/lines?at=4")[1]
    assert dashboard.request("/sessions/nothing/raw")[0] == 404


def test_tail_and_cursor_wait_until_the_copy_is_level(
    fleet: Fleet, ship: ShipProcess, viewer: Viewer, session: str
) -> None:
    """On a cold spool the last lines are the file's last lines, and a cursor of another dashboard is gone on from."""
    lines = [f"line {number:073}\n" for number in range(100_000)]
    ship.log(session).write_text("".join(lines))
    viewer.subscribe(session, tail=3, cursor=True)
    viewer.read_text(session, "".join(lines[-3:]))
    cursor = viewer.messages[-1]["cursor"]
    for another in [fleet.dashboard(), fleet.dashboard()]:
        with Viewer(another.port) as other:
            other.subscribe(session, cursor=cursor)
            message = other.receive()
        assert not message["isInitial"]
        assert message["data"] == ""
        assert message["cursor"] == cursor
        another.end()


def test_session_that_is_nowhere_is_an_error_and_one_to_be_waited_for_comes(ship: ShipProcess, viewer: Viewer) -> None:
    """A name that no host has is answered at once; with `wait` the log is there soon after it begins."""
    viewer.subscribe("nothing")
    assert "was not found" in viewer.receive()["error"]
    viewer.subscribe("later", wait=True)
    ship.log("later").write_text("here\n")
    viewer.read_until(lambda: viewer.texts.get("later") == "here\n", timeout=5)


def test_truncated_rewritten_and_rotated_log_starts_over_once(ship: ShipProcess, viewer: Viewer, session: str) -> None:
    """Each of these is one `isInitial`, and the text is the new file."""
    log = ship.log(session)
    log.write_text("first\n")
    viewer.subscribe(session)
    viewer.read_text(session, "first\n")
    log.write_text("rewritten, and longer than before\n")
    viewer.read_text(session, "rewritten, and longer than before\n")
    append(log, b"more\n")
    viewer.read_text(session, "rewritten, and longer than before\nmore\n")
    os.truncate(log, 0)
    viewer.read_text(session, "")
    append(log, b"again\n")
    viewer.read_text(session, "again\n")
    log.rename(log.with_suffix(".1"))
    log.write_text("rotated\n")
    viewer.read_text(session, "rotated\n")
    append(log, b"end\n")
    viewer.read_text(session, "rotated\nend\n")
    assert resets(viewer, session) == 4


def test_log_rotated_with_much_unsent_is_sent_to_its_end_first(ship: ShipProcess, viewer: Viewer, session: str) -> None:
    """What the earlier file still held comes before the new one's text, however much it was."""
    log = ship.log(session)
    log.write_text("first\n")
    viewer.subscribe(session)
    viewer.read_text(session, "first\n")
    rest = b"0123456789abcde\n" * 600_000
    os.kill(ship.process.pid, signal.SIGSTOP)
    try:
        append(log, rest)
        log.rename(log.with_suffix(".1"))
        log.write_text("rotated\n")
    finally:
        os.kill(ship.process.pid, signal.SIGCONT)
    viewer.read_text(session, "rotated\n")
    append(log, b"end\n")
    viewer.read_text(session, "rotated\nend\n", timeout=2)
    begins = [number for number, message in enumerate(viewer.messages) if message["isInitial"]]
    assert len(begins) == 2
    assert "".join(message["data"] for message in viewer.messages[: begins[1]]) == "first\n" + rest.decode()


def test_completion_while_a_dashboard_is_behind(
    ship: ShipProcess, dashboard: Dashboard, viewer: Viewer, session: str
) -> None:
    """Who is still loading a large log gets the last message when all of it is there."""
    data = b"0123456789abcde\n" * 3_000_000
    ship.log(session).write_bytes(data)
    viewer.subscribe(session)
    viewer.receive()
    dashboard.complete(session)
    viewer.read_until(lambda: bool(viewer.messages[-1]["isComplete"]))
    assert viewer.texts[session] == data.decode()
    assert resets(viewer, session) == 1


def test_log_that_grows_after_its_completion_is_live_again(
    ship: ShipProcess, dashboard: Dashboard, viewer: Viewer, session: str
) -> None:
    """A session that begins again in its old log is followed on, and completed again."""
    ship.log(session).write_text("one\n")
    assert dashboard.request(f"/sessions/{session}/complete", "POST")[0] == 204
    append(ship.log(session), b"two\n")
    viewer.subscribe(session)
    viewer.read_text(session, "one\ntwo\n")
    append(ship.log(session), b"three\n")
    viewer.read_text(session, "one\ntwo\nthree\n")
    assert not any(message["isComplete"] for message in viewer.messages)
    dashboard.complete(session)
    viewer.read_until(lambda: bool(viewer.messages[-1]["isComplete"]))


def test_names_of_any_kind(ship: ShipProcess, dashboard: Dashboard, viewer: Viewer) -> None:
    """Whatever a session may be called, it can be called elsewhere: colons, stars, blanks, characters of four bytes."""
    for name in ("a:b", "*", "[x]?", "two words", "größe 😀", "a@b", "x" * 251):
        ship.log(name).write_text(f"of {name}\n")
        viewer.subscribe(name)
        viewer.read_text(name, f"of {name}\n")
        append(ship.log(name), b"more\n")
        viewer.read_text(name, f"of {name}\nmore\n", timeout=2)
        assert dashboard.request(f"/sessions/{quote(name)}/raw")[1] == f"of {name}\nmore\n"


def test_dashboard_killed_and_its_client_resumes_on_another(
    fleet: Fleet, ship: ShipProcess, viewer: Viewer, session: str
) -> None:
    """A cursor is good on any dashboard."""
    first = fleet.dashboard()
    ship.log(session).write_text("one\n")
    with Viewer(first.port) as other:
        other.subscribe(session, cursor=True)
        other.read_text(session, "one\n")
        first.kill()
    append(ship.log(session), b"two\n")
    viewer.subscribe(session, cursor=other.messages[-1]["cursor"])
    message = viewer.receive()
    assert (message["isInitial"], message["data"]) == (False, "two\n")


def test_workers_share_a_spool_and_one_takes_over(fleet: Fleet, ship: ShipProcess, session: str) -> None:
    """One worker copies, the others follow its copy; when it is killed, another goes on by cursor."""
    dashboard = fleet.dashboard(WEB_CONCURRENCY="3")
    wait_until(lambda: len(dashboard.workers()) == 3)
    ship.log(session).write_text("one\n")
    viewers = [fleet.viewer(dashboard) for _ in range(12)]
    for viewer in viewers:
        viewer.subscribe(session, cursor=True)
        viewer.read_text(session, "one\n")
    append(ship.log(session), b"two\n")
    for viewer in viewers:
        viewer.read_text(session, "one\ntwo\n", timeout=2)
    holders = [pid for pid in dashboard.workers() if _holds_lock(pid)]
    assert len(holders) == 1
    os.kill(holders[0], 9)
    append(ship.log(session), b"three\n")
    left = []
    for viewer in viewers:
        try:
            viewer.read_text(session, "one\ntwo\nthree\n", timeout=5)
            left.append(viewer)
        except (ClosedError, ConnectionResetError):
            pass  # it was the killed worker's
    dashboard.complete(session)
    for viewer in left:
        viewer.read_until(lambda: bool(viewer.messages[-1]["isComplete"]))
        assert viewer.texts[session] == "one\ntwo\nthree\n"
        assert resets(viewer, session) == 1


def _holds_lock(pid: int) -> bool:
    """Whether a process has the lock of a copy, by the kernel's account."""
    for entry in Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            if "FLOCK" in entry.read_text() and ".lock" in os.readlink(f"/proc/{pid}/fd/{entry.name}"):
                return True
        except (FileNotFoundError, ProcessLookupError):
            pass
    return False


def test_idle_for_longer_than_the_library_waits(
    ship: ShipProcess, dashboard: Dashboard, viewer: Viewer, session: str
) -> None:
    """Silence ends no connection: a line after seven quiet seconds comes as fast as any."""
    ship.log(session).write_text("one\n")
    viewer.subscribe(session)
    viewer.read_text(session, "one\n")
    viewer.drain(7)
    append(ship.log(session), b"two\n")
    viewer.read_text(session, "one\ntwo\n", timeout=0.5)
    assert "away" not in dashboard.output() + ship.output()
