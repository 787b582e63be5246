"""What the ledger says of days: counts, the equation, what is open.

Reading only, for many days at once. Every look at lines goes from a unit through its envelopes to
the range of their addresses, so that its cost grows with the days asked for and not with the
ledger.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, and_, func, select

from track_dispatch.ledger import schema
from track_dispatch.ledger.envelopes import parse_places
from track_dispatch.ledger.extractions import same_weekday_before
from track_dispatch.ledger.in_doubt import InDoubtBatch, in_doubt_batches
from track_dispatch.ledger.schema import (
    IS_OPEN_BATCH,
    IS_OPEN_ENVELOPE,
    PLACES,
    Placed,
    addresses_in,
    in_units,
    of_batches,
    on_days,
    placed,
)
from track_dispatch.ledger.settling import CLAIMED_ANEW
from track_dispatch.ledger.sql import among, moment_in
from track_dispatch.records import Channel, ColumnCounts, HospitalDay, ValueKind
from track_dispatch.states import OPEN, WAITING, LineState

_units, _lines = schema.units, schema.lines
_batches, _extractions = schema.batches, schema.extractions

_ENVELOPE = (_lines.c.address // PLACES).label("envelope")
_COUNTS = (
    select(_ENVELOPE, _lines.c.state, _lines.c.reason, func.count())
    .where(among(_lines.c.address, "addresses"))
    .group_by(_ENVELOPE, _lines.c.state, _lines.c.reason)
)


@dataclass(frozen=True, slots=True)
class LineCount:
    """How many lines of a day stand alike; area and channel are "" where excluded ones have none.

    `failed` tells that a dispatch gave the unit up for good.
    """

    area: str
    channel: str
    state: LineState
    reason: str | None
    lines: int
    failed: bool = False

    @property
    def unit(self) -> str:
        """The area and the channel as an operator reads them."""
        label = Channel(self.channel).label if self.channel else "sem canal"
        return f"{self.area or 'sem área'} · {label}"


@dataclass(frozen=True, slots=True)
class Equation:
    """What became of the rows of a day's newest applied extraction; nothing may be missing.

    Attributes:
        rows: that the ERP gave.
        rows_merged: further rows of an attendance that has one already.
        attendances: that the rows are of.
        other_day: of them, those known under another day.
        other_hospital: of them, those known as another hospital's.
        absent: lines of the day that this reading did not bring.
        lacking: known attendances that a wrong reading lacks; 0 when it is not wrong.
        states: the day's lines by state, counted where they are.
        column_counts: values of the reading's columns, by kind.
    """

    rows: int
    rows_merged: int
    attendances: int
    other_day: int
    other_hospital: int
    absent: int
    lacking: int
    states: Mapping[LineState, int]
    column_counts: ColumnCounts = field(default_factory=Counter)

    @property
    def brought(self) -> int:
        """Attendances that this reading brought to the day."""
        return self.attendances - self.other_day - self.other_hospital

    @property
    def lines(self) -> int:
        """Lines of the day."""
        return sum(self.states.values())

    @property
    def holds(self) -> bool:
        """Whether every row is accounted for."""
        return (
            self.rows == self.rows_merged + self.attendances
            and self.lines == self.brought + self.absent
        )


@dataclass(frozen=True, slots=True)
class AskedVolume:
    """The last question about a day's volume.

    Attributes:
        lines: that it counted.
        usual: how many there usually are.
        answer: None while nobody answered.
        open_until: until when Airflow waits for an answer; None once it does not.
        run_id: the run that asks.
    """

    lines: int
    usual: int
    answer: str | None
    open_until: datetime | None
    run_id: str


@dataclass(frozen=True, slots=True)
class DayFacts:
    """All that a day is judged by, but for a run's work: `loaded` once, for one day or for many."""

    day: HospitalDay
    counts: tuple[LineCount, ...] = ()
    equation: Equation | None = None
    question: AskedVolume | None = None
    usual: tuple[int, ...] = ()
    claimed_anew: int = 0
    doubts: tuple[InDoubtBatch, ...] = ()

    @property
    def states(self) -> Counter[LineState]:
        """How many lines of the day stand in each state."""
        return _by_state(self.counts)


@dataclass(frozen=True, slots=True)
class OpenDay:
    """A day with lines that something still has to happen to; `last_chance`: not after today."""

    day: HospitalDay
    states: Counter[LineState]
    last_chance: int = 0
    question: AskedVolume | None = None


class OpenLines(NamedTuple):
    """How many lines of an envelope are open and stand alike; `ending`: not after today."""

    envelope: int
    day: HospitalDay
    state: LineState
    lines: int
    ending: int


def day_facts(
    connection: Connection, days: Collection[HospitalDay], *, weeks: int = 8
) -> dict[HospitalDay, DayFacts]:
    """Load what days are judged by.

    Args:
        connection: of a reading transaction.
        days: any number of them; about 2 ms for each of 1,500 lines.
        weeks: how far back an empty day's usual number of attendances is looked for.
    """
    units = _units_by_id(connection, days)
    envelopes = placed(connection, in_units(units))
    counts = _count(connection, days, units, envelopes)
    equations = _equations(connection, days, counts)
    questions = _questions(connection, days)
    anew = _claimed_anew(connection, units, envelopes)
    doubts: defaultdict[HospitalDay, list[InDoubtBatch]] = defaultdict(list)
    for doubt in in_doubt_batches(connection):
        doubts[doubt.day].append(doubt)
    return {
        day: DayFacts(
            day=day,
            counts=counts[day],
            equation=(balance := equations.get(day)),
            question=questions.get(day),
            usual=(
                _past_attendances(connection, day, weeks)
                if balance is not None and not balance.attendances
                else ()
            ),
            claimed_anew=anew[day],
            doubts=tuple(doubts[day]),
        )
        for day in days
    }


def day_counts(
    connection: Connection, days: Collection[HospitalDay]
) -> dict[HospitalDay, tuple[LineCount, ...]]:
    """Count the lines of days by area, channel, state and reason."""
    units = _units_by_id(connection, days)
    return _count(connection, days, units, placed(connection, in_units(units)))


def _count(
    connection: Connection,
    days: Collection[HospitalDay],
    units: Mapping[int, Row[Any]],
    found: Sequence[Placed],
) -> dict[HospitalDay, tuple[LineCount, ...]]:
    unit_of = {envelope.id: units[envelope.unit] for envelope in found}
    alike: Counter[tuple[int, str, str | None]] = Counter()
    for envelope, state, reason, lines in connection.execute(
        _COUNTS, {"addresses": addresses_in(found)}
    ):
        alike[unit_of[envelope].id, state, reason] += lines
    counts: dict[HospitalDay, list[LineCount]] = {day: [] for day in days}
    for (unit, state, reason), lines in alike.items():
        of = units[unit]
        failed = of.failed_series is not None
        count = LineCount(of.area, of.channel, LineState(state), reason, lines, failed)
        counts[HospitalDay(of.hospital, of.business_day)].append(count)
    return {day: tuple(sorted(found, key=_in_order)) for day, found in counts.items()}


def _in_order(count: LineCount) -> tuple[str, ...]:
    return count.area, count.channel, count.state, count.reason or ""


def first_known_days(connection: Connection) -> dict[str, date]:
    """Return, for each hospital that lines were deleted of, the first day that is still known."""
    table = schema.horizons
    rows = connection.execute(select(table.c.hospital, table.c.first_known_day))
    return {row.hospital: row.first_known_day for row in rows}


def open_days(connection: Connection, *, today: date) -> list[OpenDay]:
    """Return every day, whatever its age, with lines that something still has to happen to.

    Args:
        connection: of a reading transaction.
        today: waiting lines that may not be asked after this day are counted as `last_chance`.
    """
    states: defaultdict[HospitalDay, Counter[LineState]] = defaultdict(Counter)
    last_chance: Counter[HospitalDay] = Counter()
    for open_line in open_lines(connection, today):
        states[open_line.day][open_line.state] += open_line.lines
        if open_line.state in {*WAITING, LineState.REOPENED}:
            last_chance[open_line.day] += open_line.ending
    questions = _questions(connection, states)
    return [
        OpenDay(day, states[day], last_chance[day], questions.get(day))
        for day in sorted(states, key=lambda item: (item.business_day, item.hospital))
    ]


def open_lines(connection: Connection, today: date) -> Iterator[OpenLines]:
    """Yield the open lines of each envelope by state, and those whose last day is over or today."""
    waiting = placed(connection, IS_OPEN_ENVELOPE)
    batches = connection.execute(
        select(_batches.c.unit, _batches.c.envelope).where(
            IS_OPEN_BATCH, _batches.c.unit.is_not(None)
        )
    ).all()
    found = {*waiting, *of_batches(connection, batches)}
    chosen = select(_units).where(among(_units.c.id, "ids"))
    units = {
        row.id: row
        for row in connection.execute(chosen, {"ids": list({envelope.unit for envelope in found})})
    }
    unit_of = {envelope.id: units[envelope.unit] for envelope in found}
    rows = connection.execute(
        select(
            _ENVELOPE,
            _lines.c.state,
            func.count(),
            func.count().filter(_lines.c.ask_until <= today),
        )
        .where(among(_lines.c.address, "addresses"), _lines.c.state.in_(OPEN))
        .group_by(_ENVELOPE, _lines.c.state),
        {"addresses": addresses_in(found)},
    )
    for envelope, state, lines, ending in rows:
        of = unit_of[envelope]
        day = HospitalDay(of.hospital, of.business_day)
        yield OpenLines(envelope, day, LineState(state), lines, ending)


def _units_by_id(connection: Connection, days: Collection[HospitalDay]) -> dict[int, Row[Any]]:
    wanted = set(days)
    rows = connection.execute(select(_units).where(*on_days(_units, wanted)))
    return {row.id: row for row in rows if HospitalDay(row.hospital, row.business_day) in wanted}


def _equations(
    connection: Connection,
    days: Collection[HospitalDay],
    counts: Mapping[HospitalDay, tuple[LineCount, ...]],
) -> dict[HospitalDay, Equation]:
    """Balance the newest applied extraction of each day that has one."""
    table = _extractions
    rows = connection.execute(
        select(table)
        .where(*on_days(table, days), table.c.applied_at.is_not(None))
        .order_by(table.c.started_at, table.c.id)
    )
    newest = {HospitalDay(row.hospital, row.business_day): row for row in rows}
    return {
        day: Equation(
            rows=row.rows or 0,
            rows_merged=row.rows_merged or 0,
            attendances=row.attendances or 0,
            other_day=row.other_day or 0,
            other_hospital=row.other_hospital or 0,
            absent=row.absent or 0,
            lacking=row.lacking or 0,
            states=_by_state(counts[day]),
            column_counts=Counter(
                {(name, ValueKind(kind)): values for name, kind, values in row.column_counts or ()}
            ),
        )
        for day, row in newest.items()
        if day in counts
    }


def _questions(
    connection: Connection, days: Collection[HospitalDay]
) -> dict[HospitalDay, AskedVolume]:
    table = schema.approvals
    is_open = and_(table.c.answer.is_(None), table.c.open_until > moment_in())
    rows = connection.execute(
        select(table, is_open.label("is_open")).where(*on_days(table, days)).order_by(table.c.id)
    )
    return {
        HospitalDay(row.hospital, row.business_day): AskedVolume(
            row.lines, row.usual, row.answer, row.open_until if row.is_open else None, row.run_id
        )
        for row in rows
    }


def _claimed_anew(
    connection: Connection, units: Mapping[int, Row[Any]], found: Sequence[Placed]
) -> Counter[HospitalDay]:
    """Count lines that Track accepted after they had been claimed anew: perhaps asked twice."""
    events = schema.events
    days = {id_: HospitalDay(row.hospital, row.business_day) for id_, row in units.items()}
    envelopes = {envelope.id: days[envelope.unit] for envelope in found}
    rows = connection.execute(
        select(events.c.envelope, events.c.places).where(
            among(events.c.envelope, "envelopes"), events.c.detail == CLAIMED_ANEW
        ),
        {"envelopes": [*envelopes]},
    )
    anew: Counter[HospitalDay] = Counter()
    for envelope, places in rows:
        anew[envelopes[envelope]] += len(parse_places(places))
    return anew


def _past_attendances(connection: Connection, day: HospitalDay, weeks: int) -> tuple[int, ...]:
    """Return how many attendances each of the same weekdays before had in the ERP."""
    table = _extractions
    rows = connection.execute(
        select(table.c.business_day, func.max(table.c.attendances))
        .where(same_weekday_before(day, weeks))
        .group_by(table.c.business_day)
    )
    return tuple(int(count or 0) for _, count in rows)


def _by_state(counts: Sequence[LineCount]) -> Counter[LineState]:
    states: Counter[LineState] = Counter()
    for count in counts:
        states[count.state] += count.lines
    return states
