"""What a person may do to lines: settle a doubt, send it again, release, allow a retry.

Nothing here happens before the lease of a doubt is over: until then its owner may still answer.
Every function is one transaction, with the decision in it.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, or_, select, update

from track_dispatch.errors import ConfigError, LinesInFlightError
from track_dispatch.ledger import schema
from track_dispatch.ledger.admission import opted_out
from track_dispatch.ledger.claims import Batch, claimed_line, lease_from_now, require_survey_free
from track_dispatch.ledger.decisions import count_lines, record_decision
from track_dispatch.ledger.moves import NO_CLAIM, move
from track_dispatch.ledger.schema import moment_in
from track_dispatch.ledger.switch import require_running
from track_dispatch.ledger.transitions import Transition
from track_dispatch.records import Area, BatchState, Channel, LineState, Reason, Unit, Verb

if TYPE_CHECKING:
    from datetime import date, datetime

    from sqlalchemy import ColumnElement, Connection

    from track_dispatch.ledger.admission import Admission
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.records import Actor, Decision

_SETTLES = {Verb.SETTLE_SENT: LineState.ACCEPTED, Verb.ABANDON: LineState.ABANDONED}


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


def settle_doubt(ledger: Ledger, batch_id: str, decision: Decision) -> int:
    """Settle a batch as sent or as abandoned; return how many lines.

    Raises:
        ConfigError: no such doubt, or the run was carried out before.
        LinesInFlightError: its lease still runs.
    """
    with ledger.writing() as connection:
        doubt = require_doubt(connection, batch_id)
        decision_id = _record(connection, decision, doubt)
        moved = move(
            connection,
            Transition.DECIDED,
            _SETTLES[decision.what],
            schema.lines.c.batch_id == batch_id,
            _lease_is_over(),
            actor=decision.actor,
            decision_id=decision_id,
            **NO_CLAIM,
        )
        count_lines(connection, decision_id, len(moved))
        _end_batch(connection, batch_id, BatchState.SETTLED)
    return len(moved)


def reclaim(
    ledger: Ledger,
    batch_id: str,
    decision: Decision,
    *,
    validity_at: int,
    reminder_at: int | None,
    lease_seconds: float,
    admission: Admission,
) -> Batch | None:
    """Claim a batch in doubt for one more POST: same lines, same key, a new claim and lease.

    Lines whose person opted out since are abandoned. Where some of its lines are no longer in
    doubt the rest is a batch of its own, with a new key: a key never goes out again with other
    content. None where nothing is left to be sent.

    Raises:
        ConfigError: no such doubt, one that was never posted, or whose payloads are gone.
        LinesInFlightError: its lease still runs.
        SurveyBusyError: another batch of the survey is in flight.
        ServiceStoppedError: the switch is closed.
    """
    lines, batches = schema.lines, schema.batches
    with ledger.writing() as connection:
        require_running(connection)
        doubt = require_doubt(connection, batch_id)
        _require_sendable(doubt)
        decision_id = _record(connection, decision, doubt)
        left = doubt.lines - _abandon_opted_out(
            ledger, connection, doubt, admission, actor=decision.actor, decision_id=decision_id
        )
        if not left:
            _end_batch(connection, batch_id, BatchState.SETTLED)
            return None
        if left < doubt.posted_lines:
            batch_id = _separate(connection, replace(doubt, lines=left))
        lease, claim_id = lease_from_now(connection, lease_seconds), str(uuid.uuid4())
        require_survey_free(connection, doubt.survey_uuid)
        connection.execute(
            update(batches)
            .where(batches.c.id == batch_id)
            .values(
                state=BatchState.SENDING,
                claim_id=claim_id,
                lease_until=lease,
                validity_at=validity_at,
                reminder_at=reminder_at,
                changed_at=moment_in(),
            )
        )
        taken = move(
            connection,
            Transition.SENT_AGAIN,
            LineState.SENDING,
            lines.c.batch_id == batch_id,
            _lease_is_over(),
            actor=decision.actor,
            decision_id=decision_id,
            claim_id=claim_id,
            lease_until=lease,
        )
        count_lines(connection, decision_id, len(taken))
        return Batch(
            id=batch_id,
            claim_id=claim_id,
            survey_uuid=doubt.survey_uuid,
            unit=doubt.unit,
            validity_at=validity_at,
            reminder_at=reminder_at,
            lines=tuple(claimed_line(ledger, row) for row in taken),
        )


def release_day(ledger: Ledger, *, hospital: str, business_day: date, decision: Decision) -> int:
    """Make a day's held lines ready, and those that `restored` put in doubt; return how many.

    What was posted stays in doubt: only a person who looked at Track can settle it.

    Raises:
        ConfigError: nothing of the day waits for this, or the run was carried out before.
    """
    lines, batches = schema.lines, schema.batches
    day = (lines.c.hospital == hospital, lines.c.business_day == business_day)
    restored = select(batches.c.id).where(
        batches.c.hospital == hospital,
        batches.c.business_day == business_day,
        batches.c.decision_id.is_not(None),
        batches.c.state == BatchState.IN_DOUBT,
    )
    with ledger.writing() as connection:
        decision_id = record_decision(
            connection, decision, hospital=hospital, business_day=business_day
        )
        waking: dict[str, Any] = {
            "actor": decision.actor,
            "decision_id": decision_id,
            **NO_CLAIM,
            "batch_id": None,
            "reason": None,
        }
        moved = [
            *move(connection, Transition.APPROVED, LineState.READY, *day, **waking),
            *move(
                connection,
                Transition.DECIDED,
                LineState.READY,
                *day,
                lines.c.batch_id.in_(restored),
                lines.c.payload.is_not(None),
                **waking,
            ),
        ]
        if not moved:
            raise ConfigError(
                f"{hospital} {business_day}: no line is held, and none is in doubt because a backup"
                " was put back: there is nothing to release"
            )
        count_lines(connection, decision_id, len(moved))
        _end_emptied(connection, restored)
    return len(moved)


def allow_retry(ledger: Ledger, *, hospital: str, business_day: date, decision: Decision) -> int:
    """Let the day's next extraction take its refused lines up again; return how many.

    Raises:
        ConfigError: the day has no refused line, or the run was carried out before.
    """
    lines = schema.lines
    with ledger.writing() as connection:
        decision_id = record_decision(
            connection, decision, hospital=hospital, business_day=business_day
        )
        moved = move(
            connection,
            Transition.RETRY_ALLOWED,
            LineState.REFUSED,
            lines.c.hospital == hospital,
            lines.c.business_day == business_day,
            actor=decision.actor,
            decision_id=decision_id,
            retry_allowed=True,
        )
        if not moved:
            raise ConfigError(f"{hospital} {business_day}: Track refused no line of this day")
        count_lines(connection, decision_id, len(moved))
    return len(moved)


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


def _require_sendable(doubt: Doubt) -> None:
    if doubt.restored:
        raise ConfigError(
            f"batch {doubt.id} was put in doubt because a backup was put back, it was not posted"
            " by this ledger: settle it as sent, abandon it, or `release` its day"
        )
    if doubt.erased:
        raise ConfigError(
            f"batch {doubt.id} is older than max_age_days, its lines' data are erased: settle it"
            " as sent or abandon it"
        )


def _abandon_opted_out(
    ledger: Ledger,
    connection: Connection,
    doubt: Doubt,
    admission: Admission,
    *,
    actor: Actor,
    decision_id: int,
) -> int:
    """Abandon the lines of a doubt whose person opted out since; return how many."""
    lines = schema.lines
    of_line: list[Any] = [lines.c.id, lines.c.attendance_id, lines.c.payload]
    doubtful = (lines.c.batch_id == doubt.id, lines.c.state == LineState.IN_DOUBT)
    rows = connection.execute(select(*of_line).where(*doubtful))
    fields = {row.id: claimed_line(ledger, row).fields for row in rows}
    out = opted_out(ledger, connection, fields, channel=doubt.unit.channel, admission=admission)
    if out:
        move(
            connection,
            Transition.DECIDED,
            LineState.ABANDONED,
            lines.c.id.in_(sorted(out)),
            actor=actor,
            decision_id=decision_id,
            detail=Reason.OPT_OUT,
            **NO_CLAIM,
        )
    return len(out)


def _record(connection: Connection, decision: Decision, doubt: Doubt) -> int:
    return record_decision(
        connection,
        decision,
        hospital=doubt.unit.hospital,
        business_day=doubt.unit.business_day,
        batch_id=doubt.id,
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


def _lease_is_over() -> ColumnElement[bool]:
    until = schema.lines.c.lease_until
    return or_(until.is_(None), until < moment_in())


def _end_batch(connection: Connection, batch_id: str, state: BatchState) -> None:
    """End a batch under a new claim: the owner of the old one may no longer touch it."""
    batches = schema.batches
    connection.execute(
        update(batches)
        .where(batches.c.id == batch_id)
        .values(state=state, claim_id=str(uuid.uuid4()), changed_at=moment_in())
    )


def _end_emptied(connection: Connection, chosen: Any) -> None:
    """Close those of the chosen batches that have no line in doubt any more."""
    lines, batches = schema.lines, schema.batches
    doubtful = select(lines.c.batch_id).where(
        lines.c.state == LineState.IN_DOUBT, lines.c.batch_id.is_not(None)
    )
    connection.execute(
        update(batches)
        .where(batches.c.id.in_(chosen), batches.c.id.not_in(doubtful))
        .values(state=BatchState.NOT_DELIVERED, changed_at=moment_in())
    )


def _separate(connection: Connection, doubt: Doubt) -> str:
    """Make a batch of its own of what is left in doubt; return its id."""
    lines, batches = schema.lines, schema.batches
    old = connection.execute(select(batches).where(batches.c.id == doubt.id)).mappings().one()
    new_id = str(uuid.uuid4())
    connection.execute(
        insert(batches).values({**old, "id": new_id, "split_from": doubt.id, "lines": doubt.lines})
    )
    connection.execute(
        update(lines)
        .where(lines.c.batch_id == doubt.id, lines.c.state == LineState.IN_DOUBT)
        .values(batch_id=new_id)
    )
    _end_batch(connection, doubt.id, BatchState.SPLIT)
    return new_id
