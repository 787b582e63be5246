"""What each task and each mode does, as plain functions; here, what every task knows of its run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from track_dispatch.records import HospitalDay

if TYPE_CHECKING:
    from track_dispatch.config import Hospital
    from track_dispatch.records import Actor


class Mode(StrEnum):
    """What a run does: send, only say what it would send, or send to our own people."""

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
