"""Which day a run is of, for every kind of run that Airflow 3.3 makes."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from track_dispatch.errors import ConfigError
from track_dispatch.extraction.query import binds
from track_dispatch.pipeline import business_day, check_conf

SAO_PAULO = "America/Sao_Paulo"


def _utc(
    day: int, hour: int = 0, minute: int = 0, *, month: int = 11, year: int = 2026
) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


#: The runs of a DAG with `0 9 * * *` in São Paulo (12:00 UTC), each with what Airflow gives it.
RUNS: dict[str, tuple[dict[str, Any], date]] = {
    "scheduled on the 21st": (
        {"run_after": _utc(21, 12), "logical_date": _utc(20, 12), "run_type": "scheduled"},
        date(2026, 11, 20),
    ),
    "scheduled by a plain cron, whose logical date is the tick": (
        {"run_after": _utc(21, 12), "logical_date": _utc(21, 12), "run_type": "scheduled"},
        date(2026, 11, 20),
    ),
    "scheduled by a partition timetable": (
        {"run_after": _utc(21, 12), "partition_key": "2026-11-20", "run_type": "scheduled"},
        date(2026, 11, 20),
    ),
    "backfill of the 12th": (
        {"run_after": _utc(13, 12), "logical_date": _utc(12, 12), "run_type": "backfill"},
        date(2026, 11, 12),
    ),
    "backfill of a partition": (
        {"run_after": _utc(13, 12), "partition_key": "2026-11-12", "run_type": "backfill"},
        date(2026, 11, 12),
    ),
    "REST without a logical date": ({"run_after": _utc(22, 10)}, date(2026, 11, 21)),
    "REST with the tick of the 10th": (
        {"run_after": _utc(22, 10), "logical_date": _utc(10, 12)},
        date(2026, 11, 10),
    ),
    "REST with midnight UTC of the 10th, which is the 9th in São Paulo": (
        {"run_after": _utc(22, 10), "logical_date": _utc(10)},
        date(2026, 11, 9),
    ),
    "CLI trigger": ({"run_after": _utc(22, 10)}, date(2026, 11, 21)),
    "CLI trigger with a logical date": (
        {"run_after": _utc(22, 10), "logical_date": _utc(5, 12)},
        date(2026, 11, 5),
    ),
    "the trigger form, which sends now": (
        {"run_after": _utc(22, 10), "logical_date": _utc(22, 10)},
        date(2026, 11, 21),
    ),
    "the trigger form between local and UTC midnight": (
        {"run_after": _utc(11, 1, 30), "logical_date": _utc(11, 1, 30)},
        date(2026, 11, 9),
    ),
    "a logical date in the future": (
        {"run_after": _utc(22, 10), "logical_date": _utc(30, 12)},
        date(2026, 11, 21),
    ),
    "dags test": (
        {"run_after": _utc(22, 10), "logical_date": _utc(22, 10)},
        date(2026, 11, 21),
    ),
    "dags test with a day, which is midnight UTC": (
        {"run_after": _utc(22, 10), "logical_date": _utc(19)},
        date(2026, 11, 18),
    ),
    "an asset's run": (
        {"run_after": _utc(22, 10), "run_type": "asset_triggered"},
        date(2026, 11, 21),
    ),
    "a longer partition key": (
        {"run_after": _utc(22, 10), "partition_key": "2026-11-20T09:00:00"},
        date(2026, 11, 20),
    ),
    "the Param": (
        {"run_after": _utc(22, 10), "logical_date": _utc(22, 10), "override": "2026-11-08"},
        date(2026, 11, 8),
    ),
    "the Param before the partition": (
        {"run_after": _utc(22, 10), "partition_key": "2026-11-20", "override": "2026-11-08"},
        date(2026, 11, 8),
    ),
    "the partition before the logical date": (
        {"run_after": _utc(22, 10), "partition_key": "2026-11-20", "logical_date": _utc(5, 12)},
        date(2026, 11, 20),
    ),
    "the Param with the latest day that is over": (
        {"run_after": _utc(22, 10), "override": "2026-11-21"},
        date(2026, 11, 21),
    ),
    "a Sunday at 03:00": (
        {"run_after": datetime(2026, 11, 22, 3, tzinfo=ZoneInfo(SAO_PAULO))},
        date(2026, 11, 21),
    ),
    "the day after 29 February": (
        {"run_after": _utc(1, 12, month=3, year=2028)},
        date(2028, 2, 29),
    ),
    "29 February by the Param": (
        {"run_after": _utc(22, 10), "override": "2024-02-29"},
        date(2024, 2, 29),
    ),
    "the first of a month": ({"run_after": _utc(1, 12, month=12)}, date(2026, 11, 30)),
    "New Year": ({"run_after": _utc(1, 12, month=1, year=2027)}, date(2026, 12, 31)),
}


@pytest.mark.parametrize(("run", "expected"), RUNS.values(), ids=RUNS)
def test_the_business_day_of_each_kind_of_run(run: dict[str, Any], expected: date) -> None:
    assert business_day(timezone=SAO_PAULO, **run) == expected


@pytest.mark.parametrize(
    ("timezone", "expected"),
    [
        ("America/Sao_Paulo", date(2026, 11, 20)),
        ("America/Fortaleza", date(2026, 11, 20)),
        ("America/Araguaina", date(2026, 11, 20)),
        ("America/Cuiaba", date(2026, 11, 19)),
    ],
)
def test_a_day_ends_when_it_does_at_the_hospital(timezone: str, expected: date) -> None:
    assert business_day(timezone=timezone, run_after=_utc(21, 3, 30)) == expected


def test_an_offset_other_than_utc_is_the_same_moment() -> None:
    run_after = datetime(2026, 11, 21, 9, tzinfo=ZoneInfo("Asia/Tokyo"))

    assert business_day(timezone=SAO_PAULO, run_after=run_after) == date(2026, 11, 19)


@pytest.mark.parametrize("run_type", ["scheduled", "backfill"])
def test_a_run_with_its_own_day_takes_no_other(run_type: str) -> None:
    with pytest.raises(ConfigError, match=f"business_day 2026-11-08 in a {run_type} run"):
        business_day(
            timezone=SAO_PAULO, run_after=_utc(22, 10), override="2026-11-08", run_type=run_type
        )


@pytest.mark.parametrize(
    "chosen",
    [
        {"override": "2026-11-22"},
        {"override": "2026-12-01"},
        {"partition_key": "2026-11-22"},
    ],
    ids=str,
)
def test_a_day_that_is_not_over_is_refused(chosen: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"is not over for this run: .* 2026-11-21"):
        business_day(timezone=SAO_PAULO, run_after=_utc(22, 10), **chosen)


def test_a_run_late_in_the_evening_has_no_today_although_utc_is_a_day_ahead() -> None:
    with pytest.raises(ConfigError, match="2026-11-21 is not over"):
        business_day(timezone=SAO_PAULO, run_after=_utc(22, 2), override="2026-11-21")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "20261120",
        "0001-01-01",
        "1999-12-31",
        "9999-12-31",
        "2026-W47-5",
        "2026-11-31",
        "2026-02-29",
        "20/11/2026",
        "2026-11-2",
    ],
)
@pytest.mark.parametrize("name", ["override", "partition_key"])
def test_a_text_that_is_no_day_is_refused(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match="is not a day: write YYYY-MM-DD"):
        business_day(timezone=SAO_PAULO, run_after=_utc(22, 10), **{name: text})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["run_after", "logical_date"])
def test_a_moment_without_a_zone_is_refused(name: str) -> None:
    moments: dict[str, Any] = {"run_after": _utc(22, 10), name: datetime(2026, 11, 21, 12)}  # noqa: DTZ001

    with pytest.raises(ConfigError, match=f"{name} 2026-11-21T12:00:00 has no time zone"):
        business_day(timezone=SAO_PAULO, **moments)


@pytest.mark.parametrize(
    ("day", "start", "end"),
    [
        (date(2026, 11, 20), "2026-11-20T00:00:00", "2026-11-21T00:00:00"),
        (date(2028, 2, 28), "2028-02-28T00:00:00", "2028-02-29T00:00:00"),
        (date(2028, 2, 29), "2028-02-29T00:00:00", "2028-03-01T00:00:00"),
        (date(2026, 12, 31), "2026-12-31T00:00:00", "2027-01-01T00:00:00"),
    ],
)
def test_a_day_is_half_open_in_the_erps_own_naive_time(day: date, start: str, end: str) -> None:
    assert tuple(moment.isoformat() for moment in binds(day).values()) == (start, end)


@pytest.mark.parametrize("conf", [None, {}, {"business_day": "2026-11-20"}])
def test_a_known_conf_passes(conf: dict[str, str] | None) -> None:
    check_conf(conf, {"business_day"})


def test_a_mistyped_key_of_the_conf_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        check_conf({"busines_day": "2026-11-20", "x": 1}, {"business_day"})

    assert str(caught.value) == (
        'unknown in the run\'s conf: "busines_day" (did you mean "business_day"?), "x";'
        " allowed: business_day"
    )
