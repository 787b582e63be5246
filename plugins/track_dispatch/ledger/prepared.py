"""Statements as texts for the driver itself: between two POSTs, SQLAlchemy costs more than they do.

A text is written for both databases and turned into each driver's own once: parameters as `:name`,
the database's clock as `moment_in(:seconds)` and `unix_seconds()`.
"""

from __future__ import annotations

import re
from datetime import UTC
from functools import cache
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date, datetime

_MOMENT = re.compile(r"moment_in\((:\w+|0)\)")
_PARAMETER = re.compile(r":(\w+)")


@cache
def prepared(text: str, dialect: str) -> str:
    """Return a text as the dialect's driver takes it."""
    if dialect == "postgresql":
        # clock_timestamp moves inside a transaction; now() would stand still while a claim waits
        text = _MOMENT.sub(r"(clock_timestamp() + make_interval(secs => \1))", text)
        text = text.replace(
            "unix_seconds()", "floor(extract(epoch from clock_timestamp()))::bigint"
        )
        return _PARAMETER.sub(r"%(\1)s", text.replace("::", "\0")).replace("\0", "::")
    text = _MOMENT.sub(r"strftime('%Y-%m-%d %H:%M:%f000', 'now', \1 || ' seconds')", text)
    return text.replace("unix_seconds()", "cast(strftime('%s', 'now') as integer)")


def as_list(numbers: Iterable[int], dialect: str) -> str:
    """Return numbers as one parameter: JSON, or what PostgreSQL casts to `bigint[]`."""
    text = orjson.dumps(list(numbers)).decode()
    return f"{{{text[1:-1]}}}" if dialect == "postgresql" else text


def as_moment(value: datetime, dialect: str) -> Any:
    """Return an aware moment as a parameter."""
    if dialect == "postgresql":
        return value
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def as_day(value: date, dialect: str) -> Any:
    """Return a day as a parameter."""
    return value if dialect == "postgresql" else value.isoformat()
