"""The facts of the board's pages, read from the ledger at one moment, without Airflow.

Problems are those of `report` and `track_morning`; a day's status tells which of them the last run
that read the day has.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from track_dispatch.config import BrokenHospital, Hospital
from track_dispatch.ledger.extractions import last_runs
from track_dispatch.ledger.history import DayBatch, batches_of_day
from track_dispatch.ledger.in_doubt import InDoubtBatch, in_doubt_batches
from track_dispatch.ledger.views import DayFacts, LineCount, day_counts
from track_dispatch.pipeline.morning import (
    COUNTED,
    Morning,
    MorningRow,
    due_day,
    read_morning,
    unread_days,
)
from track_dispatch.pipeline.problems import DayNotice, DayProblem, ProblemKind, excluded_by_reason
from track_dispatch.pipeline.report import JudgedRun, Report, judge, load_facts, waits_for_window
from track_dispatch.records import HospitalDay
from track_dispatch.states import BRASILIA, Labelled, LineState, Verb

#: Days of each hospital that the board shows.
DAYS = 14
#: Days that a hospital's trends show.
TREND_DAYS = 90

_ONE_DAY = timedelta(days=1)
_K = ProblemKind


class DayStatus(Labelled):
    """The status of a hospital's day by its last run's report; the value is a CSS class."""

    COMPLETE = "complete", "completo"
    WAITING = "waiting", "aguarda o horário de envio"
    IN_DOUBT = "in_doubt", "em dúvida"
    PROBLEM = "problem", "precisa de alguém"
    HELD = "held", "retido"
    GOES_ON = "goes_on", "em envio ou a reler"
    RUNNING = "running", "em andamento"
    MISSING = "missing", "ninguém leu"
    EARLY = "early", "ainda não devia ter rodado"
    NOT_LIVE = "not_live", "fora de operação"
    NO_FILE = "no_file", "arquivo com erro"


#: Statuses of a day whose report is red.
RED = frozenset({DayStatus.IN_DOUBT, DayStatus.PROBLEM, DayStatus.HELD, DayStatus.GOES_ON})

#: Decisions about a batch in doubt.
DOUBT_VERBS = (Verb.SETTLE_SENT, Verb.SETTLE_UNSENT, Verb.ABANDON)
#: The decision that a problem offers.
PROBLEM_VERBS: Mapping[ProblemKind, Verb] = {
    _K.STOPPED: Verb.RESUME,
    _K.UNANSWERED: Verb.RELEASE,
    _K.HELD: Verb.RELEASE,
}
_STATUS_OF: Mapping[ProblemKind, DayStatus] = {
    _K.IN_DOUBT: DayStatus.IN_DOUBT,
    _K.ASKED: DayStatus.HELD,
    _K.UNANSWERED: DayStatus.HELD,
    _K.HELD: DayStatus.HELD,
    _K.SENDING: DayStatus.GOES_ON,
    _K.REOPENED: DayStatus.GOES_ON,
}
#: Of several problems of a day, the one that its cell shows.
_WORST = (DayStatus.IN_DOUBT, DayStatus.PROBLEM, DayStatus.HELD, DayStatus.GOES_ON)


@dataclass(frozen=True, slots=True)
class Scope:
    """The reader and the moment of a page.

    Attributes:
        hospitals: those that the person may see, broken files too.
        moment: aware.
        active: the id of the DAG and of the run, of every run that Airflow has begun or queued.
        hidden: codes of hospitals that the person may not see.
    """

    hospitals: Sequence[Hospital | BrokenHospital]
    moment: datetime
    active: Collection[tuple[str, str]] = ()
    hidden: Collection[str] = ()

    @property
    def working(self) -> list[Hospital]:
        """The hospitals whose files can be used."""
        return [hospital for hospital in self.hospitals if not isinstance(hospital, BrokenHospital)]

    def tells(self, code: str) -> bool:
        """Whether the person may see facts of a hospital, or of all of them ("").

        A hospital without a file is shown only to a person who may see all.
        """
        return not self.hidden or code in {"", *(hospital.code for hospital in self.hospitals)}


@dataclass(frozen=True, slots=True)
class Cell:
    """A hospital's day: its status, the reason, and its counts if a run read it."""

    day: HospitalDay
    status: DayStatus
    problems: tuple[DayProblem, ...] = ()
    facts: DayFacts | None = None
    run_id: str | None = None

    def lines(self, state: LineState) -> int:
        """Return the number of lines in a state."""
        return self.facts.states[state] if self.facts else 0


@dataclass(frozen=True, slots=True)
class HospitalRow:
    """A hospital's last days, the oldest first, and its row of the morning."""

    code: str
    name: str
    dag_id: str
    cells: tuple[Cell, ...]
    latest: MorningRow

    @property
    def accepted(self) -> list[int]:
        """How many lines were accepted, day by day."""
        return [cell.lines(LineState.ACCEPTED) for cell in self.cells]

    @property
    def excluded(self) -> list[tuple[str, int]]:
        """The reasons of the latest day's exclusions, the commonest first."""
        facts = next((cell.facts for cell in self.cells if self._is_latest(cell)), None)
        reasons = excluded_by_reason(facts.counts) if facts else {}
        return Counter(reasons).most_common()

    def _is_latest(self, cell: Cell) -> bool:
        return cell.day.business_day == self.latest.business_day


@dataclass(frozen=True, slots=True)
class Matter:
    """A problem, and what a person may do about it on the page.

    Attributes:
        problem: of the morning.
        doubts: the batches to be decided, where it is about them.
        verb: what may be decided, where that is not about a batch.
        run_id: the last run that read the day; of a question, the run that asks it.
        asks: whether Airflow waits for an answer to it (*Ações Necessárias*).
        zone: by whose clock its moments are told: its hospital's.
    """

    problem: DayProblem
    doubts: tuple[InDoubtBatch, ...] = ()
    verb: Verb | None = None
    run_id: str | None = None
    asks: bool = False
    zone: ZoneInfo = BRASILIA

    @property
    def runs_day(self) -> bool:
        """Whether a run of the day solves the problem."""
        return self.problem.kind is _K.REOPENED


@dataclass(frozen=True, slots=True)
class Board:
    """The facts of the first page."""

    morning: Morning
    days: tuple[date, ...]
    rows: tuple[HospitalRow, ...]
    matters: tuple[Matter, ...]
    notices: tuple[DayNotice, ...]

    @property
    def extracted(self) -> int:
        """Attendances of the latest day, of all hospitals."""
        return sum(row.extracted or 0 for row in self.morning.rows)

    @property
    def counted(self) -> dict[LineState, int]:
        """The latest day's lines by the states that the morning counts."""
        rows = [row.counts for row in self.morning.rows if row.counts]
        return {state: sum(row[at] for row in rows) for at, state in enumerate(COUNTED)}

    @property
    def for_person(self) -> list[Matter]:
        """The matters that need a person."""
        return [matter for matter in self.matters if matter.problem.needs_person]


@dataclass(frozen=True, slots=True)
class DayAccount:
    """A hospital's day: its cell, its matters, its units and its batches."""

    cell: Cell
    matters: tuple[Matter, ...]
    batches: tuple[DayBatch, ...]

    @property
    def units(self) -> dict[str, Counter[LineState]]:
        """The lines of each area and channel by state; excluded ones may have neither."""
        states: defaultdict[str, Counter[LineState]] = defaultdict(Counter)
        for count in self._counts:
            states[count.unit][count.state] += count.lines
        return dict(states)

    @property
    def excluded(self) -> dict[str, int]:
        """The excluded lines by reason."""
        return excluded_by_reason(self._counts)

    @property
    def _counts(self) -> tuple[LineCount, ...]:
        return self.cell.facts.counts if self.cell.facts else ()


@dataclass(frozen=True, slots=True)
class Trends:
    """A hospital's days, the oldest first, in counts."""

    days: tuple[date, ...]
    counts: tuple[tuple[LineCount, ...], ...]

    @property
    def lines(self) -> int:
        """All lines of all days."""
        return sum(count.lines for day in self.counts for count in day)

    def state(self, state: LineState) -> list[int]:
        """Return the lines in a state, day by day."""
        return [sum(count.lines for count in day if count.state is state) for day in self.counts]

    @property
    def excluded(self) -> dict[str, list[int]]:
        """The excluded lines of each reason, day by day; the commonest reason first."""
        by_day = [excluded_by_reason(day) for day in self.counts]
        total: Counter[str] = Counter()
        for reasons in by_day:
            total.update(reasons)
        return {reason: [day.get(reason, 0) for day in by_day] for reason, _ in total.most_common()}


def read_board(connection: Connection, scope: Scope, *, days: int = DAYS) -> Board:
    """Read the first page."""
    shown = _last_days(scope, days)
    facts = _Days(connection, scope, shown)
    morning = read_morning(connection, scope.hospitals, moment=scope.moment, reports=facts.reports)
    latest = {row.code: row for row in morning.rows}
    rows = tuple(
        HospitalRow(
            code=hospital.code,
            name="" if isinstance(hospital, BrokenHospital) else hospital.name,
            dag_id=hospital.dag_id,
            cells=tuple(facts.cell(hospital, day, morning.unread) for day in shown),
            latest=latest[hospital.code],
        )
        for hospital in scope.hospitals
    )
    notices = tuple(notice for notice in morning.notices if scope.tells(notice.day.hospital))
    matters = _matters(connection, scope, morning.problems)
    return Board(morning, shown, rows, matters, notices)


def read_day(
    connection: Connection, scope: Scope, hospital: Hospital, business_day: date
) -> DayAccount:
    """Read one day of the scope's only hospital."""
    unread = unread_days(connection, [hospital], {hospital.code: due_day(hospital, scope.moment)})
    cell = _Days(connection, scope, [business_day]).cell(hospital, business_day, unread)
    batches = tuple(batches_of_day(connection, cell.day))
    return DayAccount(cell, _matters(connection, scope, cell.problems), batches)


def read_trends(
    connection: Connection, hospital: Hospital, *, moment: datetime, days: int = TREND_DAYS
) -> Trends:
    """Read a hospital's days back from the latest one that was due."""
    last = due_day(hospital, moment)
    shown = tuple(last - back * _ONE_DAY for back in range(days - 1, -1, -1))
    counts = day_counts(connection, [HospitalDay(hospital.code, day) for day in shown])
    return Trends(shown, tuple(counts[HospitalDay(hospital.code, day)] for day in shown))


class _Days:
    """The reports of the last runs that read some days, loaded at once.

    Args:
        connection: of a reading transaction.
        scope: whose hospitals are looked at.
        days: of each of them.
    """

    def __init__(self, connection: Connection, scope: Scope, days: Sequence[date]) -> None:
        self._scope = scope
        wanted = [HospitalDay(hospital.code, day) for hospital in scope.working for day in days]
        self._runs = last_runs(connection, wanted)
        waits = {
            hospital.code: waits_for_window(hospital, scope.moment) for hospital in scope.working
        }
        # a run may have read several of the days
        judged = {
            (day.hospital, run_id): JudgedRun(day, run_id, waits[day.hospital])
            for day, run_id in self._runs.items()
        }
        self.reports = {
            facts.run: judge(facts) for facts in load_facts(connection, [*judged.values()])
        }
        self._judged = judged

    def cell(
        self,
        hospital: Hospital | BrokenHospital,
        business_day: date,
        unread: Mapping[str, Collection[date]],
    ) -> Cell:
        """Return a day's cell; `unread` are the days that no run began to read."""
        day = HospitalDay(hospital.code, business_day)
        if isinstance(hospital, BrokenHospital):
            return Cell(day, DayStatus.NO_FILE)
        run_id = self._runs.get(day)
        if run_id is None:
            return Cell(day, _without_run(hospital, day, self._scope.moment, unread))
        report = self.reports[self._judged[day.hospital, run_id]]
        is_active = (hospital.dag_id, run_id) in self._scope.active
        return _cell(day, report, is_active=is_active)


def _cell(day: HospitalDay, report: Report, *, is_active: bool) -> Cell:
    """Return the cell of one of the days in a run's report."""
    facts = next(day_facts for day_facts in report.facts.days if day_facts.day == day)
    ready = facts.states[LineState.READY]
    problems = tuple(
        problem
        for problem in report.problems
        if problem.day == day or (problem.kind is _K.STOPPED and problem.day is None and ready)
    )
    statuses = {_STATUS_OF.get(problem.kind, DayStatus.PROBLEM) for problem in problems}
    if is_active:
        status = DayStatus.RUNNING
    elif statuses:
        status = next(worst for worst in _WORST if worst in statuses)
    else:
        status = DayStatus.WAITING if ready else DayStatus.COMPLETE
    return Cell(day, status, problems, facts, report.facts.run.run_id)


def _without_run(
    hospital: Hospital, day: HospitalDay, moment: datetime, unread: Mapping[str, Collection[date]]
) -> DayStatus:
    if day.business_day in unread.get(day.hospital, ()):
        return DayStatus.MISSING
    if hospital.is_live(day.business_day) and day.business_day > due_day(hospital, moment):
        return DayStatus.EARLY
    return DayStatus.NOT_LIVE


def _last_days(scope: Scope, days: int) -> tuple[date, ...]:
    """Return the days up to yesterday, by the clock of the hospital that is furthest."""
    last = max(
        (scope.moment.astimezone(hospital.zone).date() for hospital in scope.working),
        default=scope.moment.date(),
    )
    return tuple(last - back * _ONE_DAY for back in range(days, 0, -1))


def _matters(
    connection: Connection, scope: Scope, problems: Sequence[DayProblem]
) -> tuple[Matter, ...]:
    """Add to each problem what a person may do about it."""
    shown = [problem for problem in problems if scope.tells(problem.hospital)]
    doubts: defaultdict[HospitalDay, list[InDoubtBatch]] = defaultdict(list)
    for doubt in in_doubt_batches(connection):
        doubts[doubt.day].append(doubt)
    days = {problem.day for problem in shown if problem.day is not None}
    runs = last_runs(connection, days)
    zones = {hospital.code: hospital.zone for hospital in scope.working}
    return tuple(
        Matter(
            problem=problem,
            doubts=tuple(doubts[problem.day])
            if problem.kind is _K.IN_DOUBT and problem.day
            else (),
            verb=PROBLEM_VERBS.get(problem.kind),
            run_id=problem.run_id or (runs.get(problem.day) if problem.day else None),
            asks=problem.kind is _K.ASKED,
            zone=zones.get(problem.hospital, BRASILIA),
        )
        for problem in shown
    )
