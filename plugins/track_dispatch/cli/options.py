"""Arguments and options of several verbs, their output as JSON, and the exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import date, datetime
from enum import IntEnum
from typing import Annotated, Any, TypeVar

import typer

from track_dispatch.pipeline.screening import refuse_personal
from track_dispatch.records import YEARS


def _kept(name: str, what: str, help: str) -> Any:  # noqa: A002 - typer's own word
    """Make an option for a text that the ledger keeps: it is screened before the verb starts."""

    def screen(text: str | None) -> str | None:
        return None if text is None else refuse_personal(text, what)

    return typer.Option(name, callback=screen, help=help)


def day_of_this_age(day: datetime | None) -> datetime | None:
    """Refuse a day outside `YEARS`, such as one of 9999, which may have no day after it.

    Raises:
        BadParameter: it is a typing mistake.
    """
    if day and day.year not in YEARS:
        raise typer.BadParameter(f"{day.date()} is not of the years {YEARS[0]} to {YEARS[-1]}")
    return day


def codes_that_begin(incomplete: str) -> list[str]:
    """Return the codes of hospitals that a shell may complete to."""
    from track_dispatch.config import load_hospitals  # noqa: PLC0415 - only for completion

    codes = [entry.code for entry in load_hospitals()]
    return [code for code in codes if code.startswith(incomplete)]


_BY = _kept("--by", "name", "Who decides this: a person's name.")
_WHY = _kept("--why", "reason", "The reason; kept and shown, so no data of patients.")
_SOURCE = _kept("--source", "source", "Who told us: a desk, a list. No data of patients.")
By = Annotated[str, _BY]
Why = Annotated[str, _WHY]
Source = Annotated[str, _SOURCE]
#: Where a decision is made only with, or without, another option.
PerhapsBy = Annotated[str | None, _BY]
PerhapsWhy = Annotated[str | None, _WHY]
Code = Annotated[
    str,
    typer.Argument(metavar="HMS", help="A hospital's code.", autocompletion=codes_that_begin),
]
Day = Annotated[
    datetime,
    typer.Argument(
        metavar="DAY",
        formats=["%Y-%m-%d"],
        callback=day_of_this_age,
        help="The business day.",
    ),
]
DayOption = Annotated[
    datetime | None,
    typer.Option(
        metavar="YYYY-MM-DD",
        formats=["%Y-%m-%d"],
        callback=day_of_this_age,
        help="The business day; yesterday at the hospital by default.",
        show_default=False,
    ),
]
#: Lines of a list between two messages of progress, which is a few seconds.
ANNOUNCED_EVERY = 5_000
T = TypeVar("T")
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def announced(things: Iterable[T], doing: str) -> Iterator[T]:
    """Yield things, and print their number so far on standard error every few seconds."""
    for number, thing in enumerate(things, start=1):
        yield thing
        if number % ANNOUNCED_EVERY == 0:
            typer.echo(f"{doing}: {number} lines so far", err=True)


def echo_json(found: Iterable[Any]) -> None:
    """Print records as a JSON array; days and moments as ISO 8601."""
    echo_json_object([asdict(record) for record in found])


def echo_json_object(found: Any) -> None:
    """Print dictionaries and lists as JSON; days and moments as ISO 8601."""
    typer.echo(json.dumps(found, ensure_ascii=False, indent=2, default=_as_text))


def _as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


class ExitCode(IntEnum):
    """An exit code with what it says; docs/cli.md lists them."""

    meaning: str

    DONE = 0, "The verb did its work, and found nothing that somebody must mend."
    FAILED = (
        1,
        """It could not, and says why on standard error. Or it found what somebody must mend:
        `doctor`, `day`, `config check`, `sql --check`, `optout import`. Or nobody is on the list:
        `optout check`.""",
    )
    USAGE = 2, "Wrong usage; nothing was done."
    BUG = (
        70,
        """A fault of this program, told by its place in one line. `TRACK_TRACEBACK=1` shows the
        traceback, which may hold patients' data.""",
    )
    STOPPED = 130, "Ctrl-C; what was not told as done was not done."

    def __new__(cls, value: int, meaning: str) -> ExitCode:
        """Make a code with its meaning."""
        code = int.__new__(cls, value)
        code._value_ = value
        code.meaning = meaning
        return code
