"""What ran where: the package and the include folder behind each reading and each batch."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Table, func, select, union_all

from track_dispatch.ledger import schema
from track_dispatch.ledger.schema import on_days
from track_dispatch.ledger.sql import Moment, moment_in
from track_dispatch.records import Software

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Select

    from track_dispatch.records import Actor, HospitalDay

_extractions, _batches, _units = schema.extractions, schema.batches, schema.units


class SoftwareUse(NamedTuple):
    """From when until when readings and batches came from one software."""

    software: Software
    first: datetime
    last: datetime


def software_columns(actor: Actor) -> dict[str, Any]:
    """Return the columns of an extraction or a batch that say what its worker ran with."""
    return actor.software._asdict() if actor.software else dict.fromkeys(Software._fields)


def software_of_run(
    connection: Connection, days: Collection[HospitalDay], *, run_id: str
) -> list[SoftwareUse]:
    """Return what a run's readings and batches came from, the earliest first.

    Args:
        connection: of a reading transaction.
        days: those that the run read.
        run_id: of the run.
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
    """Return what all readings and batches of the last hours came from, the earliest first."""
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
