"""Rehearsals: what goes to our own people instead of patients, a batch of no unit and no lines.

It takes its turn at the survey like any other batch: two uploads at once have left Track stuck.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from track_dispatch.ledger.batches import claim_transaction, insert_batch, move_batch, survey_busy
from track_dispatch.ledger.claims import Hindrance, NotClaimed
from track_dispatch.ledger.request_budget import take_request
from track_dispatch.ledger.sql import moment_in, take_turn
from track_dispatch.ledger.stop_switch import standing_stops
from track_dispatch.states import BatchState

if TYPE_CHECKING:
    from track_dispatch.ledger.claims import Terms
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.records import Actor


def begin_rehearsal(
    ledger: Ledger, batch_id: str, *, lines: int, terms: Terms, actor: Actor
) -> NotClaimed | None:
    """Put a rehearsal in flight before it is posted; return what keeps it from going out, if any.

    Raises:
        CommitUnknownError: nobody knows whether it was committed.
        LedgerError: the database failed.
    """
    with claim_transaction(ledger) as connection:
        if standing_stops(connection):
            return NotClaimed(Hindrance.STOPPED)
        busy = survey_busy(connection, terms.survey, claim=batch_id)
        if busy is not None:
            return NotClaimed(Hindrance.SURVEY_BUSY, busy)
        seconds = take_request(connection, limit=terms.requests_per_5_minutes)
        if seconds:
            return NotClaimed(Hindrance.BUDGET_SPENT, seconds)
        insert_batch(
            connection,
            id=batch_id,
            claim=batch_id,
            survey=terms.survey,
            lines=lines,
            lease_until=moment_in(terms.lease_seconds),
            validity_at=terms.validity_at,
            reminder_at=terms.reminder_at,
            run_id=actor.run_id,
            try_number=actor.try_number,
        )
    return None


def end_rehearsal(
    ledger: Ledger,
    batch_id: str,
    *,
    status: int | None,
    receipt: str | None = None,
    batch_state: BatchState = BatchState.SETTLED,
) -> bool:
    """Write down what Track said; return whether the rehearsal was still in flight."""
    with ledger.writing() as connection:
        take_turn(connection)
        return move_batch(
            connection,
            batch_id,
            BatchState.SENDING,
            to=batch_state,
            status=status,
            receipt=receipt,
            lease_until=None,
        )
