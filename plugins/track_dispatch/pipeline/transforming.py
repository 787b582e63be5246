"""The task `transform`: one line or exclusion per attendance, in one transaction."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from track_dispatch.errors import ConfigError
from track_dispatch.ledger.applying import applying
from track_dispatch.ledger.staging import newest_extraction, staged_chunks
from track_dispatch.ledger.views import day_counts
from track_dispatch.pipeline.evaluating import DayEvaluation
from track_dispatch.records import LineState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date, datetime

    from track_dispatch.ledger.applying import Application
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.pipeline.run import Run
    from track_dispatch.records import ErpRow


@dataclass(frozen=True, slots=True)
class Transformed:
    """What the task gives to the next ones: units, and counts by state and reason."""

    units: list[dict[str, str | int]]
    counts: dict[str, int]


def transform(run: Run, *, ledger: Ledger, now: datetime) -> Transformed:
    """Apply the run's newest complete extraction and return what the ledger then holds.

    Raises:
        ConfigError: the run has no complete extraction, or a setting is wrong.
        LedgerError: the ledger failed; it is as it was.
    """
    hospital, day = run.hospital, run.business_day
    with ledger.reading() as connection:
        extraction = newest_extraction(
            connection, hospital=hospital.code, business_day=day, run_id=run.id
        )
    if extraction is None:
        message = f"{hospital.code} {day}: this run holds no complete extraction; clear `extract`"
        raise ConfigError(message)
    with applying(ledger, extraction, run.actor, zone=hospital.zone) as application:
        if application is not None:
            _apply(run, application, evaluated_on=now.astimezone(hospital.zone).date())
    with ledger.reading() as connection:
        counts = day_counts(connection, hospital=hospital.code, business_day=day)
    units: dict[tuple[str, str], int] = {}
    totals: Counter[str] = Counter()
    for count in counts:
        kind = f"{count.state}({count.reason})" if count.reason else str(count.state)
        totals[kind] += count.lines
        if count.area and count.channel and count.state is not LineState.EXCLUDED:
            ready = count.lines if count.state is LineState.READY else 0
            key = (count.area, count.channel)
            units[key] = units.get(key, 0) + ready
    return Transformed(
        units=[
            {"area": area, "channel": channel, "lines": ready}
            for (area, channel), ready in units.items()
        ],
        counts=dict(totals),
    )


def _apply(run: Run, application: Application, *, evaluated_on: date) -> None:
    """Propose the day's lines and exclusions, chunk by chunk, and finish the application."""

    def reading() -> Iterator[list[ErpRow]]:
        return staged_chunks(application.ledger, application.connection, application.extraction.id)

    day = DayEvaluation(run, reading, application.known, evaluated_on=evaluated_on)
    for proposals in day.proposals():
        application.propose(proposals)
    application.finish(rows_merged=day.rows - day.attendances)
