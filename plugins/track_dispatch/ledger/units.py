"""Units as a dispatch sees them: what of a hospital is ready, and what may not be asked at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from sqlalchemy import func, select, update

from track_dispatch.ledger import schema
from track_dispatch.ledger.contact_policy import come_back
from track_dispatch.ledger.schema import (
    IS_OF_UNIT,
    LIES_IN,
    addresses_in,
    in_units,
    placed,
    plan_without_compiling,
)
from track_dispatch.ledger.sql import among, take_turn
from track_dispatch.ledger.transitions import Transition, apply_transition
from track_dispatch.records import Area, Channel, Unit
from track_dispatch.states import LineState

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from track_dispatch.ledger.database import Ledger
    from track_dispatch.records import Actor
    from track_dispatch.states import Reason

_units, _envelopes, _lines = schema.units, schema.envelopes, schema.lines


@dataclass(frozen=True, slots=True)
class ReadyEnvelope:
    """An envelope that has ready lines.

    Attributes:
        unit: what its lines are of.
        unit_id: the unit's id in the ledger.
        envelope: its id.
        lines: how many of its lines are ready.
        failed_series: the tries of a dispatch among which its unit failed for good.
    """

    unit: Unit
    unit_id: int
    envelope: int
    lines: int
    failed_series: str | None


_READY = (
    select(func.count())
    .select_from(_lines)
    .where(LIES_IN, _lines.c.state == LineState.READY)
    .correlate(_envelopes)
    .scalar_subquery()
)
_CHANNELS = list(Channel)


def ready_envelopes(connection: Connection, hospital: str, *, until: date) -> list[ReadyEnvelope]:
    """Return the envelopes of a hospital that have ready lines, in the order of their dispatch.

    The oldest day comes first, then the area of the highest priority, then the channel.
    """
    plan_without_compiling(connection)
    rows = connection.execute(
        select(
            _units.c.business_day,
            _units.c.area,
            _units.c.channel,
            _units.c.id,
            _envelopes.c.id.label("envelope"),
            _READY.label("ready"),
            _units.c.failed_series,
        )
        .join(_envelopes, IS_OF_UNIT)
        .where(
            _units.c.hospital == hospital,
            _units.c.business_day <= until,
            _envelopes.c.waiting > 0,
        )
    )
    found = [
        ReadyEnvelope(
            Unit(hospital, row.business_day, Area(row.area), Channel(row.channel)),
            row.id,
            row.envelope,
            row.ready,
            row.failed_series,
        )
        for row in rows
        if row.ready
    ]
    return sorted(found, key=_turn)


def _turn(found: ReadyEnvelope) -> tuple[date, int, int, int]:
    unit = found.unit
    channel = _CHANNELS.index(unit.channel)
    return unit.business_day, unit.area.priority, channel, found.envelope


def exclude_unit(ledger: Ledger, unit_id: int, *, reason: Reason, today: date, actor: Actor) -> int:
    """Exclude the ready lines of a unit that the hospital does not ask; return how many.

    Args:
        ledger: open.
        unit_id: the unit's id in the ledger.
        reason: why.
        today: the hospital's day, for lines that come back for these.
        actor: who found out.

    Raises:
        LedgerError: the database failed; nothing is excluded.
    """
    with ledger.writing() as connection:
        take_turn(connection)
        of_unit = addresses_in(placed(connection, in_units([unit_id])))
        moved = apply_transition(
            connection,
            Transition.EXCLUDED_AT_CLAIM,
            LineState.EXCLUDED,
            among(_lines.c.address, "addresses"),
            parameters={"addresses": of_unit},
            keys=ledger.keys,
            actor=actor,
            reason=reason,
        )
        ids = [line.id for line in moved]
        come_back(connection, ledger.keys, ids, actor=actor, today=today)
    return len(moved)


def remember_failure(ledger: Ledger, unit_id: int, *, series: str) -> None:
    """Keep a unit that failed for good from the further tries of a dispatch.

    Args:
        ledger: open.
        unit_id: the unit's id in the ledger.
        series: names these tries.

    Raises:
        LedgerError: the database failed.
    """
    with ledger.writing() as connection:
        connection.execute(
            update(_units).where(_units.c.id == unit_id).values(failed_series=series)
        )
