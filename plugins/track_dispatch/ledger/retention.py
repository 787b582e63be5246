"""What housekeeping takes out of the ledger when its time is over.

Ages count from the database's clock, days of patients from the business day. What still waits for
a person is never deleted: a day with such a line stays whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, null, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from track_dispatch.ledger import schema
from track_dispatch.ledger.moves import move
from track_dispatch.ledger.schema import WAITING, moment_in
from track_dispatch.ledger.transitions import Transition
from track_dispatch.records import LineState

if TYPE_CHECKING:
    from datetime import date

    from sqlalchemy import ColumnElement, Connection

    from track_dispatch.ledger.database import Ledger
    from track_dispatch.records import Actor

#: Days that staged rows wait for a transform. Source: issue 4 of this project.
STAGED_DAYS = 3
_SECONDS_A_DAY = 86_400.0
#: What tells of the person or the illness; the rest of a settled line says that it was, and when.
_TELLING = ("cpf_hash", "email_hash", "phone_hash", "digest", "area", "channel")


def expire_day_and_before(ledger: Ledger, *, hospital: str, last: date, actor: Actor) -> int:
    """Expire what is ready or held of a hospital's days up to `last`; return how many lines."""
    lines = schema.lines
    with ledger.writing() as connection:
        moved = move(
            connection,
            Transition.EXPIRED,
            LineState.EXPIRED,
            lines.c.hospital == hospital,
            lines.c.business_day <= last,
            actor=actor,
        )
    return len(moved)


def erase_doubtful_payloads(ledger: Ledger, *, hospital: str, last: date) -> int:
    """Erase the payloads of lines in doubt of days up to `last`: they may not be sent any more."""
    lines = schema.lines
    return _changed(
        ledger,
        update(lines)
        .where(
            lines.c.hospital == hospital,
            lines.c.business_day <= last,
            lines.c.state == LineState.IN_DOUBT,
            lines.c.payload.is_not(None),
        )
        .values(payload=null()),
    )


def erase_settled_payloads(ledger: Ledger) -> int:
    """Erase payloads on settled lines; a constraint forbids them, so this finds none."""
    lines = schema.lines
    return _changed(
        ledger,
        update(lines)
        .where(lines.c.state.not_in(WAITING), lines.c.payload.is_not(None))
        .values(payload=null()),
    )


def erase_staged(ledger: Ledger) -> int:
    """Erase staged rows that no transform has taken in time; return how many extractions.

    An extraction without its rows is no longer complete: applied as it is, it would say that the
    day has no patients.
    """
    extractions, staged = schema.extractions, schema.staged_rows
    old = select(extractions.c.id).where(
        extractions.c.started_at < moment_in(-STAGED_DAYS * _SECONDS_A_DAY)
    )
    with ledger.writing() as connection:
        found = connection.scalars(
            select(staged.c.extraction_id).where(staged.c.extraction_id.in_(old)).distinct()
        ).all()
        if found:
            connection.execute(delete(staged).where(staged.c.extraction_id.in_(found)))
            connection.execute(
                update(extractions)
                .where(extractions.c.id.in_(found), extractions.c.applied_at.is_(None))
                .values(completed_at=null())
            )
    return len(found)


def thin(ledger: Ledger, *, hospital: str, days: int) -> int:
    """Leave of lines settled for so many days only what proves that they were; return how many.

    Source, attendance id, day, state, reason, moments and batch stay.
    """
    lines = schema.lines
    telling = [lines.c[name] for name in _TELLING]
    return _changed(
        ledger,
        update(lines)
        .where(
            lines.c.hospital == hospital,
            lines.c.state.not_in(WAITING),
            lines.c.changed_at < moment_in(-days * _SECONDS_A_DAY),
            or_(*(column.is_not(None) for column in telling)),
        )
        .values({column: null() for column in telling}),
    )


def forget(ledger: Ledger, *, hospital: str, first_known_day: date) -> int:
    """Delete the days before `first_known_day`, which are refused from now on; count the lines."""
    lines, batches, extractions = schema.lines, schema.batches, schema.extractions
    with ledger.writing() as connection:
        _move_horizon(ledger, connection, hospital, first_known_day)
        waiting = select(lines.c.business_day).where(
            lines.c.hospital == hospital, lines.c.state.in_(WAITING)
        )

        def of(table: Any) -> tuple[ColumnElement[bool], ...]:
            return (
                table.c.hospital == hospital,
                table.c.business_day < first_known_day,
                table.c.business_day.not_in(waiting),
            )

        doomed = select(lines.c.id).where(*of(lines))
        events, staged = schema.events, schema.staged_rows
        connection.execute(delete(events).where(events.c.line_id.in_(doomed)))
        deleted = connection.execute(delete(lines).where(*of(lines))).rowcount
        ended = select(extractions.c.id).where(*of(extractions))
        connection.execute(delete(staged).where(staged.c.extraction_id.in_(ended)))
        connection.execute(delete(extractions).where(*of(extractions)))
        connection.execute(delete(batches).where(*of(batches)))  # its parts are of the same day
    return int(deleted)


def _move_horizon(ledger: Ledger, connection: Connection, hospital: str, day: date) -> None:
    """Refuse the days before this one; a horizon never moves back."""
    horizons = schema.horizons
    dialect = postgresql if ledger.on_postgresql else sqlite
    new = dialect.insert(horizons).values(hospital=hospital, first_known_day=day)
    connection.execute(
        new.on_conflict_do_update(
            index_elements=["hospital"],
            set_={"first_known_day": new.excluded.first_known_day},
            where=horizons.c.first_known_day < new.excluded.first_known_day,
        )
    )


def _changed(ledger: Ledger, statement: Any) -> int:
    with ledger.writing() as connection:
        return int(connection.execute(statement).rowcount)
