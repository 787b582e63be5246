"""The one way to move lines: an UPDATE whose WHERE names the states, and its events with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, null, update

from track_dispatch.ledger import schema
from track_dispatch.ledger.schema import moment_in
from track_dispatch.ledger.transitions import TABLE, Transition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection, Row

    from track_dispatch.records import Actor, LineState

#: A claim ends when its lines leave `sending` for anything but `in_doubt`.
NO_CLAIM: dict[str, Any] = {"claim_id": null(), "lease_until": null()}


def move(
    connection: Connection,
    transition: Transition,
    to: LineState,
    *where: ColumnElement[bool],
    actor: Actor,
    detail: str | None = None,
    decision_id: int | None = None,
    **values: Any,
) -> Sequence[Row[Any]]:
    """Move the lines that `where` selects and the transition may take; return the moved rows.

    The payload is erased when the new state does not wait. `values` are further
    columns to set; `detail` goes into the events and carries no patient data, and so does
    `decision_id` where a person moves the lines.
    """
    rule = TABLE[transition]
    if to not in rule.enters:
        message = f"{transition} never enters {to}"
        raise ValueError(message)
    lines = schema.lines
    changes: dict[str, Any] = {"state": to, "changed_at": moment_in(), **values}
    if to not in schema.WAITING:
        changes["payload"] = null()
    moved = connection.execute(
        update(lines)
        .where(lines.c.state.in_(sorted(rule.leaves)), *where)
        .values(changes)
        .returning(lines.c.id, lines.c.attendance_id, lines.c.payload, lines.c.batch_id)
    ).all()
    if moved:
        entered = [(row.id, to, values.get("reason"), row.batch_id) for row in moved]
        record(connection, transition, actor, entered, detail=detail, decision_id=decision_id)
    return sorted(moved, key=lambda row: int(row.id))


def record(
    connection: Connection,
    transition: Transition,
    actor: Actor,
    entered: Sequence[tuple[int, str, str | None, str | None]],
    *,
    detail: str | None = None,
    decision_id: int | None = None,
) -> None:
    """Append events, one for each `(line id, state entered, reason, batch id)`."""
    connection.execute(
        insert(schema.events).values(
            at=moment_in(),
            transition=transition,
            actor=actor.name,
            run_id=actor.run_id,
            try_number=actor.try_number,
            detail=detail,
            decision_id=decision_id,
        ),
        [
            {"line_id": line_id, "state": state, "reason": reason, "batch_id": batch_id}
            for line_id, state, reason, batch_id in entered
        ],
    )
