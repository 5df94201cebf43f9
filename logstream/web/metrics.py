"""Metrics for Prometheus, by its own client library where that is installed."""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from flask import Response

from ..engine.meter import Meter
from ..ratelimit import RateLimitedLog

try:
    import prometheus_client
    from prometheus_client import multiprocess
except ImportError:  # it is an extra
    prometheus_client = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

logger = logging.getLogger(__name__)

_DIRECTORY_KEY = "PROMETHEUS_MULTIPROC_DIR"  # the library's own, for the figures of several processes
_REFRESH_INTERVAL = 0.5  # seconds
_MOST_NOTED = 500  # delays that are not in the histogram yet
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)  # seconds

_GAUGES = {
    "workers": "Worker processes",
    "max_connections": "WebSocket connections that are admitted at most",
    "connections": "WebSocket connections that are open",
    "subscriptions": "Subscriptions, of all connections",
    "watched_sessions": "Sessions that are followed, by each worker for itself",
    "clients_behind": "Clients that are not level with a log that they follow",
}


class Metrics(Meter):
    """The metrics of an endpoint, which by themselves count nothing. Any thread may call."""

    @staticmethod
    def create(
        counts: Callable[[], Mapping[str, int]],
        sent: Callable[[], tuple[int, int]],
        more: Mapping[str, str] | None = None,
    ) -> Metrics:
        """Metrics of an endpoint: `counts()` are its gauges, `sent()` the messages and bytes sent so far.

        The gauges are some of workers, max_connections, connections, subscriptions, watched_sessions, clients_behind,
        and of those in `more`, which says what they mean.
        """
        return Metrics() if prometheus_client is None else _PrometheusMetrics(counts, sent, more or {})

    def connected(self) -> None:
        """A connection was opened."""

    def disconnected(self) -> None:
        """A connection has ended."""

    def refresh(self) -> None:
        """Let other processes know the gauges as they are now."""

    def totals(self) -> dict[str, int] | None:
        """The gauges of all processes that share their figures, summed up; None where this one does not."""
        return None

    def response(self) -> Response:
        """The figures as text."""
        return Response("Metrics need the package prometheus-client.\n", status=501, mimetype="text/plain")


class _PrometheusMetrics(Metrics):
    """Metrics by prometheus_client. Gauges are set when somebody asks.

    Where several processes answer for each other, that may be another one: they are set twice a second too.
    """

    def __init__(
        self,
        counts: Callable[[], Mapping[str, int]],
        sent: Callable[[], tuple[int, int]],
        more: Mapping[str, str],
    ) -> None:
        self._counts = counts
        self._sent = sent
        self._registry = registry = prometheus_client.CollectorRegistry()
        self._gauges = {
            name: prometheus_client.Gauge(f"logstream_{name}", help, registry=registry, multiprocess_mode="livesum")
            for name, help in {**_GAUGES, **more}.items()
        }
        self._messages = prometheus_client.Counter(
            "logstream_messages_sent", "Messages sent to clients", registry=registry
        )
        self._bytes = prometheus_client.Counter("logstream_bytes_sent", "Bytes sent to clients", registry=registry)
        self._start_overs = prometheus_client.Counter(
            "logstream_start_overs",
            "Subscriptions that started over because their file was truncated, rewritten or replaced",
            registry=registry,
        )
        self._delays = prometheus_client.Histogram(
            "logstream_delivery_delay_seconds",
            "From a file's last change, by the file system's clock, to the offer of its text to those who are level",
            registry=registry,
            buckets=_BUCKETS,
        )
        self._noted: deque[float] = deque()
        self._shared = bool(os.environ.get(_DIRECTORY_KEY))
        self._troubles = RateLimitedLog(logger, lines=1)
        # Guards all below, and the order of refreshes.
        self._lock = threading.Lock()
        self._told = (0, 0)  # messages and bytes that the counters have
        self._connections = 0
        self._idle: threading.Event | None = None  # ends the refresher that runs, or is about to

    def delivered(self, seconds: float) -> None:
        self._noted.append(seconds)  # one by one they would cost each line what many cost at once
        if len(self._noted) >= _MOST_NOTED:
            self._observe()

    def _observe(self) -> None:
        try:
            while True:
                self._delays.observe(max(0.0, self._noted.popleft()))
        except IndexError:
            pass  # that was all

    def started_over(self, subscriptions: int) -> None:
        self._start_overs.inc(subscriptions)

    def connected(self) -> None:
        with self._lock:
            self._connections += 1
            if self._idle is not None or not self._shared:
                return
            idle = self._idle = threading.Event()
        try:
            threading.Thread(target=self._refresh_until, args=(idle,), name="logstream-metrics", daemon=True).start()
        except RuntimeError:  # none to be had; who connects next tries again
            with self._lock:
                if self._idle is idle:
                    self._idle = None

    def disconnected(self) -> None:
        with self._lock:
            self._connections -= 1
            if self._connections == 0 and self._idle is not None:
                self._idle.set()
                self._idle = None

    def refresh(self) -> None:
        if self._shared:
            self._refresh()

    def totals(self) -> dict[str, int] | None:
        self._refresh()
        shared = self._all()
        if shared is None:
            return None
        found = {sample.name: int(sample.value) for metric in shared.collect() for sample in metric.samples}
        totals = {name: found.get(f"logstream_{name}", 0) for name in _GAUGES}
        return totals if totals["workers"] else None  # or else this process's own figures are not among them

    def response(self) -> Response:
        self._refresh()
        return Response(
            prometheus_client.generate_latest(self._all() or self._registry),
            content_type=prometheus_client.CONTENT_TYPE_PLAIN_0_0_4,
        )

    def _all(self) -> CollectorRegistry | None:
        """What all processes have written down; None where this one is alone, or has to do without the others."""
        if not self._shared:
            return None
        registry = prometheus_client.CollectorRegistry()
        try:
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        except ValueError as error:
            self._troubles.warning("the metrics are one worker's only: %s", str(error))
            return None
        return registry

    def _refresh_until(self, idle: threading.Event) -> None:
        while not idle.wait(_REFRESH_INTERVAL):
            self._refresh()
        self._refresh()

    def _refresh(self) -> None:
        self._observe()
        counts, sent = self._counts(), self._sent()
        with self._lock:
            for name, count in counts.items():
                self._gauges[name].set(count)
            messages, size = self._told
            # Two may have asked at once, and come in the other order.
            self._messages.inc(max(0, sent[0] - messages))
            self._bytes.inc(max(0, sent[1] - size))
            self._told = max(messages, sent[0]), max(size, sent[1])
