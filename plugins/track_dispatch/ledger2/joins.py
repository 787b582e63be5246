"""How the tables hang together: lines lie in envelopes, by the range of their addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, or_

from track_dispatch.ledger2.places import PLACES
from track_dispatch.ledger2.schema import batches, envelopes, lines, units

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection, Table

    from track_dispatch.records import HospitalDay

#: A line lies in an envelope.
LIES_IN = lines.c.address.between(envelopes.c.id * PLACES, envelopes.c.id * PLACES + (PLACES - 1))

#: An envelope is a batch's; all of its unit's are, where the batch was never posted.
IS_OF_BATCH = and_(
    envelopes.c.unit == batches.c.unit,
    or_(batches.c.envelope.is_(None), envelopes.c.id == batches.c.envelope),
)

#: An envelope lies in a unit.
IS_OF_UNIT = units.c.id == envelopes.c.unit


def on_days(table: Table, days: Iterable[HospitalDay]) -> tuple[Any, Any]:
    """Select rows of these hospitals and these days: more than the pairs, but by one index.

    The index begins with the hospital: by days alone it would be read as a whole.
    """
    wanted = set(days)
    return (
        table.c.hospital.in_(sorted({day.hospital for day in wanted})),
        table.c.business_day.in_(sorted({day.business_day for day in wanted})),
    )


def plan_without_compiling(connection: Connection) -> None:
    """Keep PostgreSQL from compiling the statements of this transaction.

    It takes every range of addresses for thousands of lines. The plans are right, but by their
    guessed cost it would spend longer on compiling them than on running them.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("set local jit = off")
