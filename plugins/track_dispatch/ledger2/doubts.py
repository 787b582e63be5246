"""Batches in doubt: what a person needs to know of them to decide. Reading only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, select

from track_dispatch.ledger2.joins import IS_OF_BATCH, LIES_IN, plan_without_compiling
from track_dispatch.ledger2.schema import batches as _batches
from track_dispatch.ledger2.schema import envelopes as _envelopes
from track_dispatch.ledger2.schema import lines as _lines
from track_dispatch.ledger2.schema import units as _units
from track_dispatch.ledger2.sql import moment_in
from track_dispatch.records import HospitalDay
from track_dispatch.states import BatchState, LineState

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class InDoubtBatch:
    """A batch whose fate nobody knows.

    Attributes:
        id: its id, the Idempotency-Key of its POST.
        survey: of Track; "" where it was never posted.
        day: the hospital's day.
        area: "" where its lines have none.
        channel: likewise.
        posted_lines: how many lines it was posted with.
        lines: how many of them are still in doubt.
        status: HTTP status of the answer, if there was one.
        since: when it became so.
        lease_seconds: what is left of the claim's lease; 0 when a person may decide.
        restored: doubted by `ledger restored`: this ledger never posted it.
    """

    id: str
    survey: str
    day: HospitalDay
    area: str
    channel: str
    posted_lines: int
    lines: int
    status: int | None
    since: datetime
    lease_seconds: float
    restored: bool


def in_doubt_batches(
    connection: Connection, *, hospital: str | None = None, batch: str | None = None
) -> list[InDoubtBatch]:
    """Return the batches that hold lines in doubt, the oldest first; all, or those chosen."""
    where = [_batches.c.state == BatchState.IN_DOUBT]
    if hospital is not None:
        where.append(_units.c.hospital == hospital)
    if batch is not None:
        where.append(_batches.c.id == batch)
    plan_without_compiling(connection)
    rows = connection.execute(
        select(
            _batches,
            _units.c.hospital,
            _units.c.business_day,
            _units.c.area,
            _units.c.channel,
            func.count().label("left"),
            moment_in().label("now"),
        )
        .select_from(_batches)
        .join(_units, _units.c.id == _batches.c.unit)
        .join(_envelopes, IS_OF_BATCH)
        .join(_lines, and_(LIES_IN, _lines.c.batch == _batches.c.id))
        .where(*where, _lines.c.state == LineState.IN_DOUBT)
        .group_by(
            *_batches.c, _units.c.hospital, _units.c.business_day, _units.c.area, _units.c.channel
        )
        .order_by(_batches.c.changed_at, _batches.c.id)
    )
    return [_in_doubt_batch(row) for row in rows]


def _in_doubt_batch(row: Any) -> InDoubtBatch:
    until = row.lease_until
    return InDoubtBatch(
        id=row.id,
        survey=row.survey,
        day=HospitalDay(row.hospital, row.business_day),
        area=row.area,
        channel=row.channel,
        posted_lines=row.lines,
        lines=row.left,
        status=row.status,
        since=row.changed_at,
        lease_seconds=max(0.0, (until - row.now).total_seconds()) if until else 0.0,
        restored=row.decision is not None,
    )
