"""What may stand between us and a database: a way that falls silent, TLS, a pooler."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

#: What a client sends to ask for TLS.
_TLS_WANTED = bytes.fromhex("0000000804d2162f")

#: What PgBouncer in statement mode answers to a transaction.
_FIELDS = b"SFATAL\0VFATAL\0C08P01\0Mtransaction blocks not allowed in statement pooling mode\0\0"
_REFUSAL = b"E" + (len(_FIELDS) + 4).to_bytes(4, "big") + _FIELDS


class Relay:
    """A server in front of a database, that can fall silent without closing anything.

    Args:
        target: PostgreSQL's Unix socket; or the port of a server on this machine.
        tls: what it shows those who ask for TLS; None: it takes none, as the server behind it.
        pid: of the backend, as a pooler makes it up; None: the true one.
        refuses: a word that ends a transaction when a client sends it, as a pooler may.
    """

    def __init__(
        self,
        target: str | int,
        *,
        tls: ssl.SSLContext | None = None,
        pid: int | None = None,
        refuses: bytes | None = None,
    ) -> None:
        self._target, self._tls, self._pid, self._refuses = target, tls, pid, refuses
        self._silent = threading.Event()
        self._silent_after: int | None = None
        self._left: int | None = None
        self._silenced: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def fall_silent(self) -> None:
        """Pass nothing on any more; connections stay open, new ones are accepted."""
        self._silent.set()

    @property
    def is_silencing(self) -> bool:
        """Whether some connection is silent."""
        return bool(self._silenced)

    def silence_open_ones(self) -> None:
        """Pass nothing on over the connections there are; new ones work."""
        self._silenced.update(self._sockets)

    def silence_open_ones_after(self, messages: int) -> None:
        """Pass so many things that clients say on, and then as `silence_open_ones` does."""
        self._left = messages

    def fall_silent_after_first_answer(self) -> None:
        """Let new connections begin to log on, and hear no more."""
        self._silent_after = 1

    def close(self) -> None:
        """End everything."""
        for one in self._sockets:
            with suppress(OSError):  # the listener has no other side
                one.shutdown(socket.SHUT_RDWR)  # whoever waits in another thread would keep it open
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._sockets.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError):
            if self._tls is not None and client.recv(8, socket.MSG_PEEK) == _TLS_WANTED:
                client.recv(8)
                client.sendall(b"S")
                client = self._tls.wrap_socket(client, server_side=True)
            server = self._connect()
            self._sockets += [client, server]
            for source, sink, ours in ((client, server, False), (server, client, True)):
                threading.Thread(
                    target=self._pass, args=(source, sink), kwargs={"answers": ours}, daemon=True
                ).start()

    def _connect(self) -> socket.socket:
        if isinstance(self._target, int):
            return socket.create_connection(("127.0.0.1", self._target))
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._target)
        return server

    def _pass(self, source: socket.socket, sink: socket.socket, *, answers: bool) -> None:
        passed = 0
        with suppress(OSError):
            while content := source.recv(65536):
                if not answers and self._left is not None:
                    self._left -= 1
                    if self._left < 0:
                        self._left = None
                        self.silence_open_ones()
                if self._silent.is_set() or source in self._silenced:
                    continue
                if answers and self._silent_after is not None and passed >= self._silent_after:
                    continue
                if answers and self._pid is not None:
                    content = _with_pid(content, self._pid)
                if not answers and self._refuses is not None and self._refuses in content:
                    source.sendall(_REFUSAL)
                    source.shutdown(socket.SHUT_RDWR)
                    return
                sink.sendall(content)
                passed += 1


def _with_pid(content: bytes, pid: int) -> bytes:
    """Put another backend's id into the message that tells it (`K`, of 12 bytes or more)."""
    at = content.find(b"K\0\0\0")
    if at < 0:
        return content
    return content[: at + 5] + pid.to_bytes(4, "big") + content[at + 9 :]


@contextmanager
def relay(target: str | int, **kept: Any) -> Iterator[Relay]:
    """Run a relay in front of a Unix socket or a port."""
    made = Relay(target, **kept)
    try:
        yield made
    finally:
        made.close()
