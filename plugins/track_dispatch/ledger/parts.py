"""Batches that are no claim of an envelope: parts of a refused batch, and rehearsals.

A part is a batch of its own under the same claim. A rehearsal goes to our own people: a batch of
no unit and no lines, which takes its turn at the survey like any other, because two uploads at once
have left Track stuck.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import replace

from sqlalchemy import Connection, func, select, update

from track_dispatch.errors import LedgerError
from track_dispatch.ledger import schema
from track_dispatch.ledger.batches import (
    Batch,
    ClaimTerms,
    claim_transaction,
    insert_batch,
    lock_batch,
    move_batch,
    record_batch,
    states_left,
    survey_busy,
)
from track_dispatch.ledger.claims import Hindrance, NotClaimed, is_outdated
from track_dispatch.ledger.contact_policy import filter_contactable
from track_dispatch.ledger.database import Ledger
from track_dispatch.ledger.envelopes import SealedLine
from track_dispatch.ledger.extractions import software_columns
from track_dispatch.ledger.keys import KeyRing
from track_dispatch.ledger.request_budget import take_request
from track_dispatch.ledger.settling import Settlement, settle_within
from track_dispatch.ledger.sql import among, moment_in, now_in
from track_dispatch.ledger.stop_switch import standing_stops
from track_dispatch.ledger.transitions import Transition, apply_transition
from track_dispatch.records import Actor
from track_dispatch.states import BatchState, LineState


def start_part(
    ledger: Ledger,
    parent: Batch,
    lines: Sequence[SealedLine],
    *,
    terms: ClaimTerms,
    status: int | None = None,
    batch_id: str | None = None,
    actor: Actor,
) -> Batch | NotClaimed:
    """Put some lines of a refused batch in flight as a batch of their own.

    The contact policy is checked again, as at every claim. Lines that may not go any more become
    ready, for the next claim, and are not in the returned batch. Lines of the claim that are not
    posted yet share the renewed lease.

    Args:
        ledger: open.
        parent: the refused batch, of which the lines are.
        lines: that are to be posted now.
        terms: of the claim.
        status: HTTP status of the last refusal.
        batch_id: of the part to be; a new one by default.
        actor: the claim's owner.

    Returns:
        The part; or why there is none: with `ALL_EXCLUDED` and `OUTDATED` the lines are ready
        again, with any other hindrance the claim is as it was, or has lost such lines.

    Raises:
        CommitUnknownError: it is unknown whether it was committed: look the batch's id up.
        LedgerError: the database failed; the claim is as it was.
    """
    part = replace(parent, id=batch_id or str(uuid.uuid4()), lines=tuple(lines), parent=parent.id)
    with claim_transaction(ledger) as connection:
        return _Part(connection, ledger.keys, parent, terms, actor).start(part, status)


class _Part:
    """The start of a part, in its own transaction."""

    def __init__(
        self, connection: Connection, keys: KeyRing, parent: Batch, terms: ClaimTerms, actor: Actor
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._parent = parent
        self._terms = terms
        self._actor = actor

    def start(self, part: Batch, status: int | None) -> Batch | NotClaimed:
        """Put the part's lines that may go in flight."""
        if (hindered := self._hindered(part)) is not None:
            return hindered
        left = self._release_barred(part)
        if isinstance(left, NotClaimed):
            return left
        seconds = take_request(self._connection, limit=self._terms.requests_per_5_minutes)
        if seconds:
            return NotClaimed(Hindrance.BUDGET_SPENT, seconds)
        self._renew(status)
        return self._open(replace(part, lines=left))

    def _hindered(self, part: Batch) -> NotClaimed | None:
        if standing_stops(self._connection):
            return NotClaimed(Hindrance.STOPPED)
        if not self._is_ours(part.lines):
            return NotClaimed(Hindrance.LEASE_OVER)
        busy = survey_busy(self._connection, part.survey, claim=part.claim)
        return NotClaimed(Hindrance.SURVEY_BUSY, busy) if busy is not None else None

    def _is_ours(self, lines: Sequence[SealedLine]) -> bool:
        """Tell whether the claim's lease runs and all these lines still are under way in it."""
        batch = lock_batch(self._connection, self._parent.id)
        until = batch["lease_until"] if batch is not None else None
        if until is None or until <= now_in(self._connection):
            return False
        table = schema.lines
        ours = self._connection.scalar(
            select(func.count()).where(
                among(table.c.id, "ids"),
                table.c.batch == self._parent.id,
                table.c.state == LineState.SENDING,
            ),
            {"ids": [line.line for line in lines]},
        )
        return ours == len(lines)

    def _release_barred(self, part: Batch) -> tuple[SealedLine, ...] | NotClaimed:
        """Release the lines that may not go any more; return the others, or why there is none."""
        outdated = is_outdated(self._connection, part.envelope, self._terms)
        barred: Collection[int] = part.places
        if not outdated:
            barred = filter_contactable(
                self._connection,
                part.lines,
                channel=part.unit.channel,
                policy=self._terms.policy,
                today=self._terms.today,
            )
        if barred:
            released = Settlement(
                self._parent, released=barred, batch_state=BatchState.SPLIT, today=self._terms.today
            )
            settle_within(self._connection, self._keys, released, actor=self._actor)
        left = tuple(line for line in part.lines if line.place not in barred)
        if left:
            return left
        return NotClaimed(Hindrance.OUTDATED if outdated else Hindrance.ALL_EXCLUDED)

    def _renew(self, status: int | None) -> None:
        """Take the refused batch out of flight: its survey is free. Renew the claim's leases."""
        batches, parent = schema.batches, self._parent
        of_claim = (batches.c.unit == parent.unit_id, batches.c.claim == parent.claim)
        refused = {"status": status} if status is not None else {}
        self._connection.execute(
            update(batches)
            .where(*of_claim, batches.c.state == BatchState.SENDING)
            .values(state=BatchState.SPLIT, changed_at=moment_in(), **refused)
        )
        leased = (batches.c.state == BatchState.SPLIT, batches.c.lease_until.is_not(None))
        self._connection.execute(
            update(batches)
            .where(*of_claim, *leased)
            .values(lease_until=moment_in(self._terms.lease_seconds))
        )

    def _open(self, part: Batch) -> Batch:
        until = moment_in(self._terms.lease_seconds)
        opened = record_batch(self._connection, part, actor=self._actor, lease_until=until)
        moved = apply_transition(
            self._connection,
            Transition.SPLIT,
            LineState.SENDING,
            schema.lines.c.batch == self._parent.id,
            ids=[line.line for line in part.lines],
            keys=self._keys,
            actor=self._actor,
            batch=part.id,
        )
        if not opened or len(moved) != len(part.lines):
            # all rows were locked and checked before: the ledger is inconsistent
            message = f"batch {part.id} could not be split off as it was looked at"
            raise LedgerError(message)
        parent = self._parent
        if not states_left(self._connection, parent.envelope, parent.id):
            leaves = BatchState.SPLIT
            move_batch(self._connection, parent.id, leaves, to=leaves, lease_until=None)
        return part


# -- rehearsals --------------------------------------------------------------------


def begin_rehearsal(
    ledger: Ledger, batch_id: str, *, lines: int, terms: ClaimTerms, actor: Actor
) -> NotClaimed | None:
    """Put a rehearsal in flight before it is posted; return why that is not possible, if so.

    Raises:
        CommitUnknownError: it is unknown whether it was committed.
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
            **software_columns(actor),
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
    """Record Track's answer; return whether the rehearsal was still in flight."""
    with ledger.writing_in_turn() as connection:
        return move_batch(
            connection,
            batch_id,
            BatchState.SENDING,
            to=batch_state,
            status=status,
            receipt=receipt,
            lease_until=None,
        )
