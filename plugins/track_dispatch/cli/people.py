"""`optout` and `person`: the list of opt-outs, and the data that are held about a person.

Identities come from a prompt, standard input or a file, never from arguments: those stay in the
shell's history and in the list of processes.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from track_dispatch.cli.options import (
    By,
    Json,
    PerhapsBy,
    PerhapsWhy,
    Source,
    Why,
    announced,
    echo_json,
    echo_json_object,
)
from track_dispatch.errors import ConfigError
from track_dispatch.records import Channel
from track_dispatch.states import Count

if TYPE_CHECKING:
    from track_dispatch.cli.typed_identities import OptOutList
    from track_dispatch.ledger.privacy import Erased, HeldData, OptOut

optout_app = typer.Typer(help="Who asked not to be asked.")

OneChannel = Annotated[
    Channel | None, typer.Option("--channel", help="Only this channel; every one by default.")
]
#: The most lines listed for one fault: a wrong column has it in each line.
_LINES_SHOWN = 20
#: Kinds of identities, as messages count them.
_KIND_NAMES = {"cpf": "CPF", "email": "e-mail", "phone": "phone"}


@optout_app.command("add")
def optout_add(*, source: Source, by: By, why: Why, channel: OneChannel = None) -> None:
    """Enter a CPF, e-mail addresses or phones, asked for at a prompt."""
    values = _asked_for()
    new = _enter([(values, channel)], source=source, by=by, why=why)
    known = "new on the list" if new else "on the list already"
    typer.echo(f"{_counted(values)}, {known}: {_where(channel)}")


@optout_app.command("remove")
def optout_remove(*, by: By, why: Why, channel: OneChannel = None) -> None:
    """Take an identity off the list, because the person wants to be asked again.

    With --channel, whoever asked for none at all stays on the list for the others. Give all that
    the person gave: by what is left on the list she is still not asked.
    """
    from track_dispatch.hooks.ledger import open_ledger  # noqa: PLC0415 - imports Airflow
    from track_dispatch.ledger.privacy import optouts_of, remove_optouts  # noqa: PLC0415
    from track_dispatch.pipeline.decide import make_decision  # noqa: PLC0415
    from track_dispatch.states import Verb  # noqa: PLC0415 - with the ones before

    decision = make_decision(Verb.OPT_IN, decided_by=by, why=why)
    values = _asked_for()
    with open_ledger() as ledger:
        removed = remove_optouts(ledger, values, channel=channel, decision=decision)
        with ledger.reading() as connection:
            left = optouts_of(connection, ledger.keys, values)
    typer.echo(f"{removed} of {Count(len(values)):identity|identities} taken off the list")
    for entry in left:
        typer.echo(f"still on it: {_listed(entry)}")


@optout_app.command("check")
def optout_check(*, as_json: Json = False) -> None:
    """Tell whether an identity is on the list; exits 1 when it is not."""
    from track_dispatch.hooks.ledger import open_ledger  # noqa: PLC0415 - imports Airflow
    from track_dispatch.ledger.privacy import optouts_of  # noqa: PLC0415

    values = _asked_for()
    with open_ledger() as ledger, ledger.reading() as connection:
        found = optouts_of(connection, ledger.keys, values)
    if as_json:
        echo_json(found)
    else:
        for entry in found:
            typer.echo(_listed(entry))
        if not found:
            typer.echo("not on the list")
    if not found:
        raise typer.Exit(1)


@optout_app.command("list")
def optout_list(*, as_json: Json = False) -> None:
    """Count the list by who told us; it holds nobody's name or number to show."""
    from track_dispatch.hooks.ledger import open_ledger  # noqa: PLC0415 - imports Airflow
    from track_dispatch.ledger.privacy import count_optouts  # noqa: PLC0415

    with open_ledger() as ledger, ledger.reading() as connection:
        found = count_optouts(connection)
    if as_json:
        echo_json(found)
        return
    for count in found:
        typer.echo(
            f"{count.values:>8}  {count.kind:<6}{_where(count.channel)}, from {count.source}, last"
            f" {count.last_added_at:%Y-%m-%d}"
        )
    typer.echo(f"{Count(sum(count.values for count in found)):identity|identities} on the list")


@optout_app.command("import")
def optout_import(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.csv",
            exists=True,
            dir_okay=False,
            help="With a heading: cpf, e-mail, telefone, and perhaps canal, in any order.",
        ),
    ],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be entered; write nothing.")
    ] = False,
    source: Source = "",
    by: PerhapsBy = None,
    why: PerhapsWhy = None,
) -> None:
    """Enter a list of people, a CSV as spreadsheets save it; look at it with --dry-run first.

    Without --dry-run it needs --source, --by and --why, which are kept.

    Every CPF, address and number of a line enters. What cannot be used is told by line and
    column, without the values, and the exit code is 1; the rest of its line enters all the same.
    """
    from track_dispatch.cli.typed_identities import read_optout_list  # noqa: PLC0415 - phonenumbers

    found = read_optout_list(file)
    people = f"{Count(len(found.entries)):line|lines} ({_kinds_counted(found.values_by_kind)})"
    if dry_run:
        _echo_columns(found)
        typer.echo(f"{people} would be entered; nothing was written")
    else:
        new = _enter(found.entries, source=source, by=by, why=why)
        typer.echo(f"{people} entered, {new} of them new to the list")
    _echo_faults(found)
    if found.faults:
        raise typer.Exit(1)


def person(
    *,
    erase: Annotated[
        bool, typer.Option("--erase", help="Erase it, and never ask her again.")
    ] = False,
    by: PerhapsBy = None,
    why: PerhapsWhy = None,
    as_json: Json = False,
) -> None:
    """Say what is held about a person; with --erase (and --by, --why) erase it, ask her no more.

    Give all that the person gave, CPF, e-mail addresses and phones, with `;` between them: a line
    is found by any of them. It prints attendance numbers: patient data, for your eyes only.
    """
    from track_dispatch.hooks.ledger import open_ledger  # noqa: PLC0415 - imports Airflow
    from track_dispatch.ledger.privacy import erase_person, held_about  # noqa: PLC0415
    from track_dispatch.pipeline.decide import make_decision  # noqa: PLC0415
    from track_dispatch.states import Verb  # noqa: PLC0415 - with the ones before
    from track_dispatch.transformation.identities import count_rows  # noqa: PLC0415 - phonenumbers

    decision = make_decision(Verb.ERASE, decided_by=by, why=why or "") if erase else None
    values = _asked_for()
    with open_ledger() as ledger:
        with ledger.reading() as connection:
            held = held_about(
                connection, ledger.keys, values, rows_about=partial(count_rows, values=values)
            )
        today = datetime.now(UTC).date()
        erased = erase_person(ledger, values, decision, today=today) if decision else None
    if as_json:
        echo_json_object({"held": asdict(held), "erased": asdict(erased) if erased else None})
        return
    _echo_held(held)
    if erased:
        _echo_erased(erased, held)


def _enter(
    entries: Sequence[tuple[tuple[str, ...], Channel | None]],
    *,
    source: str,
    by: str | None,
    why: str | None,
) -> int:
    """Add people to the list of opt-outs; return how many of them are new.

    Raises:
        ConfigError: source, person or reason is missing.
    """
    from track_dispatch.hooks.ledger import open_ledger  # noqa: PLC0415 - imports Airflow
    from track_dispatch.ledger.privacy import add_optouts  # noqa: PLC0415
    from track_dispatch.pipeline.decide import make_decision  # noqa: PLC0415
    from track_dispatch.states import Verb  # noqa: PLC0415 - with the ones before

    decision = make_decision(Verb.OPT_OUT, decided_by=by, why=why or "")
    if not source:
        raise ConfigError("say who told us, with --source: it is kept with each entry")
    with open_ledger() as ledger:
        entered = announced(entries, "entering")
        return add_optouts(ledger, entered, source=source, decision=decision)


def _asked_for() -> tuple[str, ...]:
    """Read identities from a hidden prompt, or all of standard input.

    Raises:
        ConfigError: a part of it is neither a CPF nor an address nor a mobile.
    """
    from track_dispatch.cli.typed_identities import read_identities  # noqa: PLC0415 - phonenumbers

    if sys.stdin.isatty():
        text = typer.prompt("CPF, e-mail or phone (several: with ; between)", hide_input=True)
    else:
        text = sys.stdin.buffer.read().decode("utf-8-sig", "replace")
    # eleven digits may be a phone and a CPF: then they count as both
    found = read_identities(text)
    if found.fault:
        raise ConfigError(f"{found.fault}; nothing was done")
    return found.values


def _echo_held(held: HeldData) -> None:
    """Print each attendance in a line, then the opt-outs, then the counts by table."""
    for attendance in held.attendances:
        line = attendance.history
        unit = " · ".join(part for part in (line.area, line.channel) if part) or "-"
        reason = f" ({line.reason})" if line.reason else ""
        kept = ["data, encrypted"] if attendance.payload else []
        kept += [f"hashes of {', '.join(line.identities)}"]
        sent = [step.at for step in line.steps if step.state == "sending"]
        when = f"  posted {sent[-1]:%Y-%m-%d %H:%M} UTC" if sent else ""
        typer.echo(
            f"{line.hospital} {line.business_day}  {line.attendance_id}  {unit}"
            f"  {line.state}{reason}{when}  kept: {'; '.join(kept)}"
        )
    for listed in held.optouts:
        typer.echo(f"on the list: {_listed(listed)}")
    tables = ", ".join(f"{table} {rows}" for table, rows in held.rows.items() if rows)
    typer.echo(f"rows of the ledger that tell of the person: {tables or 'none'}")
    if held.further:
        typer.echo(
            f"{held.further} further attendances may be the same person's, under other contacts:"
            " ask for her CPF, her other addresses and phones, and give them all"
        )


def _echo_erased(done: Erased, held: HeldData) -> None:
    """Print what an erasure deleted, and what it kept, each with its reason."""
    typer.echo(
        f"erased: {Count(done.excluded):line|lines} will not be asked, {done.unlinked} no longer"
        " tell of the person\nstays, and why:"
    )
    left = {
        "hashes of what was given, on the list: so that nobody asks her again; `optout remove`"
        " takes them off": True,
        "numbers, days and states of her attendances: so that none is asked again; until"
        " ledger_retention_days are over": bool(held.attendances),
        f"{Count(done.identities):hash|hashes} of lines that were asked or are under way: so that"
        " she is not invited twice; until contact_cap_days are over": bool(done.identities),
        f"{Count(done.under_way):line|lines} on the way or in doubt: somebody must still settle"
        " that; repeat this then": bool(done.under_way),
        f"{Count(held.rows['staged']):row|rows} that an ERP gave, encrypted: their transform finds"
        " her on the list and drops them; at most 3 days": bool(held.rows["staged"]),
        f"{Count(done.accepted):invitation|invitations} that Track has: ask Track to"
        " erase them": bool(done.accepted),
        "the hospital's ERP, and backups of the ledger: out of reach from here": True,
    }
    for what, is_left in left.items():
        if is_left:
            typer.echo(f"- {what}")


def _echo_columns(found: OptOutList) -> None:
    for number, column in enumerate(found.columns, start=1):
        if column.kind:
            typer.echo(f'column {number}, "{column.heading}": {column.kind}')


def _echo_faults(found: OptOutList) -> None:
    from track_dispatch.cli.typed_identities import faults_by_cell  # noqa: PLC0415 - with its reader

    for heading, why, lines in faults_by_cell(found.faults):
        shown = ", ".join(map(str, lines[:_LINES_SHOWN]))
        more = f" and {len(lines) - _LINES_SHOWN} more" if len(lines) > _LINES_SHOWN else ""
        column = f', column "{heading}"' if heading else ""
        typer.echo(f"not used, line {shown}{more}{column}: {why}", err=True)


def _counted(values: Iterable[str]) -> str:
    return _kinds_counted(Counter(value.partition(":")[0] for value in values))


def _kinds_counted(counts: Mapping[str, int]) -> str:
    """Write the number of different identities of each kind."""
    told = [f"{counts[kind]} {name}" for kind, name in _KIND_NAMES.items() if counts[kind]]
    return ", ".join(told) or "nobody"


def _listed(found: OptOut) -> str:
    entered = f", entered by {found.entered_by}: {found.why}" if found.entered_by else ""
    return (
        f"{found.kind}, {_where(found.channel)}, since {found.added_at:%Y-%m-%d}, from"
        f" {found.source}{entered}"
    )


def _where(channel: Channel | None) -> str:
    return f"not by {channel.label}" if channel else "by no channel"
