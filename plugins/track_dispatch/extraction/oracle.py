"""Open an ERP, describe its query and read a day: the only module that uses Oracle's driver.

A day is read ahead, in a thread of its own. Other modules know columns and their kinds only;
`oracle_errors` explains the driver's errors.
"""

from __future__ import annotations

import codecs
import logging
import re
import socket
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import date
from itertools import islice
from typing import NamedTuple, TypeVar

import oracledb

from track_dispatch.errors import (
    ConfigError,
    SourceContractError,
    SourceUnavailableError,
    raised_alone,
)
from track_dispatch.extraction.oracle_errors import explain
from track_dispatch.extraction.query import (
    BINDS,
    UNDECODED,
    ErpColumns,
    ReturnedColumn,
    binds,
    check_columns,
    to_columns,
    typed,
)
from track_dispatch.records import MOMENT_FORMAT, UNREADABLE_COLUMN, ColumnKind
from track_dispatch.states import Count

log = logging.getLogger(__name__)
T = TypeVar("T")

#: How the Airflow connection to an ERP is created.
_MADE_OF = 'type oracle, host, port, login, password and the extra {"service_name": ...}'

#: The value of V$SESSION.MODULE, for the DBA.
MODULE = "track_dispatch"
#: V$SESSION keeps no more bytes of an action on servers before 12.2.
_ACTION_BYTES = 32
#: Rows of one extraction whose unreadable values are named in the log.
_ROWS_NAMED = 20

_TEXT, _NUMBER = set(ColumnKind), {ColumnKind.DIGITS}
#: By type of a column, the kinds that it fits; any other type fits none.
_FITS = {
    oracledb.DB_TYPE_VARCHAR: _TEXT,
    oracledb.DB_TYPE_CHAR: _TEXT,
    oracledb.DB_TYPE_NVARCHAR: _TEXT,
    oracledb.DB_TYPE_NCHAR: _TEXT,
    oracledb.DB_TYPE_NUMBER: _NUMBER,
}

#: How the driver decodes texts: bytes that are not one, in whatever character set, leave a mark.
_MARKED = "track_dispatch.marked"
codecs.register_error(_MARKED, lambda error: (UNDECODED, error.end))  # type: ignore[attr-defined]


class LogOnWarning(NamedTuple):
    """The warning of an ERP at a log-on.

    Attributes:
        user: who logged on.
        code: Oracle's number, ORA-28002.
        expires: whether the password does.
        days: until then; None where the ERP does not say.
    """

    user: str
    code: str
    expires: bool
    days: int | None

    def __str__(self) -> str:
        """Write the warning, and what to do."""
        if not self.expires:
            return f"the ERP let {self.user} in with {self.code}: ask the DBA what it is about"
        when = f"in {Count(self.days):day|days}" if self.days else "soon"
        return (
            f"the password of {self.user} expires {when} ({self.code}): agree on a new one with the"
            " DBA, and put it in the connection"
        )


class Erp:
    """An open connection to a hospital's ERP, for one thread at a time.

    Args:
        connection: the driver's.
        call_timeout_seconds: the longest that one round trip may take.
    """

    def __init__(self, connection: oracledb.Connection, *, call_timeout_seconds: float) -> None:
        self._connection = connection
        connection.call_timeout = round(call_timeout_seconds * 1000)
        connection.module = MODULE

    @property
    def version(self) -> str:
        """The server's version, 19.22.0.0.0."""
        return self._connection.version

    @property
    def user(self) -> str:
        """The user who is logged on."""
        return self._connection.username

    @property
    def warning(self) -> LogOnWarning | None:
        """The ERP's warning at the log-on; None without one."""
        warned = self._connection.warning
        if warned is None:
            return None
        found = re.search(r"within (\d+) day", warned.message)
        days = int(found[1]) if found else None
        expires = found is not None or warned.full_code == "ORA-28002"
        return LogOnWarning(self.user, warned.full_code, expires=expires, days=days)

    def read(
        self, sql: str, *, day: date, action: str, chunk_rows: int = 2000
    ) -> Iterator[ErpColumns]:
        """Yield a day's rows as columns, `chunk_rows` rows in each chunk; one is held at most.

        Everything is read in one read-only transaction, so that the day is seen as of one moment.
        The columns are checked before the first row is used. A value that cannot be read stops
        nothing: `contract.to_columns` marks it, and the log names its row and column.

        Args:
            sql: from `query.render`.
            day: the business day.
            action: what a DBA sees in V$SESSION.ACTION; cut at 32 bytes.
            chunk_rows: rows of each round trip and each chunk.

        Raises:
            SourceContractError: the columns are not the agreed ones, or the ERP refuses the query.
            SourceUnavailableError: the ERP broke off or was too slow.
        """
        where = f"reading the ERP ({action})"
        with raised_alone(), _explained(where, sql):
            self._introduce(action)
            self._connection.rollback()  # the next statement must be the first of its transaction
            with _cursor(self._connection) as cursor:
                cursor.execute("set transaction read only")
                cursor.outputtypehandler = _fetched_as
                cursor.arraysize = cursor.prefetchrows = chunk_rows
                cursor.execute(sql, binds(day))
                names = check_columns(_returned(cursor))
                position, unreadable = 1, _Unreadable(where)
                while rows := cursor.fetchmany(chunk_rows):
                    columns = to_columns(names, rows, day=day, position=position)
                    unreadable.note(columns, position)
                    yield columns
                    position += len(rows)
                unreadable.tell()

    def describe(self, sql: str, *, action: str) -> tuple[ReturnedColumn, ...]:
        """Let the ERP parse a query, and return its columns; nothing is executed, no row is read.

        Args:
            sql: one SELECT, from `query.render`; Oracle would run anything else when parsing it.
            action: as for `read`.

        Raises:
            SourceContractError: the ERP refuses the query, or it has other binds than the day's.
            SourceUnavailableError: the ERP broke off or was too slow.
        """
        with raised_alone(), _explained(f"parsing on the ERP ({action})", typed(sql)):
            self._introduce(action)
            with _cursor(self._connection) as cursor:
                cursor.parse(typed(sql))
                found = sorted(name.lower() for name in cursor.bindnames())
                if found != sorted(BINDS):
                    raise SourceContractError(
                        f"the query has the binds {', '.join(found) or 'none'}; it must have "
                        f"{' and '.join(BINDS)}; correct the SQL"
                    )
                return _returned(cursor)

    def _introduce(self, action: str) -> None:
        self._connection.action = action.encode()[:_ACTION_BYTES].decode(errors="ignore")


@contextmanager
def read_ahead(chunks: Iterable[T], *, depth: int = 2) -> Iterator[Iterator[T]]:
    """Iterate over chunks in a thread of their own, up to `depth` of them ahead of the consumer.

    An error of theirs is raised where its chunk would have come. Whoever leaves, at the end or
    early, waits for the chunk in the making and then has no thread any more; a generator is closed.
    For an extraction that wait is one round trip to the ERP, which `call_timeout_seconds` ends.

    A connection of the driver may be used by another thread, but by one at a time: between
    entering and leaving, the connection behind the chunks is the thread's alone.

    Args:
        chunks: iterated in the thread only.
        depth: chunks held ahead, at least 1, beside the one that the consumer has. What the
            consumer has taken is not held here.
    """
    source = iter(chunks)
    # A thread given one chunk to make at a time never waits for room, so it can always be joined.
    thread = ThreadPoolExecutor(1, thread_name_prefix="read_ahead")
    try:
        yield _in_order(thread, source, depth)
    finally:
        thread.shutdown(cancel_futures=True)
        if isinstance(source, Generator):
            source.close()


def _in_order(thread: ThreadPoolExecutor, source: Iterator[T], depth: int) -> Iterator[T]:
    ahead = deque(thread.submit(_next, source) for _ in range(depth))
    with raised_alone():
        while taken := ahead.popleft().result():
            ahead.append(thread.submit(_next, source))
            yield taken.pop()  # from its list, so that nothing here keeps it meanwhile


def _next(source: Iterator[T]) -> list[T]:
    """Return the next chunk in a list; an empty one at the end."""
    return list(islice(source, 1))


@contextmanager
def open_erp(
    conn_id: str, *, logon_deadline_seconds: float, call_timeout_seconds: float
) -> Iterator[Erp]:
    """Open an ERP by its Airflow connection, and close it afterwards.

    The hook reads everything from the connection, thick mode included.

    Args:
        conn_id: of the Airflow connection.
        logon_deadline_seconds: the longest that the whole log-on may take.
        call_timeout_seconds: the longest that one round trip may take after it.

    Raises:
        ConfigError: Airflow has no such connection, or the ERP refuses what it says.
        SourceUnavailableError: the ERP cannot be reached, or lets nobody in in time.
    """
    connection = _connect(conn_id, logon_deadline_seconds)
    try:
        erp = Erp(connection, call_timeout_seconds=call_timeout_seconds)
        if erp.warning:
            log.warning("connection %s: %s", conn_id, erp.warning)
        yield erp
    finally:
        with suppress(oracledb.Error):  # a broken connection has nothing left to close
            connection.close()


@raised_alone()
def account_of(conn_id: str) -> bytes:
    """Return a text that identifies an account of an ERP: a secret, for a keyed digest only.

    Raises:
        ConfigError: Airflow has no such connection, or cannot tell whether it has.
    """
    from track_dispatch.connections import require_connection  # noqa: PLC0415 - imports Airflow

    found = require_connection(conn_id, _MADE_OF)
    where = (found.host, found.port, found.schema, found.extra, found.login, found.password)
    return "\n".join(map(str, where)).encode()


@raised_alone()
def _connect(conn_id: str, deadline_seconds: float) -> oracledb.Connection:
    """Log on, in a thread that is abandoned at the deadline.

    The driver limits no more than the TCP handshake: a listener that takes a connection and says
    nothing would be waited for without end.
    """
    # Imported here: the hook is slow to load, and whoever parses a DAG file passes by.
    from airflow.providers.oracle.hooks.oracle import (  # noqa: PLC0415, TID251 - the one reader
        OracleHook,
    )

    from track_dispatch.connections import require_connection  # noqa: PLC0415 - imports Airflow

    require_connection(conn_id, _MADE_OF)
    # log_sql: the hook would log every statement with its parameters
    get_conn = OracleHook(oracle_conn_id=conn_id, log_sql=False).get_conn
    opened: Future[oracledb.Connection] = Future()
    threading.Thread(target=_log_on, args=(get_conn, opened), name="log_on", daemon=True).start()
    try:
        return opened.result(deadline_seconds)
    except TypeError as error:
        raise ConfigError(f"connection {conn_id}: its extra is malformed: {error}") from None
    except oracledb.Error as error:
        raise explain(error, where=f"connection {conn_id}") from None
    except TimeoutError:
        raise SourceUnavailableError(
            f"connection {conn_id}: the ERP let nobody in within {deadline_seconds:g} s "
            f"(oracle_logon_deadline_seconds): ask the DBA whether its listener hangs, and the "
            f"network's people for a firewall between; nothing was sent, and trying again is safe"
        ) from None
    except socket.gaierror:  # which the driver lets out as it comes
        raise SourceUnavailableError(
            f"connection {conn_id}: no such host is known: correct the Host field, or this "
            "machine's DNS; nothing was sent, and trying again is safe"
        ) from None
    finally:
        opened.cancel()


def _log_on(
    get_conn: Callable[[], oracledb.Connection], opened: Future[oracledb.Connection]
) -> None:
    """Open the connection; close it again if the deadline has passed."""
    try:
        connection = get_conn()
    except BaseException as error:  # noqa: BLE001 - whoever waits gets it
        with suppress(InvalidStateError):
            opened.set_exception(error)
        return
    try:
        opened.set_result(connection)
    except InvalidStateError:
        with suppress(oracledb.Error):
            connection.close()


class _Unreadable:
    """The values of a reading that could not be read, by row and column; never a value."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._rows = 0
        self._named: list[str] = []

    def note(self, columns: ErpColumns, position: int) -> None:
        """Add a chunk's unreadable values; `position`: of its first row."""
        for place, names in enumerate(columns.get(UNREADABLE_COLUMN, ())):
            if names:
                self._rows += 1
                if self._rows <= _ROWS_NAMED:
                    self._named.append(f"row {position + place} ({names})")

    def tell(self) -> None:
        """Log them."""
        if more := self._rows - len(self._named):
            self._named.append(f"and {Count(more):row|rows} more")
        if self._rows:
            log.warning("%s: could not be read: %s", self._where, ", ".join(self._named))


def _returned(cursor: oracledb.Cursor) -> tuple[ReturnedColumn, ...]:
    found = []
    for column in cursor.description or ():
        fits = _FITS.get(column.type_code, set())
        kind = str(column.type_code.name).removeprefix("DB_TYPE_")
        found.append(ReturnedColumn(column.name, kind, frozenset(fits)))
    return tuple(found)


def _fetched_as(cursor: oracledb.Cursor, column: oracledb.FetchInfo) -> oracledb.Var | None:
    """Decode bytes that are no text to a mark, where the driver would raise an error."""
    if _FITS.get(column.type_code) is not _TEXT or not column.internal_size:
        return None
    return cursor.var(
        column.type_code,
        column.internal_size,
        arraysize=cursor.arraysize,
        encoding_errors=_MARKED,
    )


@contextmanager
def _cursor(connection: oracledb.Connection) -> Iterator[oracledb.Cursor]:
    cursor = connection.cursor()
    try:
        yield cursor
    finally:
        with suppress(oracledb.Error):  # whoever stops half-way may have closed the connection
            cursor.close()


@contextmanager
def _explained(where: str, sql: str) -> Iterator[None]:
    try:
        yield
    except oracledb.Error as error:
        raise explain(error, where=where, sql=sql) from None
    except SourceContractError as error:
        raise SourceContractError(f"{where}: {error}") from None
    except (ValueError, OverflowError):
        # what the driver cannot decode: its message, and its object even more, hold the value
        raise SourceContractError(
            f"{where}: the ERP returned a value that the driver cannot read: let the SQL return "
            f"to_char(..., '{MOMENT_FORMAT}') of each date"
        ) from None
