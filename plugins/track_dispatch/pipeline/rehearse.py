"""The task `rehearse`: a dry run or a rehearsal of a day, in which no patient is asked.

A dry run shows what a run would do with the day: the real transform, rolled back. It stores no
line, staged row or event; the patients are in memory until it ends.

A rehearsal posts a few invented patients of each area to our own staff, as a dispatch would. Only
area, unit, sector and times are the day's; name, CPF, attendance and physician are made up, the
contacts are those of `rehearsal_contacts`.
"""

from __future__ import annotations

import logging
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, time

import orjson
from sqlalchemy import Connection

from track_dispatch.config import Hospital, check_go_live, rules_digest
from track_dispatch.delivery.answer_body import doubtful_names, member_names
from track_dispatch.delivery.answer_table import OutcomeKind, TransportFailure
from track_dispatch.delivery.client import distribution, posted_fields
from track_dispatch.delivery.context import (
    DispatchContext,
    budget_spent,
    probe,
    require_open_hours,
    stop_all,
)
from track_dispatch.delivery.responses import BatchTexts, Outcome, classify_response
from track_dispatch.errors import ConfigError, LinesInFlightError
from track_dispatch.ledger.apply_extraction import applying_extractions
from track_dispatch.ledger.batches import ClaimTerms
from track_dispatch.ledger.claims import Hindrance, NotClaimed
from track_dispatch.ledger.contact_policy import ContactPolicy, filter_contactable
from track_dispatch.ledger.database import Ledger
from track_dispatch.ledger.envelopes import address_of, read_ahead, ready_envelopes
from track_dispatch.ledger.extractions import stage_within
from track_dispatch.ledger.history import DayLine, lines_of_day
from track_dispatch.ledger.parts import begin_rehearsal, end_rehearsal
from track_dispatch.ledger.stop_switch import require_running
from track_dispatch.pipeline import Run
from track_dispatch.pipeline.extract import read_columns_of
from track_dispatch.pipeline.transform import DayEvaluation, apply_day, standing_back
from track_dispatch.records import CONTRACT, Area, Channel, Unit
from track_dispatch.states import BatchState, Count, LineState, Reason
from track_dispatch.transformation import Candidate, Evaluator

log = logging.getLogger(__name__)

#: A CPF that belongs to nobody, with valid check digits.
NOBODYS_CPF = "00000000191"


# -- a dry run ----------------------------------------------------------------------


class _RolledBackError(Exception):
    """Ends the transaction of a dry run."""


@dataclass(frozen=True, slots=True)
class DryRun:
    """The result of a dry run.

    Attributes:
        rows: of the ERP.
        lines: what each attendance would become; patient data.
        leaves_at: the next opening of the send window, in the hospital's zone.
        live: whether the hospital has gone live by this day.
    """

    rows: int
    lines: tuple[DayLine, ...] = field(repr=False)
    leaves_at: datetime
    live: bool

    def text(self) -> Iterator[str]:
        """Yield the numbers of lines by area, channel and outcome, in Portuguese."""
        yield (
            f"{Count(self.rows):registro|registros} do ERP ="
            f" {Count(len(self.lines)):atendimento|atendimentos}"
        )
        counts = Counter(
            (
                line.area or "área desconhecida",
                Channel(line.channel).label if line.channel else "-",
                fate(line),
            )
            for line in self.lines
        )
        for (area, channel, what), count in sorted(counts.items()):
            yield f"{area} · {channel}: {count} {what}"
        if self.live:
            yield f"sairia a partir de {self.leaves_at:%d/%m/%Y %H:%M}"
        else:
            yield (
                "o hospital ainda não pergunta aos pacientes deste dia (first_business_day): assim"
                " seria se perguntasse"
            )

    def summary(self) -> dict[str, int]:
        """Count the rows and what they are."""
        return {"rows": self.rows, "attendances": len(self.lines)}


def as_if_live(run: Run) -> Run:
    """Return the run as if its hospital had gone live by its day.

    Before the go-live a dry run would only show that nobody is asked.
    """
    if run.hospital.is_live(run.business_day):
        return run
    begins = {"first_business_day": run.business_day}
    return replace(run, hospital=run.hospital.model_copy(update=begins))


def fate(line: DayLine) -> str:
    """Write in Portuguese what a run would do with an attendance."""
    state = LineState(line.state)
    if state is LineState.READY:
        return "convidar"
    if state is LineState.EXCLUDED and line.reason:
        return f"excluir: {Reason(line.reason).label}"
    if state is LineState.HELD:
        return "reter até a aprovação do volume"
    return f"já no livro-razão: {state.label}"


def dry_run(run: Run, *, ledger: Ledger, now: datetime) -> DryRun:
    """Extract and evaluate a day; write nothing.

    Args:
        run: the hospital and its day.
        ledger: open.
        now: aware.

    Raises:
        ConfigError: a setting, the SQL template or the connection is wrong.
        SourceUnavailableError: the ERP is unreachable or too slow.
        SourceContractError: the query's columns are not the agreed ones.
        LedgerError: the ledger failed.
    """
    live, run = run.hospital.is_live(run.business_day), as_if_live(run)
    hospital, today = run.hospital, run.today(now)
    chunks = list(read_columns_of(run, ledger, run.business_day))
    found: list[DayLine] = []
    with (
        suppress(_RolledBackError),
        applying_extractions(
            ledger, source=hospital.source, zone=hospital.zone, actor=run.actor
        ) as transforming,
    ):
        connection = transforming.connection
        extraction = stage_within(
            connection, ledger.keys, chunks, source=hospital.source, day=run.day
        )
        apply_day(run, transforming, extraction, today)
        transforming.finish(standing_back)
        barred = _barred(connection, ledger, run, now)
        found += [
            line._replace(state=LineState.EXCLUDED, reason=barred[line.address], channel="")
            if line.address in barred
            else line
            for line in lines_of_day(connection, run.day)
        ]
        raise _RolledBackError
    leaves_at = hospital.window.opening(now).astimezone(hospital.zone)
    return DryRun(
        sum(len(chunk["cd_atendimento"]) for chunk in chunks), tuple(found), leaves_at, live
    )


def _barred(connection: Connection, ledger: Ledger, run: Run, now: datetime) -> dict[int, Reason]:
    """Return the addresses of ready lines that a claim would exclude at this moment."""
    barred: dict[int, Reason] = {}
    terms = claim_terms(run.hospital, now)
    for ready in ready_envelopes(connection, run.hospital.code, until=run.business_day):
        if ready.unit.business_day == run.business_day:
            [sealed] = read_ahead(connection, [ready.envelope])
            lines = sealed.open(ledger.keys).lines
            reasons = filter_contactable(
                connection,
                lines,
                channel=ready.unit.channel,
                policy=terms.policy,
                today=terms.today,
            )
            barred |= {
                address_of(ready.envelope, line.place): reasons[line.place]
                for line in lines
                if line.place in reasons
            }
    return barred


def claim_terms(hospital: Hospital, now: datetime) -> ClaimTerms:
    """Return a claim's terms, for the contact policy only; nothing is claimed."""
    today = now.astimezone(hospital.zone).date()
    return ClaimTerms(
        survey="",
        validity_at=0,
        reminder_at=None,
        lease_seconds=0,
        today=today,
        policy=ContactPolicy(
            cap_days=hospital.contact_cap_days,
            day_began=datetime.combine(today, time(), hospital.zone),
        ),
        rules=rules_digest(hospital),
        extraction_max_age_hours=hospital.extraction_max_age_hours,
        requests_per_5_minutes=hospital.requests_per_5_minutes,
    )


# -- a rehearsal --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a rehearsal sent: lines by area."""

    sent: Mapping[Area, int]

    def text(self) -> Iterator[str]:
        """Yield the counts, in Portuguese."""
        for area, lines in self.sent.items():
            yield f"{area}: {Count(lines):enviada|enviadas}"
        if not self.sent:
            yield "ninguém seria convidado neste dia: nada foi enviado"

    def summary(self) -> dict[str, int]:
        """Return the counts by area."""
        return {area.value: lines for area, lines in self.sent.items()}


def rehearsal(run: Run, *, context: DispatchContext) -> Rehearsal:
    """Post a rehearsal of the day.

    Raises:
        ConfigError: there are no `rehearsal_contacts`, or Track did not accept every line.
        DeliveryError: Track was not reached, or sending is stopped.
        LinesInFlightError: another batch of the survey is in flight.
        QuietHoursError: outside the hospital's window.
        SourceError: the ERP did not give the day.
    """
    hospital = run.hospital
    if not hospital.rehearsal_contacts:
        raise ConfigError(
            f"{hospital.code}: rehearsal_contacts is empty: name the e-mail or phone of somebody of"
            " yours who receives rehearsals"
        )
    check_go_live(hospital, context.track_host)
    chunks = list(read_columns_of(run, context.ledger, run.business_day))
    today = run.today(context.now())
    evaluator = Evaluator(
        as_if_live(run).hospital, run.business_day, evaluated_on=today, include_old=run.include_old
    )
    day = DayEvaluation(evaluator, (chunk["cd_atendimento"] for chunk in chunks))
    candidates = (candidate for chunk in day.chunks(chunks) for candidate in chunk.candidates)
    invented = invented_lines(candidates, hospital)
    require_open_hours(context)
    probe(context)
    sent: Counter[Area] = Counter()
    for (area, channel), lines in invented.items():
        _post(context, Unit(hospital.code, run.business_day, area, channel), lines)
        sent[area] += len(lines)
    return Rehearsal(sent)


def invented_lines(
    candidates: Iterable[Candidate], hospital: Hospital
) -> dict[tuple[Area, Channel], list[dict[str, str]]]:
    """Make a rehearsal's lines from a few candidates of each area; pure."""
    of_area: defaultdict[Area, list[bytes]] = defaultdict(list)
    for candidate in candidates:
        if candidate.line is not None and candidate.area is not None:
            of_area[candidate.area] += [candidate.line][
                : hospital.rehearsal_lines - len(of_area[candidate.area])
            ]
    made: defaultdict[tuple[Area, Channel], list[dict[str, str]]] = defaultdict(list)
    for area, lines in of_area.items():
        for number, line in enumerate(lines):
            contact = hospital.rehearsal_contacts[number % len(hospital.rehearsal_contacts)]
            reached = {"email": contact.email, "phone": contact.phone}
            channel = next(
                (offered for offered in hospital.channels if reached[offered.contact]), None
            )
            if channel is not None:
                made[area, channel].append(_invented(orjson.loads(line), number, reached))
    return dict(made)


def _invented(line: Mapping[str, str], number: int, contact: Mapping[str, str]) -> dict[str, str]:
    return {
        **{column.name: line[column.name] for column in CONTRACT if column.rehearsed},
        **contact,
        "cd_atendimento": f"ENSAIO-{uuid.uuid4().hex[:8]}",
        "name": f"Ensaio {number + 1}",
        "cpf": NOBODYS_CPF,
        "medico": "Ensaio",
    }


def _post(context: DispatchContext, unit: Unit, lines: Sequence[Mapping[str, str]]) -> None:
    ledger, terms, batch = context.ledger, context.terms(unit.area), str(uuid.uuid4())
    hindered = begin_rehearsal(ledger, batch, lines=len(lines), terms=terms, actor=context.actor)
    if hindered is not None:
        _refuse(context, unit, hindered)
    outcome, told = _posted(context, unit, terms, batch, lines)
    certain = outcome.verdict not in {OutcomeKind.ACCEPTED, OutcomeKind.UNCERTAIN}
    end_rehearsal(
        ledger,
        batch,
        status=outcome.status,
        receipt=outcome.receipt,
        batch_state=BatchState.NOT_DELIVERED if certain else BatchState.SETTLED,
    )
    _require_accepted(context, unit, outcome, told)


def _posted(
    context: DispatchContext,
    unit: Unit,
    terms: ClaimTerms,
    batch: str,
    lines: Sequence[Mapping[str, str]],
) -> tuple[Outcome, str]:
    """Post the lines; return the outcome, and Track's answer in words."""
    body = orjson.dumps(
        distribution(
            channel=unit.channel,
            survey_uuid=terms.survey,
            lines=[posted_fields(line, context.hospital, unit.channel) for line in lines],
            template_set=context.hospital.template_set,
            validity_at=terms.validity_at,
            reminder_at=terms.reminder_at,
        )
    )
    answer = context.client.post_distribution(body, idempotency_key=batch)
    texts = BatchTexts(body)
    outcome = classify_response(
        answer,
        [line["cd_atendimento"] for line in lines],
        now=context.now(),
        acceptance=context.hospital.acceptance,
        values=texts,
    )
    if isinstance(answer, TransportFailure):
        return outcome, "Track answered nothing"
    names = ", ".join(member_names(answer.body, texts)) or "none that may be named"
    told = f"Track answered HTTP {answer.status} with the members {names}"
    if doubtful := doubtful_names(answer.body, texts, lines=len(lines)):
        told += f"; no good news: {', '.join(doubtful)}"
    return outcome, told


def _refuse(context: DispatchContext, unit: Unit, hindered: NotClaimed) -> None:
    """Raise the error that says why a rehearsal may not go out now.

    Raises:
        ServiceStoppedError: a person must resume.
        BudgetSpentError: Track takes no further request now.
        LinesInFlightError: another batch of the survey is in flight.
    """
    if hindered.why is Hindrance.STOPPED:
        with context.ledger.reading() as connection:
            require_running(connection)
    if hindered.why is Hindrance.BUDGET_SPENT:
        raise budget_spent(context, hindered.seconds)
    message = f"rehearsal of {unit}: another batch of its survey is in flight"
    raise LinesInFlightError(message, retry_after=max(0.0, hindered.seconds))


def _require_accepted(context: DispatchContext, unit: Unit, outcome: Outcome, told: str) -> None:
    """Refuse an answer that does not prove that Track took every line.

    Raises:
        ServiceStoppedError: Track wants a person or another key.
        ConfigError: it does not; the message has Track's answer.
    """
    if outcome.verdict is OutcomeKind.STOPPED:
        stop_all(context, outcome.detail, outcome.status)
    proves = ", ".join(context.hospital.acceptance)
    if outcome.verdict is not OutcomeKind.ACCEPTED or outcome.faults:
        raise ConfigError(
            f"rehearsal of {unit}: {outcome.detail}; {told}, and `acceptance` asks for {proves}."
            " Nothing of it is a patient's: trigger another when it is mended"
        )
    log.info("rehearsal of %s: %s, which proves acceptance (%s)", unit, told, proves)
