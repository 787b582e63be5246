"""`day` and `explain`: what became of a morning, and of one attendance."""

from __future__ import annotations

import getpass
from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated

import typer

from track_dispatch.cli.options import Code
from track_dispatch.config import load_hospital, load_hospitals
from track_dispatch.errors import ConfigError
from track_dispatch.records import Actor


def day(
    business_day: Annotated[
        datetime | None,
        typer.Argument(
            metavar="[DAY]",
            formats=["%Y-%m-%d"],
            help="By default each hospital's latest day that should be done.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Print the morning's table of all hospitals; exit 1 when somebody has to act."""
    from rich.console import Console  # noqa: PLC0415 - with the rest
    from rich.table import Table  # noqa: PLC0415

    from track_dispatch.hooks.ledger import open_configured  # noqa: PLC0415 - imports Airflow
    from track_dispatch.pipeline.morning import COLUMNS, morning  # noqa: PLC0415

    with closing(open_configured()) as ledger:
        found = morning(
            load_hospitals(),
            ledger=ledger,
            actor=Actor(f"{getpass.getuser()} (day)"),
            moment=datetime.now(UTC),
            business_day=business_day.date() if business_day else None,
        )
    table = Table(*COLUMNS)
    for row in found.rows:
        table.add_row(*row.cells(), style="red" if row.problems else None)
    console = Console(width=None if Console().is_terminal else 200)
    console.print(table)
    for stop in found.stops:
        console.print(stop, style="red")
    if found.red:
        raise typer.Exit(1)


def explain(
    code: Code,
    attendance_id: Annotated[
        str, typer.Argument(metavar="1234567", help="The attendance's number in the ERP.")
    ],
) -> None:
    """Print the life of one attendance: found when, excluded why or sent when, in which batch.

    No name and no contact: the ledger keeps none.
    """
    from track_dispatch.hooks.ledger import open_configured  # noqa: PLC0415 - imports Airflow
    from track_dispatch.ledger.life import life_of  # noqa: PLC0415 - with the one before

    hospital = load_hospital(code.upper())
    with closing(open_configured()) as ledger, ledger.reading() as connection:
        life = life_of(connection, source=hospital.source, attendance_id=attendance_id)
    if life is None:
        raise ConfigError(
            f"the ledger knows no such attendance in the ERP of {hospital.code} ({hospital.source})"
        )
    unit = " · ".join(part for part in (life.area, life.channel) if part) or "-"
    reason = f" ({life.reason})" if life.reason else ""
    typer.echo(f"{life.hospital}  {life.business_day}  {unit}  {life.state}{reason}")
    for step in life.steps:
        facts = {
            "reason": step.reason,
            "detail": step.detail,
            "batch": step.batch_id,
            "receipt": step.receipt,
            "run": step.run_id,
            "why": step.why,
        }
        told = "  ".join(f"{name}={value}" for name, value in facts.items() if value)
        typer.echo(
            f"{step.at:%Y-%m-%d %H:%M:%S} UTC  {step.transition:<18}{step.state:<10}"
            f"{step.actor}  {told}".rstrip()
        )
