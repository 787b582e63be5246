"""Requests of tests through the transport."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from tests.unit.delivery.raw_server import (
    answer,
    head_of,
)
from track_dispatch.delivery.answer_table import TransportFailure
from track_dispatch.delivery.responses import TrackResponse
from track_dispatch.delivery.transport import Transport

if TYPE_CHECKING:
    import requests

#: Seconds for what never ends by itself; everything else has ample time on a busy machine.
DEADLINE = 0.4
ACCEPTED = answer(200, '{"uuid": "a1"}')
#: An answer that does not announce the connection's end.
KEPT_OPEN = head_of(200, "{}") + b"{}"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def post(
    session: requests.Session,
    url: str,
    *,
    data: bytes = b"{}",
    deadline: float = 10,
    connect_timeout: float = 5,
    headers: dict[str, str] | None = None,
) -> TrackResponse | TransportFailure:
    with Transport(session, connect_timeout_seconds=connect_timeout) as opened:
        return opened.send_request(
            "POST", url, body=data, headers=headers or {}, deadline_seconds=deadline
        )


def send(
    transport: Transport, url: str, *, deadline: float = 10, body: bytes = b"{}"
) -> TrackResponse | TransportFailure:
    return transport.send_request("POST", url, body=body, deadline_seconds=deadline)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
