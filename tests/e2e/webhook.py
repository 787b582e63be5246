"""A webhook that keeps what it is told."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self


class Webhook:
    """A real HTTP server on the loopback; a context manager.

    Attributes:
        received: the bodies.
        status: what it answers.
    """

    def __init__(self) -> None:
        self.status = 200
        webhook = self
        received: list[Any] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                received.append(json.loads(self.rfile.read(length)))
                self.send_response(webhook.status)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.received = received
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def connection(self) -> str:
        """The Airflow connection that leads here."""
        return json.dumps(
            {"conn_type": "http", "host": f"http://127.0.0.1:{self._server.server_port}"}
        )

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
