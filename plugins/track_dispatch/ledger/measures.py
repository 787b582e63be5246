"""The ledger's figures for a scrape: ages of open lines, times of POSTs, the last housekeeping.

Reading only. Ages are by the database's clock, in seconds. Every query reads open lines or a
hospital's latest day, so that its cost does not grow with the ledger.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from track_dispatch.ledger import schema
from track_dispatch.ledger.in_doubt import in_doubt_batches
from track_dispatch.ledger.schema import on_days
from track_dispatch.ledger.sql import among, now_in
from track_dispatch.ledger.views import OpenLines
from track_dispatch.records import HospitalDay
from track_dispatch.states import LineState

_units, _envelopes = schema.units, schema.envelopes
_batches, _extractions, _decisions = schema.batches, schema.extractions, schema.decisions


class LatestReading(NamedTuple):
    """A hospital's latest day that was read, and the age of the reading that was applied last."""

    business_day: date
    seconds: float


class PostTimes(NamedTuple):
    """How many batches Track answered, and how long they took: together, and the longest one."""

    posts: int
    seconds: float
    longest: float


def latest_readings(connection: Connection) -> dict[str, LatestReading]:
    """Return the latest reading of each hospital."""
    now, table = now_in(connection), _extractions
    rows = connection.execute(
        select(table.c.hospital, func.max(table.c.business_day), func.max(table.c.applied_at))
        .where(table.c.applied_at.is_not(None))
        .group_by(table.c.hospital)
    )
    return {hospital: LatestReading(day, _age(now, at)) for hospital, day, at in rows}


def oldest_ready(connection: Connection, found: Iterable[OpenLines]) -> dict[str, float]:
    """Return, for each hospital with ready lines, how long ago the oldest of them was read."""
    hospitals = {
        open_line.envelope: open_line.day.hospital
        for open_line in found
        if open_line.state is LineState.READY
    }
    rows = connection.execute(
        select(_envelopes.c.id, _extractions.c.completed_at)
        .join(_extractions, _extractions.c.id == _envelopes.c.extraction)
        .where(among(_envelopes.c.id, "envelopes")),
        {"envelopes": [*hospitals]},
    )
    now = now_in(connection)
    return _longest((hospitals[envelope], _age(now, at)) for envelope, at in rows)


def oldest_in_doubt(connection: Connection) -> dict[str, float]:
    """Return, for each hospital with a batch in doubt, for how long the oldest one has been so."""
    doubts, now = in_doubt_batches(connection), now_in(connection)
    return _longest((doubt.day.hospital, _age(now, doubt.since)) for doubt in doubts)


def post_times(
    connection: Connection, days: Collection[HospitalDay]
) -> Mapping[HospitalDay, PostTimes]:
    """Return how long the batches of days took that Track answered, from claim to settlement.

    Not those that a person decided about: these were settled by the person's clock.
    """
    decided = select(_decisions.c.batch).where(_decisions.c.batch.is_not(None))
    rows = connection.execute(
        select(
            _units.c.hospital, _units.c.business_day, _batches.c.created_at, _batches.c.changed_at
        )
        .join(_batches, _batches.c.unit == _units.c.id)
        .where(
            *on_days(_units, days),
            _batches.c.status.is_not(None),
            _batches.c.id.not_in(decided),
        )
    )
    taken: dict[HospitalDay, list[float]] = {day: [] for day in days}
    for hospital, day, created_at, changed_at in rows:
        if (found := HospitalDay(hospital, day)) in taken:
            taken[found].append(_age(changed_at, created_at))
    return {
        day: PostTimes(len(seconds), sum(seconds), max(seconds, default=0.0))
        for day, seconds in taken.items()
    }


def seconds_since_tidied(connection: Connection) -> float:
    """Return how long ago housekeeping was done, or the ledger made."""
    table = schema.ledger
    at = connection.execute(
        select(func.coalesce(table.c.tidied_at, table.c.created_at))
    ).scalar_one()
    return _age(now_in(connection), at)


def _age(now: datetime, at: datetime) -> float:
    return max(0.0, (now - at).total_seconds())


def _longest(ages: Iterable[tuple[str, float]]) -> dict[str, float]:
    longest: dict[str, float] = {}
    for hospital, seconds in ages:
        longest[hospital] = max(seconds, longest.get(hospital, 0.0))
    return longest
