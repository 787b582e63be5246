"""What becomes of a claim: the certain answer, the doubt, the lease that ran out.

Nothing but these moves a line out of `sending`. Every function is one transaction.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import exists, func, insert, literal, or_, select, update

from track_dispatch.ledger import schema
from track_dispatch.ledger.claims import of_unit
from track_dispatch.ledger.contacts import release_contacts
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
            left = set(ids)
            for transition in (Transition.ANSWERED, Transition.ANSWERED_LATE):
                if not left:
                    break
                moved = move(
                    connection,
                    transition,
                    to,
                    lines.c.claim_id == batch.claim_id,
                    lines.c.id.in_(sorted(left)),
                    actor=actor,
                    detail=detail,
                    **values,
                )
                left -= {row.id for row in moved}
                if to is not LineState.ACCEPTED:  # the person was not invited
                    release_contacts(connection, [row.id for row in moved])
        _close_batch(
            connection,
            batch,
            settlement.batch_state,
            status=settlement.status,
            receipt=settlement.receipt,
        )
        _close_emptied(connection, batch.claim_id, settlement.batch_state)


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
        _close_batch(connection, batch, BatchState.IN_DOUBT, status=status)


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
        moved = move(
            connection,
            transition,
            to,
            *of_unit(unit),
            actor=actor,
            reason=reason,
        )
    return len(moved)


def _close_batch(connection: Connection, batch: Batch, state: BatchState, **values: Any) -> None:
    """Move a batch to its end, unless a person took it over meanwhile; None keeps what it has."""
    batches = schema.batches
    said = {name: value for name, value in values.items() if value is not None}
    leaves = (BatchState.SENDING, BatchState.IN_DOUBT, BatchState.SPLIT)
    connection.execute(
        update(batches)
        .where(
            batches.c.id == batch.id,
            batches.c.claim_id == batch.claim_id,
            batches.c.state.in_(leaves),
        )
        .values(state=state, changed_at=moment_in(), **said)
    )


def _close_emptied(connection: Connection, claim_id: str, state: BatchState) -> None:
    """Close the claim's other batches that have no line on its way any more.

    A late answer may empty a batch of leftovers, which nobody needs to decide on then.
    """
    lines, batches = schema.lines, schema.batches
    under_way = (LineState.SENDING, LineState.IN_DOUBT)
    connection.execute(
        update(batches)
        .where(
            batches.c.claim_id == claim_id,
            batches.c.state.in_((BatchState.SENDING, BatchState.IN_DOUBT)),
            ~exists().where(lines.c.batch_id == batches.c.id, lines.c.state.in_(under_way)),
        )
        .values(state=state, changed_at=moment_in())
    )


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
