"""Batches, the lines of one POST: recorded, locked, moved between states, and in doubt.

A caller that moves a batch names the states that it may leave, and learns whether it moved: another
task may have been first. Rows are locked in one order everywhere, against deadlocks: the turn
(`sql.take_turn`), batches, lines, envelopes.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, func, or_, select, update

from track_dispatch.errors import LedgerError
from track_dispatch.ledger import schema
from track_dispatch.ledger.contact_policy import ContactPolicy
from track_dispatch.ledger.database import Ledger
from track_dispatch.ledger.envelopes import ReadAhead, SealedLine, address_range, span
from track_dispatch.ledger.extractions import software_columns
from track_dispatch.ledger.keys import KeyRing
from track_dispatch.ledger.schema import IS_IN_DOUBT, addresses_in, of_batches
from track_dispatch.ledger.sql import among, insert_into, moment_in, take_turn
from track_dispatch.ledger.transitions import Transition, apply_transition
from track_dispatch.records import Actor, HospitalDay, Unit
from track_dispatch.states import BatchState, LineState

_batches, _units, _lines = schema.batches, schema.units, schema.lines


class CommitUnknownError(LedgerError):
    """The connection broke during a claim's commit: it is unknown whether the claim is recorded.

    The caller made the ids beforehand, and looks it up by them (`claimed_after_all`).
    """


@dataclass(frozen=True)
class Batch:
    """The lines of one POST; patient data.

    Attributes:
        id: its Idempotency-Key.
        claim: the claim it belongs to; the parts of a split batch share it.
        survey: Track's id of the survey.
        unit: of its lines.
        unit_id: the unit's id in the ledger.
        envelope: where its lines lie.
        lines: in the order in which they are posted.
        validity_at: unix seconds.
        reminder_at: unix seconds.
        parent: the batch that it is a part of.
    """

    id: str
    claim: str
    survey: str
    unit: Unit
    unit_id: int
    envelope: int
    lines: tuple[SealedLine, ...] = field(repr=False)
    validity_at: int
    reminder_at: int | None
    parent: str | None = None

    @cached_property
    def places(self) -> frozenset[int]:
        """The places of its lines."""
        return frozenset(line.place for line in self.lines)

    def chosen(self, places: Collection[int]) -> list[SealedLine]:
        """Return its lines at these places."""
        wanted = frozenset(places)
        return [line for line in self.lines if line.place in wanted]


@dataclass(frozen=True, slots=True)
class ClaimTerms:
    """The terms of a claim.

    Attributes:
        survey: Track's id of the survey.
        validity_at: unix seconds.
        reminder_at: unix seconds.
        lease_seconds: covers one whole POST and a margin.
        today: the hospital's day: lines with an earlier last day are not claimed.
        policy: the contact policy.
        rules: digest of what lines must have been judged under.
        extraction_max_age_hours: from the beginning of the extraction.
        requests_per_5_minutes: of all hospitals.
    """

    survey: str
    validity_at: int
    reminder_at: int | None
    lease_seconds: float
    today: date
    policy: ContactPolicy
    rules: str
    extraction_max_age_hours: float
    requests_per_5_minutes: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """A claim to be made; its ids are made beforehand, to look up a commit that was not answered.

    Attributes:
        read: the envelope, opened.
        unit: the envelope's.
        unit_id: in the ledger.
        terms: of the claim.
        batch_id: of the batch to be.
        claim_id: of the claim to be.
    """

    read: ReadAhead
    unit: Unit
    unit_id: int
    terms: ClaimTerms
    batch_id: str
    claim_id: str

    def batch(self, lines: Collection[SealedLine]) -> Batch:
        """Return the batch that the claim of these lines makes."""
        return Batch(
            id=self.batch_id,
            claim=self.claim_id,
            survey=self.terms.survey,
            unit=self.unit,
            unit_id=self.unit_id,
            envelope=self.read.envelope.id,
            lines=tuple(lines),
            validity_at=self.terms.validity_at,
            reminder_at=self.terms.reminder_at,
        )


@contextmanager
def claim_transaction(ledger: Ledger) -> Iterator[Connection]:
    """Open the writing transaction of a claim, in its turn.

    Raises:
        CommitUnknownError: the database failed while it committed.
        LedgerError: the database failed before; nothing of the block is in the ledger.
    """
    with commit_known(ledger) as connection:
        take_turn(connection)
        yield connection


@contextmanager
def commit_known(ledger: Ledger) -> Iterator[Connection]:
    """Open a writing transaction that tells a failed commit from an earlier failure.

    Raises:
        CommitUnknownError: the database failed while it committed.
        LedgerError: the database failed before; nothing of the block is in the ledger.
    """
    committing = False
    try:
        with ledger.writing() as connection:
            yield connection
            committing = True
    except LedgerError as error:
        if not committing:
            raise
        message = f"{error}, while a claim was committed: whether it holds is unknown"
        raise CommitUnknownError(message) from None


def lock_batch(connection: Connection, batch: str) -> RowMapping | None:
    """Read and lock a batch; None if the ledger does not know it."""
    found = select(_batches).where(_batches.c.id == batch).with_for_update()
    return connection.execute(found).mappings().one_or_none()


_SENDING_OF_SURVEY = select(func.max(_batches.c.lease_until), moment_in()).where(
    _batches.c.survey == bindparam("survey"),
    _batches.c.state == BatchState.SENDING,
    _batches.c.claim != bindparam("claim"),
)


def survey_busy(connection: Connection, survey: str, *, claim: str) -> float | None:
    """Return the seconds left of another claim's batch of the survey; None if none is in flight.

    They are 0 if its lease is over and it is not in doubt yet.
    """
    until, now = connection.execute(_SENDING_OF_SURVEY, {"survey": survey, "claim": claim}).one()
    return max(0.0, (until - now).total_seconds()) if until is not None else None


def record_batch(connection: Connection, batch: Batch, *, actor: Actor, **values: Any) -> bool:
    """Record a batch with its lines; return whether its survey was free.

    `values` are its state, unless it is in flight, and further columns of `schema.batches`.
    """
    return insert_batch(
        connection,
        id=batch.id,
        claim=batch.claim,
        survey=batch.survey,
        unit=batch.unit_id,
        envelope=batch.envelope,
        lines=len(batch.lines),
        validity_at=batch.validity_at,
        reminder_at=batch.reminder_at,
        parent=batch.parent,
        run_id=actor.run_id,
        try_number=actor.try_number,
        **software_columns(actor),
        **values,
    )


def insert_batch(
    connection: Connection, *, state: BatchState = BatchState.SENDING, **values: Any
) -> bool:
    """Write a batch; return whether its survey was free."""
    written = connection.execute(
        insert_into(connection, _batches)
        .values(state=state, created_at=moment_in(), changed_at=moment_in(), **values)
        .on_conflict_do_nothing()
        .returning(_batches.c.id)
    )
    return written.one_or_none() is not None


def move_batch(
    connection: Connection, batch: str, *leaves: BatchState, to: BatchState, **values: Any
) -> bool:
    """Move a batch that is in one of the states it may leave; return whether it was.

    `values` are further columns of `schema.batches` to set.
    """
    moved = connection.execute(
        update(_batches)
        .where(_batches.c.id == batch, _batches.c.state.in_(leaves))
        .values(state=to, changed_at=moment_in(), **values)
    )
    return moved.rowcount == 1


def states_left(connection: Connection, envelope: int, batch: str) -> set[str]:
    """Return the states of the batch's lines that have not ended."""
    left = (
        select(_lines.c.state)
        .distinct()
        .where(
            _lines.c.address.between(*span(envelope)),
            _lines.c.batch == batch,
            _lines.c.state.in_((LineState.SENDING, LineState.IN_DOUBT)),
        )
    )
    return set(connection.scalars(left))


# -- leases ------------------------------------------------------------------------


_CLAIMED = select(_lines.c.id).where(
    _lines.c.address.between(bindparam("low"), bindparam("high")),
    _lines.c.batch == bindparam("batch"),
    _lines.c.state.in_((LineState.SENDING, LineState.IN_DOUBT)),
)


def claimed_after_all(ledger: Ledger, batch: Batch) -> Batch | None:
    """Look up the claim of a transaction whose commit was not answered.

    `batch` is the one that was to be claimed or split off. The look-up takes its turn, and so waits
    for a commit that is still under way.

    Returns:
        The batch with those of its lines that were claimed for it, also where somebody has put
        them in doubt meanwhile: its owner knows that it was never posted. None without any.

    Raises:
        LedgerError: the database failed.
    """
    given = address_range(batch.envelope) | {"batch": batch.id}
    with ledger.writing_in_turn() as connection:
        found = set(connection.scalars(_CLAIMED, given))
    lines = tuple(line for line in batch.lines if line.line in found)
    return replace(batch, lines=lines) if lines else None


def lines_in_flight(connection: Connection, hospital: str) -> float | None:
    """Return the seconds until the leases of a hospital's lines in flight end; None without any."""
    until, now = connection.execute(
        select(func.max(_batches.c.lease_until), moment_in())
        .join(_units, _units.c.id == _batches.c.unit)
        .where(
            _units.c.hospital == hospital,
            _batches.c.lease_until.is_not(None),
            _batches.c.state.in_((BatchState.SENDING, BatchState.SPLIT)),
        )
    ).one()
    return max(0.0, float((until - now).total_seconds())) if until is not None else None


def expire_leases(ledger: Ledger, *, hospital: str | None = None, actor: Actor) -> int:
    """Put in doubt what is still under way when its lease is over; return how many lines.

    What is left over of a split batch becomes a batch of its own, for a person to decide on: the
    old one's key must never stand for other content. A rehearsal just ends.

    Without a hospital, the batches of all are looked at.
    """
    batches = _batches
    over = (
        select(batches.c.id)
        .outerjoin(_units, _units.c.id == batches.c.unit)
        .where(batches.c.lease_until < moment_in())
        .order_by(batches.c.id)
    )
    if hospital is not None:
        over = over.where(or_(batches.c.unit.is_(None), _units.c.hospital == hospital))
    with ledger.reading() as connection:
        if connection.scalar(over.limit(1)) is None:
            return 0
    with ledger.writing_in_turn() as connection:
        return sum(
            _expire(connection, ledger.keys, batch, actor)
            for batch in connection.scalars(over).all()
        )


def _expire(connection: Connection, keys: KeyRing, batch_id: str, actor: Actor) -> int:
    """End one lease that is over."""
    batch = lock_batch(connection, batch_id)
    if batch is None or batch["unit"] is None or batch["envelope"] is None:
        move_batch(
            connection, batch_id, BatchState.SENDING, to=BatchState.SETTLED, lease_until=None
        )
        return 0  # a rehearsal
    state = BatchState(batch["state"])
    left_over = state is not BatchState.SENDING
    doubted = str(uuid.uuid4()) if left_over else batch_id
    moved = apply_transition(
        connection,
        Transition.LEASE_EXPIRED,
        LineState.IN_DOUBT,
        _lines.c.address.between(*span(batch["envelope"])),
        _lines.c.batch == batch_id,
        keys=keys,
        actor=actor,
        batch=doubted,
    )
    if left_over and moved:
        _give_a_batch_of_their_own(connection, batch, doubted, len(moved))
    to = state if left_over else BatchState.IN_DOUBT
    move_batch(connection, batch_id, state, to=to, lease_until=None)
    return len(moved)


def _give_a_batch_of_their_own(
    connection: Connection, old: RowMapping, new_id: str, lines: int
) -> None:
    kept = ("claim", "survey", "unit", "envelope", "validity_at", "reminder_at", "status",
            "run_id", "try_number", "package_version", "include_digest")  # fmt: skip
    insert_batch(
        connection,
        state=BatchState.IN_DOUBT,
        id=new_id,
        lines=lines,
        parent=old["id"],
        **{name: old[name] for name in kept},
    )


# -- in doubt ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InDoubtBatch:
    """A batch whose fate nobody knows.

    Attributes:
        id: its id, the Idempotency-Key of its POST.
        survey: of Track; "" where it was never posted.
        day: the hospital's day.
        area: "" where its lines have none.
        channel: likewise.
        posted_lines: how many lines it was posted with.
        lines: how many of them are still in doubt.
        status: HTTP status of the answer, if there was one.
        since: when it became so.
        lease_seconds: what is left of the claim's lease; 0 when a person may decide.
        restored: doubted by `ledger restored`: this ledger never posted it.
    """

    id: str
    survey: str
    day: HospitalDay
    area: str
    channel: str
    posted_lines: int
    lines: int
    status: int | None
    since: datetime
    lease_seconds: float
    restored: bool


def in_doubt_batches(
    connection: Connection, *, hospital: str | None = None, batch: str | None = None
) -> list[InDoubtBatch]:
    """Return the batches that hold lines in doubt, the oldest first; all, or those chosen."""
    where = [IS_IN_DOUBT]
    if hospital is not None:
        where.append(_units.c.hospital == hospital)
    if batch is not None:
        where.append(_batches.c.id == batch)
    of_unit = (_units.c.hospital, _units.c.business_day, _units.c.area, _units.c.channel)
    rows = connection.execute(
        select(_batches, *of_unit, moment_in().label("now"))
        .join(_units, _units.c.id == _batches.c.unit)
        .where(*where)
        .order_by(_batches.c.changed_at, _batches.c.id)
    ).all()
    left = lines_in_doubt(connection, rows)
    return [_in_doubt_batch(row, left[row.id]) for row in rows if left[row.id]]


def lines_in_doubt(connection: Connection, batches: Sequence[Any]) -> Counter[str]:
    """Count the lines of batches, given as rows, that are in doubt."""
    counts = connection.execute(
        select(_lines.c.batch, func.count())
        .where(
            among(_lines.c.address, "addresses"),
            among(_lines.c.batch, "batches"),
            _lines.c.state == LineState.IN_DOUBT,
        )
        .group_by(_lines.c.batch),
        {
            "addresses": addresses_in(of_batches(connection, batches)),
            "batches": [row.id for row in batches],
        },
    )
    return Counter({batch: lines for batch, lines in counts})  # noqa: C416


def _in_doubt_batch(row: Any, lines: int) -> InDoubtBatch:
    until = row.lease_until
    return InDoubtBatch(
        id=row.id,
        survey=row.survey,
        day=HospitalDay(row.hospital, row.business_day),
        area=row.area,
        channel=row.channel,
        posted_lines=row.lines,
        lines=lines,
        status=row.status,
        since=row.changed_at,
        lease_seconds=max(0.0, (until - row.now).total_seconds()) if until else 0.0,
        restored=row.decision is not None,
    )
