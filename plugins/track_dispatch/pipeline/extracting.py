"""The task `extract`: one day of the ERP into the ledger, encrypted, as one extraction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from track_dispatch.config import check_go_live
from track_dispatch.extraction.query import render
from track_dispatch.extraction.reader import open_connection, read_day
from track_dispatch.ledger.restoring import require_extractable
from track_dispatch.ledger.staging import stage_extraction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from track_dispatch.ledger.database import Ledger
    from track_dispatch.pipeline.run import Run
    from track_dispatch.records import ErpRow

#: Seconds that one round trip to the ERP may take: its first rows cost the whole query.
CALL_TIMEOUT = 600.0


def extract(
    run: Run, *, ledger: Ledger, track_host: str, call_timeout_seconds: float = CALL_TIMEOUT
) -> dict[str, int | str]:
    """Stage the day's rows and return their count, with the day.

    Raises:
        ConfigError: a setting, the SQL template or the connection is wrong; or nobody can tell
            who was asked on this day.
        SourceUnavailableError: the ERP is unreachable or too slow.
        SourceContractError: the query's columns are not the agreed ones.
        LedgerError: the ledger failed; the extraction stays incomplete.
    """
    hospital = run.hospital
    check_go_live(hospital, track_host)
    with ledger.reading() as connection:
        require_extractable(
            connection,
            hospital=hospital.code,
            business_day=run.business_day,
            zone=hospital.zone,
        )
    sql = render(hospital)
    rows = stage_extraction(
        ledger,
        day_chunks(run, sql, call_timeout_seconds=call_timeout_seconds),
        source=hospital.source,
        hospital=hospital.code,
        business_day=run.business_day,
        actor=run.actor,
    )
    return {"business_day": run.business_day.isoformat(), "rows": rows}


def day_chunks(
    run: Run, sql: str, *, call_timeout_seconds: float = CALL_TIMEOUT
) -> Iterator[list[ErpRow]]:
    """Yield the day's rows as the ERP gives them, chunk by chunk."""
    with open_connection(run.hospital.oracle_conn_id) as connection:
        yield from read_day(
            connection,
            sql=sql,
            day=run.business_day,
            module="track_dispatch",
            action=f"{run.hospital.code} {run.business_day}",
            call_timeout_seconds=call_timeout_seconds,
        )
