"""Rehearsals on record, in a table of their own: what went to our own people, never a patient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, update

from track_dispatch.ledger import schema
from track_dispatch.ledger.schema import moment_in

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.records import Actor, Unit


def begin_rehearsal(
    ledger: Ledger, key: str, unit: Unit, *, survey_uuid: str, lines: int, actor: Actor
) -> None:
    """Write a rehearsal down before it is posted."""
    with ledger.writing() as connection:
        connection.execute(
            insert(schema.rehearsals).values(
                id=key,
                at=moment_in(),
                hospital=unit.hospital,
                business_day=unit.business_day,
                area=unit.area,
                channel=unit.channel,
                survey_uuid=survey_uuid,
                lines=lines,
                run_id=actor.run_id or actor.name,
            )
        )


def end_rehearsal(
    ledger: Ledger, key: str, *, verdict: str, status: int | None, receipt: str | None
) -> None:
    """Write down what Track said."""
    table = schema.rehearsals
    said = {"verdict": verdict, "status": status, "receipt": receipt}
    with ledger.writing() as connection:
        connection.execute(update(table).where(table.c.id == key).values(said))
