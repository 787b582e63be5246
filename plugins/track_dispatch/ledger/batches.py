"""Batches: the lines of one POST, from the claim that opens one to its end.

Whoever moves a batch names the states that it may leave, and is told whether it moved: somebody
else may have been first. Rows are locked in one order everywhere, so that nobody meets crosswise:
the turn (`sql.take_turn`), batches, lines, envelopes.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, select, update

from track_dispatch.errors import LedgerError
from track_dispatch.ledger import schema
from track_dispatch.ledger.places import span
from track_dispatch.ledger.sql import insert_into, moment_in, take_turn
from track_dispatch.states import BatchState, LineState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sqlalchemy import Connection, RowMapping

    from track_dispatch.ledger.database import Ledger
    from track_dispatch.ledger.envelopes import SealedLine
    from track_dispatch.records import Actor, Unit

_batches = schema.batches


class CommitUnknownError(LedgerError):
    """The connection broke while a claim was committed: nobody knows whether it is in the ledger.

    Who claimed made the ids beforehand, and looks by them (`leases.claimed_after_all`).
    """


@dataclass(frozen=True)
class Batch:
    """The lines of one POST; patient data.

    Attributes:
        id: its Idempotency-Key.
        claim: the claim it belongs to; the parts of a split batch share it.
        survey: Track's id of the survey.
        unit: what its lines are of.
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
    """Open a writing transaction that tells a failed commit from what failed before it.

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
    """Read a batch and keep others from moving it; None when the ledger does not know it."""
    found = select(_batches).where(_batches.c.id == batch).with_for_update()
    return connection.execute(found).mappings().one_or_none()


_SENDING_OF_SURVEY = select(func.max(_batches.c.lease_until), moment_in()).where(
    _batches.c.survey == bindparam("survey"),
    _batches.c.state == BatchState.SENDING,
    _batches.c.claim != bindparam("claim"),
)


def survey_busy(connection: Connection, survey: str, *, claim: str) -> float | None:
    """Return the seconds left of another claim's batch of the survey; None if none is in flight.

    They are 0 where its lease is over and nobody has put it in doubt yet.
    """
    until, now = connection.execute(_SENDING_OF_SURVEY, {"survey": survey, "claim": claim}).one()
    return max(0.0, (until - now).total_seconds()) if until is not None else None


def open_batch(connection: Connection, batch: Batch, *, lease_seconds: float, actor: Actor) -> bool:
    """Put a batch in flight; return whether its survey was free."""
    return insert_batch(
        connection,
        id=batch.id,
        claim=batch.claim,
        survey=batch.survey,
        unit=batch.unit_id,
        envelope=batch.envelope,
        lines=len(batch.lines),
        lease_until=moment_in(lease_seconds),
        validity_at=batch.validity_at,
        reminder_at=batch.reminder_at,
        parent=batch.parent,
        run_id=actor.run_id,
        try_number=actor.try_number,
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
    connection: Connection,
    batch: str,
    *leaves: BatchState,
    to: BatchState,
    **values: Any,
) -> bool:
    """Move a batch that is in one of the states it may leave; return whether it was.

    Args:
        connection: of the writing transaction.
        batch: its id.
        leaves: the states it may be in.
        to: the state entered.
        values: further columns of `schema.batches` to set.
    """
    moved = connection.execute(
        update(_batches)
        .where(_batches.c.id == batch, _batches.c.state.in_(leaves))
        .values(state=to, changed_at=moment_in(), **values)
    )
    return moved.rowcount == 1


def states_left(connection: Connection, envelope: int, batch: str) -> set[str]:
    """Return the states of the batch's lines that have not ended."""
    lines = schema.lines
    low, high = span(envelope)
    return set(
        connection.scalars(
            select(lines.c.state)
            .distinct()
            .where(
                lines.c.address.between(low, high),
                lines.c.batch == batch,
                lines.c.state.in_((LineState.SENDING, LineState.IN_DOUBT)),
            )
        )
    )
