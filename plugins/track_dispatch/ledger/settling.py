"""What becomes of a claim: the certain answer, the doubt, the lease that ran out.

Nothing but these moves a line out of `sending`. Every function is one transaction.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, update

from track_dispatch.ledger import schema
from track_dispatch.ledger.claims import close_batch, of_unit
from track_dispatch.ledger.moves import NO_CLAIM, move
from track_dispatch.ledger.schema import moment_in
from track_dispatch.ledger.transitions import Transition
from track_dispatch.records import BatchState, LineState, Reason, Refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import Connection

    from track_dispatch.ledger.claims import Batch
    from track_dispatch.ledger.database import Ledger
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


def settle(ledger: Ledger, batch: Batch, settlement: Settlement, *, actor: Actor) -> None:
    """Write a certain answer down, also when the lease made the lines in doubt meanwhile."""
    lines = schema.lines
    refusal = {**NO_CLAIM, "reason": settlement.refusal.value, "retry_allowed": False}
    fates: list[tuple[LineState, Collection[int], str | None, dict[str, Any]]] = [
        (LineState.ACCEPTED, settlement.accepted, None, NO_CLAIM),
        (LineState.READY, settlement.released, None, {**NO_CLAIM, "batch_id": None}),
    ]
    for fault in sorted(set(settlement.refused.values())):
        faulted = [line for line, found in settlement.refused.items() if found == fault]
        fates.append((LineState.REFUSED, faulted, fault or None, refusal))
    with ledger.writing() as connection:
        for to, ids, detail, values in fates:
            for transition in (Transition.ANSWERED, Transition.ANSWERED_LATE):
                move(
                    connection,
                    transition,
                    to,
                    lines.c.claim_id == batch.claim_id,
                    lines.c.id.in_(sorted(ids)),
                    actor=actor,
                    detail=detail,
                    **values,
                )
        close_batch(
            connection,
            batch.id,
            settlement.batch_state,
            status=settlement.status,
            receipt=settlement.receipt,
        )


def doubt(ledger: Ledger, batch: Batch, *, status: int | None, actor: Actor) -> None:
    """Note that nobody knows whether a batch was delivered: a person decides."""
    lines = schema.lines
    with ledger.writing() as connection:
        move(
            connection,
            Transition.DOUBTED,
            LineState.IN_DOUBT,
            lines.c.claim_id == batch.claim_id,
            lines.c.batch_id == batch.id,
            actor=actor,
        )
        close_batch(connection, batch.id, BatchState.IN_DOUBT, status=status)


def expire_leases(ledger: Ledger, *, hospital: str, actor: Actor) -> int:
    """Put lines whose lease is over in doubt, with their batches; return how many lines."""
    lines, batches = schema.lines, schema.batches
    with ledger.writing() as connection:
        moved = move(
            connection,
            Transition.LEASE_OVER,
            LineState.IN_DOUBT,
            lines.c.hospital == hospital,
            lines.c.lease_until < moment_in(),
            actor=actor,
        )
        _regroup_unposted(connection, [row.id for row in moved])
        connection.execute(
            update(batches)
            .where(
                batches.c.hospital == hospital,
                batches.c.state == BatchState.SENDING,
                batches.c.lease_until < moment_in(),
            )
            .values(state=BatchState.IN_DOUBT, changed_at=moment_in())
        )
    return len(moved)


def close_unit(ledger: Ledger, unit: Unit, *, reason: Reason | None = None, actor: Actor) -> int:
    """Take what is ready out of a unit that may no longer be asked; return how many lines.

    With a reason the lines are excluded, without one they are too old: expired.
    """
    transition = Transition.EXCLUDED_AT_CLAIM if reason else Transition.EXPIRED
    to = LineState.EXCLUDED if reason else LineState.EXPIRED
    with ledger.writing() as connection:
        moved = move(
            connection,
            transition,
            to,
            *of_unit(unit),
            schema.lines.c.state == LineState.READY,
            actor=actor,
            reason=reason,
        )
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
            "changed_at": moment_in(),
        }
        connection.execute(insert(batches).values(**new))
        connection.execute(
            update(lines)
            .where(lines.c.batch_id == old["id"], lines.c.state == LineState.IN_DOUBT)
            .values(batch_id=new["id"])
        )
