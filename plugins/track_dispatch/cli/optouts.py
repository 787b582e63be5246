"""`optout` and `person`: who asked not to be asked, and what is held about somebody.

Identities come from a prompt, standard input or a file, never from arguments: those stay in the
shell's history and in the list of processes.
"""

from __future__ import annotations

import csv
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from track_dispatch.cli.options import By, Why
from track_dispatch.errors import ConfigError
from track_dispatch.records import Channel
from track_dispatch.transformation.identities import identity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

optout_app = typer.Typer(help="Who asked not to be asked.")

OneChannel = Annotated[
    Channel | None, typer.Option("--channel", help="Only this channel; every one by default.")
]
Source = Annotated[str, typer.Option("--source", help="Who told us, without data of the patient.")]
KINDS = ("cpf", "email", "phone")


@optout_app.command("add")
def optout_add(*, source: Source, channel: OneChannel = None) -> None:
    """Enter a CPF, an e-mail address or a phone, asked for at a prompt."""
    from track_dispatch.hooks.ledger import open_configured  # noqa: PLC0415 - imports Airflow
    from track_dispatch.ledger.optouts import add_optout  # noqa: PLC0415 - with the one before

    person = _asked_for()
    with closing(open_configured()) as ledger:
        new = add_optout(ledger, person, channel=channel, source=source)
    typer.echo(f"{len(person)} identities, {new} of them new: {_where(channel)}")


@optout_app.command("remove")
def optout_remove(*, channel: OneChannel = None) -> None:
    """Take an identity off the list, because the person wants to be asked again."""
    from track_dispatch.hooks.ledger import open_configured  # noqa: PLC0415 - imports Airflow
    from track_dispatch.ledger.optouts import remove_optout  # noqa: PLC0415 - with the one before

    person = _asked_for()
    with closing(open_configured()) as ledger:
        removed = remove_optout(ledger, person, channel=channel)
    typer.echo("taken off the list" if removed else "was not on the list")


@optout_app.command("check")
def optout_check() -> None:
    """Tell whether an identity is on the list; exits 1 when it is not."""
    from track_dispatch.hooks.ledger import open_configured  # noqa: PLC0415 - imports Airflow
    from track_dispatch.ledger.optouts import optouts_of  # noqa: PLC0415 - with the one before

    person = _asked_for()
    with closing(open_configured()) as ledger, ledger.reading() as connection:
        found = optouts_of(ledger, connection, person)
    for one in found:
        where = _where(one.channel)
        typer.echo(f"{one.kind}: {where}, since {one.added_at:%Y-%m-%d}, from {one.source}")
    if not found:
        typer.echo("not on the list")
        raise typer.Exit(1)


@optout_app.command("import")
def optout_import(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.csv",
            exists=True,
            dir_okay=False,
            help="With a heading: cpf, email, phone, and perhaps channel.",
        ),
    ],
    *,
    source: Source,
) -> None:
    """Enter a list of people; rows that name nobody are told by their line, without the values."""
    from rich.progress import track  # noqa: PLC0415 - with the next

    from track_dispatch.hooks.ledger import open_configured  # noqa: PLC0415 - imports Airflow
    from track_dispatch.ledger.optouts import add_optout  # noqa: PLC0415 - with the one before

    rows = list(_rows(file))
    bad: list[int] = []
    new = 0
    with closing(open_configured()) as ledger:
        for line, person, channel in track(rows, "opt-outs", disable=not sys.stderr.isatty()):
            if person is None:
                bad.append(line)
                continue
            new += bool(add_optout(ledger, person, channel=channel, source=source))
    typer.echo(f"{len(rows) - len(bad)} rows, {new} of them new")
    if bad:
        listed = ", ".join(map(str, bad))
        typer.echo(f"rows that name nobody, or no channel of ours, at line: {listed}", err=True)
        raise typer.Exit(1)


def person(*, by: By, why: Why, erase: Annotated[bool, typer.Option("--erase")] = False) -> None:
    """Say what is held about a person, asked for by CPF at a prompt; with --erase, erase it.

    An opt-out stays: without it the person would be asked again.
    """
    from track_dispatch.hooks.ledger import open_configured  # noqa: PLC0415 - imports Airflow
    from track_dispatch.ledger.persons import erase_person, held_about  # noqa: PLC0415
    from track_dispatch.pipeline.deciding import decision  # noqa: PLC0415
    from track_dispatch.records import Verb  # noqa: PLC0415 - with the ones before

    known = _asked_for(kinds=("cpf",))
    decided = decision(Verb.ERASE, person=by, why=why)
    with closing(open_configured()) as ledger:
        with ledger.reading() as connection:
            held = held_about(ledger, connection, known)
        for one in held:
            what = "data" if one.payload else "hashes"
            typer.echo(f"{one.hospital}  {one.business_day}  {one.state}  {what}")
        typer.echo(f"{len(held)} attendances")
        if erase and held:
            erased = erase_person(ledger, known, decided)
            typer.echo(
                f"erased: {erased}; what is on its way or in doubt stays until it is settled"
            )


def _asked_for(kinds: tuple[str, ...] = KINDS) -> dict[str, str]:
    """Ask for an identity, unseen on a terminal; one line of standard input serves as well.

    Raises:
        ConfigError: it is neither a CPF nor an address nor a mobile.
    """
    label = " or ".join({"cpf": "CPF", "email": "e-mail", "phone": "phone"}[kind] for kind in kinds)
    text = typer.prompt(label, hide_input=True) if sys.stdin.isatty() else sys.stdin.readline()
    found = identity(dict.fromkeys(kinds, text.strip()))
    if not found:
        raise ConfigError(f"that is no {label}")
    return found  # eleven digits may be a phone and a CPF: then they count as both


def _rows(file: Path) -> Iterator[tuple[int, Mapping[str, str] | None, Channel | None]]:
    """Yield each row's line, its person (None: names nobody), and its channel.

    Raises:
        ConfigError: the file has no such heading, or is no text.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            sample = opened.readline()
            opened.seek(0)
            reader = csv.DictReader(opened, delimiter=";" if ";" in sample else ",")
            if not set(reader.fieldnames or ()) & set(KINDS):
                raise ConfigError(f"{file}: the first line must name {', '.join(KINDS)}")
            for row in reader:
                person = identity({kind: row.get(kind) or "" for kind in KINDS})
                name = (row.get("channel") or "").strip().lower()
                known = not name or name in set(Channel)
                yield (
                    reader.line_num,
                    person if known and person else None,
                    (Channel(name) if name and known else None),
                )
    except UnicodeDecodeError:
        raise ConfigError(f"{file}: is no UTF-8 text; save it as CSV in UTF-8") from None


def _where(channel: Channel | None) -> str:
    return f"not by {channel.label}" if channel else "by no channel"
