"""The task `extract`: read the run's day from the ERP and stage it in the ledger, encrypted.

A run also reads the `look_back_days` before its own day, and each day with lines that still wait
and may still be sent, so that no line goes out that was read long ago.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import date, datetime
from functools import cache

from track_dispatch.config import check_conflicts, check_go_live
from track_dispatch.errors import (
    ConfigError,
    ForgottenDayError,
    LogOnRefusedError,
    SourceContractError,
    SourceError,
    SourceUnavailableError,
)
from track_dispatch.extraction.oracle import Erp, LogOnWarning, account_of, open_erp, read_ahead
from track_dispatch.extraction.query import ErpColumns, render
from track_dispatch.ledger.backups import require_extractable
from track_dispatch.ledger.database import Ledger
from track_dispatch.ledger.extractions import stage_extraction, stale_days
from track_dispatch.ledger.stop_switch import tried_once
from track_dispatch.pipeline import Run
from track_dispatch.pipeline.problems import FORGOTTEN, day_text
from track_dispatch.process import paused_collector
from track_dispatch.records import HospitalDay
from track_dispatch.states import Count

log = logging.getLogger(__name__)

#: Seconds that one round trip to the ERP may take: the first one waits for the whole query.
CALL_TIMEOUT = 600.0

#: By type of error, why another day could not be read, for the analyst; the first match counts.
_NOT_READ = {
    ForgottenDayError: FORGOTTEN,
    LogOnRefusedError: "o ERP recusou o usuário e a senha da conexão",
    SourceUnavailableError: "o ERP não respondeu a tempo",
    SourceContractError: "a consulta não trouxe as colunas combinadas",
    ConfigError: "um arquivo ou uma conexão está errado",
}


def extract(
    run: Run,
    *,
    ledger: Ledger,
    track_host: str,
    now: datetime,
    call_timeout_seconds: float = CALL_TIMEOUT,
) -> dict[str, int | str]:
    """Stage the rows of the run's day, then those of the other days that are due; count them.

    A failure to read another day leaves that day as it was; `report` names it.

    Args:
        run: the hospital and its day.
        ledger: open.
        track_host: where lines would be sent.
        now: aware; the day at the hospital is counted from it.
        call_timeout_seconds: the longest that one round trip to the ERP may take.

    Raises:
        ConfigError: a setting, the SQL template or the connection is wrong, or another hospital's
            file contradicts it; or nobody can tell who was asked on this day.
        SourceUnavailableError: the ERP is unreachable or too slow.
        SourceContractError: the query's columns are not the agreed ones.
        LedgerError: the ledger failed; the extraction stays incomplete.
    """
    hospital = run.hospital
    check_go_live(hospital, track_host)
    check_conflicts(hospital.code)
    with ledger.reading() as connection:
        require_extractable(connection, run.day)
        others = run.other_days(
            stale_days(connection, hospital=hospital.code, today=run.today(now))
        )
    sql = render(hospital)
    with ExitStack() as held:

        @cache
        def erp() -> Erp:
            return held.enter_context(_open(run, ledger, call_timeout_seconds))

        rows = _stage(ledger, run, run.day, erp, sql)
        read = sum(_stage_other(ledger, run, day, erp, sql) for day in others)
    return {
        "business_day": run.business_day.isoformat(),
        "rows": rows,
        "other_days": read,
        "other_days_failed": len(others) - read,
    }


def _stage_other(
    ledger: Ledger, run: Run, day: HospitalDay, erp: Callable[[], Erp], sql: str
) -> bool:
    """Stage another day's rows; return whether that was possible."""
    try:
        with ledger.reading() as connection:
            require_extractable(connection, day)
        _stage(ledger, run, day, erp, sql)
    except (SourceError, ConfigError) as error:
        why = next(text for kind, text in _NOT_READ.items() if isinstance(error, kind))
        where = day_text(day, read_again=True)
        log.warning("ATENÇÃO: %s: não pôde ser lido: %s", where, why)
        log.info("%s", error)  # for the engineer
        return False
    return True


def _stage(ledger: Ledger, run: Run, day: HospitalDay, erp: Callable[[], Erp], sql: str) -> int:
    conn_id = run.hospital.oracle_conn_id
    read = _read(run, erp, sql, day.business_day)
    with paused_collector(), read_ahead(read) as chunks:
        rows = stage_extraction(
            ledger,
            chunks,
            source=run.hospital.source,
            day=day,
            actor=run.actor,
            warned=lambda: _warning_text(erp().warning, conn_id),
        )
    where = day_text(day, read_again=day != run.day)
    log.info("%s: %s do ERP", where, f"{Count(rows):registro lido|registros lidos}")
    return rows


def _warning_text(warning: LogOnWarning | None, conn_id: str) -> str | None:
    """Write in Portuguese the ERP's warning at the log-on; None without a warning."""
    if warning is None:
        return None
    if not warning.expires:
        return f"o ERP avisou {warning.code} ao aceitar a conexão {conn_id}: pergunte ao DBA"
    when = f"em {Count(warning.days):dia|dias}" if warning.days else "em breve"
    return f"a senha da conexão {conn_id} vence {when} ({warning.code}): combine a nova com o DBA"


@contextmanager
def _open(run: Run, ledger: Ledger, call_timeout_seconds: float) -> Iterator[Erp]:
    """Log on, unless the ERP has refused the connection's user and password before."""
    conn_id = run.hospital.oracle_conn_id
    with ExitStack() as held:
        with tried_once(ledger, account_of(conn_id), conn_id=conn_id):
            erp = held.enter_context(
                open_erp(
                    conn_id,
                    logon_deadline_seconds=run.hospital.oracle_logon_deadline_seconds,
                    call_timeout_seconds=call_timeout_seconds,
                )
            )
        yield erp


def _read(run: Run, erp: Callable[[], Erp], sql: str, day: date) -> Iterator[ErpColumns]:
    """Read a day; the query starts with the first chunk.

    The ledger has begun the extraction by then, so that a failed one is on record for `report`.
    """
    yield from erp().read(sql, day=day, action=f"{run.hospital.code} {day}")


def read_columns_of(run: Run, ledger: Ledger, day: date) -> Iterator[ErpColumns]:
    """Yield a day's rows without staging them: a dry run keeps patients in memory only."""
    check_conflicts(run.hospital.code)
    with _open(run, ledger, CALL_TIMEOUT) as erp:
        yield from _read(run, lambda: erp, render(run.hospital), day)
