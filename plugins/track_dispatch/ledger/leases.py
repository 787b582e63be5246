"""Leases: how long a claim is its owner's alone, by the database's clock."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, or_, select

from track_dispatch.ledger import schema
from track_dispatch.ledger.batches import insert_batch, lock_batch, move_batch
from track_dispatch.ledger.places import span
from track_dispatch.ledger.sql import moment_in, take_turn
from track_dispatch.ledger.transitions import Transition, apply_transition
from track_dispatch.states import BatchState, LineState

if TYPE_CHECKING:
    from sqlalchemy import Connection, RowMapping

    from track_dispatch.ledger.batches import Batch
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.ledger.keys import KeyRing
    from track_dispatch.records import Actor

_batches, _lines = schema.batches, schema.lines

_CLAIMED = select(_lines.c.id).where(
    _lines.c.address.between(bindparam("low"), bindparam("high")),
    _lines.c.batch == bindparam("batch"),
    _lines.c.state.in_((LineState.SENDING, LineState.IN_DOUBT)),
)


def claimed_after_all(ledger: Ledger, batch: Batch) -> Batch | None:
    """Look what was claimed by a transaction whose commit was not answered.

    It is looked at in its turn: a commit that is still under way is waited for.

    Args:
        ledger: open.
        batch: as it was to be claimed, or split off.

    Returns:
        The batch with those of its lines that were claimed for it, also where somebody has put
        them in doubt meanwhile: its owner knows that it was never posted. None without any.

    Raises:
        LedgerError: the database failed.
    """
    low, high = span(batch.envelope)
    with ledger.writing() as connection:
        take_turn(connection)
        found = set(connection.scalars(_CLAIMED, {"low": low, "high": high, "batch": batch.id}))
    lines = tuple(line for line in batch.lines if line.line in found)
    return replace(batch, lines=lines) if lines else None


def lines_in_flight(connection: Connection, hospital: str) -> float | None:
    """Return the seconds until the leases of a hospital's lines in flight end; None without any."""
    until, now = connection.execute(
        select(func.max(_batches.c.lease_until), moment_in())
        .join(schema.units, schema.units.c.id == _batches.c.unit)
        .where(
            schema.units.c.hospital == hospital,
            _batches.c.lease_until.is_not(None),
            _batches.c.state.in_((BatchState.SENDING, BatchState.SPLIT)),
        )
    ).one()
    return max(0.0, float((until - now).total_seconds())) if until is not None else None


def expire_leases(ledger: Ledger, *, hospital: str | None = None, actor: Actor) -> int:
    """Put in doubt what is still under way when its lease is over; return how many lines.

    What is left over of a split batch becomes a batch of its own, for a person to decide on: the
    old one's key must never stand for other content. A rehearsal just ends.

    Args:
        ledger: open.
        hospital: whose batches; None = all.
        actor: who looks.
    """
    batches, units = _batches, schema.units
    over = (
        select(batches.c.id)
        .outerjoin(units, units.c.id == batches.c.unit)
        .where(batches.c.lease_until < moment_in())
        .order_by(batches.c.id)
    )
    if hospital is not None:
        over = over.where(or_(batches.c.unit.is_(None), units.c.hospital == hospital))
    with ledger.reading() as connection:
        if connection.scalar(over.limit(1)) is None:
            return 0
    with ledger.writing() as connection:
        take_turn(connection)
        return sum(
            _expire(connection, ledger.keys, batch, actor)
            for batch in connection.scalars(over).all()
        )


def _expire(connection: Connection, keys: KeyRing, batch_id: str, actor: Actor) -> int:
    """End one lease that is over."""
    batch = lock_batch(connection, batch_id)
    if batch is None or batch["unit"] is None or batch["envelope"] is None:
        return _end_rehearsal(connection, batch_id)
    state = BatchState(batch["state"])
    left_over = state is not BatchState.SENDING
    doubted = str(uuid.uuid4()) if left_over else batch_id
    low, high = span(batch["envelope"])
    moved = apply_transition(
        connection,
        Transition.LEASE_EXPIRED,
        LineState.IN_DOUBT,
        _lines.c.address.between(low, high),
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


def _end_rehearsal(connection: Connection, batch_id: str) -> int:
    move_batch(connection, batch_id, BatchState.SENDING, to=BatchState.SETTLED, lease_until=None)
    return 0


def _give_a_batch_of_their_own(
    connection: Connection, old: RowMapping, new_id: str, lines: int
) -> None:
    kept = ("claim", "survey", "unit", "envelope", "validity_at", "reminder_at", "status",
            "run_id", "try_number")  # fmt: skip
    insert_batch(
        connection,
        state=BatchState.IN_DOUBT,
        id=new_id,
        lines=lines,
        parent=old["id"],
        **{name: old[name] for name in kept},
    )
