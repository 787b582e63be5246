"""The life of one attendance, and the refusals of Track, as the ledger tells them. Reading only.

Neither holds a name or a contact: the ledger keeps none of a settled line.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from track_dispatch.ledger import schema
from track_dispatch.records import LineState

if TYPE_CHECKING:
    from datetime import date, datetime

    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Step:
    """One event of a line, with the batch it was in and the person who decided, if one did."""

    at: datetime
    transition: str
    state: str
    reason: str | None
    detail: str | None
    actor: str
    run_id: str | None
    batch_id: str | None
    receipt: str | None
    why: str | None


@dataclass(frozen=True, slots=True)
class Life:
    """Where an attendance stands, and how it came there."""

    attendance_id: str = field(repr=False)
    hospital: str
    business_day: date
    area: str | None
    channel: str | None
    state: LineState
    reason: str | None
    steps: tuple[Step, ...]


def life_of(connection: Connection, *, source: str, attendance_id: str) -> Life | None:
    """Tell what became of an attendance; None when the ledger does not know it."""
    lines, events = schema.lines, schema.events
    batches, decisions = schema.batches, schema.decisions
    line = connection.execute(
        select(lines).where(lines.c.source == source, lines.c.attendance_id == attendance_id)
    ).one_or_none()
    if line is None:
        return None
    of_event = ("at", "transition", "state", "reason", "detail", "actor", "run_id", "batch_id")
    told: list[Any] = [*(events.c[name] for name in of_event), batches.c.receipt, decisions.c.why]
    rows = connection.execute(
        select(*told)
        .outerjoin(batches, batches.c.id == events.c.batch_id)
        .outerjoin(decisions, decisions.c.id == events.c.decision_id)
        .where(events.c.line_id == line.id)
        .order_by(events.c.id)
    )
    return Life(
        attendance_id=line.attendance_id,
        hospital=line.hospital,
        business_day=line.business_day,
        area=line.area,
        channel=line.channel,
        state=LineState(line.state),
        reason=line.reason,
        steps=tuple(Step(*row) for row in rows),
    )


@dataclass(frozen=True, slots=True)
class Refused:
    """Lines that Track refused alike; `detail` is the code and the field that it faulted."""

    hospital: str
    business_day: date
    area: str | None
    kind: str
    detail: str | None
    retry_allowed: bool
    lines: int


def refusals(connection: Connection) -> list[Refused]:
    """Count the lines that stand refused, by what Track faulted; the latest day first."""
    lines, events = schema.lines, schema.events
    last = (
        select(events.c.line_id, func.max(events.c.id).label("id"))
        .join(lines, lines.c.id == events.c.line_id)
        .where(lines.c.state == LineState.REFUSED, events.c.transition != "retry_allowed")
        .group_by(events.c.line_id)
        .subquery()
    )
    kinds = (
        lines.c.hospital,
        lines.c.business_day,
        lines.c.area,
        lines.c.reason,
        events.c.detail,
        lines.c.retry_allowed,
    )
    rows = connection.execute(
        select(*kinds, func.count())
        .join(last, last.c.line_id == lines.c.id)
        .join(events, events.c.id == last.c.id)
        .where(lines.c.state == LineState.REFUSED)
        .group_by(*kinds)
        .order_by(lines.c.business_day.desc(), *kinds)
    )
    return [Refused(*row) for row in rows]
