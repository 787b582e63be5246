"""A query with something else in the place of its binds: for the DBA's tool, and to be parsed."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date

from track_dispatch.extraction.query import binds

#: Comments, texts and quoted names are stepped over; what is left with a colon is a bind.
_SCAN = re.compile(r"--[^\n]*|/\*.*?\*/|'[^']*'|\"[^\"]*\"|:(?P<bind>\w+)", re.DOTALL)


def script(sql: str, day: date, *, literals: bool = False) -> str:
    """Return the query as a person pastes it; its lines come first and so keep their numbers.

    Args:
        sql: from `query.render`.
        day: the business day.
        literals: write the day into the query; else its binds' values follow as comments.
    """
    values = binds(day)
    if literals:
        # a date literal has no time of day; both binds are midnights
        days = {name: f"date '{value:%Y-%m-%d}'" for name, value in values.items()}
        return f"{_replace(sql, lambda name: days.get(name.lower(), f':{name}'))}\n;"
    comments = [f"-- :{name:<9}  date  {value}" for name, value in values.items()]
    return "\n".join([sql, ";", *comments])


def typed(sql: str) -> str:
    """Return the query with its binds cast to DATE, which the extraction sends them as.

    In a query that is only parsed binds have no type, and Oracle may take `:day_start - 1` for a
    number.
    """
    return _replace(sql, lambda name: f"cast(:{name} as date)")


def _replace(sql: str, text: Callable[[str], str]) -> str:
    return _SCAN.sub(lambda found: text(found["bind"]) if found["bind"] else found[0], sql)
