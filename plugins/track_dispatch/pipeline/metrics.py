"""The verb `metrics`: the ledger's metrics, for a scrape by Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import Connection

from track_dispatch.config import BrokenHospital, Hospital
from track_dispatch.ledger.measures import (
    latest_readings,
    oldest_in_doubt,
    oldest_ready,
    post_times,
    seconds_since_tidied,
)
from track_dispatch.ledger.request_budget import requests_taken
from track_dispatch.ledger.stop_switch import standing_stops
from track_dispatch.ledger.views import day_counts, open_lines
from track_dispatch.metric_table import Metric, Sample
from track_dispatch.pipeline.morning import due_day, unread_days
from track_dispatch.records import HospitalDay
from track_dispatch.states import OPEN, LineState


def read_metrics(
    connection: Connection, hospitals: Sequence[Hospital | BrokenHospital], *, moment: datetime
) -> list[Sample]:
    """Return every metric of the ledger.

    Each hospital has a value of each metric, also where that is 0: an alert rule must be able to
    tell 0 from a scrape that failed.

    Args:
        connection: of a reading transaction.
        hospitals: of every file, broken ones among them.
        moment: aware; which days should have been read by now.
    """
    working = [hospital for hospital in hospitals if not isinstance(hospital, BrokenHospital)]
    codes = [hospital.code for hospital in hospitals]
    return [
        *_installation(connection, working),
        Metric.BROKEN_FILES.sample(len(hospitals) - len(working)),
        *_open(connection, codes, moment),
        *_latest_day(connection),
        *_unread(connection, working, moment),
    ]


def _installation(connection: Connection, hospitals: Sequence[Hospital]) -> Iterator[Sample]:
    yield Metric.REQUESTS.sample(requests_taken(connection))
    if hospitals:  # the limit is one setting of all of them
        yield Metric.REQUESTS_LIMIT.sample(hospitals[0].requests_per_5_minutes)
    yield Metric.STOPPED.sample(bool(standing_stops(connection)))
    yield Metric.HOUSEKEEPING.sample(seconds_since_tidied(connection))


def _open(connection: Connection, codes: Sequence[str], moment: datetime) -> Iterator[Sample]:
    """Count the open lines, and return the age of the oldest."""
    found = [*open_lines(connection, moment.date())]
    counts: Counter[tuple[str, LineState]] = Counter()
    for open_line in found:
        counts[open_line.day.hospital, open_line.state] += open_line.lines
    ages = {
        Metric.OLDEST_READY: oldest_ready(connection, found),
        Metric.OLDEST_IN_DOUBT: oldest_in_doubt(connection),
    }
    for code in sorted({*codes, *(hospital for hospital, _ in counts)}):
        for state in OPEN:
            yield Metric.OPEN_LINES.sample(counts[code, state], code, state)
        for metric, seconds in ages.items():
            yield metric.sample(seconds.get(code, 0.0), code)


def _latest_day(connection: Connection) -> Iterator[Sample]:
    """Count the lines of each hospital's latest day, and the seconds that its POSTs took."""
    readings = latest_readings(connection)
    days = [HospitalDay(code, one.business_day) for code, one in readings.items()]
    counts, times = day_counts(connection, days), post_times(connection, days)
    for day in sorted(days):
        code = day.hospital
        states: Counter[LineState] = Counter()
        for count in counts[day]:
            states[count.state] += count.lines
        for state in LineState:
            yield Metric.DAY_LINES.sample(states[state], code, state)
        took = times[day]
        yield Metric.DAY_POSTS.sample(took.posts, code)
        yield Metric.DAY_POST_SECONDS.sample(took.seconds, code)
        yield Metric.DAY_LONGEST_POST.sample(took.longest, code)
        yield Metric.LAST_READING.sample(readings[code].seconds, code)


def _unread(
    connection: Connection, hospitals: Sequence[Hospital], moment: datetime
) -> Iterator[Sample]:
    due = {hospital.code: due_day(hospital, moment) for hospital in hospitals}
    unread = unread_days(connection, hospitals, due)
    for hospital in hospitals:
        yield Metric.UNREAD_DAYS.sample(len(unread.get(hospital.code, ())), hospital.code)
