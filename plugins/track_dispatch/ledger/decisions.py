"""Decisions of people about batches and refused lines, recorded with person and reason.

A decision and its record are one transaction. A batch is decided once: its row is locked first, and
each UPDATE names the state that it leaves, so that the second of two people who decide at once is
refused. Nothing is decided before the batch's lease ends: its owner may still settle it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, func, select, update
from sqlalchemy.exc import DBAPIError

from track_dispatch.errors import DecisionRefusedError, LedgerError, LinesInFlightError
from track_dispatch.ledger import schema
from track_dispatch.ledger.batches import lock_batch, move_batch
from track_dispatch.ledger.contact_policy import come_back
from track_dispatch.ledger.database import Ledger, Limits
from track_dispatch.ledger.keys import KeyRing
from track_dispatch.ledger.schema import Placed, addresses_in, of_batches, on_days, placed
from track_dispatch.ledger.sql import among, insert_into, moment_in, now_in, take_turn
from track_dispatch.ledger.transitions import MovedLine, Transition, apply_transition
from track_dispatch.records import Actor, HospitalDay
from track_dispatch.states import BatchState, DecisionRefusal, LineState, Verb

#: PostgreSQL's code of a lock that was not released in time.
_LOCK_NOT_AVAILABLE = "55P03"

_batches, _units, _envelopes, _lines = (
    schema.batches, schema.units, schema.envelopes, schema.lines,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision of a person, and its reason.

    Attributes:
        verb: what is done.
        decided_by: the person who answers for it.
        why: kept and shown; `pipeline/screening.py` refuses texts that look like patient data.
        run_id: the run of `track_decide` that carries it out, if one does.
    """

    verb: Verb
    decided_by: str
    why: str
    run_id: str | None = None

    @property
    def actor(self) -> Actor:
        """The person as the actor of transitions."""
        return Actor(self.decided_by, run_id=self.run_id)


@contextmanager
def deciding(ledger: Ledger, limits: Limits | None = None) -> Iterator[Connection]:
    """Open the transaction of a person's decision, in its turn.

    Raises:
        LedgerError: another task holds what is decided about for longer than a decision waits, or
            the database failed; nothing was decided.
    """
    with ledger.writing(limits) as connection:
        try:
            take_turn(connection)
            yield connection
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
            raise LedgerError(
                "another task holds what this is about, most likely a running transform of the"
                " hospital: nothing was decided, try again in a minute"
            ) from None


def record_decision(
    connection: Connection,
    decision: Decision,
    *,
    hospital: str | None = None,
    business_day: date | None = None,
    batch: str | None = None,
    as_of: datetime | None = None,
) -> int:
    """Record a decision, in the transaction that carries it out; return its id.

    Raises:
        DecisionRefusedError: its run has been carried out before. A cleared run must not repeat
            what a person decided once.
    """
    decisions = schema.decisions
    written = connection.scalar(
        insert_into(connection, decisions)
        .values(
            at=moment_in(),
            verb=decision.verb,
            decided_by=decision.decided_by,
            why=decision.why,
            run_id=decision.run_id,
            hospital=hospital,
            business_day=business_day,
            batch=batch,
            as_of=as_of,
            lines=0,
        )
        .on_conflict_do_nothing(index_elements=["run_id"])
        .returning(decisions.c.id)
    )
    if written is None:
        raise DecisionRefusal.CARRIED_OUT.error()
    return int(written)


def count_lines(connection: Connection, decision: int, lines: int) -> None:
    """Note how many lines a decision moved."""
    decisions = schema.decisions
    connection.execute(update(decisions).where(decisions.c.id == decision).values(lines=lines))


class BatchOutcome(NamedTuple):
    """The states that a decision moves a batch and its lines in `left` to."""

    leaves: BatchState
    enters: BatchState
    transition: Transition
    left: LineState
    to: LineState


_B, _L, _T = BatchState, LineState, Transition
#: The outcome of each decision about a batch.
OF_BATCHES: Mapping[Verb, BatchOutcome] = {
    Verb.SETTLE_SENT: BatchOutcome(
        _B.IN_DOUBT, _B.SETTLED, _T.SETTLED_BY_PERSON, _L.IN_DOUBT, _L.ACCEPTED
    ),
    Verb.ABANDON: BatchOutcome(
        _B.IN_DOUBT, _B.SETTLED, _T.SETTLED_BY_PERSON, _L.IN_DOUBT, _L.ABANDONED
    ),
    Verb.SETTLE_UNSENT: BatchOutcome(
        _B.IN_DOUBT, _B.NOT_DELIVERED, _T.SETTLED_BY_PERSON, _L.IN_DOUBT, _L.REOPENED
    ),
    Verb.REOPEN_ACCEPTED: BatchOutcome(
        _B.SETTLED, _B.NOT_DELIVERED, _T.REOPENED_BY_PERSON, _L.ACCEPTED, _L.REOPENED
    ),
}


@dataclass(frozen=True, slots=True)
class DecidedLines:
    """The lines that a decision moved.

    Attributes:
        day: the hospital's day that it was about.
        ready: lines that go with the next dispatch.
        reopened: lines that the next extraction of their day decides.
        ended: lines that nothing more happens to.
        too_late: of the reopened ones, those whose patient may not be asked any more.
    """

    day: HospitalDay
    ready: int = 0
    reopened: int = 0
    ended: int = 0
    too_late: int = 0

    @property
    def lines(self) -> int:
        """How many lines moved."""
        return self.ready + self.reopened + self.ended


def decide_batch(ledger: Ledger, batch: str, decision: Decision, *, today: date) -> DecidedLines:
    """Carry out a person's decision about a batch, one of `OF_BATCHES`.

    Args:
        ledger: open.
        batch: its id.
        decision: by whom, and why.
        today: at the hospital.

    Raises:
        DecisionRefusedError: no such batch, or it does not stand where this is decided, or
            somebody else decided first, or the run was carried out before.
        LinesInFlightError: its lease still runs.
    """
    outcome = OF_BATCHES[decision.verb]
    with deciding(ledger) as connection:
        day = _lock_decidable(connection, batch, outcome)
        decided = record_decision(connection, decision, batch=batch, **day._asdict())
        if not move_batch(connection, batch, outcome.leaves, to=outcome.enters, lease_until=None):
            raise DecisionRefusal.DECIDED_MEANWHILE.error(batch=batch)
        moved = apply_transition(
            connection,
            outcome.transition,
            outcome.to,
            _lines.c.state == outcome.left,
            _lines.c.batch == batch,
            addresses=_lines_of_batch(connection, batch, outcome.left),
            keys=ledger.keys,
            actor=decision.actor,
            decision=decided,
        )
        if not moved:
            raise DecisionRefusal.NO_LINE_LEFT.error(batch=batch, left=outcome.left)
        count_lines(connection, decided, len(moved))
        if outcome.to is not LineState.REOPENED:
            return DecidedLines(day, ended=len(moved))
        return reopen(connection, ledger.keys, day, moved, actor=decision.actor, today=today)


def hospital_of_batch(connection: Connection, batch: str) -> str | None:
    """Return the code of the hospital whose batch it is; None when there is no such batch."""
    found: str | None = connection.scalar(
        select(_units.c.hospital)
        .join(_batches, _batches.c.unit == _units.c.id)
        .where(_batches.c.id == batch)
    )
    return found


def retry_refused(
    ledger: Ledger, day: HospitalDay, decision: Decision, *, today: date
) -> DecidedLines:
    """Reopen a day's refused lines, for its next extraction to decide.

    Raises:
        DecisionRefusedError: the day has none, or the run was carried out before.
    """
    refused = LineState.REFUSED
    with deciding(ledger) as connection:
        decided = record_decision(connection, decision, **day._asdict())
        moved = apply_transition(
            connection,
            Transition.REOPENED_BY_PERSON,
            LineState.REOPENED,
            _lines.c.state == refused,
            addresses=addresses_of_day(connection, day, refused),
            keys=ledger.keys,
            actor=decision.actor,
            decision=decided,
        )
        if not moved:
            raise DecisionRefusal.NONE_REFUSED.error(day=day)
        count_lines(connection, decided, len(moved))
        return reopen(connection, ledger.keys, day, moved, actor=decision.actor, today=today)


def _lock_decidable(connection: Connection, batch: str, outcome: BatchOutcome) -> HospitalDay:
    """Lock a batch that stands where this is decided, and return its day.

    Raises:
        DecisionRefusedError: there is none, or it stands elsewhere; who decided already is named.
        LinesInFlightError: its lease still runs.
    """
    found = lock_batch(connection, batch)
    if found is None or found["unit"] is None:
        raise DecisionRefusal.NO_BATCH.error(batch=batch)
    until = found["lease_until"]
    left = (until - now_in(connection)).total_seconds() if until is not None else 0.0
    if left > 0 and found["state"] in {BatchState.SENDING, BatchState.IN_DOUBT}:
        raise LinesInFlightError(
            f"batch {batch}: its claim's lease still runs, an answer may yet come; decide in"
            f" {left:.0f} s",
            retry_after=left,
        )
    if found["state"] != outcome.leaves:
        raise _elsewhere(connection, batch, BatchState(found["state"]), outcome)
    unit = connection.execute(select(_units).where(_units.c.id == found["unit"])).one()
    return HospitalDay(unit.hospital, unit.business_day)


def _elsewhere(
    connection: Connection, batch: str, state: BatchState, outcome: BatchOutcome
) -> DecisionRefusedError:
    """Return the error of a batch in another state, with the person who decided it, if any."""
    decisions = schema.decisions
    earlier = connection.execute(
        select(decisions).where(decisions.c.batch == batch).order_by(decisions.c.id.desc()).limit(1)
    ).one_or_none()
    facts = {"batch": batch, "state": state, "needed": outcome.leaves}
    if earlier is None:
        return DecisionRefusal.ELSEWHERE.error(**facts)
    facts |= {"by": earlier.decided_by, "earlier": earlier.verb, "at": earlier.at}
    return DecisionRefusal.DECIDED_BEFORE.error(**facts)


def _lines_of_batch(connection: Connection, batch: str, state: LineState) -> list[int]:
    """Return the addresses of those of a batch's lines that are in a state."""
    rows = connection.execute(select(_batches).where(_batches.c.id == batch)).all()
    return _in_state(connection, of_batches(connection, rows), state, _lines.c.batch == batch)


def addresses_of_day(
    connection: Connection, day: HospitalDay, state: LineState, *where: ColumnElement[bool]
) -> list[int]:
    """Return the addresses of those of a day's lines that are in a state.

    `where` are conditions on their envelopes.
    """
    return _in_state(connection, placed(connection, *on_days(_units, [day]), *where), state)


def _in_state(
    connection: Connection,
    envelopes: Sequence[Placed],
    state: LineState,
    *where: ColumnElement[bool],
) -> list[int]:
    found = select(_lines.c.address).where(
        among(_lines.c.address, "addresses"), _lines.c.state == state, *where
    )
    return sorted(connection.scalars(found, {"addresses": addresses_in(envelopes)}))


def reopen(
    connection: Connection,
    keys: KeyRing,
    day: HospitalDay,
    moved: Sequence[MovedLine],
    *,
    actor: Actor,
    today: date,
) -> DecidedLines:
    """Bring back the lines that stood back for reopened ones, and count those that are too late."""
    ids = [line.id for line in moved]
    come_back(connection, keys, ids, actor=actor, today=today)
    too_late = select(func.count()).where(among(_lines.c.id, "ids"), _lines.c.ask_until < today)
    return DecidedLines(
        day, reopened=len(moved), too_late=connection.scalar(too_late, {"ids": ids}) or 0
    )
