"""One budget for all requests to Track, over all hospitals: never passed in any 300 seconds.

Requests are counted in slots of a few seconds of the database's clock. A slot counts as long as
any moment of it may lie within the last 300 seconds: too many are counted rather than too few.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, select

from track_dispatch.ledger import schema
from track_dispatch.ledger.sql import prepared, take_turn

#: Seconds over which Track counts requests. Source: docs/track-api.md#limits
WINDOW = 300
#: Seconds of a slot.
SLOT = 5
#: Slots that may hold a moment of the window.
SLOTS = WINDOW // SLOT + 1
#: The part of the limit (1/20) that a probe must leave: at 800, the POSTs of a hospital.
_ROOM_SHARE = 20

_requests = schema.requests

#: Takes one request if the window has room; its parameter is `limit`.
TAKE = f"""
insert into requests (slot, taken)
select unix_seconds() / {SLOT}, 1
where coalesce((select sum(taken) from requests where slot > unix_seconds() / {SLOT} - {SLOTS}), 0)
      < :limit
on conflict (slot) do update set taken = requests.taken + 1"""  # noqa: S608 - our own numbers


def take_request(connection: Connection, *, limit: int) -> float:
    """Take one request of the budget, in the transaction that the request depends on.

    On PostgreSQL the turn is taken with it: it comes before any row is locked.

    Args:
        connection: of the writing transaction.
        limit: requests within the window, of all hospitals.

    Returns:
        0 when it is taken; else the seconds until one is free.
    """
    take_turn(connection)
    statement = prepared(TAKE, connection.dialect.name)
    if connection.exec_driver_sql(statement, {"limit": limit}).rowcount == 1:
        old = _requests.c.slot <= _now(connection) // SLOT - SLOTS
        connection.execute(delete(_requests).where(old))
        return 0.0
    return seconds_until_free(_counted(connection), _now(connection), limit=limit)


def limit_to_begin(limit: int) -> int:
    """Return the limit for a dispatch that begins with a probe: lower, to leave room for POSTs.

    Many hospitals that wait for requests would otherwise spend them all on probes: dispatches that
    have begun come first.
    """
    return limit - limit // _ROOM_SHARE


def _counted(connection: Connection) -> list[tuple[int, int]]:
    """Return the slots that count, with what was taken in each, the oldest first."""
    rows = connection.execute(
        select(_requests.c.slot, _requests.c.taken)
        .where(_requests.c.slot > _now(connection) // SLOT - SLOTS)
        .order_by(_requests.c.slot)
    )
    return [(slot, taken) for slot, taken in rows]


def requests_taken(connection: Connection) -> int:
    """Return how many requests count within the window, of all hospitals."""
    return sum(taken for _, taken in _counted(connection))


def seconds_until_free(counted: Sequence[tuple[int, int]], now: int, *, limit: int) -> float:
    """Return when enough of the oldest slots no longer count; they leave one after the other.

    Args:
        counted: the slots that count, with what was taken in each, the oldest first.
        now: unix seconds.
        limit: requests within the window.
    """
    left = sum(taken for _, taken in counted)
    for slot, taken in counted:
        left -= taken
        if left < limit:
            return max(1.0, float((slot + SLOTS) * SLOT - now))
    return float(WINDOW)


def _now(connection: Connection) -> int:
    """Return the database's clock in unix seconds."""
    return int(
        connection.exec_driver_sql(
            prepared("select unix_seconds()", connection.dialect.name)
        ).scalar_one()
    )
