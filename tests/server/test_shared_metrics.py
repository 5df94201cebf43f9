"""Tests of what several workers say of all: the same, whichever is asked, and nothing of those that are gone."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from logstream.server.shared_metrics import SharedMetrics

from ..processes import parent_of
from ..serving import ServerProcess, Starting, wait_until
from ..viewer import Viewer

KEY = "PROMETHEUS_MULTIPROC_DIR"


def directory(server: ServerProcess) -> Path | None:
    """Where a server's workers put their metrics, by what the first of them has mapped."""
    found = re.search(r"(/\S+/logstream-metrics-\w+)/", Path(f"/proc/{server.workers()[0]}/maps").read_text())
    return Path(found[1]) if found else None


def health(server: ServerProcess) -> dict[str, int]:
    """What a server counts."""
    return dict(json.loads(server.request("/healthz")[1]))


def gauges(server: ServerProcess) -> dict[str, float]:
    """The gauges and counters of a server, by their names without the prefix."""
    found = re.findall(r"^logstream_(\w+) (\S+)$", server.request("/metrics")[1], re.MULTILINE)
    return {name: float(value) for name, value in found if not name.startswith("delivery")}


@contextlib.contextmanager
def spread(server: ServerProcess, at_least: int) -> Iterator[list[Viewer]]:
    """So many viewers of session "a" or more: some on each worker."""
    workers = server.workers()
    with contextlib.ExitStack() as stack:
        viewers: list[Viewer] = []
        for worker in workers:
            with server.asking(worker):
                for _ in range(-(-at_least // len(workers))):
                    viewers.append(stack.enter_context(Viewer(server.port)))
        for viewer in viewers:
            viewer.subscribe("a")
            viewer.receive()
        yield viewers


@pytest.mark.parametrize("arguments", ["", "--preload"])
def test_every_worker_counts_for_all(start: Starting, arguments: str) -> None:
    """/healthz and /metrics are the sums, whoever answers; a worker that is killed counts no more, but what it sent."""
    server = start("gunicorn", WEB_CONCURRENCY="4", GUNICORN_CMD_ARGS=arguments, LOGSTREAM_MAX_CONNECTIONS="50")
    server.log("a").write_text("text")
    wait_until(lambda: health(server).get("workers") == 4)
    shared = directory(server)
    assert shared is not None
    assert shared.stat().st_mode & 0o777 == 0o700
    with spread(server, 8) as viewers:
        expected = {
            "connections": 8,
            "subscriptions": 8,
            "watched_sessions": 4,
            "clients_behind": 0,
            "workers": 4,
            "max_connections": 200,
            "max_connections_per_worker": 50,
        }
        wait_until(lambda: health(server) == expected and gauges(server)["messages_sent_total"] == 8)
        sums = {name: value for name, value in expected.items() if name != "max_connections_per_worker"}
        sums |= {"messages_sent_total": 8, "start_overs_total": 0}
        for worker in server.workers():
            with server.asking(worker):
                assert health(server) == expected
                found = gauges(server)
                assert {name: found[name] for name in sums} == sums
        killed = server.workers()[0]
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: parent_of(killed) is None)
        wait_until(lambda: health(server)["connections"] == 6, 1.0)
        wait_until(lambda: health(server) == expected | {"connections": 6, "subscriptions": 6, "watched_sessions": 3})
        assert gauges(server)["messages_sent_total"] == 8
        for viewer in viewers:
            viewer.close()
        wait_until(lambda: health(server)["connections"] == 0)
    assert "Traceback" not in server.stop()
    assert not shared.exists()


def test_one_worker_shares_nothing(start: Starting) -> None:
    """It counts in its own memory, as ever, and makes no file."""
    server = start("gunicorn", LOGSTREAM_MAX_CONNECTIONS="50")
    assert health(server) == {"connections": 0, "subscriptions": 0, "watched_sessions": 0, "clients_behind": 0}
    assert gauges(server)["max_connections"] == 50
    assert directory(server) is None
    server.stop()


def test_what_a_killed_server_leaves_the_next_one_takes_away(start: Starting) -> None:
    """But nothing of a server that runs."""
    killed = start("gunicorn", WEB_CONCURRENCY="2")
    wait_until(lambda: health(killed).get("workers") == 2)
    left = directory(killed)
    killed.kill_all()
    running = start("gunicorn", WEB_CONCURRENCY="2")
    wait_until(lambda: health(running).get("workers") == 2)
    kept = directory(running)
    assert left is not None
    assert kept is not None
    assert left.exists(), "it might be just being made"
    for path in (left, kept):
        os.utime(path, (0, 0))
    third = start("gunicorn", WEB_CONCURRENCY="2")
    wait_until(lambda: health(third).get("workers") == 2)
    assert not left.exists()
    assert kept.exists()
    third.stop()
    running.stop()
    assert not kept.exists()


def test_a_place_that_is_taken_away_costs_the_others_figures_only(start: Starting) -> None:
    """Whatever clears the directory: each worker answers for itself, and a new one starts."""
    server = start("gunicorn", WEB_CONCURRENCY="2")
    wait_until(lambda: health(server).get("workers") == 2)
    shared = directory(server)
    assert shared is not None
    for file in shared.iterdir():
        file.unlink()
    assert health(server)["connections"] == 0
    shared.rmdir()
    assert health(server)["connections"] == 0
    assert gauges(server)["workers"] == 1
    killed = server.workers()[0]
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: parent_of(killed) is None and len(server.workers()) == 2)
    for worker in server.workers():
        with server.asking(worker):
            assert health(server)["connections"] == 0
    assert "Traceback" not in server.stop()


class FakeLog:
    """A gunicorn's log that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def warning(self, text: str, *arguments: object) -> None:
        self.lines.append(text % arguments)


def gunicorn(pid: int = 1, **env: str) -> Any:
    """What the hooks see of gunicorn's server and worker."""
    return SimpleNamespace(log=FakeLog(), cfg=SimpleNamespace(env=env), pid=pid)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An environment without the setting, afterwards too, and the place that is taken in the end."""
    monkeypatch.setenv(KEY, "")
    monkeypatch.delenv(KEY)
    monkeypatch.setattr("logstream.server.shared_metrics._MEMORY", str(tmp_path))
    return tmp_path


def test_an_operators_own_directory_is_respected(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it comes from the environment or from gunicorn's settings; figures of an earlier server are cleared."""
    SharedMetrics().share(gunicorn(**{KEY: "/elsewhere"}), 4)
    assert KEY not in os.environ
    own = environment / "own"
    monkeypatch.setenv(KEY, str(own))
    metrics = SharedMetrics()
    metrics.share(gunicorn(), 4)
    own.mkdir()
    (own / "gauge_livesum_1.db").touch()
    (own / "other").touch()
    metrics.clear()
    assert [path.name for path in own.iterdir()] == ["other"]
    metrics.remove()
    assert os.environ[KEY] == str(own)
    assert own.exists()
    assert list(environment.iterdir()) == [own]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_directory_is_not_inherited(environment: Path, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    """A server that takes over from another one has a place of its own, or none: the other's goes with it."""
    first = SharedMetrics()
    first.share(gunicorn(), 2)
    inherited = os.environ[KEY]
    second = SharedMetrics()
    second.share(gunicorn(), workers)
    assert os.environ.get(KEY) != inherited
    assert (KEY in os.environ) == (workers == 2)
    second.remove()
    assert Path(inherited).exists()
    first.remove()


def test_a_reload_begins_anew_and_goes_on_counting(start: Starting) -> None:
    """The workers before it count no more, but what they have sent does."""
    server = start("gunicorn", WEB_CONCURRENCY="2")
    server.log("a").write_text("text")
    wait_until(lambda: health(server).get("workers") == 2)
    before = server.workers()
    with Viewer(server.port) as viewer:
        viewer.subscribe("a")
        viewer.receive()
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: not set(server.workers()) & set(before) and len(server.workers()) == 2)
    wait_until(lambda: (health(server)["workers"], health(server)["connections"]) == (2, 0))
    assert gauges(server)["messages_sent_total"] == 1
    server.stop()


def test_without_space_or_place_there_is_one_line(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk or a missing library costs what several workers say of each other, and nothing else."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    metrics, server, worker = SharedMetrics(), gunicorn(), gunicorn(7)
    with monkeypatch.context() as patch:
        patch.setattr("tempfile.mkdtemp", full)
        metrics.share(server, 4)
        assert KEY not in os.environ
        assert len(server.log.lines) == 1
        patch.setattr("importlib.util.find_spec", lambda name: None)
        metrics.share(server, 4)
        assert "install prometheus-client" in server.log.lines[1]
    metrics.share(server, 4)
    made = Path(os.environ[KEY])
    with monkeypatch.context() as patch:
        patch.setattr("os.posix_fallocate", full)
        metrics.reserve(worker)
    assert worker.log.lines == ["/healthz and /metrics leave out worker 7: [Errno 28] No space left on device"]
    assert list(made.iterdir()) == []
    monkeypatch.setenv(KEY, str(made))
    metrics.reserve(worker)
    assert sorted(path.name for path in made.iterdir()) == [
        "counter_7.db",
        "gauge_livesum_7.db",
        "histogram_7.db",
    ]
    metrics.remove()
    assert list(environment.iterdir()) == []
