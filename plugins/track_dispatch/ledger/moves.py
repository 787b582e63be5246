"""The one way to move lines: an UPDATE whose WHERE names the states, and its events with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, insert, literal_column, null, select, update

from track_dispatch.ledger import schema
from track_dispatch.ledger.lists import among
from track_dispatch.ledger.schema import moment_in
from track_dispatch.ledger.transitions import TABLE, Transition

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import ColumnElement, Connection, Row
    from sqlalchemy.sql.dml import ReturningUpdate

    from track_dispatch.records import Actor, LineState

#: A claim ends when its lines leave `sending` for anything but `in_doubt`.
NO_CLAIM: dict[str, Any] = {"claim_id": null(), "lease_until": null()}

_SAME_FOR_ALL = ("transition", "actor", "run_id", "try_number", "detail", "decision_id")

#: Copied from the lines inside the database: one statement for a batch instead of one per line.
_EVENTS = insert(schema.events).from_select(
    ["at", "line_id", "state", "reason", "batch_id", *_SAME_FOR_ALL],
    select(
        moment_in(),
        *(schema.lines.c[name] for name in ("id", "state", "reason", "batch_id")),
        *(bindparam(name, type_=schema.events.c[name].type) for name in _SAME_FOR_ALL),
    )
    .where(among(schema.lines.c.id, "line_ids"))
    .order_by(schema.lines.c.id),
)


def _is_one_of(states: Iterable[LineState]) -> ColumnElement[bool]:
    """Select lines by states that stand in the statement itself: there is nothing to bind."""
    return schema.lines.c.state.in_([literal_column(f"'{state}'") for state in states])


_LEAVES = {transition: _is_one_of(sorted(rule.leaves)) for transition, rule in TABLE.items()}


@dataclass(frozen=True, slots=True)
class Move:
    """A transition with its UPDATE, made once where it is carried out for every batch."""

    transition: Transition
    statement: ReturningUpdate[Any]


def moving(
    transition: Transition,
    to: LineState,
    *where: ColumnElement[bool],
    returning: Sequence[str] = ("id",),
    **values: Any,
) -> Move:
    """Make the UPDATE that moves the lines that `where` selects and the transition may take.

    The payload is erased when the new state does not wait. `values` are further columns to set;
    those of each time come when it is carried out.
    """
    rule = TABLE[transition]
    if to not in rule.enters:
        message = f"{transition} never enters {to}"
        raise ValueError(message)
    lines = schema.lines
    changes: dict[str, Any] = {"state": to, "changed_at": moment_in(), **values}
    if to not in schema.WAITING:
        changes["payload"] = null()
    statement = update(lines).where(_LEAVES[transition], *where).values(changes)
    return Move(transition, statement.returning(*(lines.c[name] for name in returning)))


def carry_out(
    connection: Connection,
    move: Move,
    *,
    actor: Actor,
    detail: str | None = None,
    decision_id: int | None = None,
    **parameters: Any,
) -> Sequence[Row[Any]]:
    """Move lines and write their events; return the moved rows.

    `parameters` are what the conditions name, and further columns to set; `detail` goes into the
    events and carries no patient data, and so does `decision_id` where a person moves the lines.
    """
    moved = connection.execute(move.statement, parameters or None).all()
    record(
        connection,
        move.transition,
        actor,
        [row.id for row in moved],
        detail=detail,
        decision_id=decision_id,
    )
    return sorted(moved, key=lambda row: int(row.id))


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
    """Move lines at once, as `moving` and `carry_out` do together."""
    made = moving(
        transition, to, *where, returning=("id", "attendance_id", "payload", "batch_id"), **values
    )
    return carry_out(connection, made, actor=actor, detail=detail, decision_id=decision_id)


def record(
    connection: Connection,
    transition: Transition,
    actor: Actor,
    line_ids: Sequence[int],
    *,
    detail: str | None = None,
    decision_id: int | None = None,
) -> None:
    """Append an event for each line, with the state, reason and batch that it has entered."""
    common = {
        "transition": transition,
        "actor": actor.name,
        "run_id": actor.run_id,
        "try_number": actor.try_number,
        "detail": detail,
        "decision_id": decision_id,
    }
    if line_ids:
        connection.execute(_EVENTS, common | {"line_ids": line_ids})
