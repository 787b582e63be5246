"""A server of raw sockets for what no proper server does: drip, reset, hang, cut short.

A behaviour is a function of the accepted socket; it runs in a thread of its own and ends when the
client hangs up, so that no test has to sleep.
"""

from __future__ import annotations

import socket
import ssl
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Self

Behaviour = Callable[[socket.socket], None]


class RawServer:
    """Listens on a free loopback port; `requests` holds what `answer` and the like have read."""

    def __init__(self, behaviour: Behaviour, *, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._behaviour = behaviour
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=10)
        self._listener.close()

    @property
    def port(self) -> int:
        return self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.connections += 1
                thread = Thread(target=self._serve, args=(sock,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, sock: socket.socket) -> None:
        with sock, suppress(OSError):
            if self._tls:
                with self._tls.wrap_socket(sock, server_side=True) as secure:
                    self._behave(secure)
            else:
                self._behave(sock)

    def _behave(self, sock: socket.socket) -> None:
        if not getattr(self._behaviour, "reads", True):
            self._behaviour(sock)
            return
        request = read_request(sock)
        if request:
            self.requests.append(request)
            self._behaviour(sock)


def read_request(sock: socket.socket) -> bytes:
    """Read one whole request, head and body; b"" if the client hung up before."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = sock.recv(65536)
        if not chunk:
            return b""
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        chunk = sock.recv(65536)
        if not chunk:
            return b""
        body += chunk
    return head + b"\r\n\r\n" + body


def without_reading(behaviour: Behaviour) -> Behaviour:
    """Make a behaviour start before the request has been read."""

    def behave(sock: socket.socket) -> None:
        behaviour(sock)

    behave.reads = False  # type: ignore[attr-defined]
    return behave


def say(data: bytes) -> Behaviour:
    """Send bytes as they are and hang up."""
    return lambda sock: sock.sendall(data)


def answer(
    status: int,
    body: bytes | str = b"",
    content_type: str | None = "application/json",
    headers: dict[str, str] | None = None,
) -> Behaviour:
    """Give a proper answer."""
    return say(head_of(status, body, content_type, headers) + _bytes(body))


def head_of(
    status: int,
    body: bytes | str = b"",
    content_type: str | None = "application/json",
    headers: dict[str, str] | None = None,
) -> bytes:
    """Compose an answer's head, with the length of its body."""
    lines = [f"HTTP/1.1 {status} Whatever"]
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    if status != 204:
        lines.append(f"Content-Length: {len(_bytes(body))}")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode()


def hang(sock: socket.socket) -> None:
    """Say nothing until the client hangs up."""
    while sock.recv(65536):
        pass


def say_and_hang(data: bytes) -> Behaviour:
    """Send a beginning and never the rest."""

    def behave(sock: socket.socket) -> None:
        sock.sendall(data)
        hang(sock)

    return behave


def drip(start: bytes, drop: bytes) -> Behaviour:
    """Send a beginning, then a drop every few milliseconds until the client hangs up.

    After ten seconds it fails the test: the client has no deadline.
    """

    def behave(sock: socket.socket) -> None:
        sock.sendall(start)
        for _ in range(500):
            sock.sendall(drop)
            time.sleep(0.02)
        raise AssertionError("the client never hung up")

    return behave


class ClosesLate:
    """Answers, and keeps each connection open until the next request is being served.

    `hung_up` tells of each earlier connection whether the client had hung up before it sent the
    next request: that one gets no answer, for ten seconds at most, until it is known.
    """

    def __init__(self, data: bytes) -> None:
        self.hung_up: list[bool] = []
        self._data = data
        self._previous: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._previous is not None:
            self._previous.close()

    def __call__(self, sock: socket.socket) -> None:
        previous, self._previous = self._previous, sock.dup()
        if previous is not None:
            with previous:
                previous.settimeout(10)
                self.hung_up.append(previous.recv(1) == b"")
        sock.sendall(self._data)


def one_after_the_other(*behaviours: Behaviour) -> Behaviour:
    """Behave differently towards each connection, the last way for ever."""
    left = list(behaviours)

    def behave(sock: socket.socket) -> None:
        now = left.pop(0) if len(left) > 1 else left[0]
        now(sock)

    return behave


def tunnel_to(port: int) -> Behaviour:
    """Be a proxy that has read `CONNECT`: pass everything on to a port of this machine."""

    def behave(sock: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port)) as onward:
            sock.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            back = Thread(target=_pass_on, args=(onward, sock), daemon=True)
            back.start()
            _pass_on(sock, onward)
            back.join(timeout=10)

    return behave


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def reset(sock: socket.socket) -> None:
    """Break the connection with a TCP reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def say_and_reset(data: bytes) -> Behaviour:
    """Send a beginning, then reset the connection."""

    def behave(sock: socket.socket) -> None:
        sock.sendall(data)
        reset(sock)

    return behave


def _bytes(body: bytes | str) -> bytes:
    return body if isinstance(body, bytes) else body.encode()
