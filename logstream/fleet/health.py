"""What a session host says of itself over HTTP, to who asks on an address that was named for that: figures only."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ..config import ConfigurationError

try:
    import prometheus_client
    from prometheus_client.core import GaugeMetricFamily
except ImportError:  # it is an extra
    prometheus_client = None  # type: ignore[assignment]

_TIMEOUT = 10.0  # seconds that a client has for its request

Counts = Callable[[], Mapping[str, int]]


class Health:
    """Answers `/healthz`, and `/metrics` where prometheus_client is installed, on a thread of its own."""

    def __init__(self, address: str, counts: Counts) -> None:
        """Serve `counts()` at HOST:PORT. Raises ConfigurationError where that cannot be."""
        host, _, port = address.rpartition(":")
        if not host or not (port.isascii() and port.isdigit() and int(port) < 65536):
            raise ConfigurationError(f"--health must be HOST:PORT, not {address!r}")
        try:
            self._server = ThreadingHTTPServer((host.strip("[]"), int(port)), _handler(counts))
        except OSError as error:
            raise ConfigurationError(f"--health {address} cannot be served: {error.strerror}") from None
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="logstream-health", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Collector:
    """The figures as Prometheus' client asks for them."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Any]:
        """One gauge for each figure."""
        for name, value in self._counts().items():
            yield GaugeMetricFamily(f"logstream_ship_{name}", name.replace("_", " ").capitalize(), value)


def _handler(counts: Counts) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers one client."""

        timeout = _TIMEOUT

        def do_GET(self) -> None:  # the library's name
            """Answer."""
            if self.path == "/healthz":
                self._answer(200, "application/json", json.dumps(counts()).encode())
            elif self.path == "/metrics" and prometheus_client is not None:
                registry = prometheus_client.CollectorRegistry()
                registry.register(_Collector(counts))
                kind = prometheus_client.CONTENT_TYPE_PLAIN_0_0_4
                self._answer(200, kind, prometheus_client.generate_latest(registry))
            else:
                self._answer(404, "text/plain", b"There are /healthz and /metrics.\n")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing of each request."""

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
