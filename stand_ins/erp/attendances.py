"""What both families of ERPs share: ids, moments and patients of one day's attendances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Any

from stand_ins.erp.patients import DOMAINS, REFUSED_DOMAIN, Patient, patient

#: People who come back: so many of them, and so often instead of somebody new.
_REGULARS, _REGULAR_SHARE = 300, 0.08

#: A day beside has so many in each company, under ids that the day itself never reaches.
_BESIDE, _FIRST_BESIDE = 6, 800


@dataclass(frozen=True, slots=True)
class Site:
    """Where one source's made-up data comes from.

    Attributes:
        source: the ERP's short name.
        number: two digits that begin every id of the source.
        area_code: of its patients' phones.
        companies: how many attendances a day, at least and at most, by company.
        codes: what its attendances draw from, if its own file says so: the fields of `Codes`.
    """

    source: str
    number: int
    area_code: str
    companies: dict[int, tuple[int, int]] = field(default_factory=dict)
    codes: dict[str, Any] = field(default_factory=dict)


@dataclass
class Day:
    """Makes up one day of one source; the same day is the same whatever else is asked for."""

    site: Site
    day: date
    seed: int
    asked: bool
    rng: Random = field(init=False)
    made: int = field(init=False)

    def __post_init__(self) -> None:
        self.rng = Random(f"{self.seed}:{self.site.source}:{self.day}:{self.asked}")
        self.made = 0 if self.asked else _FIRST_BESIDE

    def how_many(self, least: int, most: int) -> int:
        """Return how many attendances the day gets; a day beside one that is asked for has few."""
        return self.rng.randint(least, most) if self.asked else min(least, _BESIDE)

    def next_id(self) -> int:
        """Return the next attendance id: eleven digits, never given twice."""
        self.made += 1
        return (self.site.number * 10**6 + self.day.toordinal()) * 1000 + self.made

    def somebody(self, attendance_id: int, *, name: str | None = None) -> Patient:
        """Return the attendance's patient: somebody new, or one of the regulars."""
        rng, number = self.rng, attendance_id
        if name is None and self.rng.random() < _REGULAR_SHARE:
            number = self.rng.randrange(1, _REGULARS)
            rng = Random(f"{self.seed}:{self.site.source}:regular {number}")
        who = patient(rng, number, area_code=self.site.area_code, name=name)
        if self.asked or not (who.email or "").endswith(REFUSED_DOMAIN):
            return who
        # alone in its area it would be a whole unit refused, and the day red
        return replace(who, email=who.email.replace(REFUSED_DOMAIN, DOMAINS[0]))

    def moment(self) -> datetime:
        """Return a moment of the day, now and then its very first or very last second."""
        edge = self.rng.random()
        if edge < 0.04:
            return datetime.combine(self.day, time.min)
        if edge < 0.08:
            return datetime.combine(self.day, time(23, 59, 59))
        return datetime.combine(self.day, time.min) + timedelta(seconds=self.rng.randrange(86400))

    def days_before(self, at_most: int) -> datetime:
        """Return a moment of one of the days before."""
        return self.moment() - timedelta(days=self.rng.randint(1, at_most))


def with_neighbours(days: Sequence[date]) -> dict[date, bool]:
    """Return the days in order and the days beside them; True for those that were asked for."""
    asked = set(days)
    one = timedelta(days=1)
    beside = {day + step for day in asked for step in (-one, one)} - asked
    return {day: day in asked for day in sorted(asked | beside)}


def midnight(moment: datetime) -> datetime:
    """Return the day of a moment, as the ERP's DATE columns without a time hold it."""
    return datetime.combine(moment.date(), time.min)
