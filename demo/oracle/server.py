"""The listener: accepts connections and gives each a thread, around one DuckDB database."""

from __future__ import annotations

import socket
import threading
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from demo.oracle.packets import PacketSocket
from demo.oracle.session import Session
from demo.oracle.sql import PRELUDE


@dataclass
class Faults:
    """Misbehaviour on demand; may be changed while the server runs."""

    latency: float = 0.0  # seconds before each execute and fetch
    drop_after_rows: int | None = None  # cut a connection once it was sent that many rows
    refuse: int = 0  # refuse new connections with this listener error, e.g. 12516
    errors: list[tuple[str, int, str]] = field(default_factory=list)  # SQL regex, code, text


@dataclass
class Recorded:
    """A statement as a client sent it, for tests to look at."""

    user: str
    sql: str
    binds: list[list[Any]]


class OracleStandIn:
    """A server for tests and demos: `with OracleStandIn(users={"X": "pw"}) as server: ...`."""

    def __init__(
        self,
        users: dict[str, str] | None = None,
        init_sql: str | Path = "",
        services: tuple[str, ...] = ("ORCL",),
        database: str = ":memory:",
        host: str = "127.0.0.1",
        port: int = 0,
        faults: Faults | None = None,
        lob_columns: dict[str, str] | None = None,
        strict_schema: bool = False,
    ) -> None:
        self.users = {name.upper(): password for name, password in (users or {}).items()}
        self.services = services
        self.host, self.port = host, port
        self.faults = faults or Faults()
        # result columns to send as CLOB or LONG, by name, e.g. {"DS_LAUDO": "CLOB"}
        self.lob_columns = {name.upper(): kind for name, kind in (lob_columns or {}).items()}
        self.strict_schema = strict_schema  # ORA-01435 for an unknown current_schema
        self.statements: deque[Recorded] = deque(maxlen=10_000)
        self._lock = threading.Lock()
        self._sessions: dict[Session, threading.Thread] = {}
        self._next_session = 1
        self._listener: socket.socket | None = None
        self._db = duckdb.connect(database)
        self._db.execute(PRELUDE)
        script = init_sql.read_text(encoding="utf-8") if isinstance(init_sql, Path) else init_sql
        if script.strip():
            self._db.execute(script)

    # -- use -----------------------------------------------------------------------

    @property
    def dsn(self) -> str:
        return f"{self.host}:{self.port}/{self.services[0]}"

    def execute(self, sql: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        """Run DuckDB SQL straight on the database, e.g. to load data."""
        with self._lock:
            return self._db.execute(sql, parameters).fetchall()

    def start(self) -> OracleStandIn:
        self._listener = socket.create_server((self.host, self.port), backlog=128)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="oracle-standin", daemon=True).start()
        return self

    def stop(self) -> None:
        if self._listener is not None:
            # shutdown wakes the accepting thread, close alone would not
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.kill_sessions()
        self._db.close()

    def kill_sessions(self) -> None:
        """Cut every connection, as a crash or a network failure would."""
        for session, thread in list(self._sessions.items()):
            session.abort()
            thread.join(timeout=10)

    def __enter__(self) -> OracleStandIn:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def session_count(self) -> int:
        return len(self._sessions)

    # -- for sessions --------------------------------------------------------------

    def connect_database(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            return self._db.cursor()

    def find_schema(self, name: str) -> str | None:
        with self._lock:
            found = self._db.execute(
                "SELECT schema_name FROM information_schema.schemata WHERE lower(schema_name) = lower(?)",
                [name],
            ).fetchone()
        return found[0] if found else None

    def record(self, user: str, sql: str, binds: list[list[Any]]) -> None:
        self.statements.append(Recorded(user, sql, binds))

    def _accept(self) -> None:
        listener = self._listener
        while listener is not None and self._listener is listener:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            session = Session(self, PacketSocket(sock), self._next_session)
            self._next_session += 1
            thread = threading.Thread(target=self._serve, args=(session,), daemon=True)
            self._sessions[session] = thread
            thread.start()

    def _serve(self, session: Session) -> None:
        try:
            session.run()
        finally:
            self._sessions.pop(session, None)
