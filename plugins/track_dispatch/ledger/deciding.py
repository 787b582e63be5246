"""What a person may do to lines: settle a doubt, release, allow a retry.

Nothing here happens before the lease of a doubt is over: until then its owner may still answer.
Every function is one transaction, with the decision in it; `reclaiming.py` sends a doubt again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from track_dispatch.errors import ConfigError
from track_dispatch.ledger import schema
from track_dispatch.ledger.decisions import count_lines, record_decision
from track_dispatch.ledger.doubts import end_batch, lease_is_over, record_about, require_doubt
from track_dispatch.ledger.moves import NO_CLAIM, move
from track_dispatch.ledger.schema import moment_in
from track_dispatch.ledger.transitions import Transition
from track_dispatch.records import BatchState, LineState, Verb

if TYPE_CHECKING:
    from datetime import date

    from sqlalchemy import Connection

    from track_dispatch.ledger.database import Ledger
    from track_dispatch.records import Decision

_SETTLES = {Verb.SETTLE_SENT: LineState.ACCEPTED, Verb.ABANDON: LineState.ABANDONED}


def settle_doubt(ledger: Ledger, batch_id: str, decision: Decision) -> int:
    """Settle a batch as sent or as abandoned; return how many lines.

    Raises:
        ConfigError: no such doubt, or the run was carried out before.
        LinesInFlightError: its lease still runs.
    """
    with ledger.writing() as connection:
        doubt = require_doubt(connection, batch_id)
        decision_id = record_about(connection, decision, doubt)
        moved = move(
            connection,
            Transition.DECIDED,
            _SETTLES[decision.what],
            schema.lines.c.batch_id == batch_id,
            lease_is_over(),
            actor=decision.actor,
            decision_id=decision_id,
            **NO_CLAIM,
        )
        count_lines(connection, decision_id, len(moved))
        end_batch(connection, batch_id, BatchState.SETTLED)
    return len(moved)


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
