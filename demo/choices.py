"""What is typed behind `make demo` and its like, refused in one line before anything starts."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import NoReturn

from demo.world import chosen_hospitals
from track_dispatch.config import Hospital

#: Before it the made-up ERPs have nobody.
FIRST_DAY = date(2000, 1, 1)
EXAMPLE = "DAY=2026-11-20"


class Choices(argparse.ArgumentParser):
    """A parser of arguments that says what is wrong and nothing else."""

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with 2."""
        self.exit(2, f"{message}\n")


def hospitals_in(text: str) -> list[Hospital]:
    """Read hospitals: codes with commas or blanks between them, or `all`.

    Raises:
        SystemExit: there is no such hospital, or its file is broken.
    """
    codes = dict.fromkeys(re.split(r"[\s,;]+", text.upper().strip(" ,;")))
    return chosen_hospitals([*codes])


def day_of(text: str) -> date:
    """Read a day.

    Raises:
        SystemExit: it is none, or one that nobody came on.
    """
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        refuse(f'"{text}" is not a day as {EXAMPLE}{_as_iso(text)}')
    if day < FIRST_DAY:
        refuse(f"{day} is before {FIRST_DAY}, when nobody came yet")
    return day


def days_of(
    hospitals: Sequence[Hospital], chosen: date | None, *, moment: datetime
) -> dict[str, date]:
    """Return each hospital's day: the chosen one, or else the last one that is over there.

    Raises:
        SystemExit: the chosen one is not over at one of them.
    """
    days = {}
    for hospital in hospitals:
        last = moment.astimezone(hospital.zone).date() - timedelta(days=1)
        if chosen is not None and chosen > last:
            refuse(f"{chosen} is not over yet at {hospital.code}: choose {last} or a day before it")
        days[hospital.code] = chosen or last
    return days


def refuse(message: str) -> NoReturn:
    """End with one line, as on wrong usage."""
    print(message, file=sys.stderr)
    raise SystemExit(2)


def _as_iso(text: str) -> str:
    """Say how a day is written that looks like one in another order."""
    numbers = [int(number) for number in re.findall(r"\d{1,4}", text)]
    for day, month, year in (numbers, numbers[::-1]) if len(numbers) == 3 else ():
        try:
            return f": write DAY={date(year, month, day)}"
        except ValueError:
            continue
    return ""
