"""One connection's requests, and how an answer gets onto the wire."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from dataclasses import replace
from datetime import UTC
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from typing import Protocol

from stand_ins.track_api.answers import Reply
from stand_ins.track_api.faults import Fault, Travel
from stand_ins.track_api.terms import ContractTerms

#: What a fault-free answer travels by.
PLAIN = Fault(name="none")


class ExchangeHandler(Protocol):
    """What an exchange needs from the server around it."""

    stopping: threading.Event
    terms: ContractTerms

    def handle(self, exchange: Exchange) -> None:
        """Read what is to be read of the request and call `send` once, at the end."""

    def about_to_end(self, exchange: Exchange) -> None:
        """Learn that the client is about to see the end of its exchange."""


class Exchange(BaseHTTPRequestHandler):
    """The requests of one connection, one after the other."""

    protocol_version = "HTTP/1.1"

    def __init__(self, connection: socket.socket, number: int, handler: ExchangeHandler) -> None:
        self.number = number
        self.handler = handler
        # The base class works the whole connection off in its constructor.
        super().__init__(connection, ("", 0), None)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Hand the request over."""
        self.handler.handle(self)

    do_POST = do_GET  # noqa: N815 - the base class names it

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: the record tells what came."""

    def read_body(self) -> bytes:
        """Read as much body as the headers announce.

        Raises:
            ConnectionError: The client left in the middle.
        """
        announced = self.headers.get("Content-Length", "")
        length = int(announced) if announced.isdecimal() else 0
        raw = self.rfile.read(length)
        if len(raw) < length:
            raise ConnectionError("the client left before its body was complete")
        return raw

    def client_waits(self) -> bool:
        """Whether the client still holds the connection."""
        try:
            return bool(self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def send(self, answer: Reply, fault: Fault = PLAIN) -> None:
        """Send the answer the way the fault wants it, or none; the last act of an exchange."""
        moment = format_datetime(self.handler.terms.clock().astimezone(UTC), usegmt=True)
        dated = replace(answer, headers=(*answer.headers, ("Date", moment)))
        pieces = wire_pieces(dated, fault)
        if not pieces:
            self.handler.about_to_end(self)
            self._hang_up(reset=fault.travel is not Travel.CLOSED)
            return
        for number, (pause, piece) in enumerate(pieces, start=1):
            if pause and self.handler.stopping.wait(pause):
                self.close_connection = True
                return
            if number == len(pieces):
                # Before the last bytes: the client may be back before this thread goes on.
                self.handler.about_to_end(self)
            self.connection.sendall(piece)
        if fault.travel is Travel.TRUNCATED:
            self._hang_up(reset=False)

    def _hang_up(self, *, reset: bool) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            if reset:
                # Lingering for no time makes the close a reset.
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            else:
                self.connection.shutdown(socket.SHUT_WR)


def wire_pieces(answer: Reply, fault: Fault) -> list[tuple[float, bytes]]:
    """Cut an answer into pieces, each with the pause before it in seconds; none: no answer."""
    body, seconds = answer.body, fault.seconds or 0.0
    head = answer.head(length=len(body))
    match fault.travel:
        case Travel.WHOLE:
            return [(0.0, head + body)]
        case Travel.DRIP:
            return [(seconds, bytes([byte])) for byte in head + body]
        case Travel.SLOW_HEADERS:
            status_line = head.index(b"\r\n") + 2
            return [(0.0, head[:status_line]), (seconds, head[status_line:] + body)]
        case Travel.SLOW_BODY:
            middle = len(body) // 2
            return [(0.0, head + body[:middle]), (seconds, body[middle:])]
        case Travel.TRUNCATED:
            return [(0.0, head + body[: len(body) // 2])]
        case _:
            return []
