"""Batches in doubt: what a person needs to know of them to decide. Reading only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from track_dispatch.ledger import schema
from track_dispatch.ledger.joins import IS_IN_DOUBT, addresses_in, of_batches
from track_dispatch.ledger.sql import among, moment_in
from track_dispatch.records import HospitalDay
from track_dispatch.states import LineState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

_batches, _units, _lines = schema.batches, schema.units, schema.lines


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
    where = [IS_IN_DOUBT]
    if hospital is not None:
        where.append(_units.c.hospital == hospital)
    if batch is not None:
        where.append(_batches.c.id == batch)
    of_unit = (_units.c.hospital, _units.c.business_day, _units.c.area, _units.c.channel)
    rows = connection.execute(
        select(_batches, *of_unit, moment_in().label("now"))
        .join(_units, _units.c.id == _batches.c.unit)
        .where(*where)
        .order_by(_batches.c.changed_at, _batches.c.id)
    ).all()
    left = lines_in_doubt(connection, rows)
    return [_in_doubt_batch(row, left[row.id]) for row in rows if left[row.id]]


def lines_in_doubt(connection: Connection, batches: Sequence[Any]) -> Counter[str]:
    """Count the lines of batches, given as rows, that are in doubt."""
    counts = connection.execute(
        select(_lines.c.batch, func.count())
        .where(
            among(_lines.c.address, "addresses"),
            among(_lines.c.batch, "batches"),
            _lines.c.state == LineState.IN_DOUBT,
        )
        .group_by(_lines.c.batch),
        {
            "addresses": addresses_in(of_batches(connection, batches)),
            "batches": [row.id for row in batches],
        },
    )
    return Counter({batch: lines for batch, lines in counts})  # noqa: C416


def _in_doubt_batch(row: Any, lines: int) -> InDoubtBatch:
    until = row.lease_until
    return InDoubtBatch(
        id=row.id,
        survey=row.survey,
        day=HospitalDay(row.hospital, row.business_day),
        area=row.area,
        channel=row.channel,
        posted_lines=row.lines,
        lines=lines,
        status=row.status,
        since=row.changed_at,
        lease_seconds=max(0.0, (until - row.now).total_seconds()) if until else 0.0,
        restored=row.decision is not None,
    )
