"""What the ledger holds about one person, found by keyed hashes, and its erasure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import null, or_, select, update

from track_dispatch.ledger import schema
from track_dispatch.ledger.decisions import count_lines, record_decision
from track_dispatch.ledger.moves import move
from track_dispatch.ledger.transitions import Transition
from track_dispatch.records import LineState, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from sqlalchemy import ColumnElement, Connection

    from track_dispatch.ledger.database import Ledger
    from track_dispatch.records import Decision

_HASHES = ("cpf_hash", "email_hash", "phone_hash")
#: What a person's line may still be needed for: somebody may yet have to send or settle it.
_UNDER_WAY = (LineState.SENDING, LineState.IN_DOUBT, LineState.HELD)


@dataclass(frozen=True, slots=True)
class Held:
    """One attendance of the person: where it stands, and whether its data still wait."""

    hospital: str
    business_day: date
    state: str
    payload: bool


def held_about(ledger: Ledger, connection: Connection, identity: Mapping[str, str]) -> list[Held]:
    """Return what is held about a person, given by normalised identities."""
    lines = schema.lines
    waits = lines.c.payload.is_not(None)
    columns: list[Any] = [lines.c.hospital, lines.c.business_day, lines.c.state, waits]
    rows = connection.execute(
        select(*columns).where(_is(ledger, identity)).order_by(lines.c.business_day, lines.c.id)
    )
    return [Held(*row) for row in rows]


def erase_person(ledger: Ledger, identity: Mapping[str, str], decision: Decision) -> int:
    """Erase what tells of a person and is not under way; return how many lines.

    What was still ready is excluded as an opt-out: without its data nobody can be asked.
    """
    lines = schema.lines
    with ledger.writing() as connection:
        decision_id = record_decision(connection, decision)
        move(
            connection,
            Transition.EXCLUDED_AT_CLAIM,
            LineState.EXCLUDED,
            _is(ledger, identity),
            actor=decision.actor,
            decision_id=decision_id,
            reason=Reason.OPT_OUT,
        )
        telling = [lines.c[name] for name in (*_HASHES, "digest")]
        erased = connection.execute(
            update(lines)
            .where(_is(ledger, identity), lines.c.state.not_in(_UNDER_WAY))
            .values({column: null() for column in telling})
        ).rowcount
        count_lines(connection, decision_id, int(erased))
    return int(erased)


def _is(ledger: Ledger, identity: Mapping[str, str]) -> ColumnElement[bool]:
    """Select the lines of a person."""
    return or_(
        *(
            schema.lines.c[f"{kind}_hash"].in_(ledger.keys.identities(kind, value))
            for kind, value in identity.items()
        )
    )
