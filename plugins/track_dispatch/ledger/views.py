"""What the ledger says of a day: counts, the equation, its runs. Reading only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from track_dispatch.ledger import schema
from track_dispatch.records import LineState

if TYPE_CHECKING:
    from datetime import date, datetime

    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class LineCount:
    """How many lines of a day stand alike; `area` is None where the ERP's label was unknown."""

    area: str | None
    channel: str | None
    state: LineState
    reason: str | None
    lines: int


@dataclass(frozen=True, slots=True)
class Equation:
    """What became of the rows of one extraction; nothing may be missing."""

    rows: int
    rows_merged: int
    attendances: int
    other_day: int
    other_hospital: int
    states: tuple[tuple[LineState, int], ...]

    @property
    def lines(self) -> int:
        """Lines of this day that the extraction found."""
        return sum(count for _, count in self.states)

    @property
    def holds(self) -> bool:
        """Whether every row is accounted for."""
        return (
            self.rows == self.rows_merged + self.attendances
            and self.attendances == self.lines + self.other_day + self.other_hospital
        )


@dataclass(frozen=True, slots=True)
class RunWork:
    """What the ledger holds of one run's extraction and transformation."""

    extracted: bool
    transformed: bool


def run_work(connection: Connection, *, hospital: str, business_day: date, run_id: str) -> RunWork:
    """Tell whether the run's last extraction is complete, and applied or rightly superseded."""
    table = schema.extractions
    last = connection.execute(
        select(table.c.completed_at, table.c.applied_at, table.c.superseded_at)
        .where(
            table.c.hospital == hospital,
            table.c.business_day == business_day,
            table.c.run_id == run_id,
        )
        .order_by(table.c.started_at.desc())
        .limit(1)
    ).one_or_none()
    if last is None:
        return RunWork(extracted=False, transformed=False)
    done = bool(last.applied_at or last.superseded_at)
    return RunWork(extracted=last.completed_at is not None, transformed=done)


@dataclass(frozen=True, slots=True)
class LastRun:
    """The latest run that began to extract a day."""

    run_id: str
    started_at: datetime


def last_run(connection: Connection, *, hospital: str, business_day: date) -> LastRun | None:
    """Find the run whose extraction of a day began last; None when no run ever did."""
    table = schema.extractions
    row = connection.execute(
        select(table.c.run_id, table.c.started_at)
        .where(table.c.hospital == hospital, table.c.business_day == business_day)
        .order_by(table.c.started_at.desc())
        .limit(1)
    ).one_or_none()
    return LastRun(*row) if row else None


def equation(connection: Connection, *, hospital: str, business_day: date) -> Equation | None:
    """Balance the newest applied extraction of a day; None when none was applied."""
    table, lines = schema.extractions, schema.lines
    newest = connection.execute(
        select(table)
        .where(
            table.c.hospital == hospital,
            table.c.business_day == business_day,
            table.c.applied_at.is_not(None),
        )
        .order_by(table.c.completed_at.desc(), table.c.id)
        .limit(1)
    ).one_or_none()
    if newest is None:
        return None
    states = connection.execute(
        select(lines.c.state, func.count())
        .where(lines.c.extraction_id == newest.id)
        .group_by(lines.c.state)
        .order_by(lines.c.state)
    ).all()
    return Equation(
        rows=newest.rows,
        rows_merged=newest.rows_merged,
        attendances=newest.attendances,
        other_day=newest.other_day,
        other_hospital=newest.other_hospital,
        states=tuple((LineState(state), count) for state, count in states),
    )


def day_counts(
    connection: Connection, *, hospital: str, business_day: date
) -> tuple[LineCount, ...]:
    """Count a day's lines by area, channel, state and reason, whichever extraction found them."""
    lines = schema.lines
    kinds = (lines.c.area, lines.c.channel, lines.c.state, lines.c.reason)
    rows = connection.execute(
        select(*kinds, func.count())
        .where(lines.c.hospital == hospital, lines.c.business_day == business_day)
        .group_by(*kinds)
        .order_by(*kinds)
    )
    return tuple(
        LineCount(area, channel, LineState(state), reason, count)
        for area, channel, state, reason, count in rows
    )
