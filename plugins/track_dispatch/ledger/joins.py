"""How the tables hang together: lines lie in envelopes, by the range of their addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import literal_column, or_, select, union

from track_dispatch.ledger.places import PLACES
from track_dispatch.ledger.schema import batches, envelopes, lines, units
from track_dispatch.states import BatchState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy import Connection, Table

    from track_dispatch.records import HospitalDay

#: A line lies in an envelope.
LIES_IN = lines.c.address.between(envelopes.c.id * PLACES, envelopes.c.id * PLACES + (PLACES - 1))

#: An envelope lies in a unit.
IS_OF_UNIT = units.c.id == envelopes.c.unit

#: A batch is in doubt. Spelled out: for a parameter SQLite would not take the partial index.
IS_IN_DOUBT = batches.c.state == literal_column(f"'{BatchState.IN_DOUBT}'")

#: Something still has to happen to a batch. Each part has an index of its own.
IS_OPEN_BATCH = batches.c.id.in_(
    union(
        select(batches.c.id).where(IS_IN_DOUBT),
        select(batches.c.id).where(batches.c.state == literal_column(f"'{BatchState.SENDING}'")),
        select(batches.c.id).where(batches.c.lease_until.is_not(None)),
    )
)

#: Something waits in an envelope. Each part has an index of its own.
IS_OPEN_ENVELOPE = envelopes.c.id.in_(
    union(
        select(envelopes.c.id).where(envelopes.c.waiting > literal_column("0")),
        select(envelopes.c.id).where(envelopes.c.reopened > literal_column("0")),
    )
)


class Placed(NamedTuple):
    """An envelope, its unit, and how many of its places were filled."""

    id: int
    unit: int
    lines: int


def placed(connection: Connection, *where: Any) -> list[Placed]:
    """Return the envelopes that conditions on envelopes and their units choose.

    To go on from here by `addresses_in` is certain to be by index. In one join PostgreSQL would
    rather read all lines through when it looks for a state that few are in, and SQLite would
    rather make an index of its own.
    """
    chosen = select(envelopes.c.id, envelopes.c.unit, envelopes.c.lines).join(units, IS_OF_UNIT)
    return [Placed(*row) for row in connection.execute(chosen.where(*where))]


def addresses_in(found: Iterable[Placed]) -> list[int]:
    """Return the addresses of all lines that lie in these envelopes, for `among`."""
    return [
        address
        for envelope in sorted(found)
        for address in range(envelope.id * PLACES, envelope.id * PLACES + envelope.lines)
    ]


def of_batches(connection: Connection, found: Iterable[Any]) -> list[Placed]:
    """Return the envelopes of batches; all of its unit's, where one was never posted.

    `found` are rows with the batches' `unit` and `envelope`.
    """
    rows = list(found)
    posted = envelopes.c.id.in_(sorted({row.envelope for row in rows if row.envelope is not None}))
    never = in_units({row.unit for row in rows if row.envelope is None})
    return placed(connection, or_(posted, never)) if rows else []


def in_units(unit_ids: Collection[int]) -> Any:
    """Select envelopes by their units."""
    return envelopes.c.unit.in_(sorted(unit_ids))


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
