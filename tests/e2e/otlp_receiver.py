"""A collector of OpenTelemetry: it takes metrics over HTTP and keeps what they said last."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

Labels = frozenset[tuple[str, str]]


class OtlpReceiver:
    """Listens on a free loopback port.

    Attributes:
        values: of counters and gauges, by name and labels; sums only grow, so the last one counts.
        timings: of timings likewise, how many there were and their sum in milliseconds.
    """

    def __init__(self) -> None:
        self.values: dict[tuple[str, Labels], float] = {}
        self.timings: dict[tuple[str, Labels], tuple[int, float]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = Thread(target=self._server.serve_forever, daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(30)
        self._server.server_close()

    def texts(self) -> str:
        """Return every name and label that it was told."""
        return repr([*self.values, *self.timings])

    def take(self, body: bytes) -> None:
        """Keep what a request says."""
        for metric in _metrics(ExportMetricsServiceRequest.FromString(body)):
            kind = metric.WhichOneof("data")
            for point in getattr(metric, kind).data_points:
                key = metric.name, frozenset((one.key, _text(one)) for one in point.attributes)
                if kind in {"sum", "gauge"}:
                    self.values[key] = point.as_double or point.as_int
                else:
                    self.timings[key] = point.count, point.sum

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.take(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def _metrics(request: ExportMetricsServiceRequest) -> Iterator[Any]:
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            yield from scope.metrics


def _text(attribute: Any) -> str:
    return str(getattr(attribute.value, attribute.value.WhichOneof("value")))
