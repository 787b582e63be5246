"""Batches, the lines of one POST: recorded, locked and moved between states.

A caller that moves a batch names the states that it may leave, and learns whether it moved: another
task may have been first. Rows are locked in one order everywhere, against deadlocks: the turn
(`sql.take_turn`), batches, lines, envelopes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, func, select, update

from track_dispatch.errors import LedgerError
from track_dispatch.ledger import schema
from track_dispatch.ledger.contact_policy import ContactPolicy
from track_dispatch.ledger.database import Ledger
from track_dispatch.ledger.envelopes import ReadAhead, SealedLine, address_range, span
from track_dispatch.ledger.extractions import software_columns
from track_dispatch.ledger.sql import insert_into, moment_in, take_turn
from track_dispatch.records import Actor, Unit
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
class ClaimRequest:
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
