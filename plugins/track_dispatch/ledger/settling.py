"""Settle a claim's lines by Track's definite answer, however late, or put them in doubt.

An answer is about the lines of one batch, by place, and holds whatever their state is by now: the
lease may be over, a person may have decided. A line that was claimed again meanwhile is left alone,
but an event records that Track took it twice, and `report` is red.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import Connection, exists, func, or_, select, update

from track_dispatch.ledger import schema
from track_dispatch.ledger.batches import Batch, lock_batch, move_batch, record_batch, states_left
from track_dispatch.ledger.contact_policy import come_back
from track_dispatch.ledger.database import Ledger
from track_dispatch.ledger.envelopes import put_back
from track_dispatch.ledger.keys import KeyRing
from track_dispatch.ledger.schema import PLACES
from track_dispatch.ledger.sql import among, moment_in
from track_dispatch.ledger.transitions import MovedLine, Transition, append_events, apply_transition
from track_dispatch.records import Actor
from track_dispatch.states import BatchState, LineState, Refusal

#: Detail of the event about a line that Track took in a batch after it was claimed anew.
CLAIMED_ANEW = "claimed_anew"


@dataclass(frozen=True, slots=True)
class Settlement:
    """The outcome of a batch and of its lines, by place.

    Attributes:
        batch: the batch that was answered.
        accepted: places of lines that Track took.
        refused: places of lines that Track refused, with what it faulted; never a value.
        refusal: how it refused them.
        released: places of lines that were certainly not delivered.
        in_doubt: places of lines that Track may have taken.
        status: HTTP status of the answer.
        receipt: Track's id of the distribution.
        batch_state: the state that the batch enters.
        today: the hospital's day: who may be asked until yesterday does not come back for those
            refused.
    """

    batch: Batch
    accepted: Collection[int] = ()
    refused: Mapping[int, str] = field(default_factory=dict)
    refusal: Refusal = Refusal.BY_STATUS
    released: Collection[int] = ()
    in_doubt: Collection[int] = ()
    status: int | None = None
    receipt: str | None = None
    batch_state: BatchState = BatchState.SETTLED
    today: date | None = None

    @property
    def is_plain(self) -> bool:
        """Whether Track simply took the whole batch."""
        return (
            self.batch_state is BatchState.SETTLED
            and self.batch.places == frozenset(self.accepted)
            and not (self.refused or self.released or self.in_doubt)
        )


@dataclass(frozen=True, slots=True)
class Settled:
    """The lines that a settlement moved; fewer than it names if another task was first.

    Attributes:
        accepted: lines.
        refused: lines.
        released: lines that are ready again, or reopened.
        in_doubt: lines.
        claimed_anew: lines that Track took although they were claimed anew meanwhile.
        batch_moved: whether the batch had not ended before.
    """

    accepted: int = 0
    refused: int = 0
    released: int = 0
    in_doubt: int = 0
    claimed_anew: int = 0
    batch_moved: bool = False


def settle(ledger: Ledger, settlement: Settlement, *, actor: Actor) -> Settled:
    """Record an answer in a transaction of its own; a second time changes nothing.

    Raises:
        LedgerError: the database failed; the same settlement may be tried again.
    """
    with ledger.writing_in_turn() as connection:
        return settle_within(connection, ledger.keys, settlement, actor=actor)


def settle_within(
    connection: Connection, keys: KeyRing, settlement: Settlement, *, actor: Actor
) -> Settled:
    """Record an answer in a transaction that has taken its turn."""
    lock_batch(connection, settlement.batch.id)
    answer = _Answer(connection, keys, settlement, actor)
    accepted, anew = answer.accept()
    refused = answer.refuse()
    released, reopened = answer.release()
    doubted = answer.doubt()
    come_back(connection, keys, [*refused, *reopened], actor=actor, today=settlement.today)
    return Settled(
        accepted=accepted,
        refused=len(refused),
        released=len(released) + len(reopened),
        in_doubt=doubted,
        claimed_anew=anew,
        batch_moved=answer.end_batches(),
    )


class _Answer:
    """The recording of one answer."""

    def __init__(
        self, connection: Connection, keys: KeyRing, settlement: Settlement, actor: Actor
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._settlement = settlement
        self._actor = actor
        self._batch = settlement.batch
        self._ours = _batches_of_claim(connection, self._batch)
        self._is_ours = schema.lines.c.batch.in_(self._ours)
        self._touched = set(self._ours)
        self._accepted = 0

    def accept(self) -> tuple[int, int]:
        """Move the accepted lines; return how many, and how many were claimed again.

        A line that lost its claim with a backup names the batch again, to count as invited.
        """
        ids = self._ids(self._settlement.accepted)
        moved = self._answered(LineState.ACCEPTED, ids)
        for transition, named in (
            (Transition.ANSWERED_LATE, _never_posted()),
            (Transition.ACCEPTED_AFTER_ALL, or_(self._is_ours, _never_posted())),
        ):
            left = ids - _ids_of(moved)
            moved += self._move(transition, LineState.ACCEPTED, left, named)
        nameless = self._move(
            Transition.ACCEPTED_AFTER_ALL,
            LineState.ACCEPTED,
            ids - _ids_of(moved),
            schema.lines.c.batch.is_(None),
            batch=self._batch.id,
        )
        if nameless:
            # anew, where the ledger does not know it any more
            record_batch(self._connection, self._batch, actor=self._actor, state=BatchState.SETTLED)
        moved += nameless
        self._accepted = len(moved)
        return len(moved), self._note_claimed_anew(ids - _ids_of(moved))

    def refuse(self) -> list[int]:
        """Move the refused lines, by the fault that Track named; return their ids."""
        moved: list[MovedLine] = []
        refused = self._settlement.refused
        for fault in sorted(set(refused.values())):
            ids = self._ids([place for place, found in refused.items() if found == fault])
            moved += self._answered(
                LineState.REFUSED, ids, reason=self._settlement.refusal.value, detail=fault or None
            )
        return sorted(_ids_of(moved))

    def release(self) -> tuple[list[int], list[int]]:
        """Release lines that were not delivered; return the ids of ready and of reopened lines.

        Without a payload any more, or with one that a reading of its day has passed by while it
        was under way, a line is read again.
        """
        lines = self._batch.chosen(self._settlement.released)
        if not lines:
            return [], []
        ids = {line.line for line in lines}
        free = {"batch": None, "released": True, "event_batch": self._batch.id}
        _lock_envelope(self._connection, self._batch.envelope)
        ready = _ids_of(self._move(Transition.ANSWERED, LineState.READY, ids, **free))
        late = self._move(
            Transition.ANSWERED_LATE, LineState.REOPENED, ids - ready, self._is_ours, **free
        )
        reopened = sorted(_ids_of(late))
        if ready and self._was_passed_by():
            outdated = apply_transition(
                self._connection,
                Transition.OUTDATED,
                LineState.REOPENED,
                ids=ready,
                keys=self._keys,
                actor=self._actor,
            )
            return [], [*reopened, *(line.id for line in outdated)]
        if ready:
            kept = [line for line in lines if line.line in ready]
            put_back(self._connection, self._keys, self._batch.envelope, kept)
        return sorted(ready), reopened

    def doubt(self) -> int:
        """Put lines in doubt that Track may have taken; return how many."""
        ids = self._ids(self._settlement.in_doubt)
        return len(self._move(Transition.MARKED_IN_DOUBT, LineState.IN_DOUBT, ids))

    def end_batches(self) -> bool:
        """End the batch, unless it has ended; close others that have no line in doubt any more.

        While lines of it are in doubt it stays so, for a person to decide, and while lines of it
        are under way its lease stays, whatever the answer says.
        """
        said = self._settlement
        left = states_left(self._connection, self._batch.envelope, self._batch.id)
        to = BatchState.IN_DOUBT if LineState.IN_DOUBT in left else said.batch_state
        values: dict[str, Any] = {} if left else {"lease_until": None}
        values |= {"status": said.status} if said.status is not None else {}
        values |= {"receipt": said.receipt} if said.receipt is not None else {}
        open_states = (BatchState.SENDING, BatchState.IN_DOUBT, BatchState.SPLIT)
        moved = move_batch(self._connection, self._batch.id, *open_states, to=to, **values)
        if not moved and self._accepted:  # a person ended it otherwise
            ended = (BatchState.SETTLED, BatchState.NOT_DELIVERED)
            move_batch(self._connection, self._batch.id, *ended, to=BatchState.SETTLED, **values)
        _close_emptied(self._connection, self._touched - {self._batch.id}, said.batch_state)
        return moved

    def _ids(self, places: Collection[int]) -> set[int]:
        return {line.line for line in self._batch.chosen(places)}

    def _answered(self, to: LineState, ids: set[int], **values: Any) -> list[MovedLine]:
        """Move lines that are under way, and those that became in doubt meanwhile."""
        moved = self._move(Transition.ANSWERED, to, ids, **values)
        left = ids - _ids_of(moved)
        return moved + self._move(Transition.ANSWERED_LATE, to, left, **values)

    def _move(
        self, transition: Transition, to: LineState, ids: set[int], named: Any = None, **values: Any
    ) -> list[MovedLine]:
        """Move those of the lines that the transition takes; by default only the claim's own."""
        if not ids:
            return []
        moved = apply_transition(
            self._connection,
            transition,
            to,
            self._is_ours if named is None else named,
            ids=ids,
            keys=self._keys,
            actor=self._actor,
            **values,
        )
        self._touched |= {line.batch for line in moved if line.batch}
        return moved

    def _was_passed_by(self) -> bool:
        """Tell whether a later reading of the day may have met the lines under way, and left them.

        From when it is complete until it is applied: nobody sees a transform before it commits.
        """
        batches, extractions, unit = schema.batches, schema.extractions, self._batch.unit
        own = (
            select(extractions.c.completed_at)
            .join(schema.envelopes, schema.envelopes.c.extraction == extractions.c.id)
            .where(schema.envelopes.c.id == self._batch.envelope)
            .scalar_subquery()
        )
        claimed_at = (
            select(func.min(batches.c.created_at))
            .where(batches.c.id.in_(self._ours))
            .scalar_subquery()
        )
        later = extractions.alias()
        met = exists().where(
            later.c.hospital == unit.hospital,
            later.c.business_day == unit.business_day,
            later.c.completed_at >= own,
            later.c.superseded_at.is_(None),
            or_(later.c.applied_at.is_(None), later.c.applied_at > claimed_at),
        )
        return bool(self._connection.scalar(select(met)))

    def _note_claimed_anew(self, ids: set[int]) -> int:
        """Record, once, which lines Track took although they name another batch by now."""
        if not ids:
            return 0
        lines, events = schema.lines, schema.events
        rows = self._connection.execute(
            select(lines.c.address, lines.c.state).where(
                among(lines.c.id, "ids"),
                lines.c.batch.is_not(None),
                lines.c.batch.not_in(self._ours),
            ),
            {"ids": sorted(ids)},
        ).all()
        noted = exists().where(events.c.batch == self._batch.id, events.c.detail == CLAIMED_ANEW)
        if not rows or self._connection.scalar(select(noted)):
            return len(rows)
        for state in sorted({row.state for row in rows}):
            append_events(
                self._connection,
                Transition.ANSWERED_LATE,
                LineState(state),
                [row.address for row in rows if row.state == state],
                actor=self._actor,
                detail=CLAIMED_ANEW,
                batch=self._batch.id,
            )
        return len(rows)


def _ids_of(lines: Iterable[MovedLine]) -> set[int]:
    return {line.id for line in lines}


def _batches_of_claim(connection: Connection, batch: Batch) -> list[str]:
    """Return the batch with what was split off it; found by their unit, which few share."""
    batches = schema.batches
    found = connection.scalars(
        select(batches.c.id).where(batches.c.unit == batch.unit_id, batches.c.claim == batch.claim)
    )
    return sorted({batch.id, *found})


def _never_posted() -> Any:
    """Select lines whose batch `restored` made: this ledger posted nothing under its name."""
    batches, lines = schema.batches, schema.lines
    return exists().where(batches.c.id == lines.c.batch, batches.c.decision.is_not(None))


def _lock_envelope(connection: Connection, envelope: int) -> None:
    """Lock the envelope against a transform, or fail at once: to wait would block all claims."""
    found = select(schema.envelopes.c.id).where(schema.envelopes.c.id == envelope)
    connection.execute(found.with_for_update(nowait=True))


def _close_emptied(connection: Connection, touched: Collection[str], to: BatchState) -> None:
    """Close batches in doubt that have no line in doubt any more: nobody need decide on them."""
    if not touched:
        return
    batches, lines, envelopes = schema.batches, schema.lines, schema.envelopes
    left = exists().where(
        envelopes.c.unit == batches.c.unit,
        lines.c.address.between(envelopes.c.id * PLACES, envelopes.c.id * PLACES + PLACES - 1),
        lines.c.batch == batches.c.id,
        lines.c.state == LineState.IN_DOUBT,
    )
    connection.execute(
        update(batches)
        .where(batches.c.id.in_(sorted(touched)), batches.c.state == BatchState.IN_DOUBT, ~left)
        .values(state=to, lease_until=None, changed_at=moment_in())
    )
