"""What a session of the stand-in sees: users, services, faults, and one DuckDB database."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb

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
        log_on_silence: Seconds before a log-on is answered.
        log_on_warning: Let users in with this ORA number and text, e.g. (28002, "... 5 days").
        errors: Statements to fail: pattern of the SQL, ORA number, text ("" for the usual).
        cells: Values that are sent as these bytes instead, as a spoilt database would hold them.
    """

    latency: float = 0.0
    drop_after_rows: int | None = None
    refuse: int = 0
    log_on: int = 0
    log_on_silence: float = 0.0
    log_on_warning: tuple[int, str] | None = None
    errors: list[tuple[str, int, str]] = field(default_factory=list)
    cells: dict[Any, bytes] = field(default_factory=dict)


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


class OracleDatabase:
    """One database, with those who may log on to it; a server's sessions share it.

    Attributes:
        users: Password by user name in upper case.
        services: Names that clients may ask for, as service name or SID; they share one database.
        faults: What to do wrong from now on.
        statements: What clients sent, oldest first, at most the last 10,000.
        refused_log_ons: How many; a real one locks the account after some.
    """

    def __init__(
        self,
        *,
        users: dict[str, str] | None = None,
        init_sql: str | Path = "",
        services: tuple[str, ...] = ("ORCL",),
        database: str | Path = ":memory:",
        faults: Faults | None = None,
    ) -> None:
        """Open the database and fill it.

        Args:
            users: Password by user name.
            init_sql: DuckDB's own SQL that makes tables and data, as text or as a file.
            services: Service names and SIDs to answer to.
            database: A DuckDB file that keeps the data.
            faults: Misbehaviour from the start.
        """
        self.users = {name.upper(): password for name, password in (users or {}).items()}
        self.services = services
        self.faults = faults or Faults()
        self.statements: deque[Recorded] = deque(maxlen=MAX_RECORDED)
        self.refused_log_ons = 0
        self._lock = threading.Lock()
        # a database that never reaches for the network
        settings: dict[str, Any] = {"autoinstall_known_extensions": False}
        self._database = duckdb.connect(str(database), config=settings)
        script = init_sql.read_text(encoding="utf-8") if isinstance(init_sql, Path) else init_sql
        self._database.execute(PRELUDE)
        if script.strip():
            self._database.execute(script)

    def execute(self, sql: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        """Run DuckDB's own SQL straight on the database, e.g. to load data; return the rows."""
        with self._lock:
            return self._database.execute(sql, parameters).fetchall()

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
