"""`sql`: the extraction queries, for the DBA's tool and for the linter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated

import typer

from track_dispatch.business_day import business_day
from track_dispatch.cli.options import Code, DayOption, Json, codes_that_begin, echo_json_object
from track_dispatch.config import BrokenHospital, Hospital, load_hospital, load_hospitals
from track_dispatch.errors import ConfigError
from track_dispatch.records import Actor


def sql(
    code: Annotated[
        str | None,
        typer.Argument(metavar="HMS", show_default=False, autocompletion=codes_that_begin),
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every hospital.")] = False,
    day: DayOption = None,
    literals: Annotated[
        bool, typer.Option("--literals", help="Write the day into the SQL instead of its binds.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Print nothing but what the linter finds.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; with --check.")] = False,
) -> None:
    """Print a hospital's extraction query for the DBA's tool, or check it.

    The query stands there as the ERP gets it, its binds (type DATE) and their values below it.
    Tools that ask for binds (DBeaver, Toad, PL/SQL Developer) take it so. SQL*Plus, SQLcl and
    SQL Developer know no binds of type DATE: take `--literals`, which runs as pasted everywhere.

    With --check it prints a line for each hospital, or `file:line:column: message` for each
    finding, and exits 1 when there is one. Line and column are those of the query as printed here.
    The examples beside the query are looked at, too: their form, and whether they show each of its
    areas; `make examples` runs them.
    """
    if (code is None) is not every:
        message = "give the code of one hospital, or --all"
        raise typer.BadParameter(message)
    if as_json and not check:
        message = "--json goes with --check"
        raise typer.BadParameter(message)
    entries = load_hospitals() if code is None else [load_hospital(code)]
    if check:
        _check(entries, as_json=as_json)
    else:
        _print(entries, day=day.date() if day else None, literals=literals)


def _print(
    entries: Sequence[Hospital | BrokenHospital], *, day: date | None, literals: bool
) -> None:
    from track_dispatch.extraction.query import render, script  # noqa: PLC0415 - imports Jinja

    for entry in entries:
        if isinstance(entry, BrokenHospital):
            raise ConfigError(entry.message)
        its_day = day or business_day(timezone=entry.timezone, run_after=datetime.now(UTC))
        typer.echo(script(render(entry), its_day, literals=literals))


def _check(entries: Sequence[Hospital | BrokenHospital], *, as_json: bool) -> None:
    findings = {}
    for entry in entries:
        found = findings[entry.code] = _findings(entry)
        if not as_json:
            typer.echo("\n".join(found) if found else f"{entry.code}: ok")
    if as_json:
        told = [{"code": code, "findings": found} for code, found in findings.items()]
        echo_json_object(told)
    if any(findings.values()):
        raise typer.Exit(1)


def _findings(entry: Hospital | BrokenHospital) -> list[str]:
    from track_dispatch.extraction.examples import check_examples  # noqa: PLC0415 - with sqlglot
    from track_dispatch.extraction.lint import lint  # noqa: PLC0415 - imports it, too
    from track_dispatch.extraction.query import render  # noqa: PLC0415 - imports Jinja

    if isinstance(entry, BrokenHospital):
        return [entry.message]
    try:
        query = render(entry)
        findings = lint(query, file=f"sql/{entry.sql}")
    except ConfigError as error:
        return [str(error)]
    found = [*map(str, findings), *check_examples(entry, query)]
    return [f"{entry.code}: {finding}" for finding in found]


def dry_run(
    code: Code,
    *,
    day: DayOption = None,
    as_json: Json = False,
) -> None:
    """Say who would be asked, when and how, and who not and why; nothing is written or sent.

    It reads the ERP as `extract` does and prints attendance ids: patient data, for your eyes only.
    """
    from track_dispatch.hooks.ledger import open_ledger  # noqa: PLC0415 - imports Airflow
    from track_dispatch.pipeline.rehearse import dry_run as run_dry  # noqa: PLC0415 - with it
    from track_dispatch.pipeline.run import Run  # noqa: PLC0415

    hospital, now = load_hospital(code.upper()), datetime.now(UTC)
    its_day = day.date() if day else business_day(timezone=hospital.timezone, run_after=now)
    typer.echo(f"reading {hospital.code} {its_day} from its ERP", err=True)
    with open_ledger() as ledger:
        told = run_dry(Run(hospital, its_day, Actor("dry-run")), ledger=ledger, now=now)
    if as_json:
        held = {"rows": told.rows, "leaves_at": told.leaves_at}
        echo_json_object(held | {"lines": [line._asdict() for line in told.lines]})
        return
    for line in told.lines:
        state = f"{line.state} ({line.reason})" if line.reason else line.state
        typer.echo(f"{line.attendance_id}  {line.area or '-'}  {line.channel or '-'}  {state}")
    for state, count in sorted(Counter(line.state for line in told.lines).items()):
        typer.echo(f"{state}: {count}")
    typer.echo(f"{told.rows} rows of the ERP; may leave from {told.leaves_at:%Y-%m-%d %H:%M %Z} on")
