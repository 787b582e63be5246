"""Readings of made-up days, applied as transform does, and what the tables say of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from sqlalchemy import select, text

from track_dispatch.ledger import schema
from track_dispatch.ledger.apply_extraction import applying_extractions
from track_dispatch.ledger.day_apply import DayTerms
from track_dispatch.ledger.envelopes import open_envelope, parse_places
from track_dispatch.ledger.extractions import Extraction, run_extractions, stage_extraction
from track_dispatch.ledger.schema import PLACES
from track_dispatch.ledger.sql import moment_in
from track_dispatch.pipeline.transform import standing_back
from track_dispatch.records import Actor, Area, Channel, HospitalDay, IdentityKind
from track_dispatch.states import Reason
from track_dispatch.transformation.evaluator import Identities

if TYPE_CHECKING:
    from sqlalchemy import RowMapping, Table

    from track_dispatch.ledger.database import Ledger

DAY = HospitalDay("HMS", date(2026, 3, 10))
DAY_BEFORE = HospitalDay("HMS", date(2026, 3, 9))
TODAY = date(2026, 3, 11)
#: An attendance, and the CPF of one person.
NUMBER, SAME = 900_000_001, "52998224725"
RUN = Actor("transform", run_id="scheduled__2026-03-10", try_number=1)
OTHER_RUN = Actor("transform", run_id="backfill__2026-03-10", try_number=1)
TERMS = DayTerms(rules="rules-1", batch_size=100, today=TODAY, ask_until=date(2026, 3, 25))


class Attendance(NamedTuple):
    """An attendance as the rules would have evaluated it."""

    attendance_id: str
    area: Area | None
    channel: Channel | None
    reason: Reason | None
    line: bytes | None
    identities: Identities


def invited(
    number: int,
    area: Area = Area.INTERNACAO,
    channel: Channel = Channel.EMAIL,
    *,
    person: str = "",
    email: str = "",
    **fields: str,
) -> Attendance:
    """Make an attendance up whose patient may be asked; of a person of its own by default."""
    address = email or f"p{number}@example.test"
    line = {"cd_atendimento": str(number), "name": "MARIA DE TESTE", "email": address, **fields}
    cpf = person or f"{number:011}"
    return Attendance(
        str(number),
        area,
        channel,
        None,
        orjson.dumps(line),
        Identities(
            persons=(f"cpf:{cpf}", f"name:email:{address}\x1fmaria de teste"),
            contacts=(f"email:{address}",),
            others=(f"phone:5527{number:09}",),
        ),
    )


def not_invited(
    number: int, reason: Reason = Reason.NO_CONTACT, area: Area | None = Area.INTERNACAO
) -> Attendance:
    """Make an attendance up whose patient is not asked."""
    return Attendance(str(number), area, None, reason, None, Identities())


def stage(
    ledger: Ledger,
    *attendances: Attendance,
    day: HospitalDay = DAY,
    source: str = "hms",
    actor: Actor = RUN,
) -> Extraction:
    """Stage a day's rows, one for each attendance, and return the extraction."""
    columns = {"cd_atendimento": [one.attendance_id for one in attendances]}
    let_a_moment_pass(ledger)
    stage_extraction(ledger, [columns], source=source, day=day, actor=actor)
    found = newest_extraction(ledger, day, run_id=str(actor.run_id))
    assert found is not None
    return found


def let_a_moment_pass(ledger: Ledger) -> None:
    """Let the next reading begin later than the last one: SQLite's clock counts milliseconds."""

    def now() -> object:
        with ledger.reading() as connection:
            return connection.scalar(select(moment_in()))

    began = now()
    while now() == began:
        pass


def newest_extraction(
    ledger: Ledger, day: HospitalDay = DAY, *, run_id: str = str(RUN.run_id)
) -> Extraction | None:
    """Return what a run's transform would apply of a day."""
    with ledger.reading() as connection:
        found = run_extractions(connection, hospital=day.hospital, run_id=run_id)
    return next((one for one in found if one.day == day), None)


def apply(
    ledger: Ledger,
    *readings: tuple[Extraction, Sequence[Attendance]],
    terms: DayTerms = TERMS,
    actor: Actor = RUN,
) -> list[bool]:
    """Apply extractions in one transaction; tell of each whether there was anything to apply."""
    source = readings[0][0].source
    applied = []
    with applying_extractions(ledger, source=source, zone=UTC, actor=actor) as transform:
        for extraction, attendances in readings:
            day = transform.begin(extraction, terms)
            applied.append(day is not None)
            if day is not None:
                day.take(attendances, lambda barred: {})
                day.end_of_reading(rows_merged=0)
        transform.finish(standing_back)
    return applied


def read_day(
    ledger: Ledger, *attendances: Attendance, terms: DayTerms = TERMS, **where: Any
) -> Extraction:
    """Stage and apply one reading of a day that finds these attendances and no others."""
    extraction = stage(ledger, *attendances, **where)
    actor = where.get("actor", RUN)
    assert apply(ledger, (extraction, attendances), terms=terms, actor=actor) == [True]
    return extraction


def read_days(
    ledger: Ledger,
    days: Mapping[HospitalDay, Sequence[Attendance]],
    *,
    terms: DayTerms = TERMS,
    actor: Actor = RUN,
) -> None:
    """Stage and apply one reading of several days, in one run."""
    readings = [
        (stage(ledger, *attendances, day=day, actor=actor), attendances)
        for day, attendances in days.items()
    ]
    apply(ledger, *readings, terms=terms, actor=actor)


@dataclass(frozen=True, slots=True)
class Line:
    """A line with the unit of the envelope that it lies in; `payload`: what would be sent of it."""

    id: int
    address: int
    attendance_id: str
    state: str
    reason: str | None
    digest: bytes | None
    ask_until: date | None
    batch: str | None
    question: int | None
    source: str
    day: HospitalDay
    area: str
    channel: str
    payload: Mapping[str, str] | None

    @property
    def stands(self) -> tuple[str, str | None]:
        """State and reason."""
        return self.state, self.reason


def lines_of(ledger: Ledger) -> list[Line]:
    """Return the lines in the order of their attendances."""
    lines, envelopes, units = schema.lines, schema.envelopes, schema.units
    named = (
        "id", "address", "attendance_id", "state", "reason", "digest", "ask_until", "batch",
        "question", "source",
    )  # fmt: skip
    with ledger.reading() as connection:
        rows = connection.execute(
            select(
                *(lines.c[name] for name in named),
                units.c.hospital,
                units.c.business_day,
                units.c.area,
                units.c.channel,
                envelopes.c.payload,
            )
            .join_from(lines, envelopes, envelopes.c.id == lines.c.address // PLACES)
            .join(units, units.c.id == envelopes.c.unit)
            .order_by(lines.c.attendance_id, lines.c.id)
        ).all()
    return [
        Line(
            *row[:10],
            HospitalDay(row.hospital, row.business_day),
            row.area,
            row.channel,
            _payload(ledger, row),
        )
        for row in rows
    ]


def _payload(ledger: Ledger, row: Any) -> Mapping[str, str] | None:
    if row.payload is None:
        return None
    held = open_envelope(ledger.keys, row.address // PLACES, row.payload)
    found: list[Mapping[str, str]] = [
        orjson.loads(line.fields) for line in held if line.place == row.address % PLACES
    ]
    return found[0] if found else None


def line_of(ledger: Ledger) -> Line:
    """Return the only line."""
    (line,) = lines_of(ledger)
    return line


def stands(ledger: Ledger) -> list[tuple[str, str | None]]:
    """Return states and reasons of the lines in the order of their attendances."""
    return [line.stands for line in lines_of(ledger)]


def rows_of(ledger: Ledger, table: Table, *order: str) -> Sequence[RowMapping]:
    """Return a table as it stands."""
    with ledger.reading() as connection:
        ordered = select(table).order_by(*(table.c[name] for name in order or ("id",)))
        return connection.execute(ordered).mappings().all()


def events_of(ledger: Ledger) -> list[tuple[str, str, str | None, int]]:
    """Return transition, state, reason and number of lines of the events, in order."""
    return [
        (row["transition"], row["state"], row["reason"], len(parse_places(row["places"])))
        for row in rows_of(ledger, schema.events)
    ]


def identities_of(ledger: Ledger, line: int) -> set[tuple[str, int]]:
    """Return kinds and hashes of a line's identities."""
    rows = rows_of(ledger, schema.identities, "hash")
    return {(row["kind"], row["hash"]) for row in rows if row["line"] == line}


def hashed(ledger: Ledger, attendance: Attendance) -> set[tuple[str, int]]:
    """Return kinds and hashes of an attendance's identities."""
    return {
        (str(kind), found)
        for kind, values in zip(IdentityKind, attendance.identities, strict=True)
        for found in ledger.keys.hash_identities(values)
    }


def everything(ledger: Ledger) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of all tables, to compare them before and after."""
    with ledger.reading() as connection:
        return {
            table.name: sorted(tuple(row) for row in connection.execute(select(table)))
            for table in schema.metadata.sorted_tables
        }


def change(ledger: Ledger, statement: str, **values: Any) -> None:
    """Write by SQL, as other tasks would have left it."""
    with ledger.writing() as connection:
        connection.execute(text(statement), values)


def leave(
    ledger: Ledger, state: str, *, reason: str | None = None, batch: str | None = "b-1"
) -> None:
    """Leave all lines in a state, without payload unless they wait, as dispatches would have."""
    waits = state in {"ready", "held"}
    counts = "" if waits else ", payload = null, waiting = 0"
    reopened = "lines" if state == "reopened" else "0"
    change(ledger, f"update envelopes set version = version + 1, reopened = {reopened}{counts}")
    change(
        ledger,
        "update lines set state = :state, reason = :reason, batch = :batch",
        state=state,
        reason=reason,
        batch=batch,
    )


@contextmanager
def refusing(ledger: Ledger, table: str, action: str) -> Iterator[None]:
    """Make the database refuse `insert` or `update` on a table meanwhile."""
    if ledger.on_postgresql:
        change(
            ledger,
            "create function refuse() returns trigger language plpgsql as"
            " $$ begin raise exception 'refused'; end $$",
        )
        change(
            ledger,
            f"create trigger refuse before {action} on {table}"
            " for each row execute function refuse()",
        )
    else:
        change(
            ledger,
            f"create trigger refuse before {action} on {table}"
            " begin select raise(abort, 'refused'); end",
        )
    try:
        yield
    finally:
        change(
            ledger,
            "drop function refuse cascade" if ledger.on_postgresql else "drop trigger refuse",
        )


def without_limit(terms: DayTerms = TERMS) -> DayTerms:
    """Return terms under which patients may be asked for ever."""
    return replace(terms, ask_until=None)


def extraction_of(ledger: Ledger, id_: str) -> Any:
    return next(row for row in rows_of(ledger, schema.extractions) if row["id"] == id_)


def counted(ledger: Ledger, id_: str) -> dict[str, int]:
    row = extraction_of(ledger, id_)
    names = ("attendances", "other_day", "other_hospital", "absent", "lacking")
    return {name: row[name] for name in names if row[name]}


def staged_around(ledger: Ledger, act: Callable[[], object], day: HospitalDay = DAY) -> Extraction:
    """Stage a reading of another run that began before `act` and ended after it."""

    def slowly() -> Iterator[dict[str, list[str]]]:
        yield {"cd_atendimento": [str(NUMBER)]}
        act()

    stage_extraction(ledger, slowly(), source="hms", day=day, actor=OTHER_RUN)
    found = newest_extraction(ledger, day, run_id=str(OTHER_RUN.run_id))
    assert found is not None
    return found
