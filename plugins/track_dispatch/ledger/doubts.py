"""Batches in doubt: what a person needs to know of them, and when she may decide."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, or_, select, update

from track_dispatch.errors import ConfigError, LinesInFlightError
from track_dispatch.ledger import schema
from track_dispatch.ledger.decisions import record_decision
from track_dispatch.ledger.schema import moment_in
from track_dispatch.records import Area, Channel, LineState, Unit

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection

    from track_dispatch.records import BatchState, Decision


@dataclass(frozen=True, slots=True)
class Doubt:
    """A batch that nobody knows the fate of; the moments are unix seconds.

    Attributes:
        posted_lines: how many lines the batch was posted with.
        lines: how many of them are still in doubt.
        lease_seconds: what is left of the claim's lease; 0 when a person may decide.
        restored: doubted by `ledger restored`: this ledger never posted it.
        erased: its payloads are gone, it is too old to be sent.
    """

    id: str
    survey_uuid: str
    unit: Unit
    posted_lines: int
    lines: int
    status: int | None
    since: datetime
    validity_at: int
    reminder_at: int | None
    lease_seconds: float
    restored: bool
    erased: bool


def doubts(connection: Connection, **chosen: Any) -> list[Doubt]:
    """Return the batches that hold lines in doubt, the oldest first.

    Args:
        connection: a transaction of the ledger.
        chosen: columns of `batches` with the values that they must have.
    """
    lines, batches = schema.lines, schema.batches
    rows = connection.execute(
        select(
            batches,
            func.count(lines.c.id).label("left"),
            func.max(lines.c.lease_until).label("leased_until"),
            func.count(lines.c.payload).label("payloads"),
            moment_in().label("now"),
        )
        .join(lines, lines.c.batch_id == batches.c.id)
        .where(
            lines.c.state == LineState.IN_DOUBT,
            *(batches.c[name] == value for name, value in chosen.items()),
        )
        .group_by(*batches.c)
        .order_by(batches.c.changed_at, batches.c.id)
    )
    return [_doubt(row) for row in rows]


def require_doubt(connection: Connection, batch_id: str) -> Doubt:
    """Return a batch in doubt that a person may decide about.

    Raises:
        ConfigError: there is none of this id.
        LinesInFlightError: its lease still runs.
    """
    found = doubts(connection, id=batch_id)
    if not found:
        raise ConfigError(
            f"no batch {batch_id} is in doubt: `python -m track_dispatch doubt list`, or the last"
            " lines of report's log, name those that are"
        )
    if found[0].lease_seconds > 0:
        raise LinesInFlightError(
            f"batch {batch_id}: its claim's lease still runs, an answer may yet come; decide in"
            f" {found[0].lease_seconds:.0f} s",
            retry_after=found[0].lease_seconds,
        )
    return found[0]


def record_about(connection: Connection, decision: Decision, doubt: Doubt) -> int:
    """Write down what a person decided about a batch in doubt; return the decision's id."""
    return record_decision(
        connection,
        decision,
        hospital=doubt.unit.hospital,
        business_day=doubt.unit.business_day,
        batch_id=doubt.id,
    )


def lease_is_over() -> ColumnElement[bool]:
    """Select lines that no owner may settle any more."""
    until = schema.lines.c.lease_until
    return or_(until.is_(None), until < moment_in())


def end_batch(connection: Connection, batch_id: str, state: BatchState) -> None:
    """End a batch under a new claim: the owner of the old one may no longer touch it."""
    batches = schema.batches
    connection.execute(
        update(batches)
        .where(batches.c.id == batch_id)
        .values(state=state, claim_id=str(uuid.uuid4()), changed_at=moment_in())
    )


def _doubt(row: Any) -> Doubt:
    until = row.leased_until
    return Doubt(
        id=row.id,
        survey_uuid=row.survey_uuid,
        unit=Unit(row.hospital, row.business_day, Area(row.area), Channel(row.channel)),
        posted_lines=row.lines,
        lines=row.left,
        status=row.status,
        since=row.changed_at,
        validity_at=row.validity_at,
        reminder_at=row.reminder_at,
        lease_seconds=max(0.0, (until - row.now).total_seconds()) if until else 0.0,
        restored=row.decision_id is not None,
        erased=row.payloads < row.left,
    )
