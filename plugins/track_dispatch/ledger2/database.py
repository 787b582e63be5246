"""The ledger as a held resource: engine and keys, opened only when it is the right ledger.

A transaction either writes or reads. On SQLite a writing one begins with BEGIN IMMEDIATE: the
driver's default begins late and then fails at once, whatever the timeout.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event, inspect, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from track_dispatch.errors import ConfigError, LedgerError, raised_alone
from track_dispatch.ledger2 import schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

    from track_dispatch.ledger2.keys import KeyRing

#: The engine logs neither rows (patients' data) nor statements, whatever level is set above it.
_LOGGING_NAME = "track_ledger"
logging.getLogger(f"sqlalchemy.engine.Engine.{_LOGGING_NAME}").setLevel(logging.WARNING)

#: How long SQLite waits for another writer, in milliseconds.
BUSY_TIMEOUT = 60_000
#: What SQLite may keep of the file in memory, in KiB: a claim's lines lie on many pages.
PAGE_CACHE = 16_384


class Ledger:
    """An open ledger; `opening.open_ledger` makes one."""

    def __init__(self, engine: Engine, keys: KeyRing) -> None:
        self.engine = engine
        self.keys = keys

    @property
    def on_postgresql(self) -> bool:
        """Whether several workers on several machines may share it."""
        return self.engine.dialect.name == "postgresql"

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open one writing transaction, committed at the end of the block.

        Raises:
            LedgerError: the database failed; nothing of the block is in the ledger.
        """
        with raised_alone(), _database_errors(), self.engine.connect() as connection:
            writing = connection.execution_options(track_writing=True)
            with writing.begin():
                yield writing

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open one reading transaction: all it reads is of one moment.

        Raises:
            LedgerError: the database failed.
        """
        with raised_alone(), _database_errors(), self.engine.connect() as connection:
            if self.on_postgresql:  # SQLite reads a snapshot anyway
                connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()


def connect(url: str) -> Engine:
    """Make the ledger's engine; nothing is opened yet, and parameters never reach a message.

    Raises:
        ConfigError: the URL is neither SQLite's nor PostgreSQL's.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigError("the ledger's address is no database URL") from None
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(
            parsed,
            hide_parameters=True,
            logging_name=_LOGGING_NAME,
            connect_args={"timeout": 60},
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if parsed.get_backend_name() == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
        return create_engine(
            parsed,
            hide_parameters=True,
            logging_name=_LOGGING_NAME,
            pool_pre_ping=True,
            isolation_level="READ COMMITTED",
            connect_args={"connect_timeout": 10},
        )
    message = f"the ledger lives on SQLite or PostgreSQL, not on {parsed.get_backend_name()}"
    raise ConfigError(message)


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
def _database_errors() -> Iterator[None]:
    """Turn the database's errors into ours: their texts quote values, so only the kind is kept."""
    try:
        yield
    except SQLAlchemyError as error:
        origin = getattr(error, "orig", None)
        code = getattr(origin, "sqlstate", None) or getattr(origin, "sqlite_errorname", None)
        kind = type(origin or error).__name__
        message = f"the ledger's database answered with {kind}{f' ({code})' if code else ''}"
        raise LedgerError(message) from None


def has_table(connection: Connection, name: str) -> bool:
    """Tell whether a table is there."""
    return bool(inspect(connection).has_table(name))


def _prepare_sqlite(dbapi: Any, _record: Any) -> None:
    dbapi.isolation_level = None  # transactions begin where we say so
    cursor = dbapi.cursor()
    for pragma in (
        f"busy_timeout = {BUSY_TIMEOUT}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        f"cache_size = -{PAGE_CACHE}",
        "secure_delete = ON",  # what is erased must not stay readable in free pages
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writing = connection.get_execution_options().get("track_writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
