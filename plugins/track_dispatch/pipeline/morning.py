"""The task of `track_morning`: one report of all hospitals, what a person must do first.

It lists everything open, of whatever day: waiting lines, batches in doubt, days that were due and
not read. Each hospital's row is about the latest day whose run was due by its own schedule: at
09:15 a run of 09:20 is not late. Written for an analyst, in Portuguese.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from sqlalchemy import Connection

from track_dispatch.config import BrokenHospital, Hospital
from track_dispatch.config.checks import SHIPPED_FIRST_BUSINESS_DAY
from track_dispatch.ledger.approvals import ApprovalAnswer
from track_dispatch.ledger.database import Ledger
from track_dispatch.ledger.extractions import days_read, last_runs
from track_dispatch.ledger.in_doubt import InDoubtBatch, expire_leases, in_doubt_batches
from track_dispatch.ledger.stop_switch import standing_stops
from track_dispatch.ledger.views import first_known_days, open_days
from track_dispatch.pipeline.problems import (
    DayNotice,
    DayProblem,
    NoticeKind,
    ProblemKind,
    dates_text,
    day_text,
)
from track_dispatch.pipeline.report import (
    JudgedRun,
    Report,
    doubt_text,
    judge,
    load_facts,
    open_problems,
    stop_problem,
    waits_for_window,
)
from track_dispatch.records import Actor, HospitalDay
from track_dispatch.states import Labelled, LineState

#: The time that a run may take before it counts as late.
PATIENCE = timedelta(minutes=5)
#: The table's columns, as the analyst reads them.
COLUMNS = (
    "hospital", "dia", "o que fazer", "execução", "lidos", "aceitas", "excluídas", "recusadas",
    "retidas", "em dúvida",
)  # fmt: skip
_FIRST_COUNT = COLUMNS.index("lidos")
#: The states that a row counts, in the order of the columns.
COUNTED = (
    LineState.ACCEPTED,
    LineState.EXCLUDED,
    LineState.REFUSED,
    LineState.HELD,
    LineState.IN_DOUBT,
)
_ONE_DAY = timedelta(days=1)


class NoRun(Labelled):
    """Why a hospital's row shows no run."""

    MISSING = "missing", "FALTA"
    NOT_LIVE = "not live yet", "não começou"
    NO_FILE = "file is broken", "não há"


@dataclass(frozen=True, slots=True)
class MorningRow:
    """One hospital's row of the table.

    Attributes:
        code: the hospital's.
        business_day: None where its file is broken.
        run: when its run began, by the hospital's clock, or why there is none.
        extracted: attendances; None where no run was found.
        counts: by state, as `COUNTED` has them; None likewise.
        problems: how many the hospital has, of whatever day.
    """

    code: str
    business_day: date | None
    run: datetime | NoRun
    extracted: int | None = None
    counts: tuple[int, ...] | None = None
    problems: int = 0

    def cells(self) -> tuple[str, ...]:
        """Return the row's texts, in the order of `COLUMNS`."""
        blank = ("-",) * len(COUNTED)
        return (
            self.code,
            f"{self.business_day:%d/%m}" if self.business_day else "-",
            "ver acima" if self.problems else "nada",
            self.run.label if isinstance(self.run, NoRun) else f"{self.run:%d/%m %H:%M}",
            "-" if self.extracted is None else str(self.extracted),
            *(blank if self.counts is None else map(str, self.counts)),
        )


@dataclass(frozen=True, slots=True)
class Morning:
    """The report of all hospitals.

    Attributes:
        rows: one a hospital; those with problems come first.
        problems: those that need a person come first; without any the morning is green.
        doubts: the batches that somebody has to decide about, the oldest first.
        notices: what else is open, and needs nobody; those that expire tomorrow come first.
        unread: by the hospital's code, the days that were due and that no run began to read.
    """

    rows: tuple[MorningRow, ...]
    problems: tuple[DayProblem, ...]
    doubts: tuple[InDoubtBatch, ...] = ()
    notices: tuple[DayNotice, ...] = ()
    unread: Mapping[str, Sequence[date]] = field(default_factory=dict)

    @property
    def red(self) -> list[str]:
        """The problems, one a line; empty if green."""
        return [problem_line(problem) for problem in self.problems]

    def text(self) -> Iterator[str]:
        """Yield the report line by line for a log: problems first, then the table."""
        yield from (f"VERMELHO: {line}" for line in self.red)
        yield from (f"{day_text(doubt.day)}: {doubt_text(doubt)}" for doubt in self.doubts)
        yield from (f"ATENÇÃO: {day_text(notice.day)}: {notice.text()}" for notice in self.notices)
        yield from _table_text([COLUMNS, *(row.cells() for row in self.rows)])
        yield (
            f"VERMELHO: há o que fazer ({len(self.problems)}): veja o começo deste log"
            if self.problems
            else "VERDE: nada a fazer"
        )


def morning(
    hospitals: Sequence[Hospital | BrokenHospital],
    *,
    ledger: Ledger,
    actor: Actor,
    moment: datetime,
    business_day: date | None = None,
) -> Morning:
    """Report on all hospitals.

    Args:
        hospitals: every file there is, the broken ones too.
        ledger: open.
        actor: on whose behalf leases expire: their batches become in doubt.
        moment: aware; which runs are due by then.
        business_day: only this day, whatever else is open.

    Raises:
        LedgerError: the ledger failed.
    """
    expire_leases(ledger, actor=actor)
    with ledger.reading() as connection:
        return read_morning(connection, hospitals, moment=moment, business_day=business_day)


def read_morning(
    connection: Connection,
    hospitals: Sequence[Hospital | BrokenHospital],
    *,
    moment: datetime,
    business_day: date | None = None,
    reports: Mapping[JudgedRun, Report] | None = None,
) -> Morning:
    """Report on all hospitals without writing: expired leases stay as they are.

    `reports` are reports that the caller has loaded in this transaction.
    """
    look = _Look(connection, hospitals, moment, business_day, reports or {})
    problems = [stop_problem(stop) for stop in standing_stops(connection)]
    problems += look.problems()
    rows = look.rows(problems)
    notices = sorted(look.notices(), key=lambda notice: list(NoticeKind).index(notice.kind))
    doubts = [
        doubt
        for doubt in in_doubt_batches(connection)
        if business_day in {None, doubt.day.business_day}
    ]
    problems.sort(key=lambda problem: (not problem.needs_person, problem.hospital))
    rows.sort(key=lambda row: not row.problems)
    return Morning(tuple(rows), tuple(problems), tuple(doubts), tuple(notices), look.unread)


def problem_line(problem: DayProblem, template: str | None = None) -> str:
    """Write where a problem is, and what to do."""
    if problem.day is not None:
        return f"{day_text(problem.day)}: {problem.text(template)}"
    return f"{problem.hospital}: {problem.text(template)}" if problem.hospital else problem.text()


def due_day(hospital: Hospital, moment: datetime) -> date:
    """Return the latest business day whose run should be over at a moment."""
    local = moment.astimezone(hospital.zone)
    due = datetime.combine(local.date(), hospital.begins_at, hospital.zone) + PATIENCE
    return local.date() - timedelta(days=1 if local >= due else 2)


def _reports(
    connection: Connection, judged: Sequence[JudgedRun], known: Mapping[JudgedRun, Report]
) -> dict[HospitalDay, Report]:
    """Return the report of each run's day; what is not known yet is loaded."""
    loaded = load_facts(connection, [run for run in judged if run not in known])
    reports = {**known, **{facts.run: judge(facts) for facts in loaded}}
    return {run.day: reports[run] for run in judged}


class _Look:
    """All hospitals at one moment of the ledger.

    Args:
        connection: of a reading transaction.
        hospitals: every file there is.
        moment: aware.
        business_day: the only day of interest, or None.
        known: reports that are loaded already.
    """

    def __init__(
        self,
        connection: Connection,
        hospitals: Sequence[Hospital | BrokenHospital],
        moment: datetime,
        business_day: date | None,
        known: Mapping[JudgedRun, Report],
    ) -> None:
        self._business_day = business_day
        self._broken = [entry for entry in hospitals if isinstance(entry, BrokenHospital)]
        working = [entry for entry in hospitals if not isinstance(entry, BrokenHospital)]
        self._hospitals = working
        self._due = {each.code: business_day or due_day(each, moment) for each in working}
        self._waits = {each.code: waits_for_window(each, moment) for each in working}
        days = [HospitalDay(*due) for due in self._due.items()]
        runs = last_runs(connection, days)
        judged = [JudgedRun(day, runs[day], self._waits[day.hospital]) for day in runs]
        self._reports = _reports(connection, judged, known)
        reported = {day.day for report in self._reports.values() for day in report.facts.days}
        todays = [moment.astimezone(hospital.zone).date() for hospital in working]
        today = min(todays, default=moment.date())
        self.open_days = [
            open_day
            for open_day in open_days(connection, today=today)
            if self._is_asked_for(open_day.day)
        ]
        if business_day is None:
            unread = unread_days(connection, working, self._due)
        else:
            live = [hospital for hospital in working if hospital.is_live(business_day)]
            unread = {hospital.code: [business_day] for hospital in live}
        self._open = [open_day for open_day in self.open_days if open_day.day not in reported]
        self.unread = {
            code: [day for day in days if HospitalDay(code, day) not in reported]
            for code, days in unread.items()
        }

    def _is_asked_for(self, day: HospitalDay | None) -> bool:
        return day is None or self._business_day in {None, day.business_day}

    def problems(self) -> list[DayProblem]:
        """Return every problem once, though several reports may have it."""
        problems = [DayProblem(ProblemKind.BROKEN_FILE, hospital.code) for hospital in self._broken]
        problems += [
            DayProblem(ProblemKind.NOT_READ, code, detail=dates_text(days))
            for code, days in self.unread.items()
            if days
        ]
        for report in self._reports.values():
            problems += [
                problem
                for problem in report.problems
                if problem.kind is not ProblemKind.STOPPED and self._is_asked_for(problem.day)
            ]
        for open_day in self._open:
            waits = self._waits.get(open_day.day.hospital, False)
            problems += open_problems(open_day.day, open_day.states, open_day.question, waits=waits)
        return problems

    def notices(self) -> Iterator[DayNotice]:
        """Yield what is open and needs nobody, or not yet."""
        for open_day in self.open_days:
            if open_day.last_chance:
                yield DayNotice(NoticeKind.EXPIRING, open_day.day, open_day.last_chance)
            ready, held = open_day.states[LineState.READY], open_day.states[LineState.HELD]
            if ready and self._waits.get(open_day.day.hospital):
                yield DayNotice(NoticeKind.WAITING, open_day.day, ready)
            answer = open_day.question.answer if open_day.question else None
            if held and answer == ApprovalAnswer.REJECTED:
                yield DayNotice(NoticeKind.KEPT, open_day.day, held)

    def rows(self, problems: Iterable[DayProblem]) -> list[MorningRow]:
        """Return a row for each hospital, with the number of its problems."""
        counted = [problem.hospital for problem in problems]
        rows = [
            MorningRow(hospital.code, None, NoRun.NO_FILE, problems=counted.count(hospital.code))
            for hospital in self._broken
        ]
        return rows + [
            self._row(hospital, counted.count(hospital.code)) for hospital in self._hospitals
        ]

    def _row(self, hospital: Hospital, problems: int) -> MorningRow:
        day = self._due[hospital.code]
        report = self._reports.get(HospitalDay(hospital.code, day))
        if report is not None:
            return _report_row(hospital, day, report, problems)
        run = NoRun.MISSING if hospital.is_live(day) else NoRun.NOT_LIVE
        return MorningRow(hospital.code, day, run, problems=problems)


def _table_text(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Set rows of cells as a table: words to the left, counts to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = zip(row, widths, strict=True)
        yield "  ".join(
            cell.rjust(width) if number >= _FIRST_COUNT else cell.ljust(width)
            for number, (cell, width) in enumerate(cells)
        )


def _report_row(hospital: Hospital, day: date, report: Report, problems: int) -> MorningRow:
    own = report.own
    return MorningRow(
        code=hospital.code,
        business_day=day,
        run=report.facts.work[own.day].started_at.astimezone(hospital.zone),
        extracted=own.equation.attendances if own.equation else 0,
        counts=tuple(own.states[state] for state in COUNTED),
        problems=problems,
    )


def unread_days(
    connection: Connection, hospitals: Sequence[Hospital], due: dict[str, date]
) -> dict[str, list[date]]:
    """Return each hospital's days since its go-live that were due and that no run read.

    A hospital with the shipped date has not gone live: its practice begins with the first day read.
    """
    read = days_read(connection, [hospital.code for hospital in hospitals])
    known = first_known_days(connection)
    unread = {}
    for hospital in hospitals:
        last, done = due[hospital.code], read.get(hospital.code, set())
        first = hospital.first_business_day
        if first is None:
            continue
        if first == SHIPPED_FIRST_BUSINESS_DAY:
            first = min(done, default=last)
        first = max(first, known.get(hospital.code, first))
        days = (first + number * _ONE_DAY for number in range((last - first).days + 1))
        unread[hospital.code] = [day for day in days if day not in done and hospital.is_live(day)]
    return unread
