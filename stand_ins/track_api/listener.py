"""The listening side: one thread for each connection, a port that can fall silent, a clean end."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable


class Listener:
    """Accepts connections and hands each, with its number, to `serve` in a thread of its own."""

    def __init__(self, host: str, port: int, serve: Callable[[socket.socket, int], None]) -> None:
        self.stopping = threading.Event()
        self._serve = serve
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._connections: dict[int, socket.socket] = {}
        self._last_number = 0
        self._listening: socket.socket | None = None
        self._reserved: socket.socket | None = None
        self.host = host
        self.port = port

    def start(self) -> None:
        """Take the port, find out its number where it was 0, listen."""
        # Bound but never listening: keeps the port ours while nobody listens.
        self._reserved = _bound(self.host, self.port)
        self.port = self._reserved.getsockname()[1]
        self.open()

    def open(self) -> None:
        """Listen, unless it already does or is stopping."""
        with self._lock:
            if self._listening is not None or self.stopping.is_set():
                return
            self._listening = _bound(self.host, self.port)
            self._listening.listen(128)
            self._start(self._accept, self._listening)

    def close(self, seconds: float | None = None) -> None:
        """Refuse connections from now on, for `seconds` or until `open`."""
        with self._lock:
            listening, self._listening = self._listening, None
            if listening is not None:
                # Closing alone would not wake the thread that accepts.
                with contextlib.suppress(OSError):
                    listening.shutdown(socket.SHUT_RDWR)
                listening.close()
            if seconds is not None and not self.stopping.is_set():
                self._start(self._open_later, seconds)

    def stop(self) -> None:
        """End everything at once: pauses, connections, threads."""
        self.stopping.set()
        self.close()
        with self._lock:
            for connection in self._connections.values():
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            threads = list(self._threads)
        for thread in threads:
            thread.join()
        if self._reserved is not None:
            self._reserved.close()

    @property
    def is_quiet(self) -> bool:
        """Whether no connection is open."""
        with self._lock:
            return not self._connections

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=self._run, args=(target, *args), name="track-api")
        thread.daemon = True
        self._threads.add(thread)
        thread.start()

    def _run(self, target: Callable[..., None], *args: object) -> None:
        try:
            target(*args)
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())

    def _open_later(self, seconds: float) -> None:
        if not self.stopping.wait(seconds):
            self.open()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with self._lock:
                if self.stopping.is_set():
                    connection.close()
                    return
                self._last_number += 1
                number = self._last_number
                self._connections[number] = connection
                self._start(self._attend, connection, number)

    def _attend(self, connection: socket.socket, number: int) -> None:
        try:
            with connection, contextlib.suppress(ConnectionError):
                self._serve(connection, number)
        finally:
            with self._lock:
                self._connections.pop(number, None)


def _bound(host: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound
