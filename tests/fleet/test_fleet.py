"""Sessions of other hosts, followed on a dashboard: what its viewer shows is the file. Each part is a process."""

from __future__ import annotations

import json
import os
import random
import signal
from pathlib import Path
from urllib.parse import quote

from ..serving import wait_until
from ..tmux.tmuxserver import TmuxServer, needs_tmux
from ..viewer import ClosedError, Viewer
from .conftest import Fleet
from .fleetparts import Dashboard


def append(path: Path, data: bytes) -> None:
    """Write at a log's end."""
    with path.open("ab") as file:
        file.write(data)


def resets(viewer: Viewer, session: str) -> int:
    """How often a viewer's text has begun."""
    return sum(bool(message.get("isInitial")) for message in viewer.messages if message["sessionName"] == session)


def listed(dashboard: Dashboard) -> dict[str, dict[str, object]]:
    """The list of a dashboard, by name."""
    return {entry["name"]: entry for entry in json.loads(dashboard.request("/sessions")[1])}


def copied(dashboard: Dashboard, session: str) -> bytes:
    """What a dashboard has of a log."""
    path = dashboard.log(session)
    return path.read_bytes() if path.exists() else b""


def test_viewer_of_another_host_shows_the_log_and_what_is_appended(fleet: Fleet) -> None:
    """A subscribe brings the log, and each further line comes within the promised half second."""
    ship, dashboard = fleet.ship(), fleet.dashboard()
    ship.log("build").write_text("one\n")
    viewer = fleet.viewer(dashboard)
    viewer.subscribe("build")
    viewer.read_text("build", "one\n")
    for number in range(20):
        append(ship.log("build"), b"line %d\n" % number)
        viewer.read_text("build", ship.log("build").read_text(), timeout=0.5)
    assert resets(viewer, "build") == 1
    assert copied(dashboard, "build") == ship.log("build").read_bytes()


def test_large_log_of_any_bytes_is_copied_byte_for_byte(fleet: Fleet) -> None:
    """Cuts within characters and bytes that are not UTF-8 change nothing: the copy is the file."""
    ship, dashboard = fleet.ship(), fleet.dashboard()
    data = ("€😀ü" * 700_000).encode() + b"\xff\xfe\xc3" + os.urandom(200_000)
    ship.log("build").write_bytes(data)
    viewer = fleet.viewer(dashboard)
    viewer.subscribe("build")
    viewer.read_until(lambda: viewer.texts.length("build") > 2_100_000)
    append(ship.log("build"), b"\x82\xac end")
    text = (data + b"\x82\xac end").decode(errors="replace")
    viewer.read_text("build", text)
    assert copied(dashboard, "build") == ship.log("build").read_bytes()
    assert resets(viewer, "build") == 1


def test_nothing_is_sent_of_sessions_that_nobody_follows(fleet: Fleet) -> None:
    """What is written to other sessions passes no relay, and makes no copy."""
    ship, dashboard = fleet.ship(), fleet.dashboard()
    ship.log("build").write_text("one\n")
    viewer = fleet.viewer(dashboard)
    viewer.subscribe("build")
    viewer.read_text("build", "one\n")
    with fleet.redis.client() as client:
        before = client.info("stats")["total_net_output_bytes"]
        ship.log("other").write_bytes(b"x" * 5_000_000)
        append(ship.log("build"), b"two\n")
        viewer.read_text("build", "one\ntwo\n")
        assert client.info("stats")["total_net_output_bytes"] - before < 1_000_000
    assert not dashboard.log("other").exists()


def test_raw_is_the_whole_log(fleet: Fleet) -> None:
    """A download of a log that nobody has followed yet is all of it; it can be searched, and read anywhere, too."""
    ship, dashboard = fleet.ship(), fleet.dashboard()
    data = os.urandom(9_000_000)
    ship.log("build").write_bytes(data)
    answer = dashboard.fetch("/sessions/build/raw")
    assert answer.status == 200
    assert answer.body == data
    for name in ("searched", "read"):
        ship.log(name).write_text("one\ntwo\n")
    assert '"offset":4' in dashboard.request("/sessions/searched/search?q=two")[1]
    assert '"text":"two"' in dashboard.request("/sessions/read/lines?at=4")[1]
    assert dashboard.request("/sessions/nothing/raw")[0] == 404


def test_tail_and_cursor_wait_until_the_copy_is_level(fleet: Fleet) -> None:
    """On a cold spool the last lines are the file's last lines, and a cursor of another dashboard is gone on from."""
    ship, first, second, third = fleet.ship(), fleet.dashboard(), fleet.dashboard(), fleet.dashboard()
    lines = [f"line {number:07}\n" for number in range(600_000)]
    ship.log("build").write_text("".join(lines))
    viewer = fleet.viewer(first)
    viewer.subscribe("build", tail=3, cursor=True)
    viewer.read_text("build", "".join(lines[-3:]))
    cursor = viewer.messages[-1]["cursor"]
    for dashboard in second, third:
        other = fleet.viewer(dashboard)
        other.subscribe("build", cursor=cursor)
        message = other.receive()
        assert not message["isInitial"]
        assert message["data"] == ""
        assert message["cursor"] == cursor


def test_session_that_is_nowhere_is_an_error_and_one_to_be_waited_for_comes(fleet: Fleet) -> None:
    """A name that no host has is answered at once; with `wait` the log is there soon after it begins."""
    ship, dashboard = fleet.ship(), fleet.dashboard()
    viewer = fleet.viewer(dashboard)
    viewer.subscribe("nothing")
    assert "was not found" in viewer.receive()["error"]
    viewer.subscribe("later", wait=True)
    ship.log("later").write_text("here\n")
    viewer.read_until(lambda: viewer.texts.get("later") == "here\n", timeout=5)


def test_truncated_rewritten_and_rotated_log_starts_over_once(fleet: Fleet) -> None:
    """Each of these is one `isInitial`, and the text is the new file."""
    ship, dashboard = fleet.ship(), fleet.dashboard()
    log = ship.log("build")
    log.write_text("first\n")
    viewer = fleet.viewer(dashboard)
    viewer.subscribe("build")
    viewer.read_text("build", "first\n")
    log.write_text("rewritten, and longer than before\n")
    viewer.read_text("build", "rewritten, and longer than before\n")
    append(log, b"more\n")
    viewer.read_text("build", "rewritten, and longer than before\nmore\n")
    os.truncate(log, 0)
    viewer.read_text("build", "")
    append(log, b"again\n")
    viewer.read_text("build", "again\n")
    log.rename(log.with_suffix(".1"))
    log.write_text("rotated\n")
    viewer.read_text("build", "rotated\n")
    append(log, b"end\n")
    viewer.read_text("build", "rotated\nend\n")
    assert resets(viewer, "build") == 4


def test_log_rotated_with_much_unsent_is_sent_to_its_end_first(fleet: Fleet) -> None:
    """What the earlier file still held comes before the new one's text, however much it was."""
    ship, dashboard = fleet.ship(), fleet.dashboard()
    log = ship.log("build")
    log.write_text("first\n")
    viewer = fleet.viewer(dashboard)
    viewer.subscribe("build")
    viewer.read_text("build", "first\n")
    os.kill(ship.process.pid, signal.SIGSTOP)
    rest = b"0123456789abcde\n" * 600_000
    append(log, rest)
    log.rename(log.with_suffix(".1"))
    log.write_text("rotated\n")
    os.kill(ship.process.pid, signal.SIGCONT)
    viewer.read_text("build", "rotated\n")
    append(log, b"end\n")
    viewer.read_text("build", "rotated\nend\n", timeout=2)
    begins = [number for number, message in enumerate(viewer.messages) if message["isInitial"]]
    assert len(begins) == 2
    assert "".join(message["data"] for message in viewer.messages[: begins[1]]) == "first\n" + rest.decode()


def test_completion_is_last_and_stays(fleet: Fleet) -> None:
    """A completion on any dashboard reaches the host and every viewer, and is known after all has been restarted."""
    ship, first, second = fleet.ship(), fleet.dashboard(), fleet.dashboard()
    ship.log("build").write_text("one\n")
    viewers = [fleet.viewer(first), fleet.viewer(second)]
    for viewer in viewers:
        viewer.subscribe("build")
        viewer.read_text("build", "one\n")
    append(ship.log("build"), b"two\n")
    first.complete("build")
    for viewer in viewers:
        viewer.read_until(lambda: bool(viewer.messages[-1]["isComplete"]))
        assert viewer.texts["build"] == "one\ntwo\n"
        assert sum(message["isComplete"] for message in viewer.messages) == 1
    wait_until(lambda: listed(second)["build"]["complete"])
    ship.stop()
    ship.start()
    fleet.await_host("host1")
    late = fleet.viewer(fleet.dashboard())
    late.subscribe("build")
    late.read_until(lambda: bool(late.messages and late.messages[-1]["isComplete"]))
    assert late.texts["build"] == "one\ntwo\n"


@needs_tmux
def test_session_that_ends_in_its_host_s_tmux_is_complete_on_all_dashboards(fleet: Fleet, tmux: TmuxServer) -> None:
    """tmux is watched where it runs, and the last message is the last."""
    tmux.begin("build")
    ship = fleet.ship(LOGSTREAM_TMUX=tmux.socket)
    ship.log("build").write_text("one\n")
    viewers = [fleet.viewer(fleet.dashboard()) for _ in range(2)]
    for viewer in viewers:
        viewer.subscribe("build")
        viewer.read_text("build", "one\n")
    append(ship.log("build"), b"two\n")
    tmux.end("build")
    for viewer in viewers:
        viewer.read_until(lambda: bool(viewer.messages[-1]["isComplete"]))
        assert viewer.texts["build"] == "one\ntwo\n"


def test_completion_while_a_dashboard_is_behind(fleet: Fleet) -> None:
    """Who is still loading a large log gets the last message when all of it is there."""
    ship, dashboard = fleet.ship(), fleet.dashboard()
    data = b"0123456789abcde\n" * 3_000_000
    ship.log("build").write_bytes(data)
    viewer = fleet.viewer(dashboard)
    viewer.subscribe("build")
    viewer.receive()
    dashboard.complete("build")
    viewer.read_until(lambda: bool(viewer.messages[-1]["isComplete"]))
    assert viewer.texts["build"] == data.decode()
    assert resets(viewer, "build") == 1


def test_log_that_grows_after_its_completion_is_live_again(fleet: Fleet) -> None:
    """A session that begins again in its old log is followed on, and completed again."""
    ship, dashboard = fleet.ship(), fleet.dashboard()
    ship.log("build").write_text("one\n")
    assert dashboard.request("/sessions/build/complete", "POST")[0] == 204
    append(ship.log("build"), b"two\n")
    viewer = fleet.viewer(dashboard)
    viewer.subscribe("build")
    viewer.read_text("build", "one\ntwo\n")
    append(ship.log("build"), b"three\n")
    viewer.read_text("build", "one\ntwo\nthree\n")
    assert not any(message["isComplete"] for message in viewer.messages)
    dashboard.complete("build")
    viewer.read_until(lambda: bool(viewer.messages[-1]["isComplete"]))


def test_completion_of_a_host_that_is_away_is_503(fleet: Fleet) -> None:
    """What cannot reach the host is said, and nothing is completed."""
    ship, dashboard = fleet.ship(), fleet.dashboard()
    ship.log("build").write_text("one\n")
    assert dashboard.request("/sessions/build/raw")[1] == "one\n"
    ship.stop()
    assert dashboard.request("/sessions/build/complete", "POST")[0] == 503
    assert dashboard.request("/sessions/build/raw")[1] == "one\n"
    wait_until(lambda: listed(dashboard)["build"]["away"] == "host")
    entry = listed(dashboard)["build"]
    assert (entry["host"], entry["complete"]) == ("host1", False)


def test_one_name_on_two_hosts(fleet: Fleet) -> None:
    """The first host keeps the plain name, the other's is to be had by name and host, and the list tells them apart."""
    one, two = fleet.ship("host1"), fleet.ship("host2")
    dashboard = fleet.dashboard()
    one.log("build").write_text("of one\n")
    two.log("build").write_text("of two\n")
    two.log("only").write_text("only here\n")
    wait_until(lambda: set(listed(dashboard)) == {"build", "build@host2", "only"})
    assert [listed(dashboard)[name]["host"] for name in ("build", "build@host2", "only")] == ["host1", "host2", "host2"]
    viewer = fleet.viewer(dashboard)
    for name in ("build", "build@host2"):
        viewer.subscribe(name)
    viewer.read_until(lambda: viewer.texts.get("build") == "of one\n" and viewer.texts.get("build@host2") == "of two\n")
    append(two.log("build"), b"more\n")
    viewer.read_text("build@host2", "of two\nmore\n")
    assert viewer.texts["build"] == "of one\n"


def test_names_of_any_kind(fleet: Fleet) -> None:
    """Whatever a session may be called, it can be called elsewhere: colons, stars, blanks, characters of four bytes."""
    ship, dashboard = fleet.ship(), fleet.dashboard()
    viewer = fleet.viewer(dashboard)
    for name in ("a:b", "*", "[x]?", "two words", "größe 😀", "a@b", "x" * 251):
        ship.log(name).write_text(f"of {name}\n")
        viewer.subscribe(name)
        viewer.read_text(name, f"of {name}\n")
        append(ship.log(name), b"more\n")
        viewer.read_text(name, f"of {name}\nmore\n", timeout=2)
        assert dashboard.request(f"/sessions/{quote(name)}/raw")[1] == f"of {name}\nmore\n"


def test_redis_killed_and_restarted_empty(fleet: Fleet) -> None:
    """The viewer sees silence, then the rest, within two seconds of the restart; what is in the spool still opens."""
    ship, dashboard = fleet.ship(), fleet.dashboard()
    ship.log("build").write_text("one\n")
    viewer = fleet.viewer(dashboard)
    viewer.subscribe("build")
    viewer.read_text("build", "one\n")
    fleet.redis.kill()
    append(ship.log("build"), b"two\n")
    late = fleet.viewer(dashboard)
    late.subscribe("build")
    late.read_text("build", "one\n")
    late.subscribe("unknown")
    assert late.drain(1.5) == []  # nobody can say that there is none
    fleet.redis.start()
    viewer.read_text("build", "one\ntwo\n", timeout=2)
    append(ship.log("build"), b"three\n")
    viewer.read_text("build", "one\ntwo\nthree\n", timeout=2)
    assert resets(viewer, "build") == 1


def test_redis_that_hangs(fleet: Fleet) -> None:
    """A Redis that is frozen holds nobody up, and when it goes on, the rest comes."""
    ship, dashboard = fleet.ship(), fleet.dashboard()
    ship.log("build").write_text("one\n")
    viewer = fleet.viewer(dashboard)
    viewer.subscribe("build")
    viewer.read_text("build", "one\n")
    fleet.redis.freeze()
    for number in range(50):
        append(ship.log("build"), b"line %d\n" % number)
        viewer.drain(0.1)
    fleet.redis.thaw()
    viewer.read_text("build", ship.log("build").read_text(), timeout=5)
    assert resets(viewer, "build") == 1


def test_ship_killed_and_restarted(fleet: Fleet) -> None:
    """What was written meanwhile comes within two seconds of the restart, and nothing twice."""
    ship, dashboard = fleet.ship(), fleet.dashboard()
    ship.log("build").write_text("one\n")
    viewer = fleet.viewer(dashboard)
    viewer.subscribe("build")
    viewer.read_text("build", "one\n")
    ship.kill()
    append(ship.log("build"), b"two\n")
    ship.start()
    wait_until(lambda: "shipping" in ship.output().split("\n", 1)[1])
    viewer.read_text("build", "one\ntwo\n", timeout=2)
    append(ship.log("build"), b"three\n")
    viewer.read_text("build", "one\ntwo\nthree\n", timeout=2)
    assert resets(viewer, "build") == 1


def test_dashboard_killed_and_its_client_resumes_on_another(fleet: Fleet) -> None:
    """A cursor is good on any dashboard."""
    ship, first, second = fleet.ship(), fleet.dashboard(), fleet.dashboard()
    ship.log("build").write_text("one\n")
    viewer = fleet.viewer(first)
    viewer.subscribe("build", cursor=True)
    viewer.read_text("build", "one\n")
    first.kill()
    append(ship.log("build"), b"two\n")
    other = fleet.viewer(second)
    other.subscribe("build", cursor=viewer.messages[-1]["cursor"])
    message = other.receive()
    assert (message["isInitial"], message["data"]) == (False, "two\n")


def test_two_ships_for_one_host(fleet: Fleet) -> None:
    """The second waits, says so, and takes over when the first is gone: one text."""
    first, dashboard = fleet.ship(), fleet.dashboard()
    second = fleet.ship(LOGSTREAM_LOG_LEVEL="INFO")
    wait_until(lambda: "ships" in second.output() and "already" in second.output())
    log = first.log("build")
    log.write_text("one\n")
    viewer = fleet.viewer(dashboard)
    viewer.subscribe("build")
    viewer.read_text("build", "one\n")
    first.kill()
    append(log, b"two\n")
    viewer.read_text("build", "one\ntwo\n", timeout=5)
    append(log, b"three\n")
    viewer.read_text("build", "one\ntwo\nthree\n", timeout=5)
    assert resets(viewer, "build") == 1


def test_workers_share_a_spool_and_one_takes_over(fleet: Fleet) -> None:
    """One worker copies, the others follow its copy; when it is killed, another goes on by cursor."""
    ship, dashboard = fleet.ship(), fleet.dashboard(WEB_CONCURRENCY="3")
    ship.log("build").write_text("one\n")
    viewers = [fleet.viewer(dashboard) for _ in range(12)]
    for viewer in viewers:
        viewer.subscribe("build", cursor=True)
        viewer.read_text("build", "one\n")
    append(ship.log("build"), b"two\n")
    for viewer in viewers:
        viewer.read_text("build", "one\ntwo\n", timeout=2)
    holders = [pid for pid in dashboard.workers() if _holds_lock(pid)]
    assert len(holders) == 1
    os.kill(holders[0], 9)
    append(ship.log("build"), b"three\n")
    left = []
    for viewer in viewers:
        try:
            viewer.read_text("build", "one\ntwo\nthree\n", timeout=5)
            left.append(viewer)
        except (ClosedError, ConnectionResetError):
            pass  # it was the killed worker's
    dashboard.complete("build")
    for viewer in left:
        viewer.read_until(lambda: bool(viewer.messages[-1]["isComplete"]))
        assert viewer.texts["build"] == "one\ntwo\nthree\n"
        assert resets(viewer, "build") == 1


def _holds_lock(pid: int) -> bool:
    """Whether a process has the lock of a copy, by the kernel's account."""
    for entry in Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            if "FLOCK" in entry.read_text() and ".lock" in os.readlink(f"/proc/{pid}/fd/{entry.name}"):
                return True
        except FileNotFoundError:
            pass
    return False


def test_registry_that_is_flushed_while_followed(fleet: Fleet) -> None:
    """FLUSHALL takes no line from a viewer, and the list is whole again soon."""
    ship, dashboard = fleet.ship(), fleet.dashboard()
    ship.log("build").write_text("one\n")
    viewer = fleet.viewer(dashboard)
    viewer.subscribe("build")
    viewer.read_text("build", "one\n")
    with fleet.redis.client() as client:
        client.flushall()
    append(ship.log("build"), b"two\n")
    viewer.read_text("build", "one\ntwo\n", timeout=2)
    wait_until(lambda: listed(dashboard)["build"]["away"] is None, timeout=10)
    assert resets(viewer, "build") == 1


def test_idle_for_longer_than_the_library_waits(fleet: Fleet) -> None:
    """Silence ends no connection: a line after seven quiet seconds comes as fast as any."""
    ship, dashboard = fleet.ship(), fleet.dashboard()
    ship.log("build").write_text("one\n")
    viewer = fleet.viewer(dashboard)
    viewer.subscribe("build")
    viewer.read_text("build", "one\n")
    viewer.drain(7)
    append(ship.log("build"), b"two\n")
    viewer.read_text("build", "one\ntwo\n", timeout=0.5)
    assert "away" not in dashboard.output() + ship.output()


def test_faults_at_random_with_rotation(fleet: Fleet) -> None:
    """After any sequence of crashes, freezes, rotations and rewrites every viewer's text is the file."""
    ship, dashboards = fleet.ship(), [fleet.dashboard() for _ in range(2)]
    log = ship.log("build")
    log.write_text("begin\n")
    chance = random.Random(5)
    viewers = [fleet.viewer(dashboard) for dashboard in dashboards]
    for viewer in viewers:
        viewer.subscribe("build")
    number = 0
    for _ in range(14):
        for _ in range(chance.randrange(40)):
            number += 1
            append(log, f"line {number} größer 日本語 ".encode()[: chance.randrange(8, 30)])
        match chance.choice(["redis", "ship", "freeze", "rotate", "truncate", "rewrite", "flush", "wait"]):
            case "redis":
                fleet.redis.kill()
                fleet.redis.start()
            case "ship":
                ship.kill()
                ship.start()
            case "freeze":
                fleet.redis.freeze()
                viewers[0].drain(0.3)
                fleet.redis.thaw()
            case "rotate":
                log.rename(log.with_suffix(".1"))
                log.write_bytes(b"rotated %d\n" % number)
            case "truncate":
                os.truncate(log, 0)
            case "rewrite":
                log.write_bytes(b"rewritten %d\n" % number)
            case "flush":
                with fleet.redis.client() as client:
                    client.flushall()
            case "wait":
                viewers[0].drain(0.5)
    append(log, b"\nthe end\n")
    for viewer in viewers:
        viewer.read_until(lambda: viewer.texts.get("build", "").endswith("the end\n"))
    fleet.await_host("host1")
    wait_until(lambda: dashboards[0].request("/sessions/build/complete", "POST")[0] == 204)
    for viewer, dashboard in zip(viewers, dashboards, strict=True):
        viewer.read_until(lambda: bool(viewer.messages[-1]["isComplete"]))
        assert viewer.texts["build"] == log.read_bytes().decode(errors="replace")
        assert copied(dashboard, "build") == log.read_bytes()
        assert sum(message["isComplete"] for message in viewer.messages) == 1
