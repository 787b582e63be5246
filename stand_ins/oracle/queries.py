"""The open queries of one session: each streams from a DuckDB connection of its own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb

from stand_ins.oracle.calls import BindType
from stand_ins.oracle.columns import ColumnType, column_for
from stand_ins.oracle.dialect import label
from stand_ins.oracle.ora_errors import OraError, from_duckdb

MAX_CURSORS = 65000
# seconds between two looks for a break while DuckDB works
LOOK_EVERY = 0.1


@dataclass
class Cursor:
    """A statement and, for a query with rows pending, the connection that they come from."""

    identity: int
    sql: str
    binds: list[BindType] = field(default_factory=list)
    columns: list[ColumnType] = field(default_factory=list)
    result: duckdb.DuckDBPyConnection | None = None
    fetched: int = 0


class Queries:
    """A session's cursors and connections; a break of the client stops what runs in DuckDB.

    `connect` opens a connection; `broken` tells without waiting if the client sent something (or
    left): while a call runs that can only be a break.
    """

    def __init__(
        self, connect: Callable[[], duckdb.DuckDBPyConnection], broken: Callable[[], bool]
    ) -> None:
        self._connect, self._broken = connect, broken
        self._cursors: dict[int, Cursor] = {}
        self._last_cursor = 0
        self._idle: list[duckdb.DuckDBPyConnection] = []
        self._search_path = "main"
        self._lock = threading.Lock()
        self._working: duckdb.DuckDBPyConnection | None = None
        self._closed = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="oracle-watch", daemon=True)
        self._watcher.start()

    def close(self) -> None:
        """End the watcher and close every connection."""
        self._closed.set()
        self._watcher.join()
        for cursor in self._cursors.values():
            self.release(cursor)
        self._close_idle()

    def use_schema(self, schema: str | None) -> None:
        """Look up unqualified names in `schema` first, in queries opened from now on."""
        self._search_path = ",".join(dict.fromkeys(filter(None, (schema, "main"))))
        self._close_idle()

    # -- cursors ---------------------------------------------------------------------

    def new_cursor(self, sql: str) -> Cursor:
        """Make a cursor; it counts as open once a statement succeeded on it."""
        while True:
            self._last_cursor = self._last_cursor % MAX_CURSORS + 1
            if self._last_cursor not in self._cursors:
                return Cursor(self._last_cursor, sql)

    def cursor(self, identity: int) -> Cursor:
        """Find an open cursor.

        Raises:
            OraError: 1001, there is none.
        """
        if identity not in self._cursors:
            raise OraError(1001)
        return self._cursors[identity]

    def keep(self, cursor: Cursor) -> None:
        """Count a cursor as open."""
        self._cursors[cursor.identity] = cursor

    def is_open(self, cursor: Cursor) -> bool:
        """Tell whether the client knows this cursor."""
        return cursor.identity in self._cursors

    def drop(self, identity: int) -> None:
        """Close a cursor that the client needs no more."""
        cursor = self._cursors.pop(identity, None)
        if cursor is not None:
            self.release(cursor)

    def release(self, cursor: Cursor) -> None:
        """Forget the rows still pending; the connection serves the next query."""
        if cursor.result is not None:
            self._idle.append(cursor.result)
            cursor.result = None

    # -- rows ------------------------------------------------------------------------

    def run(self, cursor: Cursor, sql: str, values: list[Any]) -> bool:
        """Run translated SQL on a cursor; tell whether its columns differ from the last ones.

        Raises:
            OraError: DuckDB refused it, or the client broke it off.
        """
        connection = self._idle.pop() if self._idle else self._prepared()
        bound = {f"b{position}": value for position, value in enumerate(values, 1)}
        try:
            with self._breakable(connection):
                connection.execute(sql, bound or None)
            columns = _columns(connection.description or [])
        except duckdb.Error as error:
            self._idle.append(connection)
            raise from_duckdb(error) from None
        except NotImplementedError:
            self._idle.append(connection)
            raise
        cursor.result, cursor.fetched = connection, 0
        changed = cursor.columns != columns
        cursor.columns = columns
        return changed

    def describe(self, cursor: Cursor, sql: str) -> None:
        """Find out a query's columns without running it.

        Raises:
            OraError: DuckDB refused it.
        """
        connection = self._idle.pop() if self._idle else self._prepared()
        try:
            (statement,) = connection.extract_statements(sql)
            unknown = dict.fromkeys(statement.named_parameters)
            described = connection.execute(f"describe {sql}", unknown or None).fetchall()
        except duckdb.Error as error:
            raise from_duckdb(error) from None
        finally:
            self._idle.append(connection)
        cursor.columns = _columns(described)

    def fetch(self, cursor: Cursor, count: int) -> list[tuple[Any, ...]]:
        """Take the next rows, at most `count`.

        Raises:
            OraError: DuckDB failed on the way, or the client broke it off.
        """
        if cursor.result is None:
            return []
        try:
            with self._breakable(cursor.result):
                batch = cursor.result.fetchmany(count)
        except duckdb.Error as error:
            raise from_duckdb(error) from None
        cursor.fetched += len(batch)
        if len(batch) < count:
            self.release(cursor)
        return batch

    # -- connections -----------------------------------------------------------------

    def _prepared(self) -> duckdb.DuckDBPyConnection:
        connection = self._connect()
        connection.execute(f"set search_path = '{self._search_path}'")
        return connection

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()

    @contextlib.contextmanager
    def _breakable(self, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        with self._lock:
            self._working = connection
        try:
            yield
        finally:
            with self._lock:
                self._working = None

    def _watch(self) -> None:
        while not self._closed.wait(LOOK_EVERY):
            with self._lock:
                if self._working is not None and self._broken():
                    self._working.interrupt()


def _columns(described: Iterable[Sequence[Any]]) -> list[ColumnType]:
    return [column_for(label(name), str(kind)) for name, kind, *_ in described]
