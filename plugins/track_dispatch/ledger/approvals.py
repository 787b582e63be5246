"""A day's volume held for a person: what is usual, the question, and its answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select, update

from track_dispatch.ledger import schema
from track_dispatch.ledger.moves import move
from track_dispatch.ledger.schema import moment_in
from track_dispatch.ledger.transitions import Transition
from track_dispatch.records import Actor, LineState

if TYPE_CHECKING:
    from datetime import date

    from sqlalchemy import Connection

    from track_dispatch.ledger.database import Ledger

#: The reason of a line that waits for an approval.
FOR_APPROVAL = "approval"


class Answer(StrEnum):
    """How a question ended."""

    APPROVED = "approved"
    REJECTED = "rejected"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class Volume:
    """How many lines of a day could be asked, and how many of them wait to be."""

    invitable: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Question:
    """What a person was asked about a day; no answer yet where `answer` is None."""

    id: int
    lines: int
    usual: int
    answer: Answer | None


def volume_of(connection: Connection, *, hospital: str, business_day: date) -> Volume:
    """Count the lines of a day: all but the excluded, and those that are ready or held."""
    lines = schema.lines
    rows = connection.execute(
        select(lines.c.state, func.count())
        .where(lines.c.hospital == hospital, lines.c.business_day == business_day)
        .group_by(lines.c.state)
    ).all()
    counts = {LineState(state): count for state, count in rows}
    waiting = counts.get(LineState.READY, 0) + counts.get(LineState.HELD, 0)
    return Volume(sum(counts.values()) - counts.get(LineState.EXCLUDED, 0), waiting)


def past_volumes(
    connection: Connection, *, hospital: str, business_day: date, weeks: int
) -> list[int]:
    """Return the invitable lines of the same weekdays before, of those that were extracted."""
    days = [business_day - timedelta(weeks=week) for week in range(1, weeks + 1)]
    return [
        volume_of(connection, hospital=hospital, business_day=day).invitable
        for day in _extracted(connection, hospital, days)
    ]


def past_attendances(
    connection: Connection, *, hospital: str, business_day: date, weeks: int
) -> list[int]:
    """Return how many attendances each of the same weekdays before had in the ERP."""
    table = schema.extractions
    days = [business_day - timedelta(weeks=week) for week in range(1, weeks + 1)]
    rows = connection.execute(
        select(table.c.business_day, func.max(table.c.attendances))
        .where(
            table.c.hospital == hospital,
            table.c.business_day.in_(days),
            table.c.applied_at.is_not(None),
        )
        .group_by(table.c.business_day)
    )
    return [int(count) for _, count in rows]


def hold_day(
    ledger: Ledger,
    *,
    hospital: str,
    business_day: date,
    lines: int,
    usual: int,
    actor: Actor,
) -> None:
    """Hold what is ready of a day, and write the question down, before anybody is asked."""
    with ledger.writing() as connection:
        move(
            connection,
            Transition.HELD_FOR_APPROVAL,
            LineState.HELD,
            schema.lines.c.hospital == hospital,
            schema.lines.c.business_day == business_day,
            actor=actor,
            reason=FOR_APPROVAL,
        )
        connection.execute(
            insert(schema.approvals).values(
                hospital=hospital,
                business_day=business_day,
                run_id=actor.run_id or actor.name,
                asked_at=moment_in(),
                lines=lines,
                usual=usual,
            )
        )


def answer_question(
    ledger: Ledger,
    question: Question,
    answer: Answer,
    *,
    hospital: str,
    business_day: date,
    person: str | None,
    actor: Actor,
) -> int:
    """Write an answer down; approved, the day's held lines are ready again: return how many."""
    approvals, lines = schema.approvals, schema.lines
    who = Actor(person or actor.name, run_id=actor.run_id, try_number=actor.try_number)
    with ledger.writing() as connection:
        connection.execute(
            update(approvals)
            .where(approvals.c.id == question.id)
            .values(answer=answer, answered_at=moment_in(), person=person)
        )
        if answer is not Answer.APPROVED:
            return 0
        moved = move(
            connection,
            Transition.APPROVED,
            LineState.READY,
            lines.c.hospital == hospital,
            lines.c.business_day == business_day,
            lines.c.reason == FOR_APPROVAL,
            actor=who,
            reason=None,
        )
    return len(moved)


def last_question(
    connection: Connection, *, hospital: str, business_day: date, run_id: str
) -> Question | None:
    """Return what a run asked last about a day, if it asked."""
    table = schema.approvals
    row = connection.execute(
        select(table.c.id, table.c.lines, table.c.usual, table.c.answer)
        .where(
            table.c.hospital == hospital,
            table.c.business_day == business_day,
            table.c.run_id == run_id,
        )
        .order_by(table.c.id.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    return Question(row.id, row.lines, row.usual, Answer(row.answer) if row.answer else None)


def _extracted(connection: Connection, hospital: str, days: list[date]) -> list[date]:
    table = schema.extractions
    known = select(table.c.business_day).where(
        table.c.hospital == hospital,
        table.c.business_day.in_(days),
        table.c.applied_at.is_not(None),
    )
    return list(connection.scalars(known.distinct()))
