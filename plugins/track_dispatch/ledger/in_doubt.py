"""Batches in doubt: how a lease that is over makes one, and which there are.

Whether Track has their lines is unknown; a person decides (`decisions`).
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, func, or_, select

from track_dispatch.ledger import schema
from track_dispatch.ledger.batches import insert_batch, lock_batch, move_batch
from track_dispatch.ledger.database import Ledger
from track_dispatch.ledger.envelopes import span
from track_dispatch.ledger.keys import KeyRing
from track_dispatch.ledger.schema import IS_IN_DOUBT, addresses_in, of_batches
from track_dispatch.ledger.sql import among, moment_in
from track_dispatch.ledger.transitions import Transition, apply_transition
from track_dispatch.records import Actor, HospitalDay
from track_dispatch.states import BatchState, LineState

_batches, _units, _lines = schema.batches, schema.units, schema.lines


def expire_leases(ledger: Ledger, *, hospital: str | None = None, actor: Actor) -> int:
    """Put in doubt what is still under way when its lease is over; return how many lines.

    What is left over of a split batch becomes a batch of its own, for a person to decide on: the
    old one's key must never stand for other content. A rehearsal just ends.

    Without a hospital, the batches of all are looked at.
    """
    batches = _batches
    over = (
        select(batches.c.id)
        .outerjoin(_units, _units.c.id == batches.c.unit)
        .where(batches.c.lease_until < moment_in())
        .order_by(batches.c.id)
    )
    if hospital is not None:
        over = over.where(or_(batches.c.unit.is_(None), _units.c.hospital == hospital))
    with ledger.reading() as connection:
        if connection.scalar(over.limit(1)) is None:
            return 0
    with ledger.writing_in_turn() as connection:
        return sum(
            _expire(connection, ledger.keys, batch, actor)
            for batch in connection.scalars(over).all()
        )


def _expire(connection: Connection, keys: KeyRing, batch_id: str, actor: Actor) -> int:
    """End one lease that is over."""
    batch = lock_batch(connection, batch_id)
    if batch is None or batch["unit"] is None or batch["envelope"] is None:
        move_batch(
            connection, batch_id, BatchState.SENDING, to=BatchState.SETTLED, lease_until=None
        )
        return 0  # a rehearsal
    state = BatchState(batch["state"])
    left_over = state is not BatchState.SENDING
    doubted = str(uuid.uuid4()) if left_over else batch_id
    moved = apply_transition(
        connection,
        Transition.LEASE_EXPIRED,
        LineState.IN_DOUBT,
        _lines.c.address.between(*span(batch["envelope"])),
        _lines.c.batch == batch_id,
        keys=keys,
        actor=actor,
        batch=doubted,
    )
    if left_over and moved:
        _insert_left_over(connection, batch, doubted, len(moved))
    to = state if left_over else BatchState.IN_DOUBT
    move_batch(connection, batch_id, state, to=to, lease_until=None)
    return len(moved)


def _insert_left_over(connection: Connection, old: RowMapping, new_id: str, lines: int) -> None:
    """Write the batch of what is left over of a split one."""
    kept = ("claim", "survey", "unit", "envelope", "validity_at", "reminder_at", "status",
            "run_id", "try_number", "package_version", "include_digest")  # fmt: skip
    insert_batch(
        connection,
        state=BatchState.IN_DOUBT,
        id=new_id,
        lines=lines,
        parent=old["id"],
        **{name: old[name] for name in kept},
    )


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
    left = _lines_in_doubt(connection, rows)
    return [_in_doubt_batch(row, left[row.id]) for row in rows if left[row.id]]


def _lines_in_doubt(connection: Connection, batches: Sequence[Any]) -> Counter[str]:
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
