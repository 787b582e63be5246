"""The open ledger: its engine and keys, its transactions and their time limits.

A transaction either writes or reads. On SQLite a writing one begins with BEGIN IMMEDIATE: the
driver's default begins late and then fails at once, whatever the timeout. What the promise needs of
PostgreSQL is set here, in each transaction (a pooler loses what was set for a session), and every
wait for the database ends: a server that falls silent is cut off by our own deadline.
"""

from __future__ import annotations

import logging
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Self

from sqlalchemy import Connection, Engine, create_engine, event, inspect, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from track_dispatch.errors import ConfigError, LedgerError, TrackDispatchError, raised_alone
from track_dispatch.ledger import schema
from track_dispatch.ledger.connection_errors import PERMANENT, connection_error, refusal
from track_dispatch.ledger.keys import KeyRing
from track_dispatch.ledger.sql import take_turn
from track_dispatch.process import Watchdog

#: The engine logs neither rows (patients' data) nor statements, whatever level is set above it.
_LOGGING_NAME = "track_ledger"
logging.getLogger(f"sqlalchemy.engine.Engine.{_LOGGING_NAME}").setLevel(logging.WARNING)

#: Marks a driver's connection whose server was checked to be the ledger's.
_RECOGNISED = "track_server_recognised"

#: The deadline of a statement on a driver's connection to SQLite, and the number of SQLite's own
#: steps, some tenths of a millisecond, after which it is checked.
_UNTIL, _STEPS = "track_statement_until", 10_000

#: How long SQLite waits for another writer, in seconds.
BUSY_TIMEOUT = 60
#: SQLite's cache of the file, in KiB: a claim's lines lie on many pages.
PAGE_CACHE = 16_384


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a transaction, in seconds: for a row's lock, a statement, and as a whole."""

    lock: float
    statement: float
    whole: float


#: Of claims, settlements and decisions: a longer one would outlive its lease.
SHORT = Limits(lock=2, statement=20, whole=45)
#: Of transforms and housekeeping.
LONG = Limits(lock=60, statement=1800, whole=3600)
#: Of the board's pages: nobody waits for a page as long as a task may.
LOOKING = Limits(lock=1, statement=5, whole=15)
#: Of migrations: while one waits for a table's lock, all others wait behind it.
MIGRATION = Limits(lock=5, statement=1800, whole=3600)

#: Beside what a connection's extra says. No prepared statements: behind a pooler in transaction
#: mode a session's name for one may stand for another session's statement.
_POSTGRESQL: Mapping[str, Any] = {
    "connect_timeout": 10,
    "prepare_threshold": None,
    "application_name": "track_dispatch",
    "keepalives": 1,
    "keepalives_idle": 20,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


class Ledger:
    """An open ledger, made by `open_ledger_at`; as a context manager it closes its connections.

    Args:
        engine: of its database.
        keys: that belong to it.
        short: limits of a transaction without limits of its own.
        read_only: whether the database refuses to write for this ledger.
    """

    def __init__(
        self, engine: Engine, keys: KeyRing, *, short: Limits = SHORT, read_only: bool = False
    ) -> None:
        self.engine = engine
        self.keys = keys
        self._short = LOOKING if read_only else short
        self._read_only = read_only
        self._let_in = False
        self._watchdog = Watchdog()
        self._opening = threading.local()
        self._look: Callable[[Connection], None] | None = None
        if self.on_postgresql:
            event.listen(engine, "do_connect", self._do_connect)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        """Show where it is, without a password."""
        return f"Ledger({self.engine.url.render_as_string(hide_password=True)})"

    @property
    def on_postgresql(self) -> bool:
        """Whether several workers on several machines may share it."""
        return self.engine.dialect.name == "postgresql"

    @contextmanager
    def writing(self, limits: Limits | None = None) -> Iterator[Connection]:
        """Open one writing transaction, committed at the end of the block.

        Raises:
            LedgerError: the database failed; nothing of the block is in the ledger, unless it
                failed while it committed: then nobody knows.
        """
        limits = limits or self._short
        with self._connected(limits) as connection:
            writing = connection.execution_options(track_writing=True)
            with writing.begin():
                if self.on_postgresql:
                    set_limits(writing, limits)
                yield writing

    @contextmanager
    def writing_in_turn(self, limits: Limits | None = None) -> Iterator[Connection]:
        """Open one writing transaction in turn, without another claim or decision beside it."""
        with self.writing(limits) as connection:
            take_turn(connection)
            yield connection

    def long_writing(self) -> Any:
        """Open one writing transaction under the limits `LONG`."""
        return self.writing(LONG)

    @contextmanager
    def reading(self, limits: Limits | None = None) -> Iterator[Connection]:
        """Open one reading transaction, a snapshot of one moment.

        Raises:
            LedgerError: the database failed.
        """
        with self._connected(limits or self._short) as connection:
            if self.on_postgresql:  # SQLite reads a snapshot anyway
                connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                if self._read_only and self.on_postgresql:
                    connection.exec_driver_sql(limits_sql(self._short, read_only=True))
                yield connection

    def look_at_connections(self, look: Callable[[Connection], None]) -> None:
        """Check each new connection to PostgreSQL with `look` before its first use.

        A failover breaks the connections, and a new one may reach another server: an error of
        `look` then ends the transaction before its first statement. A connection that passed is not
        checked again.
        """
        self._look = look

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()
        self._watchdog.close()

    @contextmanager
    def _connected(self, limits: Limits) -> Iterator[Connection]:
        """Connect; on PostgreSQL, close the socket if the block takes longer than its limit."""
        if not self.on_postgresql:
            with raised_alone(), database_errors(), self.engine.connect() as connection:
                yield connection
            return
        current = self._opening.current = _Current(limits.whole)
        with (
            raised_alone(),
            database_errors(current.lateness),
            self._watchdog.limit(limits.whole, current.cut_off),
            self.engine.connect() as found,
        ):
            current.driver = found.connection.driver_connection
            self._recognise(found)
            yield found

    def _recognise(self, connection: Connection) -> None:
        if self._look is None or _RECOGNISED in connection.info:
            return
        self._look(connection)
        connection.rollback()  # the transaction that it looked in
        connection.info[_RECOGNISED] = True

    def _do_connect(self, dialect: Any, _record: Any, cargs: Any, cparams: Any) -> Any:
        """Put a new connection under the deadline before anything is asked over it.

        What let us in once may do so again, whatever it says now: it is tried again.
        """
        try:
            driver = dialect.loaded_dbapi.connect(*cargs, **cparams)
        except dialect.loaded_dbapi.Error as error:
            if broken_in := interruption(error):
                raise broken_in from None
            cause = connection_error(str(error), self.engine.url, cparams)
            raise (LedgerError(str(cause)) if self._let_in else cause) from None
        self._let_in = True
        current = getattr(self._opening, "current", None)
        if current is not None:
            current.driver = driver
        return driver


class _Current:
    """The driver's connection of one transaction, which another thread may cut off.

    Args:
        seconds: after which it is cut off.
    """

    def __init__(self, seconds: float) -> None:
        self.driver: Any = None
        self._seconds = seconds
        self._is_cut_off = False

    def cut_off(self) -> None:
        """Shut the socket down, so that a thread that waits on it goes on."""
        if self.driver is not None and not self.driver.closed:
            self._is_cut_off = True
            with socket.socket(fileno=os.dup(self.driver.fileno())) as twin:
                twin.shutdown(socket.SHUT_RDWR)

    def lateness(self) -> str | None:
        """Return the message that the connection was cut off, if it was."""
        if not self._is_cut_off:
            return None
        return (
            f"the ledger's PostgreSQL took longer than {self._seconds:g} s and was given up: is it"
            " overloaded, or the network to it broken?"
        )


def connect(
    url: str, *, options: Mapping[str, str] | None = None, read_only: bool = False
) -> Engine:
    """Make the ledger's engine, without connecting; parameters never reach a message.

    Raises:
        ConfigError: the URL is neither SQLite's nor PostgreSQL's.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigError("the ledger's address is not a database URL") from None
    pool: dict[str, Any] = (
        {"pool_size": 2, "max_overflow": 0, "pool_timeout": 5} if read_only else {}
    )
    if parsed.get_backend_name() == "sqlite":
        if parsed.database:
            keep_private(*(Path(parsed.database + part) for part in ("", "-wal", "-shm")))
        engine = create_engine(
            parsed,
            hide_parameters=True,
            logging_name=_LOGGING_NAME,
            connect_args={"timeout": LOOKING.statement if read_only else BUSY_TIMEOUT},
            **pool,
        )
        event.listen(engine, "connect", _prepare_sqlite)
        if read_only:
            event.listen(engine, "connect", _forbid_writing)
            _limit_statements(engine, LOOKING.statement)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if parsed.get_backend_name() == "postgresql":
        return create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            hide_parameters=True,
            logging_name=_LOGGING_NAME,
            isolation_level="READ COMMITTED",
            connect_args={**_POSTGRESQL, **(options or {})},
            **pool,
        )
    message = f"the ledger lives on SQLite or PostgreSQL, not on {parsed.get_backend_name()}"
    raise ConfigError(message)


def keep_private(*paths: Path) -> None:
    """Restrict files with patients' data or keys to their owner, if we may.

    They are created so; a restored copy may have any mode.
    """
    for path in paths:
        with suppress(OSError):  # it is not there, or another user's
            if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                path.chmod(stat.S_IRUSR | stat.S_IWUSR)


def set_limits(connection: Connection, limits: Limits) -> None:
    """Set PostgreSQL's limits and durability for this transaction, in one round trip."""
    connection.exec_driver_sql(limits_sql(limits))


def limits_sql(limits: Limits, *, read_only: bool = False) -> str:
    """Return the statement of `set_limits`, for code that uses the driver itself."""
    settings = {
        # a claim whose commit a crash could take back would be posted twice
        "synchronous_commit": "on",
        "lock_timeout": f"{limits.lock}s",
        "statement_timeout": f"{limits.statement}s",
        "idle_in_transaction_session_timeout": f"{limits.whole}s",
        # on tables just filled the planner overestimates, and JIT would take longer than the query
        "jit": "off",
        **({"transaction_read_only": "on"} if read_only else {}),
    }
    return "select " + ", ".join(
        f"set_config('{name}', '{value}', true)" for name, value in settings.items()
    )


def require_same_ledger(connection: Connection, keys: KeyRing) -> None:
    """Refuse a ledger that these keys do not belong to.

    Raises:
        ConfigError: it names both ledgers.
    """
    found = connection.scalar(select(schema.ledger.c.ledger_id))
    if found != keys.ledger_id:
        message = (
            f"the database holds the ledger {found}, the keys are those of {keys.ledger_id}:"
            " check the connection track_ledger before anybody is asked twice"
        )
        raise ConfigError(message)


@contextmanager
def database_errors(lateness: Callable[[], str | None] = lambda: None) -> Iterator[None]:
    """Turn the database's errors into ours: their texts quote values, so only the kind is kept.

    The end of the task (a time-out, SIGTERM) is raised as it is, even if it made the driver fail.

    Args:
        lateness: returns the message of a connection that we cut off.
    """
    try:
        yield
    except SQLAlchemyError as error:
        raise interruption(error) or _ours(
            getattr(error, "orig", None) or error, lateness()
        ) from None
    except Exception as error:
        if not type(error).__module__.startswith(("psycopg", "sqlite3")):
            raise
        raise interruption(error) or _ours(error, lateness()) from None


def interruption(error: BaseException) -> BaseException | None:
    """Return the end of the task (a time-out, SIGTERM) that caused an error, if it did.

    psycopg replaces an exception within its pipeline by an error of its own, which a caller would
    take for a failure of the database and try again.
    """
    found = error.__context__
    while isinstance(found, Exception):
        found = found.__context__
    return found


def _ours(error: BaseException, late: str | None) -> TrackDispatchError:
    code = getattr(error, "sqlstate", None) or getattr(error, "sqlite_errorname", None)
    if late and not code:
        return LedgerError(late)
    name = type(error).__name__
    kind = f"the ledger's database answered with {name}{f' ({code})' if code else ''}"
    kind += refusal(code, str(error))
    return ConfigError(kind) if code in PERMANENT else LedgerError(kind)


def has_table(connection: Connection, name: str) -> bool:
    """Tell whether a table exists."""
    return bool(inspect(connection).has_table(name))


def analyze(ledger: Ledger) -> None:
    """Refresh PostgreSQL's statistics after many inserts, for its next plans.

    An error is ignored: a better plan is not worth a failed task.
    """
    if not ledger.on_postgresql:
        return
    try:
        with ledger.long_writing() as connection:
            for table in (schema.lines, schema.envelopes, schema.identities):
                connection.execute(text(f"analyze {table.name}"))
    except LedgerError as error:
        logging.getLogger(__name__).warning("the ledger's tables were not analyzed: %s", error)


def _prepare_sqlite(dbapi: Any, _record: Any) -> None:
    dbapi.isolation_level = None  # transactions begin where we say so
    cursor = dbapi.cursor()
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        f"cache_size = -{PAGE_CACHE}",
        "secure_delete = ON",  # what is erased must not stay readable in free pages
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _forbid_writing(dbapi: Any, _record: Any) -> None:
    dbapi.execute("PRAGMA query_only = ON").close()


def _limit_statements(engine: Engine, seconds: float) -> None:
    """Interrupt a statement that takes SQLite too long, as PostgreSQL does by itself."""

    def watch(dbapi: Any, record: Any) -> None:
        record.info[_UNTIL] = float("inf")
        dbapi.set_progress_handler(lambda: monotonic() > record.info[_UNTIL], _STEPS)

    def begin(connection: Connection, *_: Any) -> None:
        connection.info[_UNTIL] = monotonic() + seconds

    event.listen(engine, "connect", watch)
    event.listen(engine, "before_cursor_execute", begin)


def _begin_sqlite(connection: Connection) -> None:
    writing = connection.get_execution_options().get("track_writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
