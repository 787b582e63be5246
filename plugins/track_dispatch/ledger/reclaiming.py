"""Sending a doubt again: the claim that a person's decision makes."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from track_dispatch.errors import ConfigError
from track_dispatch.ledger import schema
from track_dispatch.ledger.admission import opted_out
from track_dispatch.ledger.batches import Batch, require_survey_free
from track_dispatch.ledger.claims import claimed_line, lease_from_now
from track_dispatch.ledger.decisions import count_lines
from track_dispatch.ledger.doubts import end_batch, lease_is_over, record_about, require_doubt
from track_dispatch.ledger.moves import NO_CLAIM, move
from track_dispatch.ledger.schema import moment_in
from track_dispatch.ledger.switch import require_running
from track_dispatch.ledger.transitions import Transition
from track_dispatch.records import BatchState, LineState, Reason

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from track_dispatch.ledger.admission import Admission
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.ledger.doubts import Doubt
    from track_dispatch.records import Actor, Decision


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
        decision_id = record_about(connection, decision, doubt)
        left = doubt.lines - _abandon_opted_out(
            ledger, connection, doubt, admission, actor=decision.actor, decision_id=decision_id
        )
        if not left:
            end_batch(connection, batch_id, BatchState.SETTLED)
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
            lease_is_over(),
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
    end_batch(connection, doubt.id, BatchState.SPLIT)
    return new_id
