"""Claims: the only way to send. A claim commits before the POST; what it returns is what goes out.

Leases are set and compared with the database's clock only. Every function here is one transaction.
`settling.py` is the other half: what becomes of a claim.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Float, bindparam, func, select, update

from track_dispatch.ledger import schema
from track_dispatch.ledger.admission import inadmissible
from track_dispatch.ledger.batches import (
    Batch,
    ClaimedLine,
    count_posted,
    drop_batch,
    open_batch,
    split_refused,
)
from track_dispatch.ledger.lists import among
from track_dispatch.ledger.moves import carry_out, moving
from track_dispatch.ledger.schema import moment_in
from track_dispatch.ledger.switch import require_running
from track_dispatch.ledger.transitions import Transition
from track_dispatch.ledger.units import OF_UNIT, unit_parameters
from track_dispatch.records import LineState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Row

    from track_dispatch.ledger.admission import Admission
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.records import Actor, Unit


@dataclass(frozen=True, slots=True)
class Terms:
    """What a claim is made under; `lease_seconds` covers one whole POST and a margin."""

    survey_uuid: str
    validity_at: int
    reminder_at: int | None
    lease_seconds: float


_lines = schema.lines

_LEASE = select(moment_in(bindparam("seconds", type_=Float)))
_NEXT_READY = (
    select(_lines.c.id, _lines.c.attendance_id, _lines.c.payload)
    .where(*OF_UNIT, _lines.c.state == LineState.READY, _lines.c.id > bindparam("after"))
    .order_by(_lines.c.id)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)  # ignored by SQLite, load-bearing on PostgreSQL
)
_LEASE_LEFT = select(func.count(), func.min(_lines.c.lease_until), moment_in()).where(
    _lines.c.batch_id == bindparam("batch"),
    _lines.c.claim_id == bindparam("claim"),
    _lines.c.state == LineState.SENDING,
)
#: A claim whose lease still runs.
_MINE = (_lines.c.claim_id == bindparam("claim"), _lines.c.lease_until > moment_in())
_RENEWING = update(_lines).where(*_MINE, _lines.c.state == LineState.SENDING)
_CHOSEN = among(_lines.c.id, "ids")
#: The outer state that every move has decides between two claims.
_CLAIMED = moving(Transition.CLAIMED, LineState.SENDING, _CHOSEN)
_SPLIT = moving(Transition.SPLIT, LineState.SENDING, *_MINE, _CHOSEN)
_EXCLUDED = moving(Transition.EXCLUDED_AT_CLAIM, LineState.EXCLUDED, _CHOSEN)


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
        open_batch(connection, batch, lease, actor=actor)
        admitted = _admit(
            ledger, connection, unit, limit=limit, after=after, admission=admission, actor=actor
        )
        taken = carry_out(
            connection,
            _CLAIMED,
            actor=actor,
            ids=list(admitted),
            claim_id=batch.claim_id,
            batch_id=batch.id,
            lease_until=lease,
        )
        if not taken:
            drop_batch(connection, batch.id)
            return None
        count_posted(connection, batch.id, len(taken))
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
    batch = replace(old, id=str(uuid.uuid4()), lines=tuple(part))
    with ledger.writing() as connection:
        require_running(connection)
        lease = lease_from_now(connection, lease_seconds)
        # lines before batches, as everywhere: two sessions must not lock crosswise
        connection.execute(_RENEWING, {"claim": old.claim_id, "lease_until": lease})
        split_refused(connection, old.claim_id, status)
        open_batch(connection, batch, lease, actor=actor, split_from=old.id)
        moved = carry_out(
            connection,
            _SPLIT,
            actor=actor,
            claim=old.claim_id,
            ids=[line.id for line in part],
            batch_id=batch.id,
            lease_until=lease,
        )
        if len(moved) != len(part):
            connection.rollback()
            return None
        count_posted(connection, batch.id, len(part))
    return batch


def lease_left(ledger: Ledger, batch: Batch) -> float:
    """Return the seconds left of a batch's lease; 0 when it is over, or a line no longer ours."""
    with ledger.reading() as connection:
        count, until, now = connection.execute(
            _LEASE_LEFT, {"batch": batch.id, "claim": batch.claim_id}
        ).one()
    if count != len(batch.lines):
        return 0.0
    seconds: float = (until - now).total_seconds()
    return max(0.0, seconds)


def lease_from_now(connection: Connection, seconds: float) -> datetime:
    """Return when a lease that begins now ends; a batch and its lines share one moment."""
    return connection.execute(_LEASE, {"seconds": seconds}).scalar_one()


def claimed_line(ledger: Ledger, row: Row[Any]) -> ClaimedLine:
    """Open a line that `move` has just given to a claim.

    Raises:
        ConfigError: none of the ledger's keys opens it.
    """
    return ClaimedLine(row.id, row.attendance_id, ledger.keys.decrypt(row.payload))


def _next_ready(connection: Connection, unit: Unit, *, limit: int, after: int) -> Sequence[Any]:
    """Look at the next ready lines and keep other claims from them until the transaction ends."""
    parameters = {**unit_parameters(unit), "after": after, "limit": limit}
    return connection.execute(_NEXT_READY, parameters).all()


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
            carry_out(connection, _EXCLUDED, actor=actor, ids=sorted(ids), reason=reason)
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
