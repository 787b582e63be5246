"""Where a model's ledgers lie: databases that can be copied whole, as a backup is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from tests.proof.model_clock import SEARCH_PATH
from track_dispatch.ledger import schema
from track_dispatch.ledger.creation import init_ledger
from track_dispatch.ledger.keys import register_keys

if TYPE_CHECKING:
    from tests.proof.model_clock import ModelClock
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.ledger.keys import KeyRing


class Databases(Protocol):
    """Databases by name, under the model's clock; nobody may be connected to one that is copied."""

    clock: ModelClock

    def url(self, name: str) -> str:
        """Return the address of a database."""

    def create(self, name: str, keys: KeyRing) -> None:
        """Make a new ledger."""

    def copy(self, source: str, target: str) -> None:
        """Make `target` what `source` is."""


class SqliteFiles:
    """SQLite files of one folder."""

    def __init__(self, folder: Path, clock: ModelClock) -> None:
        self.clock = clock
        self._folder = folder

    def url(self, name: str) -> str:
        return f"sqlite:///{self._file(name)}"

    def create(self, name: str, keys: KeyRing) -> None:
        init_ledger(self.url(name), keys)

    def copy(self, source: str, target: str) -> None:
        """Copy page by page: a killed worker's statement may still hold the file open."""
        with (
            closing(sqlite3.connect(self._file(source))) as read,
            closing(sqlite3.connect(self._file(target))) as written,
        ):
            read.backup(written)

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.db"


class PostgresqlDatabases:
    """Databases of one PostgreSQL server."""

    def __init__(self, server: str, clock: ModelClock) -> None:
        self.clock = clock
        self._server = make_url(server)
        self._admin = create_engine(server, isolation_level="AUTOCOMMIT")
        self._prefix = f"model_{uuid4().hex[:8]}"
        self._names: set[str] = set()

    def url(self, name: str) -> str:
        url = self._server.set(database=self._full(name))
        url = url.update_query_dict({"options": SEARCH_PATH})
        return url.render_as_string(hide_password=False)

    def create(self, name: str, keys: KeyRing) -> None:
        self._names.add(name)
        self._execute(f"create database {self._full(name)}")
        self.clock.install_on_postgresql(self.url(name))
        init_ledger(self.url(name), keys)

    def copy(self, source: str, target: str) -> None:
        self._names.add(target)
        for name in (source, target):
            self.clock.leave_postgresql(self.url(name))
        self._execute(f"drop database if exists {self._full(target)} with (force)")
        self._execute(f"create database {self._full(target)} template {self._full(source)}")
        self.clock.join_postgresql(self.url(target))

    def drop(self) -> None:
        """Drop them all."""
        for name in self._names:
            self.clock.leave_postgresql(self.url(name))
            self._execute(f"drop database if exists {self._full(name)} with (force)")
        self._admin.dispose()

    def _full(self, name: str) -> str:
        return f"{self._prefix}_{name}"

    def _execute(self, statement: str) -> None:
        with self._admin.connect() as connection:
            connection.execute(text(statement))


def empty(ledger: Ledger) -> None:
    """Make a ledger what it was when it was new, but for ids, which never come again."""
    kept = (schema.ledger,)
    tables = [table for table in schema.metadata.sorted_tables if table not in kept]
    deletes = [f"delete from {table.name}" for table in reversed(tables)]
    with ledger.writing() as connection:
        # PostgreSQL takes them in one round trip, SQLite only one by one
        for statement in ["; ".join(deletes)] if ledger.on_postgresql else deletes:
            connection.exec_driver_sql(statement)
        register_keys(connection, ledger.keys)
