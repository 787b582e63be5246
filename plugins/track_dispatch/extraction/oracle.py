"""Reading one business day from an ERP through Airflow's OracleHook, chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from typing import TYPE_CHECKING

import oracledb

from track_dispatch.errors import ConfigError, SourceContractError, raised_alone
from track_dispatch.extraction.contract import check_columns
from track_dispatch.extraction.oracle_errors import explain
from track_dispatch.extraction.query import BINDS, binds, typed

if TYPE_CHECKING:
    from track_dispatch.extraction.contract import ErpColumns

#: V$SESSION keeps no more bytes of them on servers before 12.2.
_MODULE_BYTES, _ACTION_BYTES = 48, 32


@contextmanager
def open_connection(conn_id: str) -> Iterator[oracledb.Connection]:
    """Open the ERP's connection as Airflow knows it, and close it afterwards.

    The hook reads everything from the connection, thick mode included.

    Raises:
        ConfigError: Airflow has no such connection, or the ERP refuses what it says.
        SourceUnavailableError: the ERP cannot be reached.
    """
    connection = _connect(conn_id)
    try:
        yield connection
    finally:
        with suppress(oracledb.Error):  # a broken connection has nothing left to close
            connection.close()


@raised_alone()
def _connect(conn_id: str) -> oracledb.Connection:
    # Imported here: the hook is slow to load, and whoever parses a DAG file passes by.
    from airflow.providers.oracle.hooks.oracle import (  # noqa: PLC0415, TID251 - the one reader
        OracleHook,
    )
    from airflow.sdk.exceptions import AirflowNotFoundException  # noqa: PLC0415, TID251

    try:
        # log_sql: the hook would log every statement with its parameters
        return OracleHook(oracle_conn_id=conn_id, log_sql=False).get_conn()
    except AirflowNotFoundException:
        raise ConfigError(
            f"Airflow has no connection {conn_id}: create it (type oracle; host, port, login, "
            f'password; extra {{"service_name": ...}})'
        ) from None
    except TypeError as error:
        raise ConfigError(f"connection {conn_id}: its extra is malformed: {error}") from None
    except oracledb.Error as error:
        raise explain(error, where=f"connection {conn_id}", otherwise=ConfigError) from None


def read_columns(
    connection: oracledb.Connection,
    *,
    sql: str,
    day: date,
    module: str,
    action: str,
    call_timeout_seconds: float,
    chunk_rows: int = 2000,
) -> Iterator[ErpColumns]:
    """Yield the day's rows as columns, in chunks of `chunk_rows` rows; one chunk is held at most.

    Everything is read in one read-only transaction, so that the day is seen as of one moment. The
    columns are checked before the first row is used.

    Args:
        connection: from `open_connection`; whoever iterates uses it, from one thread at a time.
        sql: from `query.render`.
        day: the business day.
        module: what a DBA sees in V$SESSION.MODULE; cut at 48 bytes.
        action: what a DBA sees in V$SESSION.ACTION; cut at 32 bytes.
        call_timeout_seconds: the longest that one round trip to the ERP may take.
        chunk_rows: rows for each round trip and each chunk.

    Raises:
        SourceContractError: the columns are not the agreed ones, a row has no attendance id, or the
            ERP refuses the query.
        SourceUnavailableError: the ERP broke off or was too slow.
    """
    where = f"reading the ERP ({module}, {action})"
    with raised_alone(), _explained(where):
        _introduce(connection, module, action, call_timeout_seconds)
        connection.rollback()  # the next statement must be the first of its transaction
        with _cursor(connection) as cursor:
            cursor.execute("set transaction read only")
            cursor.arraysize = cursor.prefetchrows = chunk_rows
            cursor.execute(sql, binds(day))
            plan = check_columns(cursor.description or ())
            position = 1
            while rows := cursor.fetchmany(chunk_rows):
                yield plan.to_columns(rows, position=position)
                position += len(rows)


def describe_query(
    connection: oracledb.Connection,
    *,
    sql: str,
    module: str,
    action: str,
    call_timeout_seconds: float,
) -> Sequence[oracledb.FetchInfo]:
    """Let the ERP parse a query, and return its columns; nothing is executed, no row is read.

    Args:
        connection: from `open_connection`.
        sql: one SELECT, from `query.render`; Oracle would run anything but a query when parsing it.
        module: as for `read_columns`.
        action: as for `read_columns`.
        call_timeout_seconds: the longest that one round trip to the ERP may take.

    Raises:
        SourceContractError: the ERP refuses the query, or it has other binds than the day's.
        SourceUnavailableError: the ERP broke off or was too slow.
    """
    where = f"parsing on the ERP ({module}, {action})"
    with raised_alone(), _explained(where):
        _introduce(connection, module, action, call_timeout_seconds)
        with _cursor(connection) as cursor:
            cursor.parse(typed(sql))
            found = sorted(name.lower() for name in cursor.bindnames())
            if found != sorted(BINDS):
                raise SourceContractError(
                    f"the query has the binds {', '.join(found) or 'none'}; it must have "
                    f"{' and '.join(BINDS)}; correct the SQL"
                )
            return cursor.description or ()


def _introduce(
    connection: oracledb.Connection, module: str, action: str, call_timeout_seconds: float
) -> None:
    """Limit each round trip, and tell the DBA who asks."""
    connection.call_timeout = round(call_timeout_seconds * 1000)
    connection.module = module.encode()[:_MODULE_BYTES].decode(errors="ignore")
    connection.action = action.encode()[:_ACTION_BYTES].decode(errors="ignore")


@contextmanager
def _cursor(connection: oracledb.Connection) -> Iterator[oracledb.Cursor]:
    cursor = connection.cursor()
    try:
        yield cursor
    finally:
        with suppress(oracledb.Error):  # whoever stops half-way may have closed the connection
            cursor.close()


@contextmanager
def _explained(where: str) -> Iterator[None]:
    try:
        yield
    except oracledb.Error as error:
        raise explain(error, where=where, otherwise=SourceContractError) from None
    except SourceContractError as error:
        raise SourceContractError(f"{where}: {error}") from None
    except ValueError:
        # what the driver cannot decode: its message, and its object even more, hold the value
        raise SourceContractError(
            f"{where}: the ERP returned a text or a date that the driver cannot read; find it with "
            f"the DBA, then cleanse it in the SQL"
        ) from None
