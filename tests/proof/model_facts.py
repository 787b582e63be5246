"""What stands in the ledger at one moment, read by SQL and by nothing of the product's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from track_dispatch.ledger import schema
from track_dispatch.ledger.envelopes import envelope_of
from track_dispatch.ledger.sql import moment_in
from track_dispatch.records import HospitalDay

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row, Table

    from track_dispatch.states import LineState

#: Hours after which a reading is not sent any more, in all sequences.
MAX_AGE_HOURS = 36


@dataclass(frozen=True)
class Facts:
    """The ledger's rows; lines, envelopes, units and batches by their ids."""

    lines: Mapping[int, Row[Any]]
    envelopes: Mapping[int, Row[Any]]
    units: Mapping[int, Row[Any]]
    batches: Mapping[str, Row[Any]]
    events: Sequence[Row[Any]]
    extractions: Sequence[Row[Any]]
    staged: frozenset[str]
    approvals: Sequence[Row[Any]]
    stops: Sequence[Row[Any]]
    identities: Sequence[Row[Any]]
    now: datetime

    def is_like(self, other: Facts | None) -> bool:
        """Tell whether nothing has changed but the time."""
        return other is not None and replace(self, now=other.now) == other

    @property
    def last_event(self) -> int:
        """The number of the last event."""
        return self.events[-1].id if self.events else 0

    def is_old(self, envelope: Row[Any]) -> bool:
        """Tell whether an envelope is of a reading that may no longer be sent."""
        read_at = {row.id: row.completed_at for row in self.extractions}.get(envelope.extraction)
        return read_at is None or self.now - read_at > timedelta(hours=MAX_AGE_HOURS)

    def unit_at(self, address: int) -> Row[Any]:
        """Return the unit that an address lies in."""
        return self.units[self.envelopes[envelope_of(address)].unit]

    def day_at(self, address: int) -> HospitalDay:
        """Return the day that an address lies in."""
        unit = self.unit_at(address)
        return HospitalDay(unit.hospital, unit.business_day)

    def in_state(self, *states: LineState) -> list[Row[Any]]:
        """Return the lines that are in one of these states."""
        return [line for line in self.lines.values() if line.state in states]

    def states_by_envelope(self) -> dict[int, Counter[str]]:
        """Count each envelope's lines by state."""
        counts: dict[int, Counter[str]] = {id_: Counter() for id_ in self.envelopes}
        for line in self.lines.values():
            counts[envelope_of(line.address)][line.state] += 1
        return counts

    @property
    def stopped(self) -> bool:
        """Whether the switch is closed."""
        return any(stop.resumed_at is None for stop in self.stops)


def read_facts(connection: Connection) -> Facts:
    """Read all that the invariants are about."""
    return Facts(
        lines=_by_id(connection, schema.lines),
        envelopes=_by_id(connection, schema.envelopes),
        units=_by_id(connection, schema.units),
        batches=_by_id(connection, schema.batches),
        events=_in_order(connection, schema.events),
        extractions=_in_order(connection, schema.extractions),
        staged=frozenset(connection.scalars(select(schema.staged.c.extraction))),
        approvals=_in_order(connection, schema.approvals),
        stops=_in_order(connection, schema.stops),
        identities=connection.execute(select(schema.identities)).all(),
        now=connection.execute(select(moment_in())).scalar_one(),
    )


def _by_id(connection: Connection, table: Table) -> dict[Any, Row[Any]]:
    return {row.id: row for row in connection.execute(select(table))}


def _in_order(connection: Connection, table: Table) -> list[Row[Any]]:
    return list(connection.execute(select(table).order_by(table.c.id)))
