"""When invitations may leave: hours of the hospital's day, and perhaps only some weekdays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

#: As `send_days` names them; Monday is 0, as Python counts.
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = timedelta(days=1)
#: The time that a run gets for reading and judging before its dispatch.
WORK = timedelta(hours=1)
_FORTNIGHT = 14


@dataclass(frozen=True, slots=True)
class SendWindow:
    """Half-open hours of a day, in minutes from midnight; `closes` may be 1440, the day's end."""

    opens: int
    closes: int
    weekdays: frozenset[int]  # never empty
    zone: ZoneInfo

    def opening(self, moment: datetime) -> datetime:
        """Return the first moment, from `moment` on, at which invitations may leave; aware.

        It is `moment` itself where the window is open.
        """
        local = moment.astimezone(self.zone)
        day = local.date()
        while day.weekday() not in self.weekdays or local >= self._at(day, self.closes):
            day += _DAY
        return max(moment, self._at(day, self.opens))

    def _at(self, day: date, minutes: int) -> datetime:
        """Return a moment of a day by the wall clock."""
        days, rest = divmod(minutes, 24 * 60)
        return datetime.combine(day + days * _DAY, time(rest // 60, rest % 60), self.zone)


class LongestWait(NamedTuple):
    """How long the settings of a hospital let somebody wait, at most.

    Attributes:
        within_run: from the beginning of a run to the opening that it waits for.
        days: from a business day to the day on which its patients are asked.
    """

    within_run: timedelta
    days: int


@lru_cache(maxsize=256)
def longest_wait(
    opens: int, closes: int, weekdays: frozenset[int], begins: int
) -> LongestWait | None:
    """Return the longest waits that a daily run and a window leave; clock changes apart.

    A run waits for an opening before the next run, and leaves any other to that run. Its dispatch
    comes at once or up to `WORK` later, and the window may close between.

    Args:
        opens: minutes from midnight.
        closes: minutes from midnight.
        weekdays: on which invitations leave; Monday is 0.
        begins: when the run begins, minutes from midnight.

    Returns:
        None where a run that takes its time misses each opening, week for week.
    """
    window = SendWindow(opens, closes, weekdays, ZoneInfo("UTC"))
    monday = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=begins)
    within_run, days = timedelta(0), 0
    for first in (monday + number * _DAY for number in range(7)):
        for run in (first + number * _DAY for number in range(_FORTNIGHT)):
            openings = _openings(window, run)
            caught = [opening for opening in openings if opening <= run + _DAY]
            within_run = max([within_run, *(opening - run for opening in caught)])
            days = max([days, *((opening.date() - first.date()).days + 1 for opening in caught)])
            if caught == openings:
                break
        else:
            return None
    return LongestWait(within_run, days)


def _openings(window: SendWindow, run: datetime) -> list[datetime]:
    """Return when the window opens for a run's dispatch, the earliest and the latest that it comes.

    The window may close between them: that is the moment to be late at.
    """
    closing = run.replace(hour=0, minute=0) + timedelta(minutes=window.closes)
    moments = [run, *([closing] if run < closing < run + WORK else []), run + WORK]
    return [window.opening(moment) for moment in moments]


def parse_hours(text: str) -> tuple[int, int]:
    """Read "HH:MM-HH:MM" as minutes from midnight; "24:00" may end it.

    Raises:
        ValueError: it does not end after it begins.
    """
    opens, closes = (int(clock[:2]) * 60 + int(clock[3:]) for clock in text.split("-"))
    if opens >= closes:
        message = "must end after it begins; a window over midnight is not meant"
        raise ValueError(message)
    return opens, closes


def weekday_numbers(days: Sequence[str] | None) -> frozenset[int]:
    """Return weekdays as numbers, Monday 0; every day for None."""
    return frozenset(map(WEEKDAYS.index, days or WEEKDAYS))
