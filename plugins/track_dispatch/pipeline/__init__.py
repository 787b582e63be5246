"""Tasks and modes as plain functions; here, the run that every task gets, and its business day.

A run's business day comes from the run's own data, never from the clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from track_dispatch.config import Hospital
from track_dispatch.errors import ConfigError, did_you_mean
from track_dispatch.records import YEARS, Actor, HospitalDay

#: The business day's name in forms and in a run's note.
BUSINESS_DAY = "Dia de atendimento"


class Mode(StrEnum):
    """What a run does: send to patients, show what it would send, or send to our own staff."""

    LIVE = "live"
    """Sends to the patients."""
    DRY_RUN = "dry_run"
    """The real transform, rolled back: says who would be asked."""
    REHEARSAL = "rehearsal"
    """Sends a few invented patients of each area to `rehearsal_contacts`."""


@dataclass(frozen=True, slots=True)
class Run:
    """One try of one task.

    Attributes:
        hospital: with its policies.
        business_day: whose patients are asked.
        actor: who acts.
        include_old: a person's wish to ask attendances older than `max_age_days`, too.
        mode: what the run does.
        is_backfill: a person chose its day: it reads no other one, and its volume is not judged.
    """

    hospital: Hospital
    business_day: date
    actor: Actor
    include_old: bool = False
    mode: Mode = Mode.LIVE
    is_backfill: bool = False

    @property
    def id(self) -> str:
        """The run that the ledger keeps extractions under."""
        return self.actor.run_id or self.actor.name

    @property
    def day(self) -> HospitalDay:
        """The hospital's day."""
        return HospitalDay(self.hospital.code, self.business_day)

    def today(self, now: datetime) -> date:
        """Return the day at the hospital; `now` is aware."""
        return now.astimezone(self.hospital.zone).date()

    def other_days(self, stale: Iterable[date]) -> list[HospitalDay]:
        """Return the days that are read after the run's own, the latest first.

        Args:
            stale: days whose patients wait for a new reading.
        """
        if self.is_backfill:
            return []
        hospital, own = self.hospital, self.business_day
        due = {own - timedelta(days=back) for back in range(1, hospital.look_back_days + 1)}
        due |= {day for day in stale if day < own}
        live = filter(hospital.is_live, sorted(due, reverse=True))
        return [HospitalDay(hospital.code, day) for day in live]


#: Runs whose day follows from their date: an override would give the same day to all of them.
_DATED_RUN_TYPES = frozenset({"scheduled", "backfill"})


def business_day(
    *,
    timezone: str,
    run_after: datetime,
    logical_date: datetime | None = None,
    partition_key: str | None = None,
    override: str | date | None = None,
    run_type: str = "manual",
) -> date:
    """Return the business day of a run; a retry or a clear a week later gives the same.

    The first that is present decides: the override, the partition key, or the earlier of the
    logical date's day and the day before `run_after`. Airflow's trigger form sends "now" as the
    logical date, so that this alone is not enough.

    Args:
        timezone: The hospital's IANA zone, in which days begin and end.
        run_after: The moment from which the run may start, aware.
        logical_date: The run's logical date, aware; absent in runs triggered without one.
        partition_key: The run's partition, beginning with YYYY-MM-DD.
        override: The Param `business_day`, YYYY-MM-DD.
        run_type: Airflow's type of the run.

    Raises:
        ConfigError: An override in a scheduled or backfill run, a text that is not a day, a day
            that is not over, or a moment without a zone.
    """
    yesterday = _local_day(run_after, timezone, name="run_after") - timedelta(days=1)
    if override is not None:
        if run_type in _DATED_RUN_TYPES:
            raise ConfigError(
                f"business_day {override} in a {run_type} run: it would give every run the same"
                " day; leave it empty, the run has its own"
            )
        day = _parsed_day(str(override), name="business_day")
    elif partition_key is not None:
        day = _parsed_day(partition_key[:10], name="partition_key")
    elif logical_date is not None:
        day = min(_local_day(logical_date, timezone, name="logical_date"), yesterday)
    else:
        day = yesterday
    if day > yesterday:
        raise ConfigError(
            f"the business day {day} is not over for this run: the latest it can take is"
            f" {yesterday} ({timezone})"
        )
    return day


def day_of_run(dag_run: Any, *, timezone: str, override: str | date | None) -> date:
    """Return the business day of a run of Airflow's; `override`: what its Param says.

    Raises:
        ConfigError: see `business_day`.
    """
    return business_day(
        timezone=timezone,
        run_after=dag_run.run_after,
        logical_date=dag_run.logical_date,
        partition_key=getattr(dag_run, "partition_key", None),
        override=override,
        run_type=type_of_run(dag_run),
    )


def type_of_run(dag_run: Any) -> str:
    """Return Airflow's type of a run, which is an enum or its text."""
    return str(getattr(dag_run.run_type, "value", dag_run.run_type))


def check_conf(conf: Mapping[str, object] | None, allowed: Iterable[str]) -> None:
    """Refuse a run whose conf has an unknown key: a mistyped day must not send yesterday.

    Raises:
        ConfigError: There is such a key; the message names the nearest known one.
    """
    known = sorted(allowed)
    unknown = sorted(str(key) for key in conf or {} if key not in known)
    if unknown:
        listed = ", ".join(f'"{key}"{did_you_mean(key, known)}' for key in unknown)
        raise ConfigError(f"unknown in the run's conf: {listed}; allowed: {', '.join(known)}")


def _local_day(moment: datetime, timezone: str, *, name: str) -> date:
    if moment.tzinfo is None:
        raise ConfigError(f"{name} {moment.isoformat()} has no time zone: give it an offset")
    return moment.astimezone(ZoneInfo(timezone)).date()


def _parsed_day(text: str, *, name: str) -> date:
    # fromisoformat alone would take 20261120 and 2026-W47-5, too.
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, flags=re.ASCII):
        with suppress(ValueError):
            day = date.fromisoformat(text)
            if day.year in YEARS:
                return day
    raise ConfigError(f'{name} "{text}" is not a day: write YYYY-MM-DD')
