"""What becomes of a claim: the certain answer, the doubt, the lease that ran out.

Nothing but these moves a line out of `sending`. Every function is one transaction.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, insert, literal, or_, select, update

from track_dispatch.ledger import schema
from track_dispatch.ledger.batches import close_batch, close_emptied
from track_dispatch.ledger.contacts import release_contacts
from track_dispatch.ledger.lists import among
from track_dispatch.ledger.moves import NO_CLAIM, carry_out, move, moving
from track_dispatch.ledger.schema import moment_in
from track_dispatch.ledger.transitions import Transition
from track_dispatch.ledger.units import OF_UNIT, unit_parameters
from track_dispatch.records import BatchState, LineState, Reason, Refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import Connection

    from track_dispatch.ledger.batches import Batch
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.ledger.moves import Move
    from track_dispatch.records import Actor, Unit


@dataclass(frozen=True, slots=True)
class Settlement:
    """The certain fate of lines of a claim, by id, and the end of the batch they were posted in.

    `refused` says for each line what Track faulted.
    """

    accepted: Collection[int] = ()
    refused: Mapping[int, str] = field(default_factory=dict)
    refusal: Refusal = Refusal.BY_STATUS
    released: Collection[int] = ()
    status: int | None = None
    receipt: str | None = None
    batch_state: BatchState = BatchState.SETTLED


_lines = schema.lines

_CLAIM = _lines.c.claim_id == bindparam("claim")
_CHOSEN = (_CLAIM, among(_lines.c.id, "ids"))


def _answered(to: LineState, **values: Any) -> tuple[Move, ...]:
    """Make the moves of a certain answer: on lines under way, and on those doubted meanwhile."""
    transitions = (Transition.ANSWERED, Transition.ANSWERED_LATE)
    return tuple(moving(found, to, *_CHOSEN, **NO_CLAIM, **values) for found in transitions)


_ACCEPTED = _answered(LineState.ACCEPTED)
_RELEASED = _answered(LineState.READY, batch_id=None)
_REFUSED = _answered(LineState.REFUSED, retry_allowed=False)
_DOUBTED = moving(
    Transition.DOUBTED, LineState.IN_DOUBT, _CLAIM, _lines.c.batch_id == bindparam("batch")
)


def settle(ledger: Ledger, batch: Batch, settlement: Settlement, *, actor: Actor) -> None:
    """Write a certain answer down, also when the lease made the lines in doubt meanwhile."""
    said: dict[str, Any] = {"actor": actor, "claim": batch.claim_id}
    reason = settlement.refusal.value
    with ledger.writing() as connection:
        # a person who was certainly not invited is free again
        _answer(connection, _ACCEPTED, settlement.accepted, **said)
        released = _answer(connection, _RELEASED, settlement.released, **said)
        release_contacts(connection, released)
        for fault in sorted(set(settlement.refused.values())):
            faulted = [line for line, found in settlement.refused.items() if found == fault]
            detail = fault or None
            refused = _answer(connection, _REFUSED, faulted, detail=detail, reason=reason, **said)
            release_contacts(connection, refused)
        close_batch(
            connection,
            batch,
            settlement.batch_state,
            status=settlement.status,
            receipt=settlement.receipt,
        )
        close_emptied(connection, batch.claim_id, settlement.batch_state)


def _answer(
    connection: Connection, moves: tuple[Move, ...], ids: Collection[int], **parameters: Any
) -> list[int]:
    """Carry out the moves of an answer on these lines, each on what is left; return the moved."""
    left = set(ids)
    for found in moves:
        if left:
            moved = carry_out(connection, found, ids=sorted(left), **parameters)
            left -= {row.id for row in moved}
    return sorted(set(ids) - left)


def doubt(ledger: Ledger, batch: Batch, *, status: int | None, actor: Actor) -> None:
    """Note that nobody knows whether a batch was delivered: a person decides."""
    with ledger.writing() as connection:
        carry_out(connection, _DOUBTED, actor=actor, claim=batch.claim_id, batch=batch.id)
        close_batch(connection, batch, BatchState.IN_DOUBT, status=status)


def expire_leases(ledger: Ledger, *, hospital: str | None = None, actor: Actor) -> int:
    """Put lines whose lease is over in doubt, with their batches; return how many lines.

    Without a hospital it does so for all there are.
    """
    lines, batches = schema.lines, schema.batches
    everywhere = literal(hospital is None)
    with ledger.writing() as connection:
        now = connection.execute(select(moment_in())).scalar_one()  # one for lines and batches
        moved = move(
            connection,
            Transition.LEASE_OVER,
            LineState.IN_DOUBT,
            or_(everywhere, lines.c.hospital == hospital),
            lines.c.lease_until < now,
            actor=actor,
        )
        _regroup_unposted(connection, [row.id for row in moved])
        connection.execute(
            update(batches)
            .where(
                or_(everywhere, batches.c.hospital == hospital),
                batches.c.state == BatchState.SENDING,
                batches.c.lease_until < now,
            )
            .values(state=BatchState.IN_DOUBT, changed_at=moment_in())
        )
    return len(moved)


def close_unit(ledger: Ledger, unit: Unit, *, reason: Reason | None = None, actor: Actor) -> int:
    """Take what waits out of a unit that may no longer be asked; return how many lines.

    With a reason its ready lines are excluded; without one it is too old: what is ready or held
    expires.
    """
    transition = Transition.EXCLUDED_AT_CLAIM if reason else Transition.EXPIRED
    to = LineState.EXCLUDED if reason else LineState.EXPIRED
    with ledger.writing() as connection:
        closing = moving(transition, to, *OF_UNIT, reason=reason)
        moved = carry_out(connection, closing, actor=actor, **unit_parameters(unit))
    return len(moved)


def _regroup_unposted(connection: Connection, line_ids: Sequence[int]) -> None:
    """Give lines left over from a split batch a batch of their own: a person decides by the batch.

    The old batch's key must not go out again with other content.
    """
    lines, batches = schema.lines, schema.batches
    old_batches = connection.execute(
        select(batches, func.count().label("left"))
        .join(lines, lines.c.batch_id == batches.c.id)
        .where(
            lines.c.id.in_(line_ids),
            lines.c.state == LineState.IN_DOUBT,
            batches.c.state == BatchState.SPLIT,
        )
        .group_by(*batches.c)
    ).mappings()
    for old in list(old_batches):
        new = {name: old[name] for name in batches.c.keys()}  # noqa: SIM118 - columns, not a dict
        new |= {
            "id": str(uuid.uuid4()),
            "split_from": old["id"],
            "state": BatchState.IN_DOUBT,
            "lines": old["left"],
            "created_at": moment_in(),
            "changed_at": moment_in(),
        }
        connection.execute(insert(batches).values(**new))
        connection.execute(
            update(lines)
            .where(lines.c.batch_id == old["id"], lines.c.state == LineState.IN_DOUBT)
            .values(batch_id=new["id"])
        )
