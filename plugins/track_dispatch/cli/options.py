"""Arguments and options that several verbs share, and how they print."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any

import typer

By = Annotated[str, typer.Option("--by", help="Who decides this: a person's name.")]
Why = Annotated[
    str, typer.Option("--why", help="The reason; kept and shown, so no data of patients.")
]
Code = Annotated[str, typer.Argument(metavar="HMS", help="A hospital's code.")]
Day = Annotated[
    datetime, typer.Argument(metavar="DAY", formats=["%Y-%m-%d"], help="The business day.")
]
DayOption = Annotated[
    datetime | None,
    typer.Option(
        metavar="YYYY-MM-DD",
        formats=["%Y-%m-%d"],
        help="The business day; yesterday at the hospital by default.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def echo_json(found: Iterable[Any]) -> None:
    """Print records as a JSON array; days and moments as ISO 8601."""
    echo_json_object([asdict(one) for one in found])


def echo_json_object(found: Any) -> None:
    """Print dictionaries and lists as JSON; days and moments as ISO 8601."""
    typer.echo(json.dumps(found, ensure_ascii=False, indent=2, default=_as_text))


def _as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)
