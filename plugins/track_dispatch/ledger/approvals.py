"""The volume gate in the ledger: unusual days, questions to a person, answers and releases."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date
from statistics import median
from typing import Any, NamedTuple

from sqlalchemy import (
    Connection,
    Row,
    and_,
    func,
    insert,
    or_,
    select,
    true,
    update,
)

from track_dispatch.config.policies import VolumeGate
from track_dispatch.ledger import schema
from track_dispatch.ledger.database import Ledger
from track_dispatch.ledger.decisions import (
    DecidedLines,
    Decision,
    addresses_of_day,
    count_lines,
    deciding,
    record_decision,
    reopen,
)
from track_dispatch.ledger.extractions import is_fresh, same_weekday_before
from track_dispatch.ledger.keys import KeyRing
from track_dispatch.ledger.schema import IS_OF_UNIT, LIES_IN, plan_without_compiling
from track_dispatch.ledger.sql import HOUR, among, moment_in
from track_dispatch.ledger.transitions import MovedLine, Transition, apply_transition
from track_dispatch.records import Actor, HospitalDay
from track_dispatch.states import WAITING, DecisionRefusal, Labelled, LineState


class ApprovalAnswer(Labelled):
    """How a question ended."""

    APPROVED = "approved", "volume aprovado"
    """Exactly the lines that the question counted are ready, or reopened where too old."""
    REJECTED = "rejected", "volume rejeitado"
    """The lines stay held; no run asks again unless the volume changes."""
    TIMEOUT = "timeout", "ninguém respondeu sobre o volume"
    """Nobody answered within `timeout_hours`: the lines stay held."""


@dataclass(frozen=True, slots=True)
class VolumeQuestion:
    """What a person was asked about a day.

    Attributes:
        id: of the approval.
        day: the day that is held.
        run_id: the run that asks.
        lines: the number of held lines that a yes makes ready.
        volume: the day's lines that are not excluded.
        usual: the same number of past days; their median.
        answer: None while nobody answered.
    """

    id: int
    day: HospitalDay
    run_id: str
    lines: int
    volume: int
    usual: int
    answer: ApprovalAnswer | None


class Volume(NamedTuple):
    """A day's lines that are not excluded, and those of them that are ready or held."""

    lines: int
    waiting: int
    held: int


@dataclass(frozen=True, slots=True)
class VolumeAnomaly:
    """A day's number of lines, and the usual one that it is far from."""

    lines: int
    usual: int


def find_anomaly(volume: Volume, past: Sequence[int], gate: VolumeGate) -> VolumeAnomaly | None:
    """Return a day's anomaly if its volume is far from the usual one, else None; pure."""
    if not volume.waiting or len(past) < gate.min_history_days:
        return None
    usual = median(past)
    far = abs(volume.lines - usual) >= gate.min_lines
    outside = not gate.low * usual <= volume.lines <= gate.high * usual
    return VolumeAnomaly(volume.lines, round(usual)) if far and outside else None


def hold_if_anomalous(
    connection: Connection,
    keys: KeyRing,
    day: HospitalDay,
    volume: Volume,
    *,
    gate: VolumeGate | None,
    actor: Actor,
) -> VolumeQuestion | None:
    """Hold a day's ready lines if a person must approve its volume, and ask about all held lines.

    Called by transform, in its transaction, when the day's lines are final. A day is
    held when its volume is far from the usual one, or when the last question about it got no yes;
    a yes to about this volume lets it pass. A no to about this volume stands: another run holds
    the day, but does not ask again.

    Args:
        connection: of the writing transaction.
        keys: open and seal the payloads.
        day: the day that was applied.
        volume: its lines, as they stand.
        gate: the hospital's policy; None: never hold, ask nothing.
        actor: the run that asks.
    """
    if gate is None:
        return None
    past = past_volumes(connection, day, weeks=gate.weeks)
    last = last_question(connection, day)
    known = last is not None and abs(last.volume - volume.lines) < gate.min_lines
    approved = last is not None and last.answer is ApprovalAnswer.APPROVED
    anomaly = find_anomaly(volume, past, gate)
    if (anomaly and not (approved and known)) or (last and not approved):
        apply_transition(
            connection,
            Transition.REEVALUATED,
            LineState.HELD,
            addresses=addresses_of_day(connection, day, LineState.READY),
            keys=keys,
            actor=actor,
        )
        volume = volume._replace(held=volume.waiting)
    stands = known and last is not None and last.answer is ApprovalAnswer.REJECTED
    if not volume.held or (stands and last is not None and last.run_id != _run(actor)):
        return None
    usual = round(median(past)) if past else 0
    hours = gate.timeout_hours
    return _ask(connection, day, volume, usual=usual, hours=hours, actor=actor)


def day_volume(connection: Connection, day: HospitalDay) -> Volume:
    """Count a day's lines: those not excluded, and those that are ready or held."""
    lines, units = schema.lines, schema.units
    plan_without_compiling(connection)
    rows = connection.execute(
        select(lines.c.state, func.count())
        .select_from(units)
        .join(schema.envelopes, IS_OF_UNIT)
        .join(lines, LIES_IN)
        .where(*_of_day(units, day))
        .group_by(lines.c.state)
    )
    counts = {LineState(state): count for state, count in rows}
    counts.pop(LineState.EXCLUDED, None)
    waiting = sum(counts.get(state, 0) for state in WAITING)
    return Volume(sum(counts.values()), waiting, counts.get(LineState.HELD, 0))


def past_volumes(connection: Connection, day: HospitalDay, *, weeks: int) -> list[int]:
    """Return the volumes of the same weekday in past weeks."""
    table = schema.extractions
    rows = connection.execute(
        select(table.c.business_day, table.c.volume)
        .where(same_weekday_before(day, weeks), table.c.volume.is_not(None))
        .order_by(table.c.started_at, table.c.id)
    )
    newest = {row.business_day: row.volume for row in rows}  # the last one of a day stays
    return list(newest.values())


def last_question(connection: Connection, day: HospitalDay) -> VolumeQuestion | None:
    """Return the last question about a day, of any run."""
    table = schema.approvals
    newest = select(table).where(*_of_day(table, day)).order_by(table.c.id.desc()).limit(1)
    row = connection.execute(newest).one_or_none()
    return _question(row) if row is not None else None


def open_questions(connection: Connection, *, hospital: str, run_id: str) -> list[VolumeQuestion]:
    """Return a run's unanswered questions, the earliest day first."""
    table = schema.approvals
    rows = connection.execute(
        select(table)
        .where(table.c.hospital == hospital, table.c.run_id == run_id, table.c.answer.is_(None))
        .order_by(table.c.business_day, table.c.id)
    )
    newest = {row.business_day: _question(row) for row in rows}  # asked again: the last counts
    return list(newest.values())


def questions_shown(connection: Connection, ids: Collection[int]) -> list[VolumeQuestion]:
    """Return the questions that a form showed, the earliest day first."""
    table = schema.approvals
    rows = connection.execute(
        select(table).where(table.c.id.in_(ids)).order_by(table.c.business_day, table.c.id)
    )
    return [_question(row) for row in rows]


def wait_for_answers(ledger: Ledger, ids: Collection[int], *, seconds: float) -> None:
    """Record until when Airflow waits for an answer to open questions."""
    table = schema.approvals
    with ledger.writing() as connection:
        connection.execute(
            update(table)
            .where(table.c.id.in_(ids), table.c.answer.is_(None))
            .values(open_until=moment_in(seconds))
        )


def end_waiting(ledger: Ledger, *, hospital: str, run_id: str) -> None:
    """Record that Airflow waits no longer for an answer to a run's questions."""
    table = schema.approvals
    with ledger.writing() as connection:
        connection.execute(
            update(table)
            .where(
                table.c.hospital == hospital,
                table.c.run_id == run_id,
                table.c.answer.is_(None),
                table.c.open_until > moment_in(),
            )
            .values(open_until=moment_in())
        )


def ask_again(ledger: Ledger, *, hospital: str, hours: float, actor: Actor) -> None:
    """Ask again about held lines of a run whose question was not approved.

    For a person who clears `volume_gate`; an open question stays as it is.
    `hours`: how long an answer is waited for.
    """
    table = schema.approvals
    with ledger.writing_in_turn() as connection:
        days = connection.scalars(
            select(table.c.business_day)
            .where(table.c.hospital == hospital, table.c.run_id == _run(actor))
            .distinct()
        ).all()
        for business_day in days:
            day = HospitalDay(hospital, business_day)
            last = last_question(connection, day)
            if last is None or last.run_id != _run(actor):
                continue
            volume = day_volume(connection, day)
            if volume.held and last.answer in {ApprovalAnswer.REJECTED, ApprovalAnswer.TIMEOUT}:
                _ask(connection, day, volume, usual=last.usual, hours=hours, actor=actor)


def answer_question(
    ledger: Ledger,
    question: VolumeQuestion,
    answer: ApprovalAnswer,
    *,
    decided_by: str | None,
    max_age_hours: float,
    actor: Actor,
) -> int:
    """Record an answer; return how many lines a yes freed: those that the question counted.

    A question that was answered before stays as it is, and frees nothing.

    Args:
        ledger: open.
        question: an open one.
        answer: how it ended.
        decided_by: the person; None where nobody answered.
        max_age_hours: how long an extraction may be sent: what is older is read again first.
        actor: the task that takes the answer.
    """
    approvals = schema.approvals
    who = Actor(decided_by or actor.name, run_id=actor.run_id, try_number=actor.try_number)
    with ledger.writing_in_turn() as connection:
        answered = connection.execute(
            update(approvals)
            .where(approvals.c.id == question.id, approvals.c.answer.is_(None))
            .values(answer=answer.value, answered_at=moment_in(), decided_by=decided_by)
        )
        if not answered.rowcount or answer is not ApprovalAnswer.APPROVED:
            return 0
        ready, reopened = free_held(
            connection,
            ledger.keys,
            question.day,
            max_age_hours=max_age_hours,
            actor=who,
            question=question.id,
        )
    return len(ready) + len(reopened)


def release_day(
    ledger: Ledger, day: HospitalDay, decision: Decision, *, max_age_hours: float, today: date
) -> DecidedLines:
    """Free a day's held lines, whatever was asked or answered about its volume.

    The day's questions count as approved for its present volume, so that lines that must be read
    again are not held again for it.

    Raises:
        DecisionRefusedError: nothing of the day is held, or the run was carried out before.
    """
    with deciding(ledger) as connection:
        decided = record_decision(connection, decision, **day._asdict())
        ready, reopened = free_held(
            connection,
            ledger.keys,
            day,
            max_age_hours=max_age_hours,
            actor=decision.actor,
            decision=decided,
        )
        if not ready and not reopened:
            raise DecisionRefusal.NONE_HELD.error(day=day)
        count_lines(connection, decided, len(ready) + len(reopened))
        _approve_questions(connection, day, decision)
        found = reopen(connection, ledger.keys, day, reopened, actor=decision.actor, today=today)
        return replace(found, ready=len(ready))


def free_held(
    connection: Connection,
    keys: KeyRing,
    day: HospitalDay,
    *,
    max_age_hours: float,
    actor: Actor,
    question: int | None = None,
    decision: int | None = None,
) -> tuple[list[MovedLine], list[MovedLine]]:
    """Free held lines of a day: fresh ones become ready, others reopened.

    An extraction is fresh for `max_age_hours`. With a `question`, only the lines that it counted
    are freed. `decision` is the person's, if one moves them.

    Returns:
        The lines that are ready now, and those that must be read again.
    """
    counted = schema.lines.c.question == question if question is not None else true()
    may_go = and_(schema.envelopes.c.payload.is_not(None), is_fresh(max_age_hours))
    fresh = set(addresses_of_day(connection, day, LineState.HELD, may_go))
    every = set(addresses_of_day(connection, day, LineState.HELD))

    def free(addresses: set[int], state: LineState) -> list[MovedLine]:
        return apply_transition(
            connection,
            Transition.APPROVED,
            state,
            counted,
            addresses=addresses,
            keys=keys,
            actor=actor,
            decision=decision,
        )

    return free(fresh, LineState.READY), free(every - fresh, LineState.REOPENED)


def _ask(
    connection: Connection,
    day: HospitalDay,
    volume: Volume,
    *,
    usual: int,
    hours: float,
    actor: Actor,
) -> VolumeQuestion:
    asked = connection.execute(
        insert(schema.approvals)
        .values(
            **day._asdict(),
            run_id=_run(actor),
            asked_at=moment_in(),
            open_until=moment_in(hours * HOUR),
            lines=volume.held,
            volume=volume.lines,
            usual=usual,
        )
        .returning(schema.approvals.c.id)
    ).scalar_one()
    lines = schema.lines
    connection.execute(
        update(lines)
        .where(among(lines.c.address, "addresses"), lines.c.state == LineState.HELD)
        .values(question=asked),
        {"addresses": addresses_of_day(connection, day, LineState.HELD)},
    )
    return VolumeQuestion(asked, day, _run(actor), volume.held, volume.lines, usual, None)


def _approve_questions(connection: Connection, day: HospitalDay, decision: Decision) -> None:
    """Count every question about a day as approved, for the volume that it has now."""
    approvals, yes = schema.approvals, ApprovalAnswer.APPROVED
    other = or_(approvals.c.answer.is_(None), approvals.c.answer != yes)
    connection.execute(
        update(approvals)
        .where(*_of_day(approvals, day), other)
        .values(
            answer=yes,
            answered_at=moment_in(),
            decided_by=decision.decided_by,
            volume=day_volume(connection, day).lines,
        )
    )


def _of_day(table: Any, day: HospitalDay) -> tuple[Any, Any]:
    return table.c.hospital == day.hospital, table.c.business_day == day.business_day


def _run(actor: Actor) -> str:
    return actor.run_id or actor.name


def _question(row: Row[Any]) -> VolumeQuestion:
    return VolumeQuestion(
        id=row.id,
        day=HospitalDay(row.hospital, row.business_day),
        run_id=row.run_id,
        lines=row.lines,
        volume=row.volume,
        usual=row.usual,
        answer=ApprovalAnswer(row.answer) if row.answer else None,
    )
