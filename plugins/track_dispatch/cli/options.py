"""Arguments and options that several verbs share."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

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
