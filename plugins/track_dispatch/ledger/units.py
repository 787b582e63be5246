"""The lines of one unit: what a dispatch asks again and again, each statement made once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, select

from track_dispatch.ledger import schema
from track_dispatch.ledger.schema import moment_in
from track_dispatch.records import LineState

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from track_dispatch.records import Unit

_lines = schema.lines

#: Selects a unit's lines; `unit_parameters` are its parameters.
OF_UNIT = tuple(
    _lines.c[name] == bindparam(f"unit_{name}")
    for name in ("hospital", "business_day", "area", "channel")
)

_READY = (*OF_UNIT, _lines.c.state == LineState.READY)
_A_READY_LINE = select(_lines.c.id).where(*_READY).limit(1)
_READY_LINES = select(func.count()).select_from(_lines).where(*_READY)
_LAST_LEASE = select(func.max(_lines.c.lease_until), moment_in()).where(
    *OF_UNIT, _lines.c.state == LineState.SENDING
)


def unit_parameters(unit: Unit) -> dict[str, Any]:
    """Return the parameters that make `OF_UNIT` this unit."""
    return {
        "unit_hospital": unit.hospital,
        "unit_business_day": unit.business_day,
        "unit_area": unit.area,
        "unit_channel": unit.channel,
    }


def has_ready_lines(connection: Connection, unit: Unit) -> bool:
    """Tell whether a unit has anything to send: asked before every claim, so nothing is counted."""
    return connection.scalar(_A_READY_LINE, unit_parameters(unit)) is not None


def ready_lines(connection: Connection, unit: Unit) -> int:
    """Count what a unit has to send."""
    return connection.scalar(_READY_LINES, unit_parameters(unit)) or 0


def in_flight_seconds(connection: Connection, unit: Unit) -> float | None:
    """Return how long the leases on a unit's lines still run, in seconds; None without any."""
    until, now = connection.execute(_LAST_LEASE, unit_parameters(unit)).one()
    return max(0.0, (until - now).total_seconds()) if until else None
