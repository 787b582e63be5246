"""Whatever the settings say, each business day gets a run, and whoever is ready leaves in time.

A scheduled run waits for the window without a worker, but it is active meanwhile, and Airflow
starts no second one beside it. This walks weeks of a hospital with Airflow's own timetable, and the
scheduler's two rules: one run at a time, and without catch-up the latest interval only.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from airflow.timetables import interval
from airflow.timetables.base import DataInterval, TimeRestriction
from hypothesis import assume, given
from hypothesis import strategies as st
from pendulum import instance
from pydantic import ValidationError

from track_dispatch.config import Hospital, load_hospital
from track_dispatch.config.hospital import WEEKDAYS
from track_dispatch.delivery.context import next_run
from track_dispatch.pipeline import business_day

FACTS = load_hospital("HMS").model_dump() | {"import_fields": "all", "volume_gate": "off"}

START = datetime(2026, 3, 2, 0, tzinfo=UTC)
WEEKS = 4


class Sent(NamedTuple):
    """A business day's patients, and the moments of their last reading and of their dispatch."""

    day: date
    read_at: datetime
    sent_at: datetime


def clocks(last: int) -> st.SearchStrategy[str]:
    return st.integers(0, last).map(lambda minutes: f"{minutes // 60:02}:{minutes % 60:02}")


def windows() -> st.SearchStrategy[str]:
    return (
        st.lists(clocks(24 * 60), min_size=2, max_size=2, unique=True)
        .map(sorted)
        .filter(lambda pair: pair[0] < "24:00")
        .map("-".join)
    )


POLICIES = st.fixed_dictionaries(
    {
        "schedule": st.tuples(st.integers(0, 59), st.integers(0, 23)).map(
            lambda at: f"{at[0]} {at[1]} * * *"
        ),
        "timezone": st.sampled_from(
            ("America/Sao_Paulo", "America/Noronha", "America/Rio_Branco", "America/Santiago")
        ),
        "send_window": windows(),
        "send_days": st.none() | st.lists(st.sampled_from(WEEKDAYS), min_size=1, unique=True),
        # what is seldom refused first: hypothesis begins there
        "look_back_days": st.sampled_from((7, 6, 2, 1, 0)),
        "max_age_days": st.sampled_from((0, 15, 8, 3, 2, 1)),
        "extraction_max_age_hours": st.sampled_from((36, 26, 24, 12, 6, 1)),
    }
)


def walk(
    hospital: Hospital, work: timedelta, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[date], list[Sent]]:
    """Return the business days that got a run within the weeks, and what was sent of them.

    Args:
        hospital: with its schedule and window.
        work: from the beginning of each run to its dispatch.
        monkeypatch: for the clock of Airflow's timetable.
    """
    timetable = interval.CronDataIntervalTimetable(
        hospital.schedule, timezone=instance(START.astimezone(hospital.zone)).timezone
    )
    now, last = START, None
    days: list[date] = []
    waiting: list[date] = []
    sent: list[Sent] = []
    while now < START + timedelta(weeks=WEEKS):
        moment = instance(now)
        monkeypatch.setattr(interval, "utcnow", lambda moment=moment: moment)
        found = timetable.next_dagrun_info(
            last_automated_data_interval=last,
            restriction=TimeRestriction(instance(START), None, catchup=False),
        )
        assert found is not None
        last = found.data_interval
        begins = max(now, found.run_after)
        days.append(day_of(hospital, found.run_after, last))
        waiting.append(days[-1])
        now = begins + work
        opens_at = hospital.window.opening(now)
        if opens_at <= max(now, next_run(hospital, now)):
            sent += [Sent(day, begins, opens_at) for day in waiting]
            waiting, now = [], opens_at + timedelta(minutes=20)
    return days, sent


def day_of(hospital: Hospital, run_after: datetime, covered: DataInterval) -> date:
    return business_day(
        timezone=hospital.timezone,
        run_after=run_after,
        logical_date=covered.start,
        run_type="scheduled",
    )


def with_settings(policies: Mapping[str, Any]) -> Hospital | None:
    """Return HMS with these settings; None where they are refused."""
    try:
        return Hospital.model_validate(FACTS | policies)
    except ValidationError:
        return None


@given(policies=POLICIES, minutes=st.integers(0, 60))
def test_each_day_has_a_run_and_leaves_while_it_is_fresh_and_may_be_asked(
    policies: Mapping[str, Any], minutes: int
) -> None:
    hospital = with_settings(policies)
    assume(hospital is not None)
    assert hospital is not None
    with pytest.MonkeyPatch.context() as monkeypatch:
        days, sent = walk(hospital, timedelta(minutes=minutes), monkeypatch)

    every = [days[0] + timedelta(days=number) for number in range(len(days))]
    assert days == every
    assert len(days) >= 7 * (WEEKS - 1)
    # what waits at the end of the walk is younger than the longest wait of any setting
    assert [one.day for one in sent][: len(days) - 9] == every[: len(days) - 9]
    for one in sent:
        age = (one.sent_at.astimezone(hospital.zone).date() - one.day).days
        assert not hospital.max_age_days or age <= hospital.max_age_days
        assert one.sent_at - one.read_at <= timedelta(hours=hospital.extraction_max_age_hours)
