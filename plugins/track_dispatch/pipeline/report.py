"""The task `report`: what became of the days that a run read, and whether the run is green.

A run is green only if the ledger holds complete extractions and transformations of it, and none of
its days has an open line; that no error was seen is not enough. The facts of one run or of many are
loaded first, then judged by a pure function, so that task, morning and board agree. Its texts are
for an analyst, in Portuguese.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from statistics import median
from typing import NamedTuple

from sqlalchemy import Connection

from track_dispatch.config import Hospital
from track_dispatch.delivery.context import next_run
from track_dispatch.ledger.approvals import ApprovalAnswer, end_waiting
from track_dispatch.ledger.backups import is_forgotten
from track_dispatch.ledger.database import Ledger
from track_dispatch.ledger.extractions import RunWork, run_work, stale_days
from track_dispatch.ledger.history import SoftwareUse, software_of_run
from track_dispatch.ledger.in_doubt import InDoubtBatch, expire_leases
from track_dispatch.ledger.stop_switch import Stop, standing_stops
from track_dispatch.ledger.views import AskedVolume, DayFacts, Equation, LineCount, day_facts
from track_dispatch.pipeline import Run
from track_dispatch.pipeline.problems import (
    FORGOTTEN,
    DayProblem,
    NoticeKind,
    ProblemKind,
    brasilia_text,
    dates_text,
    excluded_by_reason,
    reason_label,
    states_text,
)
from track_dispatch.records import Channel, HospitalDay, ValueKind
from track_dispatch.states import Count, LineState, Reason

#: The least number of past weekdays that an empty day is compared with.
LEAST_HISTORY = 4

#: The last words of a green report.
COMPLETE = "o dia está completo"

_K = ProblemKind


class JudgedRun(NamedTuple):
    """A run to be judged; `waits`: its ready lines wait for the send window."""

    day: HospitalDay
    run_id: str
    waits: bool


@dataclass(frozen=True, slots=True)
class RunFacts:
    """The facts that a run is judged by.

    Attributes:
        run: the run.
        days: that it began to read; its own day comes first, even if not begun.
        work: how far it came with each day.
        stops: of sending that were not resumed.
        software: that made its readings and batches; more than one is a problem.
        forgotten: days that it was due to read and may not: their lines were deleted.
    """

    run: JudgedRun
    days: tuple[DayFacts, ...]
    work: Mapping[HospitalDay, RunWork] = field(default_factory=dict)
    stops: tuple[Stop, ...] = ()
    software: tuple[SoftwareUse, ...] = ()
    forgotten: tuple[HospitalDay, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """A run's days in counts, and its problems; without any it is green."""

    facts: RunFacts
    problems: tuple[DayProblem, ...]

    @property
    def own(self) -> DayFacts:
        """The run's own day."""
        return self.facts.days[0]

    @property
    def waiting(self) -> int:
        """Lines that wait for the hours of dispatch: the next run takes them."""
        if not self.facts.run.waits:
            return 0
        return sum(day.states[LineState.READY] for day in self.facts.days)

    def summary(self) -> dict[str, int]:
        """Count the own day's lines by state, with what the extraction found."""
        rows = self.own.equation.rows if self.own.equation else 0
        return {"rows": rows, **{str(state): self.own.states[state] for state in LineState}}

    def last_words(self) -> list[str]:
        """Return the problems, one a line; a day other than the run's own is named."""
        return [self._last_word(problem) for problem in self.problems]

    def text(self) -> Iterator[str]:
        """Yield the report line by line; the last lines have the colour and the problems."""
        for day in self.facts.days:
            yield from _day_text(day, is_own=day is self.own)
        yield from _software_text(self.facts.software)
        warnings = {work.erp_warning for work in self.facts.work.values() if work.erp_warning}
        yield from (f"ATENÇÃO: {warning}" for warning in sorted(warnings))
        if forgotten := [day.business_day for day in self.facts.forgotten]:
            yield f"ATENÇÃO: não relido: {dates_text(forgotten)}: {FORGOTTEN}"
        waiting = NoticeKind.WAITING.label.format(lines=Count(self.waiting))
        if self.problems:
            if self.waiting:
                yield f"ATENÇÃO: {waiting}"
            yield from (f"VERMELHO: {words}" for words in self.last_words())
        else:
            yield f"VERDE: {f'aguardando envio: {waiting}' if self.waiting else COMPLETE}"

    def _last_word(self, problem: DayProblem) -> str:
        if problem.day in {None, self.own.day}:
            return problem.text()
        assert problem.day is not None  # noqa: S101 - for the type checker
        return f"dia {problem.day.business_day:%d/%m/%Y}: {problem.text()}"


def report(run: Run, *, ledger: Ledger, now: datetime) -> Report:
    """Judge a run.

    Args:
        run: with the hospital and its day.
        ledger: open.
        now: aware; whether ready lines wait for the send window.

    Raises:
        LedgerError: the ledger failed.
    """
    code = run.hospital.code
    expire_leases(ledger, hospital=code, actor=run.actor)
    # the run's last task: whatever it asked, nobody is asked any longer
    end_waiting(ledger, hospital=code, run_id=run.id)
    judged = JudgedRun(run.day, run.id, waits_for_window(run.hospital, now))
    with ledger.reading() as connection:
        (facts,) = load_facts(connection, [judged])
        days = [day.day for day in facts.days]
        software = tuple(software_of_run(connection, days, run_id=run.id))
        stale = stale_days(connection, hospital=code, today=run.today(now))
        others = run.other_days(stale)
        forgotten = tuple(day for day in others if is_forgotten(connection, day))
    return judge(replace(facts, software=software, forgotten=forgotten))


def waits_for_window(hospital: Hospital, now: datetime) -> bool:
    """Tell whether the send window opens only after the hospital's next run begins."""
    opens_at = hospital.window.opening(now)
    return opens_at > now and opens_at > next_run(hospital, now)


def load_facts(connection: Connection, runs: Sequence[JudgedRun]) -> list[RunFacts]:
    """Load the facts of all runs at once."""
    work = _work_of(connection, runs)
    days = {run: _own_first(run, work[run]) for run in work}
    facts = day_facts(connection, {day for found in days.values() for day in found})
    stops = tuple(standing_stops(connection))
    return [RunFacts(run, tuple(facts[day] for day in days[run]), work[run], stops) for run in runs]


def judge(facts: RunFacts) -> Report:
    """Judge a run by its facts; pure."""
    problems = [problem for day in facts.days for problem in _day_problems(facts, day)]
    ready = sum(day.states[LineState.READY] for day in facts.days)
    if facts.stops and ready:
        problems.insert(0, stop_problem(facts.stops[0]))
    return Report(facts, tuple(problems))


def stop_problem(stop: Stop) -> DayProblem:
    """Return the problem of a stop, with its moment.

    The hospital is left out: not every reader may see every hospital.
    """
    status = f" (HTTP {stop.status})" if stop.status else ""
    since = f"desde {brasilia_text(stop.stopped_at)}{status}"
    return DayProblem(_K.STOPPED, "", detail=since)


def open_problems(
    day: HospitalDay,
    states: Mapping[LineState, int],
    question: AskedVolume | None,
    *,
    waits: bool,
) -> Iterator[DayProblem]:
    """Yield the problems of a day's open lines; `waits`: ready lines wait for the send window."""
    code = day.hospital
    if lines := states.get(LineState.IN_DOUBT):
        yield DayProblem(_K.IN_DOUBT, code, day, lines)
    if held := states.get(LineState.HELD):
        yield from _held_problems(day, held, question)
    if (lines := states.get(LineState.READY)) and not waits:
        yield DayProblem(_K.READY, code, day, lines)
    if lines := states.get(LineState.SENDING):
        yield DayProblem(_K.SENDING, code, day, lines)
    if lines := states.get(LineState.REOPENED):
        yield DayProblem(_K.REOPENED, code, day, lines)


def _held_problems(
    day: HospitalDay, held: int, question: AskedVolume | None
) -> Iterator[DayProblem]:
    """Yield the problem of an unanswered question; lines held by a person's no are none."""
    answer = question.answer if question else None
    if answer == ApprovalAnswer.REJECTED:
        return
    usual = question.usual if question else 0
    if question and question.open_until:
        until = brasilia_text(question.open_until)
        yield DayProblem(_K.ASKED, day.hospital, day, held, usual, until, question.run_id)
        return
    unanswered = question is not None and answer in {None, ApprovalAnswer.TIMEOUT}
    yield DayProblem(_K.UNANSWERED if unanswered else _K.HELD, day.hospital, day, held, usual)


def _work_of(
    connection: Connection, runs: Sequence[JudgedRun]
) -> dict[JudgedRun, dict[HospitalDay, RunWork]]:
    """Load how far each run came with each of its days, one query a hospital."""
    asked: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for run in runs:
        asked[run.day.hospital][run.run_id] = None
    found: defaultdict[tuple[str, str], dict[HospitalDay, RunWork]] = defaultdict(dict)
    for hospital, run_ids in asked.items():
        for work in run_work(connection, hospital=hospital, run_ids=run_ids):
            found[hospital, work.run_id][work.day] = work
    return {run: found[run.day.hospital, run.run_id] for run in runs}


def _own_first(run: JudgedRun, work: Mapping[HospitalDay, RunWork]) -> list[HospitalDay]:
    others = sorted(set(work) - {run.day}, key=lambda day: day.business_day, reverse=True)
    return [run.day, *others]


def _day_problems(facts: RunFacts, day: DayFacts) -> Iterator[DayProblem]:
    """Yield what keeps a day from being green."""
    code = day.day.hospital
    work = facts.work.get(day.day)
    if work is None or not work.extracted:
        yield DayProblem(_K.NOT_EXTRACTED, code, day.day)
    elif not work.transformed:
        yield DayProblem(_K.NOT_TRANSFORMED, code, day.day)
    yield from _reading_problems(day)
    if day.claimed_anew:
        yield DayProblem(_K.CLAIMED_ANEW, code, day.day, day.claimed_anew)
    yield from open_problems(day.day, day.states, day.question, waits=facts.run.waits)
    yield from _unit_problems(day)


def _reading_problems(day: DayFacts) -> Iterator[DayProblem]:
    """Yield the problems of the day's newest applied reading."""
    code, balance = day.day.hospital, day.equation
    if balance is not None:
        if not balance.holds:
            yield DayProblem(_K.UNBALANCED, code, day.day)
        if balance.other_hospital:
            yield DayProblem(_K.OTHER_HOSPITAL, code, day.day, balance.other_hospital)
        if balance.lacking:
            yield DayProblem(_K.LACKING, code, day.day, balance.lacking)
        if not balance.attendances and len(day.usual) >= LEAST_HISTORY and min(day.usual):
            yield DayProblem(_K.EMPTY_DAY, code, day.day, usual=round(median(day.usual)))
        for column, values in _unreadable_columns(balance):
            yield DayProblem(_K.UNREADABLE_COLUMN, code, day.day, values, detail=column)
    unknown = sum(count.lines for count in day.counts if count.reason == Reason.UNKNOWN_AREA)
    if unknown:
        yield DayProblem(_K.UNKNOWN_AREA, code, day.day, unknown)


def _unreadable_columns(balance: Equation) -> Iterator[tuple[str, int]]:
    """Yield the columns most of whose filled values are unreadable, and the number of those.

    Most, not all: a query may write deaths as agreed, and every other value in its own way.
    """
    for column, values, filled in _unreadable_values(balance):
        if 2 * values > filled:
            yield column, values


def _unreadable_values(balance: Equation) -> Iterator[tuple[str, int, int]]:
    """Yield columns with the number of unreadable values, and of how many.

    That is the number of filled values for a safeguard, the number of rows for any other column.
    """
    for (column, kind), values in sorted(balance.column_counts.items()):
        if kind is ValueKind.UNREADABLE and values:
            yield column, values, balance.column_counts[column, ValueKind.FILLED] or balance.rows


def _unit_problems(day: DayFacts) -> Iterator[DayProblem]:
    """Yield the units all of whose posted lines Track refused, and those that failed for good."""
    code = day.day.hospital
    for unit, counts in _asked_units(day.counts).items():
        if {count.state for count in counts} == {LineState.REFUSED}:
            yield DayProblem(_K.UNIT_REFUSED, code, day.day, detail=unit)
        stuck = sum(
            counted.lines
            for counted in counts
            if counted.failed and counted.state is LineState.READY
        )
        if stuck:
            yield DayProblem(_K.UNIT_FAILED, code, day.day, stuck, detail=unit)


def _asked_units(counts: Sequence[LineCount]) -> dict[str, list[LineCount]]:
    """Group the counts of lines that are not excluded by the unit's name."""
    units: defaultdict[str, list[LineCount]] = defaultdict(list)
    for count in counts:
        if count.channel and count.state is not LineState.EXCLUDED:
            units[count.unit].append(count)
    return units


# -- text --------------------------------------------------------------------------


def _day_text(day: DayFacts, *, is_own: bool) -> Iterator[str]:
    code, business_day = day.day
    yield f"{code} · dia {business_day:%d/%m/%Y}{'' if is_own else ' (relido)'}"
    if day.equation is not None:
        yield from _balance_text(day.equation)
    for unit, counts in _asked_units(day.counts).items():
        yield f"{unit}: {states_text({count.state: count.lines for count in counts})}"
    for reason, lines in excluded_by_reason(day.counts).items():
        yield f"excluídas: {lines} {reason_label(reason)} ({reason})"
    if day.question is not None and day.question.answer == ApprovalAnswer.REJECTED:
        held = day.states[LineState.HELD]
        if held:
            yield NoticeKind.KEPT.label.format(lines=Count(held))
    yield from map(doubt_text, day.doubts)


def _balance_text(balance: Equation) -> Iterator[str]:
    yield (
        f"{Count(balance.rows):registro|registros} do ERP ="
        f" {Count(balance.attendances):atendimento|atendimentos}"
        f" + {Count(balance.rows_merged):repetido|repetidos}"
    )
    yield (
        f"{Count(balance.attendances):atendimento|atendimentos} = {balance.brought} deste dia"
        f" + {Count(balance.other_day):já conhecido|já conhecidos} em outro dia"
        f" + {balance.other_hospital} de outro hospital"
    )
    absent = f" + {balance.absent} que esta leitura não traz" if balance.absent else ""
    for column, values, filled in _unreadable_values(balance):
        yield f"coluna {column}: {values} de {Count(filled):valor ilegível|valores ilegíveis}"
    for (column, kind), values in sorted(balance.column_counts.items()):
        if kind is ValueKind.DAMAGED:
            told = f"{Count(values):texto danificado|textos danificados}"
            yield f"coluna {column}: {told} no ERP, com letras perdidas"
    yield f"{balance.brought} deste dia{absent} = {states_text(balance.states) or 'nenhum'}"


def _software_text(uses: Sequence[SoftwareUse]) -> Iterator[str]:
    if len(uses) > 1:
        each = "; ".join(f"{use.software} desde {brasilia_text(use.first)}" for use in uses)
        yield (
            "ATENÇÃO: esta execução rodou com versões diferentes do programa ou de include/"
            f" ({each}): avise a engenharia de dados"
        )


def doubt_text(doubt: InDoubtBatch) -> str:
    """Name a batch in doubt, for whoever decides about it."""
    channel = Channel(doubt.channel).label if doubt.channel else "sem canal"
    unit = f"{doubt.area or 'sem área'} · {channel}"
    restored = ", por uma cópia de segurança restaurada" if doubt.restored else ""
    return f"em dúvida: {unit}: {Count(doubt.lines):linha|linhas}{restored} · lote {doubt.id}"
