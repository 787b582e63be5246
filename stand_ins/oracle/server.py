"""The listener: gives each client a session in a thread of its own, around one DuckDB database."""

from __future__ import annotations

import socket
import threading
from collections import deque
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import duckdb

from stand_ins.oracle.packets import PacketSocket
from stand_ins.oracle.session import Session

if TYPE_CHECKING:
    from types import TracebackType

PRELUDE = files(__package__ or "").joinpath("prelude.sql").read_text(encoding="utf-8")
MAX_RECORDED = 10_000


@dataclass
class Faults:
    """Misbehaviour on demand; may be changed while the server runs.

    Attributes:
        latency: Seconds before each execute and each fetch.
        drop_after_rows: Cut a connection, within an answer, once it was sent that many rows.
        refuse: Refuse new connections with this listener's error, e.g. 12516.
        log_on: Refuse log-ons, the right password or not, with this ORA number, e.g. 28000.
        errors: Statements to fail: pattern of the SQL, ORA number, text ("" for the usual).
    """

    latency: float = 0.0
    drop_after_rows: int | None = None
    refuse: int = 0
    log_on: int = 0
    errors: list[tuple[str, int, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Recorded:
    """A statement as a client sent it, for tests to look at.

    Attributes:
        user: Who was logged on, in upper case.
        sql: The text as it came, also that of a statement which failed.
        binds: One row of values, one for each occurrence of a bind in the text.
        module: What the DBA sees in V$SESSION.MODULE.
        action: What the DBA sees in V$SESSION.ACTION.
        executed: Whether it was to run; False: to be parsed and described only.
    """

    user: str
    sql: str
    binds: list[list[Any]] = field(repr=False)
    module: str = ""
    action: str = ""
    executed: bool = True


class OracleStandIn:
    """A running Oracle: `with OracleStandIn(users={"X": "secret"}) as server: ...`.

    Attributes:
        users: Password by user name in upper case.
        services: Names that clients may ask for, as service name or SID; they share one database.
        port: The port in use, once started.
        faults: What to do wrong from now on.
        statements: What clients sent, oldest first, at most the last 10,000.
    """

    def __init__(
        self,
        *,
        users: dict[str, str] | None = None,
        init_sql: str | Path = "",
        services: tuple[str, ...] = ("ORCL",),
        database: str | Path = ":memory:",
        host: str = "127.0.0.1",
        port: int = 0,
        faults: Faults | None = None,
    ) -> None:
        """Open the database and fill it.

        Args:
            users: Password by user name.
            init_sql: DuckDB's own SQL that makes tables and data, as text or as a file.
            services: Service names and SIDs to answer to.
            database: A DuckDB file that keeps the data.
            host: Address to listen on.
            port: Port to listen on; 0 takes a free one.
            faults: Misbehaviour from the start.
        """
        self.users = {name.upper(): password for name, password in (users or {}).items()}
        self.services = services
        self.host, self.port = host, port
        self.faults = faults or Faults()
        self.statements: deque[Recorded] = deque(maxlen=MAX_RECORDED)
        self._lock = threading.Lock()
        self._sessions: dict[Session, threading.Thread] = {}
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None
        # a database that never reaches for the network
        settings: dict[str, Any] = {"autoinstall_known_extensions": False}
        self._database = duckdb.connect(str(database), config=settings)
        script = init_sql.read_text(encoding="utf-8") if isinstance(init_sql, Path) else init_sql
        self._database.execute(PRELUDE)
        if script.strip():
            self._database.execute(script)

    # -- for those who start it --------------------------------------------------------

    @property
    def dsn(self) -> str:
        """What a client connects to, with the first service."""
        return f"{self.host}:{self.port}/{self.services[0]}"

    @property
    def session_count(self) -> int:
        """The number of clients connected."""
        return len(self._sessions)

    def execute(self, sql: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        """Run DuckDB's own SQL straight on the database, e.g. to load data; return the rows."""
        with self._lock:
            return self._database.execute(sql, parameters).fetchall()

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

    # -- for its sessions --------------------------------------------------------------

    def connect_database(self) -> duckdb.DuckDBPyConnection:
        """Open another connection to the database."""
        with self._lock:
            return self._database.cursor()

    def find_schema(self, name: str) -> str | None:
        """Return the name of a schema as it was created, None if there is none."""
        found = self.execute(
            "select schema_name from information_schema.schemata"
            " where upper(schema_name) = upper(?)",
            [name],
        )
        return found[0][0] if found else None

    def record(
        self,
        *,
        user: str,
        sql: str,
        binds: list[Any],
        module: str,
        action: str,
        executed: bool = True,
    ) -> None:
        """Keep a statement for tests to look at."""
        self.statements.append(Recorded(user, sql, [binds], module, action, executed))

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
