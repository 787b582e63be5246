"""When invitations may leave, by the hospital's clock and week."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from track_dispatch.config.hospital import WEEKDAYS, SendWindow
from track_dispatch.config.policies import parse_hours

CUIABA = ZoneInfo("America/Cuiaba")
START = datetime(2026, 1, 1, tzinfo=CUIABA)
EVERY_DAY = frozenset(range(7))
WEEK = frozenset(range(5))


def window(hours: str, days: frozenset[int] = EVERY_DAY) -> SendWindow:
    opens, closes = parse_hours(hours)
    return SendWindow(opens, closes, days, CUIABA)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CUIABA)


@pytest.mark.parametrize(
    ("hours", "days", "moment", "opening"),
    [
        ("08:00-20:00", EVERY_DAY, "2026-03-10T08:00", "2026-03-10T08:00"),
        ("08:00-20:00", EVERY_DAY, "2026-03-10T19:59:59", "2026-03-10T19:59:59"),
        ("08:00-20:00", EVERY_DAY, "2026-03-10T20:00", "2026-03-11T08:00"),
        ("08:00-20:00", EVERY_DAY, "2026-03-10T03:00", "2026-03-10T08:00"),
        ("08:00-24:00", EVERY_DAY, "2026-03-10T23:59:59", "2026-03-10T23:59:59"),
        ("00:00-24:00", EVERY_DAY, "2026-03-10T00:00", "2026-03-10T00:00"),
        ("08:00-20:00", WEEK, "2026-03-13T20:00", "2026-03-16T08:00"),  # a Friday
        ("08:00-20:00", WEEK, "2026-03-14T12:00", "2026-03-16T08:00"),  # a Saturday
        ("08:00-20:00", frozenset({6}), "2026-03-16T08:00", "2026-03-22T08:00"),
    ],
)
def test_the_next_opening(hours: str, days: frozenset[int], moment: str, opening: str) -> None:
    assert window(hours, days).opening(at(moment)) == at(opening)


def test_it_is_the_hospitals_clock_that_counts() -> None:
    """12:30 UTC is 8:30 in Cuiabá and 9:30 in São Paulo."""
    utc = datetime.fromisoformat("2026-03-10T11:30+00:00")

    assert window("08:00-20:00").opening(utc) == at("2026-03-10T08:00")


@given(
    st.integers(0, 365 * 24 * 60).map(lambda minutes: START + timedelta(minutes=minutes)),
    st.frozensets(st.integers(0, 6), min_size=1),
)
def test_an_opening_lies_in_the_window_and_not_before(
    moment: datetime, days: frozenset[int]
) -> None:
    found = window("08:00-20:00", days).opening(moment).astimezone(CUIABA)

    assert found >= moment
    assert 8 <= found.hour < 20
    assert found.weekday() in days
    assert window("08:00-20:00", days).opening(found) == found


@pytest.mark.parametrize("hours", ["20:00-08:00", "08:00-08:00"])
def test_a_window_over_midnight_is_refused(hours: str) -> None:
    with pytest.raises(ValueError, match="must end after it begins"):
        parse_hours(hours)


def test_weekdays_are_counted_as_python_counts() -> None:
    assert WEEKDAYS[at("2026-03-10T08:00").weekday()] == "tue"
