"""The instants at which a process talks to its database: around each statement and each commit.

The drivers themselves are watched: between two POSTs the ledger goes past SQLAlchemy.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import Engine, event

if TYPE_CHECKING:
    #: Is told the name of each instant; what it raises comes out of the driver.
    Instant = Callable[[str], None]

#: Words of a statement that name an instant.
_WORDS = 3
#: What PostgreSQL does by itself for who has died.
_AFTER_DEATH = ("_rollback_gen", "_pipeline_exit_gen")
#: What psycopg only notes for later, also for a connection on its way back into the pool.
_UNASKED = ("_set_autocommit_gen", "_set_isolation_level_gen")
#: How SQLite is set up for a new connection; nobody is in the middle of anything then.
_PREPARING = "PRAGMA"


class _Watcher:
    """Whom the drivers tell their instants; a driver's class has no other way to know."""

    instant: Instant | None = None

    def around(self, name: str, act: Callable[[], Any]) -> Any:
        """Do something between two instants."""
        if self.instant is None or name.startswith(_PREPARING):
            return act()
        self.instant(f"before {name}")
        result = act()
        if self.instant is not None:
            self.instant(f"after {name}")
        return result

    def around_on_sqlite(
        self, connection: sqlite3.Connection, name: str, act: Callable[[], Any]
    ) -> Any:
        """Do the same; with its process a transaction ends, here somebody else must end it."""
        try:
            return self.around(name, act)
        except Exception:
            raise
        except BaseException:
            sqlite3.Connection.rollback(connection)
            raise


_watcher = _Watcher()


@contextmanager
def watching_drivers(instant: Instant) -> Iterator[None]:
    """Be told the instants meanwhile, of connections made under `watchable_drivers`."""
    _watcher.instant = instant
    try:
        yield
    finally:
        _watcher.instant = None


@contextmanager
def watchable_drivers() -> Iterator[None]:
    """Let whoever opens a database meanwhile be watched."""
    wait = psycopg.Connection.wait

    def watched_wait(self: Any, gen: Any, *args: Any, **kwargs: Any) -> Any:
        name = gen.__name__
        if name in (*_AFTER_DEATH, *_UNASKED):
            return wait(self, gen, *args, **kwargs)
        return _watcher.around(name, lambda: wait(self, gen, *args, **kwargs))

    def do_connect(dialect: Any, _record: Any, _cargs: Any, cparams: Any) -> None:
        if dialect.name == "sqlite":
            cparams["factory"] = _SqliteConnection

    event.listen(Engine, "do_connect", do_connect)
    psycopg.Connection.wait = watched_wait  # type: ignore[method-assign]
    try:
        yield
    finally:
        psycopg.Connection.wait = wait  # type: ignore[method-assign]
        event.remove(Engine, "do_connect", do_connect)


class _SqliteCursor(sqlite3.Cursor):
    def execute(self, statement: str, *parameters: Any) -> Any:
        return _watcher.around_on_sqlite(
            self.connection, _name(statement), lambda: self._execute(statement, *parameters)
        )

    def executemany(self, statement: str, *parameters: Any) -> Any:
        return _watcher.around_on_sqlite(
            self.connection, _name(statement), lambda: self._many(statement, *parameters)
        )

    def _execute(self, *arguments: Any) -> Any:
        return super().execute(*arguments)

    def _many(self, *arguments: Any) -> Any:
        return super().executemany(*arguments)


class _SqliteConnection(sqlite3.Connection):
    def cursor(self, *_: Any) -> Any:  # type: ignore[override]
        return super().cursor(_SqliteCursor)

    def execute(self, statement: str, *parameters: Any) -> Any:
        return self.cursor().execute(statement, *parameters)

    def executemany(self, statement: str, *parameters: Any) -> Any:
        return self.cursor().executemany(statement, *parameters)

    def commit(self) -> None:
        _watcher.around_on_sqlite(self, "commit", self._commit)

    def _commit(self) -> None:
        super().commit()


def _name(statement: str) -> str:
    return " ".join(statement.split()[:_WORDS])
