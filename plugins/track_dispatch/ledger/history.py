"""The history of an attendance and refused lines, from the events. Reading only.

Neither holds a name or a contact: the ledger keeps none of a line that does not wait.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

import orjson
from sqlalchemy import ColumnElement, Connection, Row, Select, Table, and_, func, select, union_all

from track_dispatch.ledger import schema
from track_dispatch.ledger.envelopes import address_of, envelope_of, parse_places
from track_dispatch.ledger.schema import IS_OF_UNIT, LIES_IN, PLACES, in_units, on_days, placed
from track_dispatch.ledger.sql import Moment, among, moment_in
from track_dispatch.records import HospitalDay, IdentityKind, Software
from track_dispatch.states import BatchState, LineState

_lines, _events, _envelopes, _units = schema.lines, schema.events, schema.envelopes, schema.units
_extractions, _batches = schema.extractions, schema.batches


@dataclass(frozen=True, slots=True)
class Step:
    """One event of a line, with its batch's receipt and the decision's reason, if any."""

    at: datetime
    transition: str
    state: str
    reason: str | None
    detail: str | None
    actor: str
    run_id: str | None
    batch: str | None
    receipt: str | None
    decision: int | None
    why: str | None


@dataclass(frozen=True, slots=True)
class AttendanceHistory:
    """An attendance's line, and its events.

    Attributes:
        attendance_id: as the ERP numbers it.
        hospital: whose attendance it is.
        business_day: the day that it is known under now.
        area: "" where it has none; so after a while for everybody.
        channel: likewise.
        state: where it stands.
        reason: of an exclusion or a refusal.
        ask_until: the last day on which the patient may be asked; None: no limit.
        identities: the kinds of identities that the ledger still keeps hashes of.
        steps: its events, the first one first.
    """

    attendance_id: str = field(repr=False)
    hospital: str
    business_day: date
    area: str
    channel: str
    state: LineState
    reason: str | None
    ask_until: date | None
    identities: tuple[str, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class RefusedLines:
    """Refused lines with one detail, which is the code and the field that Track named."""

    hospital: str
    business_day: date
    area: str
    channel: str
    refusal: str
    detail: str | None
    lines: int


def attendance_history(
    connection: Connection, *, source: str, attendance_id: str
) -> AttendanceHistory | None:
    """Return an attendance's history; None if the ledger does not know it."""
    line = connection.execute(
        select(_lines).where(_lines.c.source == source, _lines.c.attendance_id == attendance_id)
    ).one_or_none()
    return None if line is None else line_history(connection, line)


def line_history(connection: Connection, line: Row[Any]) -> AttendanceHistory:
    """Return the history of an attendance, given by its row of `lines`."""
    unit = connection.execute(
        select(_units)
        .join(_envelopes, IS_OF_UNIT)
        .where(_envelopes.c.id == envelope_of(line.address))
    ).one()
    identities = schema.identities
    kinds = select(identities.c.kind).where(identities.c.line == line.id).distinct()
    return AttendanceHistory(
        attendance_id=line.attendance_id,
        hospital=unit.hospital,
        business_day=unit.business_day,
        area=unit.area,
        channel=unit.channel,
        state=LineState(line.state),
        reason=line.reason,
        ask_until=line.ask_until,
        identities=tuple(sorted(IdentityKind(kind).label for kind in connection.scalars(kinds))),
        steps=tuple(_life(connection, line.address)),
    )


def refused_lines(connection: Connection, *, since: date) -> list[RefusedLines]:
    """Count what stands refused of the days from `since` on, the latest day first.

    The events lead to the lines: lines are never looked through.
    """
    units = {
        row.id: row
        for row in connection.execute(select(_units).where(_units.c.business_day >= since))
    }
    envelopes = {
        envelope.id: units[envelope.unit] for envelope in placed(connection, in_units(units))
    }
    rows = connection.execute(
        select(_events.c.envelope, _events.c.places, _events.c.detail)
        .where(among(_events.c.envelope, "envelopes"), _events.c.state == LineState.REFUSED)
        .order_by(_events.c.id),
        {"envelopes": [*envelopes]},
    ).all()
    last = {
        address_of(row.envelope, place): row for row in rows for place in parse_places(row.places)
    }
    standing = connection.execute(
        select(_lines.c.address, _lines.c.reason).where(
            among(_lines.c.address, "addresses"), _lines.c.state == LineState.REFUSED
        ),
        {"addresses": sorted(last)},
    )
    counts: Counter[tuple[str, date, str, str, str, str | None]] = Counter()
    for address, refusal in standing:
        unit, detail = envelopes[envelope_of(address)], last[address].detail
        counts[unit.hospital, unit.business_day, unit.area, unit.channel, refusal, detail] += 1
    found = [RefusedLines(*kind, lines) for kind, lines in counts.items()]
    found.sort(key=lambda group: (group.hospital, group.area, group.channel, group.detail or ""))
    return sorted(found, key=lambda group: group.business_day, reverse=True)


def _life(connection: Connection, address: int) -> list[Step]:
    """Return a line's events, followed back from its present address to its first.

    A line that was evaluated anew, or moved to another day, lies somewhere else; the event that
    brought it there says where it came from.
    """
    life: list[Step] = []
    before: int | None = None
    while True:
        place = address % PLACES
        events = [
            row
            for row in _events_of(connection, envelope_of(address), before)
            if place in parse_places(row.places)
        ]
        life = [Step(*(row._mapping[name] for name in Step.__slots__)) for row in events] + life
        origin = _origin(events, place)
        if origin is None:
            return life
        before, address = origin


def _origin(events: Iterable[Row[Any]], place: int) -> tuple[int, int] | None:
    """Return the event that brought a line to a place, and the address it left."""
    for row in events:
        if row.came_from is not None:
            left = orjson.loads(row.came_from).get(str(place))
            if left is not None:
                return row.id, int(left)
    return None


def _events_of(connection: Connection, envelope: int, before: int | None) -> list[Row[Any]]:
    batches, decisions = schema.batches, schema.decisions
    query = (
        select(_events, batches.c.receipt, decisions.c.why)
        .outerjoin(batches, batches.c.id == _events.c.batch)
        .outerjoin(decisions, decisions.c.id == _events.c.decision)
        .where(_events.c.envelope == envelope)
        .order_by(_events.c.id)
    )
    if before is not None:
        query = query.where(_events.c.id < before)
    return list(connection.execute(query))


class DayLine(NamedTuple):
    """One line of a day as it stands; the attendance id is patient data.

    `area` and `channel` are '' where the line has none.
    """

    attendance_id: str
    address: int
    area: str
    channel: str
    state: str
    reason: str | None

    def __repr__(self) -> str:
        """Tell of no patient."""
        return f"DayLine(area={self.area!r}, state={self.state!r})"


def lines_of_day(connection: Connection, day: HospitalDay) -> list[DayLine]:
    """Return all lines of a day, in the order of their addresses."""
    lines, envelopes, units = schema.lines, schema.envelopes, schema.units
    rows = connection.execute(
        select(
            lines.c.attendance_id,
            lines.c.address,
            units.c.area,
            units.c.channel,
            lines.c.state,
            lines.c.reason,
        )
        .select_from(units)
        .join(envelopes, IS_OF_UNIT)
        .join(lines, LIES_IN)
        .where(units.c.hospital == day.hospital, units.c.business_day == day.business_day)
        .order_by(lines.c.address)
    )
    return [DayLine(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class DayBatch:
    """One POST about a day as it stands; `lines` are those that it was posted with."""

    id: str
    area: str
    channel: str
    state: BatchState
    lines: int
    status: int | None
    at: datetime


def batches_of_day(connection: Connection, day: HospitalDay) -> list[DayBatch]:
    """Return a day's batches, the first one first."""
    table = schema.batches
    rows = connection.execute(
        select(
            table.c.id,
            _units.c.area,
            _units.c.channel,
            table.c.state,
            table.c.lines,
            table.c.status,
            table.c.created_at,
        )
        .join(_units, _units.c.id == table.c.unit)
        .where(_units.c.hospital == day.hospital, _units.c.business_day == day.business_day)
        .order_by(table.c.created_at, table.c.id)
    )
    return [
        DayBatch(id_, area, channel, BatchState(state), *rest)
        for id_, area, channel, state, *rest in rows
    ]


# -- first answers -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """The recorded facts of an answer with a 2xx.

    Attributes:
        at: when its batch was claimed.
        is_rehearsal: whether its lines were invented.
        status: of HTTP.
        has_receipt: whether it held a receipt, also one that proves nothing.
        state: what became of the batch.
        posted: lines that were posted.
        accepted: lines that count as accepted now; a rehearsal has none.
        refused: lines that it named as faulty.
    """

    at: datetime
    is_rehearsal: bool
    status: int
    has_receipt: bool
    state: BatchState
    posted: int
    accepted: int
    refused: int


def first_answers(connection: Connection, *, limit: int = 10) -> list[FirstAnswer]:
    """Return the installation's first batches that were answered with a 2xx, the oldest first."""
    first = (
        select(_batches)
        .where(_batches.c.status.between(200, 299))
        .order_by(_batches.c.created_at, _batches.c.id)
        .limit(limit)
        .subquery()
    )
    own = and_(
        _lines.c.batch == first.c.id,
        _lines.c.address >= first.c.envelope * PLACES,
        _lines.c.address < (first.c.envelope + 1) * PLACES,
    )
    counted = (
        select(
            *(first.c[name] for name in ("id", "created_at", "unit", "status", "state", "lines")),
            first.c.receipt.is_not(None).label("has_receipt"),
            func.count().filter(_lines.c.state == LineState.ACCEPTED).label("accepted"),
            func.count().filter(_lines.c.state == LineState.REFUSED).label("refused"),
        )
        .select_from(first.outerjoin(_lines, own))
        .group_by(*first.c)
        .order_by(first.c.created_at, first.c.id)
    )
    return [
        FirstAnswer(
            at=row.created_at,
            is_rehearsal=row.unit is None,
            status=row.status,
            has_receipt=row.has_receipt,
            state=BatchState(row.state),
            posted=row.lines,
            accepted=row.accepted,
            refused=row.refused,
        )
        for row in connection.execute(counted)
    ]


# -- software ----------------------------------------------------------------------


class SoftwareUse(NamedTuple):
    """The time within which readings and batches came from one software."""

    software: Software
    first: datetime
    last: datetime


def software_of_run(
    connection: Connection, days: Collection[HospitalDay], *, run_id: str
) -> list[SoftwareUse]:
    """Return the software of a run's readings and batches, the earliest first.

    `days` are those that the run read.
    """
    units = select(_units.c.id).where(*on_days(_units, days))
    return _uses(
        connection,
        _seen(_extractions, _extractions.c.started_at).where(
            *on_days(_extractions, days), _extractions.c.run_id == run_id
        ),
        _seen(_batches, _batches.c.created_at).where(
            _batches.c.unit.in_(units), _batches.c.run_id == run_id
        ),
    )


def recent_software(connection: Connection, *, hours: float) -> list[SoftwareUse]:
    """Return the software of all readings and batches of the last hours, the earliest first."""
    since = moment_in(-hours * 3600)
    return _uses(
        connection,
        _seen(_extractions, _extractions.c.started_at).where(_extractions.c.started_at >= since),
        _seen(_batches, _batches.c.created_at).where(_batches.c.created_at >= since),
    )


def _seen(table: Table, moment: ColumnElement[datetime]) -> Select[tuple[str, str, datetime]]:
    return select(table.c.package_version, table.c.include_digest, moment.label("at")).where(
        table.c.package_version.is_not(None)
    )


def _uses(
    connection: Connection,
    readings: Select[tuple[str, str, datetime]],
    posts: Select[tuple[str, str, datetime]],
) -> list[SoftwareUse]:
    seen = union_all(readings, posts).subquery()
    of = (seen.c.package_version, seen.c.include_digest)
    first, last = (
        function(seen.c.at, type_=Moment).label(None) for function in (func.min, func.max)
    )
    rows = connection.execute(select(*of, first, last).group_by(*of).order_by(first, *of))
    return [SoftwareUse(Software(*row[:2]), *row[2:]) for row in rows]
