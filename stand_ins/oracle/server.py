"""The listener: gives each client a session in a thread of its own, around one DuckDB database."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Any, Self

from stand_ins.oracle.database import OracleDatabase
from stand_ins.oracle.packets import PacketSocket
from stand_ins.oracle.session import Session


class OracleStandIn(OracleDatabase):
    """A running Oracle: `with OracleStandIn(users={"X": "secret"}) as server: ...`.

    Attributes:
        port: The port in use, once started.
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, **database: Any) -> None:
        """Open the database and fill it.

        Args:
            host: Address to listen on.
            port: Port to listen on; 0 takes a free one.
            database: As `OracleDatabase` takes it.
        """
        super().__init__(**database)
        self.host, self.port = host, port
        self._sessions: dict[Session, threading.Thread] = {}
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None

    @property
    def dsn(self) -> str:
        """What a client connects to, with the first service."""
        return f"{self.host}:{self.port}/{self.services[0]}"

    @property
    def session_count(self) -> int:
        """The number of clients connected."""
        return len(self._sessions)

    def start(self) -> Self:
        """Listen."""
        self._listener = socket.create_server((self.host, self.port), backlog=128)
        self.port = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(
            target=self._accept, args=(self._listener,), name="oracle-accept", daemon=True
        )
        self._acceptor.start()
        return self

    def stop(self) -> None:
        """Cut every connection, end every thread and close the database.

        Threads still inside DuckDB when the interpreter exits would abort the process.
        """
        if self._listener is not None and self._acceptor is not None:
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept(), which close() does not
            self._acceptor.join()
            self._listener.close()
            self._listener = self._acceptor = None
        self.kill_sessions()
        self._database.close()

    def kill_sessions(self) -> None:
        """Cut every connection, as a crash or a broken network would."""
        with self._lock:
            sessions = list(self._sessions.items())
        for session, _ in sessions:
            session.abort()
        for _, thread in sessions:
            thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _accept(self, listener: socket.socket) -> None:
        number = 0
        while True:
            try:
                connected, _ = listener.accept()
            except OSError:
                return
            number += 1
            session = Session(self, PacketSocket(connected), number)
            thread = threading.Thread(
                target=self._serve, args=(session,), name="oracle-session", daemon=True
            )
            with self._lock:  # whoever kills sessions finds none that has not begun
                self._sessions[session] = thread
                thread.start()

    def _serve(self, session: Session) -> None:
        try:
            session.run()
        finally:
            self._sessions.pop(session, None)
