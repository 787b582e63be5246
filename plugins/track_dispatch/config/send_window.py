"""When invitations may leave: hours of the hospital's day, and perhaps only some weekdays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

#: As `send_days` names them; Monday is 0, as Python counts.
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = timedelta(days=1)


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
