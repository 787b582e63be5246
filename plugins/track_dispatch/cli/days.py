"""`day` and `explain`: what became of a morning, and of one attendance."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from track_dispatch.cli.options import Code, Json, echo_json, echo_json_object
from track_dispatch.config import load_hospital, load_hospitals
from track_dispatch.errors import ConfigError
from track_dispatch.pipeline.problems import NoticeKind
from track_dispatch.pipeline.problems import ProblemKind as K
from track_dispatch.records import Actor

if TYPE_CHECKING:
    from track_dispatch.ledger.history import AttendanceHistory, Step
    from track_dispatch.pipeline.morning import Morning, MorningRow


_STATES = ("accepted", "excluded", "refused", "held", "in doubt")
_COLUMNS = ("hospital", "day", "to do", "run", "extracted", *_STATES)


#: The problems of days in the shell's language; the UI's is in `pipeline/problems.py`.
ENGLISH: Mapping[K, str] = {
    K.STOPPED: "sending is stopped for all hospitals: look at the account in Track, then `resume`",
    K.BROKEN_FILE: "its file has errors: see `config check`",
    K.NOT_READ: "no run read {detail}: is {dag} paused? trigger each day, or backfill",
    K.NOT_EXTRACTED: "the run's extraction did not end: see the log of extract, then clear it",
    K.NOT_TRANSFORMED: "the run's transformation did not end: see the log of transform, clear it",
    K.UNBALANCED: "the day's rows and lines do not add up",
    K.OTHER_HOSPITAL: "{lines} attendances are another hospital's: check `companies`",
    K.LACKING: "{lines} known attendances are lacking, most of the day: ERP or SQL?",
    K.EMPTY_DAY: "0 attendances, usually {usual}: ERP or SQL?",
    K.UNKNOWN_AREA: "{lines} attendances of an unknown area: mend the hospital's SQL",
    K.UNREADABLE_COLUMN: (
        "{lines} values of column {detail}, most of them, cannot be read: mend the hospital's SQL,"
        " then trigger {dag} with business_day={day}"
    ),
    K.CLAIMED_ANEW: "{lines} lines were accepted twice: an answer came after a person's decision",
    K.IN_DOUBT: "{lines} lines in doubt: `doubt list`, look at Track, `doubt settle`",
    K.UNANSWERED: "{lines} lines held, usually {usual}: nobody answered; `release`, or ask again",
    K.HELD: "{lines} lines held since the last answer: `release`",
    K.UNIT_REFUSED: "{detail}: Track refused every line",
    K.UNIT_FAILED: "{detail}: sending failed for good, {lines} lines are left: see dispatch's log",
    K.READY: "{lines} ready lines were not sent: clear dispatch",
    K.SENDING: "{lines} lines on their way: wait for the lease, then clear dispatch",
    K.REOPENED: (
        "{lines} lines to be read again: the next run takes them; now: trigger {dag} with"
        " business_day={day}"
    ),
}

NOTICES: Mapping[NoticeKind, str] = {
    NoticeKind.EXPIRING: "{lines} lines expire tomorrow unless they leave today",
    NoticeKind.WAITING: "{lines} lines wait for the hours of dispatch: the next run sends them",
    NoticeKind.KEPT: "{lines} lines held, by a person's decision",
}


def day(
    business_day: Annotated[
        datetime | None,
        typer.Argument(
            metavar="[DAY]",
            formats=["%Y-%m-%d"],
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
    from track_dispatch.ledger.apply_extraction import Lookups  # noqa: PLC0415
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
        "problems": [asdict(one) for one in found.problems],
        "notices": [one._asdict() for one in found.notices],
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
