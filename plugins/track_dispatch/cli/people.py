"""`optout` and `person`: who asked not to be asked, and what is held about somebody.

Identities come from a prompt, standard input or a file, never from arguments: those stay in the
shell's history and in the list of processes.
"""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from track_dispatch.cli.options import By, Json, Why, echo_json
from track_dispatch.errors import ConfigError
from track_dispatch.records import Channel

optout_app = typer.Typer(help="Who asked not to be asked.")

OneChannel = Annotated[
    Channel | None, typer.Option("--channel", help="Only this channel; every one by default.")
]
Source = Annotated[str, typer.Option("--source", help="Who told us, without data of the patient.")]


@optout_app.command("add")
def optout_add(*, source: Source, channel: OneChannel = None) -> None:
    """Enter a CPF, e-mail addresses or phones, asked for at a prompt."""
    from track_dispatch.hooks.ledger import open_configured  # noqa: PLC0415 - imports Airflow
    from track_dispatch.ledger.privacy import add_optouts  # noqa: PLC0415
    from track_dispatch.pipeline.decide import refuse_personal  # noqa: PLC0415

    told_by = refuse_personal(source, "source")
    values = _asked_for()
    with open_configured() as ledger:
        new = add_optouts(ledger, [(values, channel)], source=told_by)
    known = "new on the list" if new else "on the list already"
    typer.echo(f"{len(values)} identities, {known}: {_where(channel)}")


@optout_app.command("remove")
def optout_remove(*, channel: OneChannel = None) -> None:
    """Take an identity off the list, because the person wants to be asked again.

    With --channel, whoever asked for none at all stays on the list for the others.
    """
    from track_dispatch.hooks.ledger import open_configured  # noqa: PLC0415 - imports Airflow
    from track_dispatch.ledger.privacy import optouts_of, remove_optouts  # noqa: PLC0415

    values = _asked_for()
    with open_configured() as ledger:
        removed = remove_optouts(ledger, values, channel=channel)
        with ledger.reading() as connection:
            left = optouts_of(connection, ledger.keys, values)
    typer.echo("taken off the list" if removed else "was not on the list")
    for one in left:
        typer.echo(f"still on it: {one.kind}, {_where(one.channel)}")


@optout_app.command("check")
def optout_check() -> None:
    """Tell whether an identity is on the list; exits 1 when it is not."""
    from track_dispatch.hooks.ledger import open_configured  # noqa: PLC0415 - imports Airflow
    from track_dispatch.ledger.privacy import optouts_of  # noqa: PLC0415

    values = _asked_for()
    with open_configured() as ledger, ledger.reading() as connection:
        found = optouts_of(connection, ledger.keys, values)
    for one in found:
        where = _where(one.channel)
        typer.echo(f"{one.kind}: {where}, since {one.added_at:%Y-%m-%d}, from {one.source}")
    if not found:
        typer.echo("not on the list")
        raise typer.Exit(1)


@optout_app.command("list")
def optout_list(*, as_json: Json = False) -> None:
    """Count the list by who told us; it holds nobody's name or number to show."""
    from track_dispatch.hooks.ledger import open_configured  # noqa: PLC0415 - imports Airflow
    from track_dispatch.ledger.privacy import count_optouts  # noqa: PLC0415

    with open_configured() as ledger, ledger.reading() as connection:
        found = count_optouts(connection)
    if as_json:
        echo_json(found)
        return
    for one in found:
        typer.echo(
            f"{one.values:>8}  {one.kind:<6}{_where(one.channel)}, from {one.source}, last"
            f" {one.last_added_at:%Y-%m-%d}"
        )
    typer.echo(f"{sum(one.values for one in found)} identities on the list")


@optout_app.command("import")
def optout_import(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.csv",
            exists=True,
            dir_okay=False,
            help="With a heading: cpf, e-mail, telefone, and perhaps canal.",
        ),
    ],
    *,
    source: Source,
) -> None:
    """Enter a list of people; what cannot be used is told by its line, without the values."""
    from track_dispatch.cli.optout_file import (  # noqa: PLC0415 - with the next
        faults_by_column,
        read_optout_list,
    )
    from track_dispatch.hooks.ledger import open_configured  # noqa: PLC0415 - imports Airflow
    from track_dispatch.ledger.privacy import add_optouts  # noqa: PLC0415
    from track_dispatch.pipeline.decide import refuse_personal  # noqa: PLC0415

    told_by = refuse_personal(source, "source")
    found = read_optout_list(file)
    with open_configured() as ledger:
        new = add_optouts(ledger, found.entries, source=told_by)
    typer.echo(f"{len(found.entries)} people, {new} of them new")
    for column, lines in faults_by_column(found.faults).items():
        listed = ", ".join(map(str, lines))
        typer.echo(f"not used, {column} at line: {listed}", err=True)
    if found.faults:
        raise typer.Exit(1)


def person(*, by: By, why: Why, erase: Annotated[bool, typer.Option("--erase")] = False) -> None:
    """Say what is held about a person; with --erase, erase it and never ask her again.

    Give all that the person gave, CPF, e-mail addresses and phones, with `;` between them: a line
    is found by any of them. What is on its way or in doubt stays until it is settled.
    """
    from track_dispatch.hooks.ledger import open_configured  # noqa: PLC0415 - imports Airflow
    from track_dispatch.ledger.privacy import erase_person, held_about  # noqa: PLC0415
    from track_dispatch.pipeline.decide import make_decision  # noqa: PLC0415
    from track_dispatch.states import Verb  # noqa: PLC0415 - with the ones before

    decision = make_decision(Verb.ERASE, decided_by=by, why=why)
    values = _asked_for()
    with open_configured() as ledger:
        with ledger.reading() as connection:
            held = held_about(connection, ledger.keys, values)
        for one in held.attendances:
            what = "data and hashes" if one.payload else "hashes"
            reason = f" ({one.reason})" if one.reason else ""
            typer.echo(f"{one.day}  {one.area or '-'}  {one.state}{reason}  {what}")
        typer.echo(f"{len(held.attendances)} attendances")
        for listed in held.optouts:
            typer.echo(f"on the list: {listed.kind}, {_where(listed.channel)}")
        if held.staged:
            typer.echo(f"{held.staged} readings of an ERP wait for their transform, encrypted")
        if erase:
            done = erase_person(ledger, values, decision, today=datetime.now(UTC).date())
            typer.echo(
                f"on the list now; {done.excluded} lines will not be asked, {done.unlinked} no"
                f" longer tell of the person, {done.under_way} are on their way or in doubt and"
                " stay until they are settled"
            )


def _asked_for() -> tuple[str, ...]:
    """Ask for identities, unseen on a terminal; one line of standard input serves as well.

    Raises:
        ConfigError: a part of it is neither a CPF nor an address nor a mobile.
    """
    from track_dispatch.transformation.identities import identity_values  # noqa: PLC0415

    label = "CPF, e-mail or phone (several: with ; between)"
    text = typer.prompt(label, hide_input=True) if sys.stdin.isatty() else sys.stdin.readline()
    parts = [part.strip() for part in re.split(r"[;\t]", text) if part.strip()]
    found = [identity_values(part) for part in parts]
    if not found or not all(found):
        raise ConfigError("that is no CPF, e-mail or phone")
    # eleven digits may be a phone and a CPF: then they count as both
    return tuple(dict.fromkeys(value for values in found for value in values))


def _where(channel: Channel | None) -> str:
    return f"not by {channel.label}" if channel else "by no channel"
