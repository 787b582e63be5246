"""Extractions: a hospital's day as it was read by a run, encrypted by chunks until transform.

Of two readings of a day the one that began later is the newer: it may end first, but what it saw
the other one has not seen.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    and_,
    exists,
    insert,
    or_,
    select,
    update,
)

from track_dispatch.errors import LedgerError
from track_dispatch.ledger import schema
from track_dispatch.ledger.database import Ledger
from track_dispatch.ledger.keys import KeyRing
from track_dispatch.ledger.schema import IS_OF_UNIT, LIES_IN, on_days, plan_without_compiling
from track_dispatch.ledger.sql import HOUR, moment_in
from track_dispatch.records import Actor, HospitalDay, Software
from track_dispatch.states import WAITING, Count, LineState

#: Rows as columns: name to texts, all of one length.
Columns = Mapping[str, Sequence[str]]

#: Chunks written in one transaction; so many are held, encrypted, while the ERP is read.
CHUNKS_A_TRANSACTION = 4
#: Hours after which a day that still waits is read again: less than a day, so that a daily run
#: always meets what the one before it read.
STALE_HOURS = 20
_ID = "cd_atendimento"


@dataclass(frozen=True, slots=True)
class Extraction:
    """One complete reading of a hospital's day; the ERP shows it as of `started_at` or later."""

    id: str
    source: str
    hospital: str
    business_day: date
    run_id: str
    started_at: datetime
    applied_at: datetime | None
    superseded_at: datetime | None

    @property
    def day(self) -> HospitalDay:
        """The day that was read."""
        return HospitalDay(self.hospital, self.business_day)


@dataclass(frozen=True, slots=True)
class RunWork:
    """What one run has done about a day; an extraction that was superseded counts as applied.

    `erp_warning` is what the ERP said when it let us in.
    """

    day: HospitalDay
    run_id: str
    started_at: datetime
    extracted: bool
    transformed: bool
    erp_warning: str | None


def software_columns(actor: Actor) -> dict[str, Any]:
    """Return the columns of an extraction or a batch that say what its worker ran with."""
    return actor.software._asdict() if actor.software else dict.fromkeys(Software._fields)


def is_fresh(max_age_hours: float) -> ColumnElement[bool]:
    """Select envelopes whose extraction began so lately that they may still be sent."""
    envelopes, extractions = schema.envelopes, schema.extractions
    return exists().where(
        extractions.c.id == envelopes.c.extraction,
        extractions.c.started_at >= moment_in(-max_age_hours * HOUR),
    )


def same_weekday_before(day: HospitalDay, weeks: int) -> ColumnElement[bool]:
    """Select the applied extractions of the same weekday of so many weeks before a day."""
    table = schema.extractions
    return and_(
        table.c.hospital == day.hospital,
        table.c.business_day.in_(
            [day.business_day - timedelta(weeks=week) for week in range(1, weeks + 1)]
        ),
        table.c.applied_at.is_not(None),
    )


def stage_extraction(
    ledger: Ledger,
    chunks: Iterable[Columns],
    *,
    source: str,
    day: HospitalDay,
    actor: Actor,
    warned: Callable[[], str | None] = lambda: None,
) -> int:
    """Stage a day's rows and mark the extraction complete with its last chunk; return their count.

    The extraction is on record before the first row is read: one that breaks off stays incomplete,
    and is never applied. No transaction is open while the ERP is read.

    Args:
        ledger: open.
        chunks: the rows, read from the ERP as they are asked for.
        source: of the ERP.
        day: of the hospital.
        actor: the task.
        warned: asked when all is read: what the ERP warned of, for the report; no patient's data.

    Raises:
        LedgerError: the database failed; the extraction stays incomplete.
    """
    extraction = str(uuid.uuid4())
    with ledger.writing() as connection:
        connection.execute(
            insert(schema.extractions).values(
                id=extraction,
                source=source,
                **day._asdict(),
                run_id=actor.run_id or actor.name,
                try_number=actor.try_number or 1,
                **software_columns(actor),
                started_at=moment_in(),
            )
        )
    rows, waiting = 0, list[dict[str, Any]]()
    for number, columns in enumerate(chunks):
        if len(waiting) == CHUNKS_A_TRANSACTION:
            with ledger.writing() as connection:
                connection.execute(insert(schema.staged), waiting)
            waiting.clear()
        waiting.append(_encrypted(ledger.keys, extraction, number, columns))
        rows += len(columns[_ID])
    with ledger.writing() as connection:
        if waiting:
            connection.execute(insert(schema.staged), waiting)
        connection.execute(
            update(schema.extractions)
            .where(schema.extractions.c.id == extraction)
            .values(completed_at=moment_in(), rows=rows, erp_warning=warned())
        )
    return rows


def stage_within(
    connection: Connection,
    keys: KeyRing,
    chunks: Iterable[Columns],
    *,
    source: str,
    day: HospitalDay,
) -> Extraction:
    """Stage a complete extraction within one transaction, which is to be rolled back: a dry run."""
    extraction = str(uuid.uuid4())
    rows, staged = 0, list[dict[str, Any]]()
    for number, chunk in enumerate(chunks):
        staged.append(_encrypted(keys, extraction, number, chunk))
        rows += len(chunk[_ID])
    connection.execute(
        insert(schema.extractions).values(
            id=extraction,
            source=source,
            **day._asdict(),
            run_id=extraction,  # no other reading is taken for one of its run
            try_number=1,
            started_at=moment_in(),
            completed_at=moment_in(),
            rows=rows,
        )
    )
    if staged:
        connection.execute(insert(schema.staged), staged)
    [found] = run_extractions(connection, hospital=day.hospital, run_id=extraction)
    return found


def _encrypted(keys: KeyRing, extraction: str, number: int, columns: Columns) -> dict[str, Any]:
    return {
        "extraction": extraction,
        "chunk": number,
        "ids": keys.encrypt(orjson.dumps([extraction, number, columns[_ID]])),
        "payload": keys.encrypt(orjson.dumps([extraction, number, columns])),
    }


def staged_ids(connection: Connection, keys: KeyRing, extraction: str) -> Iterator[list[str]]:
    """Give the staged attendance ids back, chunk by chunk, in the order of extraction.

    Raises:
        LedgerError: as `staged_columns`.
    """
    return _staged(connection, keys, extraction, schema.staged.c.ids)


def staged_columns(
    connection: Connection, keys: KeyRing, extraction: str
) -> Iterator[dict[str, list[str]]]:
    """Give the staged columns back, chunk by chunk, in the order of extraction.

    Raises:
        LedgerError: not all of them are there any more; whoever has applied a part rolls it back.
    """
    return _staged(connection, keys, extraction, schema.staged.c.payload)


def _staged(
    connection: Connection, keys: KeyRing, extraction: str, column: Column[bytes]
) -> Iterator[Any]:
    staged = schema.staged
    mine = staged.c.extraction == extraction
    numbers = connection.scalars(select(staged.c.chunk).where(mine).order_by(staged.c.chunk)).all()
    found = 0
    for number in numbers:
        token = connection.scalar(select(column).where(mine, staged.c.chunk == number))
        if token is None:  # erased since the numbers were read
            break
        owner, place, content = orjson.loads(keys.decrypt(token))
        if (owner, place) != (extraction, number):
            message = f"chunk {number} of the extraction {extraction} holds another one's rows"
            raise LedgerError(message)
        yield content
        found += len(content if column is staged.c.ids else content[_ID])
    table = schema.extractions
    rows = connection.scalar(select(table.c.rows).where(table.c.id == extraction))
    if found != rows:  # taken for a smaller day, it would take the others' patients away
        message = (
            f"only {found} of {Count(rows or 0):row|rows} of the extraction {extraction} are left:"
            " housekeeping erases what no transform has taken in time. Nothing of it is applied;"
            " clear the run's `extract` to read the day again"
        )
        raise LedgerError(message)


def run_extractions(connection: Connection, *, hospital: str, run_id: str) -> list[Extraction]:
    """Return the newest complete extraction of each day that a run read, the latest day first."""
    table = schema.extractions
    rows = connection.execute(
        select(*(table.c[name] for name in Extraction.__slots__))
        .where(
            table.c.hospital == hospital,
            table.c.run_id == run_id,
            table.c.completed_at.is_not(None),
        )
        .order_by(table.c.business_day.desc(), table.c.started_at, table.c.id.desc())
    )
    newest = {row.business_day: Extraction(*row) for row in rows}  # the last one of a day stays
    return list(newest.values())


def stale_days(connection: Connection, *, hospital: str, today: date) -> list[date]:
    """Return the days to read again: their lines still wait and may still be asked.

    A `reopened` line waits for any next reading; a `ready` or `held` one for the next when its own
    is of yesterday. The latest day comes first.
    """
    units, envelopes = schema.units, schema.envelopes
    lines, extractions = schema.lines, schema.extractions
    old = extractions.c.started_at < moment_in(-STALE_HOURS * 3600)
    still = or_(lines.c.ask_until.is_(None), lines.c.ask_until >= today)
    waits = and_(lines.c.state.in_(WAITING), or_(extractions.c.id.is_(None), old))
    plan_without_compiling(connection)
    return list(
        connection.scalars(
            select(units.c.business_day)
            .select_from(units)
            .join(envelopes, IS_OF_UNIT)
            .join(lines, LIES_IN)
            .outerjoin(extractions, extractions.c.id == envelopes.c.extraction)
            .where(
                units.c.hospital == hospital,
                or_(envelopes.c.waiting > 0, envelopes.c.reopened > 0),
                still,
                or_(lines.c.state == LineState.REOPENED, waits),
            )
            .distinct()
            .order_by(units.c.business_day.desc())
        )
    )


def run_work(
    connection: Connection, *, hospital: str, run_ids: Collection[str]
) -> tuple[RunWork, ...]:
    """Tell, for every day that these runs began to read, how far their last reading came."""
    table = schema.extractions
    rows = connection.execute(
        select(table)
        .where(table.c.run_id.in_(sorted(run_ids)), table.c.hospital == hospital)
        .order_by(table.c.started_at, table.c.id)
    )
    work = {
        (row.run_id, row.business_day): RunWork(
            day=HospitalDay(row.hospital, row.business_day),
            run_id=row.run_id,
            started_at=row.started_at,
            extracted=row.completed_at is not None,
            transformed=bool(row.applied_at or row.superseded_at),
            erp_warning=row.erp_warning,
        )
        for row in rows
    }
    return tuple(work.values())


def last_runs(connection: Connection, days: Collection[HospitalDay]) -> dict[HospitalDay, str]:
    """Return, for each day that any run began to read, the run that began last."""
    table = schema.extractions
    rows = connection.execute(
        select(table.c.hospital, table.c.business_day, table.c.run_id)
        .where(*on_days(table, days))
        .order_by(table.c.started_at, table.c.id)
    )
    found = {HospitalDay(row.hospital, row.business_day): str(row.run_id) for row in rows}
    return {day: run_id for day, run_id in found.items() if day in set(days)}


def days_read(connection: Connection, hospitals: Iterable[str]) -> dict[str, set[date]]:
    """Return the days of each hospital of which some run applied a complete extraction."""
    table = schema.extractions
    rows = connection.execute(
        select(table.c.hospital, table.c.business_day)
        .where(table.c.hospital.in_(sorted(hospitals)), table.c.applied_at.is_not(None))
        .distinct()
    )
    read: defaultdict[str, set[date]] = defaultdict(set)
    for hospital, day in rows:
        read[hospital].add(day)
    return read
