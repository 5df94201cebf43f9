"""Tests of the figures for Prometheus."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from pathlib import Path

import pytest

from logstream import create_app
from logstream.web.metrics import Metrics

from ..loading import load_again
from ..processes import parent_of
from ..serving import ServerProcess, Starting, wait_until
from ..viewer import ClosedError, Viewer


def figure(server: ServerProcess, name: str) -> float:
    """One figure of a server's, by its name and labels."""
    status, text = server.request("/metrics")
    assert status == 200
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found, text
    return float(found[1])


@pytest.mark.parametrize("kind", ["gunicorn", "flask"])
def test_what_is_open_and_what_was_sent(start: Starting, kind: str) -> None:
    """The gauges are /healthz's; messages, bytes, start-overs and delays count what clients were sent."""
    server = start(kind)
    server.log("a").write_text("begin\n")
    with Viewer(server.port) as viewer, Viewer(server.port) as other:
        for one in (viewer, other):
            one.subscribe("a")
            one.receive()
        before = figure(server, "logstream_bytes_sent_total")
        with server.log("a").open("a") as file:
            file.write("x" * 10_000)
        for one in (viewer, other):
            one.read_text("a", "begin\n" + "x" * 10_000)
        server.log("a").write_text("anew")
        for one in (viewer, other):
            one.read_text("a", "anew")
        assert figure(server, "logstream_connections") == 2
        assert figure(server, "logstream_subscriptions") == 2
        assert figure(server, "logstream_watched_sessions") == 1
        assert figure(server, "logstream_clients_behind") == 0
        assert figure(server, "logstream_messages_sent_total") == len(viewer.messages) + len(other.messages)
        assert 20_000 < figure(server, "logstream_bytes_sent_total") - before < 22_000
        assert figure(server, "logstream_start_overs_total") == 2
        delays = figure(server, "logstream_delivery_delay_seconds_count")
        assert delays >= 1
        assert figure(server, 'logstream_delivery_delay_seconds_bucket{le="0.5"}') == delays
    wait_until(lambda: figure(server, "logstream_connections") == 0)
    assert figure(server, "logstream_bytes_sent_total") > 20_000  # those who have left still count
    server.stop()


def test_a_client_that_does_not_read_is_behind(start: Starting) -> None:
    """Who lags shows as behind, and no more when it has caught up."""
    server = start("gunicorn")
    server.log("a").touch()
    with Viewer(server.port, receive_buffer=4096) as stalled:
        stalled.subscribe("a")
        stalled.receive()
        with server.log("a").open("a") as file:
            file.write("x" * 20_000_000)
        wait_until(lambda: figure(server, "logstream_clients_behind") == 1)
        assert figure(server, "logstream_start_overs_total") == 0
        stalled.read_until(lambda: stalled.texts.length("a") == 20_000_000)
        wait_until(lambda: figure(server, "logstream_clients_behind") == 0)
        with server.log("a").open("a") as file:
            file.write("x" * 20_000_000)
        wait_until(lambda: figure(server, "logstream_clients_behind") == 1)
        server.log("a").write_text("anew")
        stalled.read_text("a", "anew")
        assert figure(server, "logstream_start_overs_total") == 1  # though it was behind
    server.stop()


def is_closed(viewer: Viewer) -> bool:
    """Whether the server has ended a connection on which nothing else is due."""
    try:
        viewer.receive(0.3)
    except TimeoutError:
        return False
    except (ClosedError, ConnectionError):
        return True
    raise AssertionError("something was due")


def test_workers_answer_for_each_other(start: Starting, tmp_path: Path) -> None:
    """In the library's multiprocess mode any worker's figures are those of all, and a dead worker's gauges go."""
    shared = tmp_path / "metrics"
    shared.mkdir()
    (shared / "gauge_livesum_1.db").write_bytes(b"of an earlier server")
    server = start("gunicorn", GUNICORN_CMD_ARGS="--workers 3", PROMETHEUS_MULTIPROC_DIR=str(shared))
    server.log("a").write_text("text")
    viewers = [Viewer(server.port) for _ in range(9)]
    try:
        for viewer in viewers:
            viewer.subscribe("a")
            viewer.receive()
        for _ in range(5):
            wait_until(lambda: figure(server, "logstream_connections") == 9)
            wait_until(lambda: figure(server, "logstream_messages_sent_total") == 9)
        os.kill(server.pid, signal.SIGKILL)
        wait_until(lambda: parent_of(server.pid) is None)
        left = sum(not is_closed(viewer) for viewer in viewers)
        wait_until(lambda: figure(server, "logstream_connections") == left)
        with Viewer(server.port):
            wait_until(lambda: figure(server, "logstream_connections") == left + 1)
    finally:
        for viewer in viewers:
            viewer.close()
    wait_until(lambda: figure(server, "logstream_connections") == 0)
    server.stop()


def test_without_the_library_the_answer_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """All else works without prometheus_client, and /metrics is a 501."""
    monkeypatch.setattr("logstream.web.metrics.prometheus_client", None)
    answer = create_app().test_client().get("/metrics")
    assert answer.status_code == 501
    assert "prometheus-client" in answer.text


def test_without_a_thread_to_be_had_the_next_connection_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection does not fail for want of the thread that refreshes the metrics."""
    start = threading.Thread.start
    refreshed = threading.Event()
    counts = {"connections": 0, "subscriptions": 0, "watched_sessions": 0, "clients_behind": 0}
    metrics = Metrics.create(lambda: refreshed.set() or counts, lambda: (0, 0))
    monkeypatch.setattr(metrics, "_shared", True)

    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    metrics.connected()
    monkeypatch.setattr(threading.Thread, "start", start)
    metrics.connected()
    assert refreshed.wait(5)
    metrics.disconnected()
    metrics.disconnected()
    wait_until(lambda: not any(thread.name == "logstream-metrics" for thread in threading.enumerate()))


def test_the_library_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra: without it nothing is counted, and who asks is told."""
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    metrics = load_again("logstream.web.metrics").Metrics.create(dict, lambda: (0, 0))
    metrics.connected()
    metrics.disconnected()
    assert metrics.response().status_code == 501


def test_a_refresher_that_nobody_needs_any_more_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the last connection has ended before there was a thread to be had, the next one begins anew."""
    counts = dict.fromkeys(("connections", "subscriptions", "watched_sessions", "clients_behind"), 0)
    metrics = Metrics.create(lambda: counts, lambda: (0, 0))
    monkeypatch.setattr(metrics, "_shared", True)
    begun: list[str] = []

    def fail(thread: threading.Thread) -> None:
        begun.append(thread.name)
        metrics.disconnected()
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    metrics.connected()
    metrics.connected()
    assert begun == ["logstream-metrics"] * 2


def test_delays_are_all_counted_however_many_come_between_two_looks() -> None:
    """From whichever threads, and nobody holds more of them than some hundred."""
    metrics = Metrics.create(lambda: {}, lambda: (0, 0))
    threads = [threading.Thread(target=lambda: [metrics.delivered(0.003) for _ in range(700)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(metrics._noted) < 500  # type: ignore[attr-defined]
    assert "logstream_delivery_delay_seconds_count 2800.0" in metrics.response().get_data(as_text=True)
