"""The ERPs: each connection once, its pool, and the query of each hospital behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from track_dispatch.doctor.check import DoubtError, check, obtain
from track_dispatch.errors import ConfigError, SourceContractError
from track_dispatch.extraction.contract import check_columns
from track_dispatch.extraction.lint import lint
from track_dispatch.extraction.oracle import describe_query, open_connection
from track_dispatch.extraction.query import render
from track_dispatch.hooks.pools import pool_slots

if TYPE_CHECKING:
    import oracledb

    from track_dispatch.config import Hospital
    from track_dispatch.doctor.check import Check

#: Seconds for one round trip: parsing is quick, however long the query would take.
PATIENCE = 60.0


def check_erp(conn_id: str, hospitals: Sequence[Hospital]) -> Iterator[Check]:
    """Look at one connection and what its hospitals ask through it.

    It is opened once: failed log-ons lock the account.
    """
    for pool in sorted({hospital.pool for hospital in hospitals}):
        yield check(pool, "pool", partial(_look_up, pool))
    with ExitStack() as stack:
        connection, reached = obtain(conn_id, "connection", lambda: _open(conn_id, stack))
        yield reached
        for hospital in hospitals:
            yield from _check_query(hospital, connection)


def _look_up(pool: str) -> str:
    slots = pool_slots().get(pool)
    if slots is None:
        raise ConfigError(
            f"Airflow has no pool {pool}, and extractions would wait for ever: run"
            " `python -m track_dispatch setup`"
        )
    if slots != 1:
        raise ConfigError(
            f"the pool {pool} has {slots} slots: give it one, or"
            f" {'no extraction ever runs' if slots == 0 else 'extractions meet in the ERP'}"
        )
    return "one slot"


def _open(conn_id: str, stack: ExitStack) -> tuple[oracledb.Connection, str]:
    connection = stack.enter_context(open_connection(conn_id))
    return connection, f"Oracle {connection.version} lets {connection.username} in"


def _check_query(hospital: Hospital, connection: oracledb.Connection | None) -> Iterator[Check]:
    """Let the ERP parse a hospital's query; it is never run."""
    columns, parsed = obtain(hospital.code, "query", lambda: _parse(hospital, connection))
    yield parsed
    yield check(hospital.code, "columns", lambda: _compare_columns(columns))


def _parse(
    hospital: Hospital, connection: oracledb.Connection | None
) -> tuple[Sequence[oracledb.FetchInfo], str]:
    sql = render(hospital)
    # Oracle runs what is no query as soon as it parses it: nothing doubtful gets there.
    if findings := lint(sql, file=hospital.sql):
        raise SourceContractError(
            f"the linter refuses it, {findings[0]}; all of it:"
            f" `python -m track_dispatch sql {hospital.code} --check`"
        )
    if connection is None:
        raise DoubtError(f"not looked at: {hospital.oracle_conn_id} could not be opened")
    columns = describe_query(
        connection,
        sql=sql,
        module="track_dispatch",
        action=f"{hospital.code} doctor",
        call_timeout_seconds=PATIENCE,
    )
    return columns, "the ERP parses it, with its binds; it was not run"


def _compare_columns(columns: Sequence[oracledb.FetchInfo] | None) -> str:
    if columns is None:
        raise DoubtError("not looked at: the query was not parsed")
    return f"{len(check_columns(columns).names)} columns, as agreed"
