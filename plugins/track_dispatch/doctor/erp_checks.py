"""The ERPs: each connection once, its pool, and the query of each hospital behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from track_dispatch.doctor.check import Check, CheckStatus, DoubtError, check, obtain
from track_dispatch.errors import ConfigError, SourceContractError
from track_dispatch.extraction.contract import ReturnedColumn, check_columns
from track_dispatch.extraction.lint import lint
from track_dispatch.extraction.oracle import Erp, open_erp
from track_dispatch.extraction.query import render
from track_dispatch.hooks.pools import pool_slots

if TYPE_CHECKING:
    from track_dispatch.config import Hospital

#: Seconds for one round trip: parsing is quick, however long the query would take.
PATIENCE = 60.0


def check_erp(conn_id: str, hospitals: Sequence[Hospital]) -> Iterator[Check]:
    """Look at one connection and what its hospitals ask through it.

    It is opened once: failed log-ons lock the account.
    """
    for pool in sorted({hospital.pool for hospital in hospitals}):
        yield check(pool, "pool", partial(_look_up, pool))
    with ExitStack() as stack:
        deadline = hospitals[0].oracle_logon_deadline_seconds  # one for all hospitals
        erp, reached = obtain(conn_id, "connection", lambda: _open(conn_id, deadline, stack))
        yield reached
        if erp is not None and erp.warning:
            yield Check(conn_id, "log-on", CheckStatus.WARN, erp.warning)
        for hospital in hospitals:
            yield from _check_query(hospital, erp)


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


def _open(conn_id: str, deadline_seconds: float, stack: ExitStack) -> tuple[Erp, str]:
    erp = stack.enter_context(
        open_erp(conn_id, logon_deadline_seconds=deadline_seconds, call_timeout_seconds=PATIENCE)
    )
    return erp, f"Oracle {erp.version} lets {erp.user} in"


def _check_query(hospital: Hospital, erp: Erp | None) -> Iterator[Check]:
    """Let the ERP parse a hospital's query; it is never run."""
    columns, parsed = obtain(hospital.code, "query", lambda: _parse(hospital, erp))
    yield parsed
    yield check(hospital.code, "columns", lambda: _compare_columns(columns))


def _parse(hospital: Hospital, erp: Erp | None) -> tuple[Sequence[ReturnedColumn], str]:
    sql = render(hospital)
    # Oracle runs what is no query as soon as it parses it: nothing doubtful gets there.
    if findings := lint(sql, file=hospital.sql):
        raise SourceContractError(
            f"the linter refuses it, {findings[0]}; all of it:"
            f" `python -m track_dispatch sql {hospital.code} --check`"
        )
    if erp is None:
        raise DoubtError(f"not looked at: {hospital.oracle_conn_id} could not be opened")
    columns = erp.describe(sql, action=f"{hospital.code} doctor")
    return columns, "the ERP parses it, with its binds; it was not run"


def _compare_columns(columns: Sequence[ReturnedColumn] | None) -> str:
    if columns is None:
        raise DoubtError("not looked at: the query was not parsed")
    return f"{len(check_columns(columns))} columns, as agreed"
