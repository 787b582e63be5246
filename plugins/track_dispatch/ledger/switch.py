"""The switch that stops all hospitals, and the look-out for Track's limit of requests.

Both are asked before anything is claimed, the switch in the claim's own transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, insert, select, update

from track_dispatch.errors import ServiceStoppedError
from track_dispatch.ledger import schema
from track_dispatch.ledger.decisions import record_decision
from track_dispatch.ledger.schema import moment_in

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from track_dispatch.ledger.database import Ledger
    from track_dispatch.records import Actor, Decision

#: Seconds over which Track counts requests. Source: track-api.md of this project, "Transport".
RATE_WINDOW = 300
#: Batches that may go out in that time over all hospitals: 80 % of Track's limit of 1,000.
RATE_LIMIT = 800


@dataclass(frozen=True, slots=True)
class Stop:
    """Why nothing may be sent."""

    id: int
    stopped_at: datetime
    hospital: str
    why: str
    status: int | None


_STANDING = (
    select(*(schema.stops.c[name] for name in Stop.__slots__))
    .where(schema.stops.c.resumed_at.is_(None))
    .order_by(schema.stops.c.id)
)
_NTH_LAST_BATCH = (
    select(schema.batches.c.changed_at, moment_in())
    .order_by(schema.batches.c.changed_at.desc())
    .offset(bindparam("earlier"))
    .limit(1)
)


def stop_service(
    ledger: Ledger, *, hospital: str, why: str, status: int | None, actor: Actor
) -> None:
    """Close the switch: no hospital sends anything until a person resumes.

    `why` is ours, from the table of outcomes; it carries nothing of an answer.
    """
    with ledger.writing() as connection:
        connection.execute(
            insert(schema.stops).values(
                stopped_at=moment_in(),
                why=why,
                status=status,
                hospital=hospital,
                actor=actor.name,
                run_id=actor.run_id,
                try_number=actor.try_number,
            )
        )


def resume_service(ledger: Ledger, decision: Decision) -> int:
    """Open the switch again; return how many stops that ended.

    Raises:
        ConfigError: the run that decides this has done so before.
    """
    stops = schema.stops
    with ledger.writing() as connection:
        decision_id = record_decision(connection, decision)
        ended = connection.execute(
            update(stops)
            .where(stops.c.resumed_at.is_(None))
            .values(resumed_at=moment_in(), decision_id=decision_id)
        )
        return int(ended.rowcount)


def standing_stops(connection: Connection) -> list[Stop]:
    """Return the stops that no person has ended, the first one first."""
    return [Stop(*row) for row in connection.execute(_STANDING)]


def require_running(connection: Connection) -> None:
    """Refuse to go on while the switch is closed.

    Raises:
        ServiceStoppedError: it says since when, and what to do.
    """
    for stop in standing_stops(connection):
        raise ServiceStoppedError(
            f"sending is stopped for all hospitals since {stop.stopped_at:%Y-%m-%d %H:%M} UTC"
            f" ({stop.hospital}: {stop.why}): when a person has looked, `resume` (track_decide, or"
            " `python -m track_dispatch resume --by --why`), then clear dispatch",
            status=stop.status,
        )


def rate_pause(connection: Connection, *, limit: int = RATE_LIMIT) -> float:
    """Return the seconds until fewer than `limit` batches lie within the window; 0 if so now.

    A batch counts by its last change, never earlier than its POST: too many are counted rather
    than too few.
    """
    found = connection.execute(_NTH_LAST_BATCH, {"earlier": limit - 1}).one_or_none()
    if found is None:
        return 0.0
    changed_at, now = found
    passed: float = (now - changed_at).total_seconds()
    return max(0.0, RATE_WINDOW - passed)
