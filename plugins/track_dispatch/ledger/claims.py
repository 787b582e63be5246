"""Claims: the only way to send. A claim commits before the POST; what it returns is what goes out.

Leases are set and compared with the database's clock only. Every function here is one transaction.
`settling.py` is the other half: what becomes of a claim.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from track_dispatch.ledger import schema
from track_dispatch.ledger.admission import inadmissible
from track_dispatch.ledger.moves import move
from track_dispatch.ledger.schema import moment_in
from track_dispatch.ledger.switch import require_running
from track_dispatch.ledger.transitions import Transition
from track_dispatch.records import BatchState, LineState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Row

    from track_dispatch.ledger.admission import Admission
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.records import Actor, Unit


@dataclass(frozen=True, slots=True)
class ClaimedLine:
    """A line that is ours to send."""

    id: int
    attendance_id: str = field(repr=False)
    fields: dict[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Batch:
    """The lines of one POST; `id` is its Idempotency-Key, the moments are unix seconds."""

    id: str
    claim_id: str
    survey_uuid: str
    unit: Unit
    validity_at: int
    reminder_at: int | None
    lines: tuple[ClaimedLine, ...]


@dataclass(frozen=True, slots=True)
class Terms:
    """What a claim is made under; `lease_seconds` covers one whole POST and a margin."""

    survey_uuid: str
    validity_at: int
    reminder_at: int | None
    lease_seconds: float


class SurveyBusyError(Exception):
    """Another batch of the survey is in flight; for `seconds` more at most."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


def claim(
    ledger: Ledger,
    unit: Unit,
    terms: Terms,
    *,
    limit: int,
    after: int,
    actor: Actor,
    admission: Admission | None = None,
) -> Batch | None:
    """Claim up to `limit` ready lines of a unit with an id above `after`; None when there are none.

    Lines that may not be asked any more are excluded on the way, each with its reason.

    Raises:
        SurveyBusyError: another batch of this survey is in flight.
        ServiceStoppedError: the switch is closed; nothing is claimed.
        LedgerError: the database failed; nothing is claimed.
        ConfigError: the ledger's keys do not open a line; nothing is claimed.
    """
    batch = _new_batch(unit, terms)
    with ledger.writing() as connection:
        if not _next_ready(connection, unit, limit=1, after=after):
            return None
        require_running(connection)
        lease = lease_from_now(connection, terms.lease_seconds)
        # who waits for another claim of the survey looks at the lines only then
        _open_batch(ledger, connection, batch, lease, actor=actor)
        admitted = _admit(
            ledger, connection, unit, limit=limit, after=after, admission=admission, actor=actor
        )
        taken = move(
            connection,
            Transition.CLAIMED,
            LineState.SENDING,
            # the outer state of `move` decides between two claims
            schema.lines.c.id.in_(admitted),
            actor=actor,
            claim_id=batch.claim_id,
            batch_id=batch.id,
            lease_until=lease,
        )
        if not taken:
            connection.execute(delete(schema.batches).where(schema.batches.c.id == batch.id))
            return None
        _count_lines(connection, batch.id, len(taken))
        return replace(batch, lines=tuple(admitted[row.id] for row in taken))


def start_part(
    ledger: Ledger,
    old: Batch,
    part: Sequence[ClaimedLine],
    *,
    lease_seconds: float,
    actor: Actor,
    status: int | None = None,
) -> Batch | None:
    """Make a new batch of some lines of a refused one; None when the claim's lease is over.

    The lines of the claim that are not posted yet share the renewed lease. `status` is the HTTP
    status of the last refusal.

    Raises:
        SurveyBusyError: another batch of this survey went in between; the claim is as it was.
        ServiceStoppedError: the switch is closed; the claim is as it was.
        LedgerError: the database failed; the claim is as it was.
    """
    lines = schema.lines
    mine = (lines.c.claim_id == old.claim_id, lines.c.lease_until > moment_in())
    batch = replace(old, id=str(uuid.uuid4()), lines=tuple(part))
    with ledger.writing() as connection:
        require_running(connection)
        lease = lease_from_now(connection, lease_seconds)
        # lines before batches, as everywhere: two sessions must not lock crosswise
        connection.execute(
            update(lines).where(*mine, lines.c.state == LineState.SENDING).values(lease_until=lease)
        )
        _split_refused(connection, old.claim_id, status)
        _open_batch(ledger, connection, batch, lease, actor=actor, split_from=old.id)
        moved = move(
            connection,
            Transition.SPLIT,
            LineState.SENDING,
            *mine,
            lines.c.id.in_([line.id for line in part]),
            actor=actor,
            batch_id=batch.id,
            lease_until=lease,
        )
        if len(moved) != len(part):
            connection.rollback()
            return None
        _count_lines(connection, batch.id, len(part))
    return batch


def lease_left(ledger: Ledger, batch: Batch) -> float:
    """Return the seconds left of a batch's lease; 0 when it is over, or a line no longer ours."""
    lines = schema.lines
    with ledger.reading() as connection:
        count, until, now = connection.execute(
            select(func.count(), func.min(lines.c.lease_until), moment_in()).where(
                lines.c.batch_id == batch.id,
                lines.c.claim_id == batch.claim_id,
                lines.c.state == LineState.SENDING,
            )
        ).one()
    if count != len(batch.lines):
        return 0.0
    seconds: float = (until - now).total_seconds()
    return max(0.0, seconds)


def lease_from_now(connection: Connection, seconds: float) -> datetime:
    """Return when a lease that begins now ends; a batch and its lines share one moment."""
    return connection.execute(select(moment_in(seconds))).scalar_one()


def claimed_line(ledger: Ledger, row: Row[Any]) -> ClaimedLine:
    """Open a line that `move` has just given to a claim.

    Raises:
        ConfigError: none of the ledger's keys opens it.
    """
    return ClaimedLine(row.id, row.attendance_id, ledger.keys.decrypt(row.payload))


def require_survey_free(connection: Connection, survey_uuid: str) -> None:
    """Refuse while a batch of the survey is in flight.

    Raises:
        SurveyBusyError: one is.
    """
    batches = schema.batches
    until, now = connection.execute(
        select(func.max(batches.c.lease_until), moment_in()).where(
            batches.c.survey_uuid == survey_uuid, batches.c.state == BatchState.SENDING
        )
    ).one()
    if until is not None:
        raise SurveyBusyError((until - now).total_seconds())


def of_unit(unit: Unit) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that select a unit's lines."""
    lines = schema.lines
    return (
        lines.c.hospital == unit.hospital,
        lines.c.business_day == unit.business_day,
        lines.c.area == unit.area,
        lines.c.channel == unit.channel,
    )


def _next_ready(connection: Connection, unit: Unit, *, limit: int, after: int) -> Sequence[Any]:
    """Look at the next ready lines and keep other claims from them until the transaction ends."""
    lines = schema.lines
    return connection.execute(
        select(lines.c.id, lines.c.attendance_id, lines.c.payload)
        .where(*of_unit(unit), lines.c.state == LineState.READY, lines.c.id > after)
        .order_by(lines.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)  # ignored by SQLite, load-bearing on PostgreSQL
    ).all()


def _admit(
    ledger: Ledger,
    connection: Connection,
    unit: Unit,
    *,
    limit: int,
    after: int,
    admission: Admission | None,
    actor: Actor,
) -> dict[int, ClaimedLine]:
    """Return the next ready lines that may be asked, by id, opened; exclude those that may not.

    What no key opens is met here, before anything is claimed.
    """
    while found := _next_ready(connection, unit, limit=limit, after=after):
        admitted = {row.id: claimed_line(ledger, row) for row in found}
        if admission is not None:
            _exclude_inadmissible(ledger, connection, unit, admitted, admission, actor=actor)
        if admitted:
            return admitted
        after = found[-1].id
    return {}


def _exclude_inadmissible(
    ledger: Ledger,
    connection: Connection,
    unit: Unit,
    admitted: dict[int, ClaimedLine],
    admission: Admission,
    *,
    actor: Actor,
) -> None:
    """Exclude the lines that may not be asked any more, and take them out of `admitted`."""
    fields = {line.id: line.fields for line in admitted.values()}
    found = inadmissible(ledger, connection, fields, channel=unit.channel, admission=admission)
    for reason, ids in found.items():
        if ids:
            move(
                connection,
                Transition.EXCLUDED_AT_CLAIM,
                LineState.EXCLUDED,
                schema.lines.c.id.in_(sorted(ids)),
                actor=actor,
                reason=reason,
            )
        for line in ids:
            del admitted[line]


def _new_batch(unit: Unit, terms: Terms) -> Batch:
    return Batch(
        id=str(uuid.uuid4()),
        claim_id=str(uuid.uuid4()),
        survey_uuid=terms.survey_uuid,
        unit=unit,
        validity_at=terms.validity_at,
        reminder_at=terms.reminder_at,
        lines=(),
    )


def _open_batch(
    ledger: Ledger,
    connection: Connection,
    batch: Batch,
    lease_until: datetime,
    *,
    actor: Actor,
    split_from: str | None = None,
) -> None:
    """Put a batch in flight.

    Raises:
        SurveyBusyError: another batch of its survey is.
    """
    batches = schema.batches
    dialect = postgresql if ledger.on_postgresql else sqlite
    unit = batch.unit
    opened = connection.execute(
        dialect.insert(batches)
        .values(
            id=batch.id,
            claim_id=batch.claim_id,
            survey_uuid=batch.survey_uuid,
            hospital=unit.hospital,
            business_day=unit.business_day,
            area=unit.area,
            channel=unit.channel,
            state=BatchState.SENDING,
            lines=0,
            validity_at=batch.validity_at,
            reminder_at=batch.reminder_at,
            lease_until=lease_until,
            split_from=split_from,
            run_id=actor.run_id,
            try_number=actor.try_number,
            created_at=moment_in(),
            changed_at=moment_in(),
        )
        .on_conflict_do_nothing()
        .returning(batches.c.id)
    ).one_or_none()
    if opened is None:
        require_survey_free(connection, batch.survey_uuid)
        raise SurveyBusyError(0)  # it has ended between the two statements


def _count_lines(connection: Connection, batch_id: str, count: int) -> None:
    batches = schema.batches
    connection.execute(update(batches).where(batches.c.id == batch_id).values(lines=count))


def _split_refused(connection: Connection, claim_id: str, status: int | None) -> None:
    """Take the claim's refused batch out of flight, so that its survey is free for the part."""
    batches = schema.batches
    connection.execute(
        update(batches)
        .where(batches.c.claim_id == claim_id, batches.c.state == BatchState.SENDING)
        .values(state=BatchState.SPLIT, status=status, changed_at=moment_in())
    )
