"""The verbs that show a day or an attendance, without changing anything.

`sql` and `dry-run` show what a hospital's day would be; `day` and `explain` tell what became of a
morning, and of one attendance.
"""

from __future__ import annotations

import getpass
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from track_dispatch.cli.options import (
    Code,
    DayOption,
    Json,
    codes_that_begin,
    day_of_this_age,
    echo_json,
    echo_json_object,
)
from track_dispatch.config import (
    BrokenHospital,
    Hospital,
    load_hospital,
    load_hospitals,
)
from track_dispatch.errors import ConfigError
from track_dispatch.pipeline import business_day
from track_dispatch.pipeline.problems import NoticeKind
from track_dispatch.pipeline.problems import ProblemKind as K
from track_dispatch.records import Actor
from track_dispatch.states import Count

if TYPE_CHECKING:
    from track_dispatch.ledger.history import AttendanceHistory, Step
    from track_dispatch.pipeline.morning import Morning, MorningRow


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
        _check_queries(entries, as_json=as_json)
    else:
        _print_queries(entries, day=day.date() if day else None, literals=literals)


def _print_queries(
    entries: Sequence[Hospital | BrokenHospital], *, day: date | None, literals: bool
) -> None:
    from track_dispatch.extraction.query import render, script  # noqa: PLC0415 - imports Jinja

    for entry in entries:
        if isinstance(entry, BrokenHospital):
            raise ConfigError(entry.message)
        its_day = day or business_day(timezone=entry.timezone, run_after=datetime.now(UTC))
        typer.echo(script(render(entry), its_day, literals=literals))


def _check_queries(entries: Sequence[Hospital | BrokenHospital], *, as_json: bool) -> None:
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
    from track_dispatch.pipeline import Run  # noqa: PLC0415
    from track_dispatch.pipeline.rehearse import dry_run as run_dry  # noqa: PLC0415 - with it

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
    typer.echo(
        f"{Count(told.rows):row|rows} of the ERP; may leave from"
        f" {told.leaves_at:%Y-%m-%d %H:%M %Z} on"
    )


# -- what became of a morning, and of one attendance ---------------------------------

_STATES = ("accepted", "excluded", "refused", "held", "in doubt")
_COLUMNS = ("hospital", "day", "to do", "run", "extracted", *_STATES)


#: The texts of problems in English, for a shell; those for the UI are in `pipeline/problems.py`.
ENGLISH: Mapping[K, str] = {
    K.STOPPED: "sending is stopped for all hospitals: look at the account in Track, then `resume`",
    K.BROKEN_FILE: "its file has errors: see `config check`",
    K.NOT_READ: "no run read {detail}: is {dag} paused? trigger each day, or backfill",
    K.NOT_EXTRACTED: "the run's extraction did not end: see the log of extract, then clear it",
    K.NOT_TRANSFORMED: "the run's transformation did not end: see the log of transform, clear it",
    K.UNBALANCED: "the day's rows and lines do not add up",
    K.OTHER_HOSPITAL: "{lines:attendance is|attendances are} another's: check `companies`",
    K.LACKING: (
        "{lines:known attendance is|known attendances are} lacking, most of the day: ERP or SQL?"
    ),
    K.EMPTY_DAY: "0 attendances, usually {usual}: ERP or SQL?",
    K.UNKNOWN_AREA: "{lines:attendance|attendances} of an unknown area: mend the hospital's SQL",
    K.UNREADABLE_COLUMN: (
        "{lines:value|values} of column {detail}, most of them, unreadable: mend the hospital's"
        " SQL, then trigger {dag} with business_day={day}"
    ),
    K.CLAIMED_ANEW: (
        "{lines:line was|lines were} accepted twice: an answer came after a person's decision"
    ),
    K.IN_DOUBT: "{lines:line|lines} in doubt: `doubt list`, look at Track, `doubt settle`",
    K.ASKED: "{lines:line|lines} held, usually {usual}: Airflow's Required Actions await an answer",
    K.UNANSWERED: (
        "{lines:line|lines} held, usually {usual}: nobody answered; `release`, or ask again"
    ),
    K.HELD: "{lines:line|lines} held since the last answer: `release`",
    K.UNIT_REFUSED: "{detail}: Track refused every line",
    K.UNIT_FAILED: (
        "{detail}: sending failed for good, {lines:line is|lines are} left: see dispatch's log"
    ),
    K.READY: "{lines:ready line is|ready lines are} not sent: if no run goes on, clear dispatch",
    K.SENDING: "{lines:line|lines} on the way: wait for the lease, then clear dispatch",
    K.REOPENED: (
        "{lines:line|lines} to be read again by the next run; now: trigger {dag} with"
        " business_day={day}"
    ),
}

NOTICES: Mapping[NoticeKind, str] = {
    NoticeKind.EXPIRING: "{lines:line expires|lines expire} tomorrow unless sent today",
    NoticeKind.WAITING: (
        "{lines:line waits|lines wait} for the hours of dispatch, until the next run"
    ),
    NoticeKind.KEPT: "{lines:line|lines} held, by a person's decision",
}


def day(
    business_day: Annotated[
        datetime | None,
        typer.Argument(
            metavar="[DAY]",
            formats=["%Y-%m-%d"],
            callback=day_of_this_age,
            help="Only this day; by default whatever is open.",
            show_default=False,
        ),
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Say what somebody has to do, and print all hospitals' counts; exit 1 when there is any."""
    from track_dispatch.hooks.ledger import open_ledger  # noqa: PLC0415 - imports Airflow
    from track_dispatch.pipeline.morning import morning  # noqa: PLC0415 - with the one before

    with open_ledger() as ledger:
        found = morning(
            load_hospitals(),
            ledger=ledger,
            actor=Actor(f"{getpass.getuser()} (day)"),
            moment=datetime.now(UTC),
            business_day=business_day.date() if business_day else None,
        )
    if as_json:
        echo_json_object(_as_json(found))
    else:
        _print(found)
    if found.problems:
        raise typer.Exit(1)


def explain(
    code: Code,
    attendance_id: Annotated[
        str, typer.Argument(metavar="1234567", help="The attendance's number in the ERP.")
    ],
    *,
    as_json: Json = False,
) -> None:
    """Print the life of one attendance: found when, excluded why or sent when, in which batch.

    No name and no contact: the ledger keeps none.
    """
    from track_dispatch.hooks.ledger import open_ledger  # noqa: PLC0415 - imports Airflow
    from track_dispatch.ledger.day_apply import Lookups  # noqa: PLC0415
    from track_dispatch.ledger.history import attendance_history  # noqa: PLC0415

    hospital = load_hospital(code.upper())
    with open_ledger() as ledger, ledger.reading() as connection:
        found = attendance_history(connection, source=hospital.source, attendance_id=attendance_id)
        lookups = Lookups(connection, ledger.keys, source=hospital.source)
        if found is None and lookups.forgotten([attendance_id]):
            typer.echo("it was asked once; its lines left the ledger after ledger_retention_days")
            return
    if found is None:
        raise ConfigError(
            f"the ledger knows no such attendance in the ERP of {hospital.code} ({hospital.source})"
        )
    if as_json:
        echo_json([found])
    else:
        _print_history(found)


def _print(found: Morning) -> None:
    from rich.console import Console  # noqa: PLC0415 - with the next
    from rich.table import Table  # noqa: PLC0415

    for problem in found.problems:
        where = str(problem.day or problem.hospital or "all hospitals")
        typer.secho(f"{where}: {problem.text(ENGLISH[problem.kind])}", fg="red")
    for notice in found.notices:
        typer.secho(f"{notice.day}: {notice.text(NOTICES[notice.kind])}", fg="yellow")
    table = Table(*_COLUMNS)
    for row in found.rows:
        table.add_row(*_cells(row), style="red" if row.problems else None)
    Console(width=None if Console().is_terminal else 140).print(table)


def _as_json(found: Morning) -> dict[str, Any]:
    return {
        "problems": [asdict(problem) for problem in found.problems],
        "notices": [notice._asdict() for notice in found.notices],
        "hospitals": [
            asdict(row) | {"counts": dict(zip(_STATES, row.counts or (), strict=False))}
            for row in found.rows
        ],
    }


def _cells(row: MorningRow) -> tuple[str, ...]:
    from track_dispatch.pipeline.morning import NoRun  # noqa: PLC0415 - imports the ledger

    counts = row.counts or ("-",) * 5
    return (
        row.code,
        str(row.business_day or "-"),
        f"{row.problems} above" if row.problems else "nothing",
        row.run.value if isinstance(row.run, NoRun) else f"{row.run:%m-%d %H:%M}",
        "-" if row.extracted is None else str(row.extracted),
        *map(str, counts),
    )


def _print_history(found: AttendanceHistory) -> None:
    unit = " · ".join(part for part in (found.area, found.channel) if part) or "-"
    reason = f" ({found.reason})" if found.reason else ""
    until = f"  may be asked until {found.ask_until}" if found.ask_until else ""
    typer.echo(f"{found.hospital}  {found.business_day}  {unit}  {found.state}{reason}{until}")
    typer.echo(f"hashes kept of: {', '.join(found.identities) or 'nothing'}")
    for step in found.steps:
        typer.echo(_step_text(step))


def _step_text(step: Step) -> str:
    facts = {
        "reason": step.reason,
        "detail": step.detail,
        "batch": step.batch,
        "receipt": step.receipt,
        "run": step.run_id,
        "why": step.why,
    }
    told = "  ".join(f"{name}={value}" for name, value in facts.items() if value)
    return (
        f"{step.at:%Y-%m-%d %H:%M:%S} UTC  {step.transition:<19}{step.state:<10}"
        f"{step.actor}  {told}".rstrip()
    )
