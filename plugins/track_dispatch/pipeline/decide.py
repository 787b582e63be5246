"""Carry out a person's decision, for `track_decide` and for the command line alike.

Also the questions of the task `volume_gate`: `transform` holds a day with an unusual number of
lines, and a person is asked once about all days that the run holds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import TypeVar

from track_dispatch.config import VolumeGate, load_hospital
from track_dispatch.errors import ConfigError
from track_dispatch.ledger.approvals import (
    ApprovalAnswer,
    VolumeQuestion,
    answer_question,
    ask_again,
    open_questions,
    questions_shown,
    release_day,
)
from track_dispatch.ledger.backups import restore
from track_dispatch.ledger.database import Ledger
from track_dispatch.ledger.decisions import (
    OF_BATCHES,
    DecidedLines,
    Decision,
    decide_batch,
    hospital_of_batch,
    retry_refused,
)
from track_dispatch.ledger.in_doubt import expire_leases
from track_dispatch.ledger.stop_switch import resume_service
from track_dispatch.pipeline import BUSINESS_DAY, Run
from track_dispatch.pipeline.housekeeping import LAST_ZONE
from track_dispatch.pipeline.screening import BATCH, LONGEST_WHY, SHORTEST_WHY, refuse_personal
from track_dispatch.records import HospitalDay
from track_dispatch.states import Count, DecisionRefusal, Verb

T = TypeVar("T")

#: Verbs about a hospital's day.
OF_DAYS = frozenset({Verb.RELEASE, Verb.RETRY_REFUSED})

#: Labels of a decision's fields in the form.
FIELDS = {
    "batch": "Lote",
    "hospital": "Hospital",
    "business_day": BUSINESS_DAY,
    "as_of": "Momento da cópia",
    "confirmed": "Confirmo: o Track nunca processou o lote",
}

#: A batch's id as it is pasted, or nothing.
BATCH_PATTERN = rf"^\s*(?:{BATCH})?\s*$"
#: A hospital's code as it is typed, or nothing.
CODE_PATTERN = r"^\s*(?:[A-Za-z][A-Za-z0-9]{1,15})?\s*$"


@dataclass(frozen=True, slots=True)
class Order:
    """What a decision is about: a batch, a hospital's day, a backup's moment, or nothing more.

    `confirmed`: that Track itself said it never processed an accepted batch.
    """

    batch: str | None = None
    hospital: str | None = None
    business_day: date | None = None
    as_of: datetime | None = None
    confirmed: bool | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What a decision changed; `lines` counts stops where sending was resumed."""

    verb: Verb
    lines: int
    decided: DecidedLines | None = None


def make_decision(
    verb: Verb, *, decided_by: str | None, why: str, run_id: str | None = None
) -> Decision:
    """Make a decision of a person's input.

    Args:
        verb: what was decided.
        decided_by: the user of Airflow, whose name is as it was given to log in, or `--by`.
        why: the reason.
        run_id: of the run of `track_decide`.

    Raises:
        DecisionRefusedError: the person or the reason is missing, or looks like patient data.
    """
    who, reason = " ".join((decided_by or "").split()), " ".join(why.split())
    if not who:
        raise DecisionRefusal.NOBODY.error()
    if not SHORTEST_WHY <= len(reason) <= LONGEST_WHY:
        raise DecisionRefusal.REASON_LENGTH.error(shortest=SHORTEST_WHY, longest=LONGEST_WHY)
    return Decision(verb, who, refuse_personal(reason, "reason"), run_id)


def carry_out(order: Order, decision: Decision, *, ledger: Ledger, now: datetime) -> Done:
    """Carry out a person's decision once, and record who decided and why.

    Args:
        order: what it is about; fields that its verb does not take are refused.
        decision: by whom, and why.
        ledger: open.
        now: aware; tells until when patients may be asked.

    Raises:
        DecisionRefusedError: what it is about is missing, is too much, is not there, or was decided
            before.
        ConfigError: there is no such hospital, or its file is broken.
        LinesInFlightError: the lease of what it is about still runs.
        LedgerError: the ledger failed; nothing was done.
    """
    verb = decision.verb
    _refuse_what_does_not_belong(order, verb)
    if verb is Verb.RESUME:
        return Done(verb, resume_service(ledger, decision))
    if verb is Verb.RESTORED:
        moment = _required(order.as_of, "as_of")
        return Done(verb, restore(ledger, as_of=moment, decision=decision))
    if verb in OF_BATCHES:
        batch = _required(order.batch, "batch")
        if verb is Verb.REOPEN_ACCEPTED and not order.confirmed:
            raise DecisionRefusal.UNCONFIRMED.error()
        expire_leases(ledger, actor=decision.actor)
        done = decide_batch(ledger, batch, decision, today=_day_of_batch(ledger, batch, now))
    elif verb in OF_DAYS:
        done = _decide_day(order, decision, ledger, now)
    else:
        raise DecisionRefusal.FROM_A_SHELL.error(verb=verb)
    return Done(verb, done.lines, done)


def _decide_day(order: Order, decision: Decision, ledger: Ledger, now: datetime) -> DecidedLines:
    hospital = load_hospital(_required(order.hospital, "hospital").upper())
    day = HospitalDay(hospital.code, _required(order.business_day, "business_day"))
    today = now.astimezone(hospital.zone).date()
    if decision.verb is Verb.RETRY_REFUSED:
        return retry_refused(ledger, day, decision, today=today)
    hours = hospital.extraction_max_age_hours
    return release_day(ledger, day, decision, max_age_hours=hours, today=today)


def _refuse_what_does_not_belong(order: Order, verb: Verb) -> None:
    """Refuse an order with fields that its verb does not take: another verb was meant."""
    belonging = {"batch": verb in OF_BATCHES, "hospital": verb in OF_DAYS}
    belonging |= {"business_day": verb in OF_DAYS, "as_of": verb is Verb.RESTORED}
    belonging["confirmed"] = verb is Verb.REOPEN_ACCEPTED
    for name, belongs in belonging.items():
        if getattr(order, name) not in {None, False} and not belongs:
            raise DecisionRefusal.NOT_BELONGING.error(field=name, title=FIELDS[name], verb=verb)


def _required(value: T | None, name: str) -> T:
    if value is None:
        raise DecisionRefusal.MISSING.error(field=name, title=FIELDS[name])
    return value


def _day_of_batch(ledger: Ledger, batch: str, now: datetime) -> date:
    """Return the day at the batch's hospital."""
    with ledger.reading() as connection:
        code = hospital_of_batch(connection, batch)
    try:
        zone: tzinfo = load_hospital(code).zone if code else LAST_ZONE
    except ConfigError:  # its file is broken, or gone: the decision holds all the same
        zone = LAST_ZONE
    return now.astimezone(zone).date()


# -- a day's volume, asked about by the task volume_gate ---------------------------


def ask(run: Run, *, ledger: Ledger) -> list[VolumeQuestion]:
    """Return the questions about a run's days, those without a yes from an earlier try among them.

    Raises:
        LedgerError: the ledger failed.
    """
    gate = run.hospital.volume_gate or VolumeGate()
    ask_again(ledger, hospital=run.hospital.code, hours=gate.timeout_hours, actor=run.actor)
    return asked_by(run, ledger=ledger)


def asked_by(run: Run, *, ledger: Ledger) -> list[VolumeQuestion]:
    """Return a run's unanswered questions, the earliest day first.

    Raises:
        LedgerError: the ledger failed.
    """
    with ledger.reading() as connection:
        return open_questions(connection, hospital=run.hospital.code, run_id=run.id)


def question_text(questions: Iterable[VolumeQuestion]) -> str:
    """Write one question about all days held, in Portuguese; pure."""
    days = "\n".join(
        f"- **{question.day.business_day:%d/%m/%Y}**:"
        f" **{Count(question.volume):convite|convites}**; o usual"
        f" neste dia da semana é **{question.usual}**;"
        f" **{Count(question.lines):linha espera|linhas esperam}**"
        for question in questions
    )
    return (
        f"{days}\n\nAprove para enviar exatamente estas linhas; rejeite se o ERP ou a consulta"
        " parecem errados: as linhas ficam retidas, nada se perde."
    )


def take_answer(
    run: Run,
    answer: ApprovalAnswer,
    *,
    shown: Collection[int],
    ledger: Ledger,
    decided_by: str | None,
) -> int:
    """Record a person's answer, or its absence; return how many lines may go.

    Args:
        run: that asked.
        answer: how it ended.
        shown: ids of the questions that the person saw; later ones stay open.
        ledger: open.
        decided_by: the person; None where nobody answered.

    Raises:
        LedgerError: the ledger failed.
    """
    with ledger.reading() as connection:
        questions = questions_shown(connection, shown)
    return sum(
        answer_question(
            ledger,
            question,
            answer,
            decided_by=decided_by,
            max_age_hours=run.hospital.extraction_max_age_hours,
            actor=run.actor,
        )
        for question in questions
    )
