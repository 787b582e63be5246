"""Extractions: ERP rows on their way to transform, encrypted by the chunk."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update

from track_dispatch.ledger import schema
from track_dispatch.ledger.schema import moment_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date, datetime

    from sqlalchemy import Connection

    from track_dispatch.ledger.database import Ledger
    from track_dispatch.records import Actor, ErpRow


@dataclass(frozen=True, slots=True)
class Extraction:
    """One complete reading of a hospital's day."""

    id: str
    source: str
    hospital: str
    business_day: date
    run_id: str
    completed_at: datetime
    applied_at: datetime | None
    superseded_at: datetime | None


def stage_extraction(
    ledger: Ledger,
    chunks: Iterable[list[ErpRow]],
    *,
    source: str,
    hospital: str,
    business_day: date,
    actor: Actor,
) -> int:
    """Stage a day's rows and mark the extraction complete with its last chunk; return the count.

    The extraction is on record before the first row is read: one that breaks off stays incomplete
    and is never applied.

    Raises:
        LedgerError: the database failed; the extraction stays incomplete.
    """
    extraction_id = str(uuid.uuid4())
    with ledger.writing() as connection:
        connection.execute(
            insert(schema.extractions).values(
                id=extraction_id,
                source=source,
                hospital=hospital,
                business_day=business_day,
                run_id=actor.run_id,
                try_number=actor.try_number,
                started_at=moment_in(),
            )
        )
    rows, number, waiting = 0, 0, None
    for chunk in chunks:
        if waiting is not None:
            with ledger.writing() as connection:
                _stage(connection, extraction_id, number, waiting)
            number += 1
        waiting = ledger.keys.encrypt(chunk)
        rows += len(chunk)
    with ledger.writing() as connection:
        if waiting is not None:
            _stage(connection, extraction_id, number, waiting)
        connection.execute(
            update(schema.extractions)
            .where(schema.extractions.c.id == extraction_id)
            .values(completed_at=moment_in(), rows=rows)
        )
    return rows


def newest_extraction(
    connection: Connection, *, hospital: str, business_day: date, run_id: str
) -> Extraction | None:
    """Return the newest complete extraction of a run, by the database's time of completion."""
    table = schema.extractions
    row = connection.execute(
        select(*(table.c[name] for name in Extraction.__slots__))
        .where(
            table.c.hospital == hospital,
            table.c.business_day == business_day,
            table.c.run_id == run_id,
            table.c.completed_at.is_not(None),
        )
        .order_by(table.c.completed_at.desc(), table.c.id)
        .limit(1)
    ).one_or_none()
    return Extraction(*row) if row else None


def staged_chunks(
    ledger: Ledger, connection: Connection, extraction_id: str
) -> Iterator[list[ErpRow]]:
    """Give the staged rows back, chunk by chunk, in the order of extraction."""
    table = schema.staged_rows
    numbers = connection.scalars(
        select(table.c.chunk).where(table.c.extraction_id == extraction_id).order_by(table.c.chunk)
    ).all()
    for number in numbers:
        payload = connection.scalar(
            select(table.c.payload).where(
                table.c.extraction_id == extraction_id, table.c.chunk == number
            )
        )
        if payload is not None:
            yield ledger.keys.decrypt(payload)


def _stage(connection: Connection, extraction_id: str, number: int, payload: bytes) -> None:
    connection.execute(
        insert(schema.staged_rows).values(
            extraction_id=extraction_id, chunk=number, payload=payload
        )
    )
