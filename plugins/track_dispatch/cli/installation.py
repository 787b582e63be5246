"""The verbs that create, maintain and check an installation.

`setup`, the ledger and its keys, the hospitals' files; `doctor`, `metrics` and `surveys`, which
change nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from track_dispatch.cli.options import (
    ExitCode,
    Json,
    codes_that_begin,
    echo_json,
    echo_json_object,
)
from track_dispatch.config import BrokenHospital, Hospital, load_hospitals, working_hospitals
from track_dispatch.delivery.answer_table import ASSUMPTIONS
from track_dispatch.errors import ConfigError, did_you_mean
from track_dispatch.states import Count

if TYPE_CHECKING:
    from track_dispatch.doctor.check import Check
    from track_dispatch.ledger.keys import OlderKey, OlderKeys


ledger_app = typer.Typer(help="The ledger: who was asked, and what became of it.")
config_app = typer.Typer(help="The hospitals' files.")


def setup() -> None:
    """Create what tasks need: the ledger where there is none, a pool for each ERP.

    Repeat it whenever a hospital is added: a task whose pool is missing waits for ever.
    """
    from track_dispatch.hooks.airflow_state import create_pools  # noqa: PLC0415 - imports Airflow

    ledger_init()
    for name in create_pools():
        typer.echo(f"pool {name}: one slot")
    for entry in load_hospitals():
        if isinstance(entry, BrokenHospital):
            typer.echo(
                f"{entry.code}: has no pool yet, its file has errors (see `config check`);"
                " mend it, then repeat setup",
                err=True,
            )


@ledger_app.command("init")
def ledger_init() -> None:
    """Create the ledger; a ledger that is there stays as it is."""
    from track_dispatch.hooks import ledger  # noqa: PLC0415 - imports Airflow

    address, created = ledger.init()
    typer.echo(f"ledger {address}: {'created' if created else 'there already, left as it is'}")


@ledger_app.command("migrate")
def ledger_migrate() -> None:
    """Bring the ledger's tables to this version; the version before still works on them."""
    from track_dispatch.hooks import ledger  # noqa: PLC0415 - imports Airflow

    before, after = ledger.migrate()
    changed = f"migrated from {before} to {after}" if before != after else f"at {after} already"
    typer.echo(f"ledger: {changed}")


#: By table, the name of its rows, and when the last of them needs a key no more.
_LEAVING = {
    "optouts": "opt-outs: each takes the newest key as well when its person is read again or its"
    " list is entered again (`optout import`)",
    "identities": "lines with a patient's identities",
    "forgotten": "attendances that were asked once and must be recognised for good: it stays",
}


@dataclass(frozen=True, slots=True)
class Keys:
    """A key ring as it is listed, without secrets; `leave`: when its identities will be deleted."""

    newest: str
    older: OlderKeys
    leave: dict[str, date | None]


@ledger_app.command("new-keys")
def new_keys() -> None:
    """Print the keys of a new ledger, as one line of JSON for the connection's extra.

    Keep a copy apart from the ledger's backup: without them its payloads cannot be read, and
    nobody it knows is recognised again.
    """
    from track_dispatch.ledger.keys import new_keys as make  # noqa: PLC0415 - cryptography

    typer.echo(make().model_dump_json())


@ledger_app.command("keys")
def keys(*, as_json: Json = False) -> None:
    """List the ledger's keys, never a secret: what still needs an older one, and when it may go."""
    found = _ledger_keys()
    if as_json:
        echo_json_object(_keys_as_json(found))
    else:
        _print_keys(found)


@ledger_app.command("rotate-keys")
def rotate_keys(
    *,
    drop_unneeded: Annotated[
        bool,
        typer.Option(
            "--drop-unneeded", help="Make no new keys; leave out the older ones that may go."
        ),
    ] = False,
) -> None:
    """Put new keys in front: from now on they encrypt and recognise, the older ones still do, too.

    Where a key file holds them it is written; else this prints the new extra of the connection
    `track_ledger`, as one line of JSON: put it there for all components at once. A task that began
    before may find a payload that it cannot open: it stops, and is repeated.

    What still needs an older key is then told, as `ledger keys` does. Repeat `ledger keys` until it
    may go, then leave it out with --drop-unneeded. Keep a copy of the keys as of the first ones.
    """
    from track_dispatch.hooks import ledger  # noqa: PLC0415 - imports Airflow
    from track_dispatch.ledger.keys import without_unneeded  # noqa: PLC0415 - with it

    ring = ledger.place().keys()
    after = without_unneeded(ring, _ledger_keys().older) if drop_unneeded else ring.with_new_keys()
    if after == ring:
        typer.echo("every key is needed; nothing was changed")
        return
    extra = ledger.use_keys(after, instead_of=ring)
    if extra is not None:
        typer.echo(extra)
        typer.echo("put this line into the extra of the connection track_ledger", err=True)
        return
    _print_keys(_ledger_keys())


def _ledger_keys() -> Keys:
    from track_dispatch.hooks.ledger import open_ledger  # noqa: PLC0415 - imports Airflow
    from track_dispatch.ledger.keys import older_keys  # noqa: PLC0415 - with the one before
    from track_dispatch.pipeline.housekeeping import identities_leave  # noqa: PLC0415

    with open_ledger() as ledger, ledger.reading() as connection:
        found = older_keys(connection, ledger.keys)
        newest = ledger.keys.identity_secrets[0].id
    hospitals = working_hospitals()
    leave = {key.id: identities_leave(hospitals, key.last_days) for key in found.identity}
    return Keys(newest, found, leave)


def _print_keys(found: Keys) -> None:
    typer.echo(f"identity key {found.newest}: the newest")
    for key in found.older.identity:
        state = "may go" if key.may_go else "still needed by"
        typer.echo(f"identity key {key.id}: {state}")
        for line in _needs(key, found.leave[key.id]):
            typer.echo(f"  {line}")
    typer.echo(f"payload keys: 1 and {found.older.payload} older")
    if found.older.payloads:
        typer.echo(
            f"  {Count(found.older.payloads):payload that waits needs|payloads that wait need} an"
            " older one: until sent or read again, a few days at most"
        )
    elif found.older.payload:
        typer.echo("  the older ones may go")


def _needs(key: OlderKey, leave: date | None) -> Sequence[str]:
    told = []
    for table, count in key.alone.items():
        if not count:
            continue
        more = ""
        if table == "optouts":
            more = ": " + ", ".join(f"{source} {lines}" for source, lines in key.sources.items())
        elif table == "identities":
            last = f"the last one leaves by itself on {leave}"
            more = f": {last if leave else 'none of them leaves while max_age_days = 0'}"
        told.append(f"{count} {_LEAVING[table]}{more}")
    return told


def _keys_as_json(found: Keys) -> dict[str, Any]:
    return {
        "newest": found.newest,
        "older": [
            {
                "id": key.id,
                "may_go": key.may_go,
                "needed_by": key.alone,
                "optout_sources": key.sources,
                "identities_leave": found.leave[key.id],
            }
            for key in found.older.identity
        ],
        "older_payload_keys": found.older.payload,
        "payloads_that_need_them": found.older.payloads,
    }


@config_app.command("check")
def config_check(*, as_json: Json = False) -> None:
    """Check every hospital's file; exit 1 when one has an error."""
    errors = {
        entry.code: entry.message if isinstance(entry, BrokenHospital) else None
        for entry in load_hospitals()
    }
    if as_json:
        echo_json_object([{"code": code, "error": error} for code, error in errors.items()])
    else:
        for code, error in errors.items():
            typer.echo(f"{code}: ok" if error is None else f"{code}: ERROR\n{error}")
    if any(errors.values()):
        raise typer.Exit(ExitCode.FAILED)


# -- looking at it -----------------------------------------------------------------

_COLOURS = {"ok": "green", "warn": "yellow", "FAIL": "red"}


def doctor(
    codes: Annotated[
        list[str] | None,
        typer.Argument(metavar="HMS ...", help="All by default.", autocompletion=codes_that_begin),
    ] = None,
    *,
    first_day: Annotated[
        bool,
        typer.Option("--first-day", help="Track's first answers beside what was assumed of it."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Check the installation and its hospitals; nothing is sent, no patient's row is read.

    One line for each check: ok, warn or FAIL, and what to do. Exits 1 when one failed.
    """
    if first_day:
        _show_first_day(as_json=as_json)
        return
    from track_dispatch.doctor import run_checks  # noqa: PLC0415 - imports Airflow
    from track_dispatch.doctor.check import announcing  # noqa: PLC0415 - with the next

    done: list[Check] = []
    with announcing(_announce):
        for found in run_checks(_chosen(codes or ()), now=lambda: datetime.now(UTC)):
            done.append(found)
            _announce()
            if not as_json:
                verdict = typer.style(f"{found.verdict:<4}", fg=_COLOURS[found.verdict])
                typer.echo(f"{verdict}  {found.subject:<16}{found.name:<18}{found.detail}")
    verdicts = [found.verdict.value for found in done]
    if as_json:
        echo_json(done)
    else:
        typer.echo(", ".join(f"{verdicts.count(name)} {name}" for name in _COLOURS))
    if "FAIL" in verdicts:
        raise typer.Exit(1)


def _announce(subject: str = "", name: str = "") -> None:
    """Show the running check on a terminal, in place of the one before."""
    if sys.stderr.isatty():
        shown = f"looking at {subject}: {name} ..." if name else ""
        typer.echo(f"\r\x1b[K{shown}", nl=False, err=True)


def _show_first_day(*, as_json: bool) -> None:
    """Print Track's first answers beside what we assumed of them."""
    from track_dispatch.doctor.ledger_checks import (  # noqa: PLC0415 - imports Airflow
        first_day_lines,
        read_first_answers,
    )

    answers = read_first_answers()
    if as_json:
        held = {
            "answers": [asdict(answer) for answer in answers],
            "assumptions": [assumption._asdict() for assumption in ASSUMPTIONS],
        }
        echo_json_object(held)
    else:
        for line in first_day_lines(answers):
            typer.echo(line)


def metrics() -> None:
    """Print the ledger as numbers, in Prometheus's text format; docs/metrics.md lists them.

    For a scraper's file or a service that calls it, once a minute; nothing is written.
    """
    from track_dispatch.hooks.ledger import open_ledger  # noqa: PLC0415 - imports Airflow
    from track_dispatch.metric_table import prometheus_text  # noqa: PLC0415 - with the next
    from track_dispatch.pipeline.metrics import read_metrics  # noqa: PLC0415 - imports the ledger

    with open_ledger(read_only=True) as ledger, ledger.reading() as connection:
        samples = read_metrics(connection, load_hospitals(), moment=datetime.now(UTC))
    typer.echo(prometheus_text(samples), nl=False)


def surveys(*, as_json: Json = False) -> None:
    """List Track's surveys, who uses them, and those of ours that Track lacks."""
    from track_dispatch.doctor.hospital_checks import survey_uses  # noqa: PLC0415 - with the next
    from track_dispatch.hooks.track import TrackHook  # noqa: PLC0415 - imports Airflow

    uses = survey_uses(TrackHook().list_surveys(), working_hospitals())
    if as_json:
        echo_json(uses)
        return
    widest = max((len(use.name) for use in uses), default=0)
    for use in uses:
        who = ", ".join(use.used_by) or "-"
        typer.echo(f"{use.name:<{widest}}  {use.uuid:<36}  {use.status:<8}  {who}")


def _chosen(codes: Collection[str]) -> list[Hospital | BrokenHospital]:
    """Return the hospitals with these codes, or all hospitals.

    Raises:
        ConfigError: there is no such hospital.
    """
    entries = {entry.code: entry for entry in load_hospitals()}
    wanted = [code.upper() for code in codes] or list(entries)
    if unknown := [code for code in wanted if code not in entries]:
        raise ConfigError(
            f'no hospital "{unknown[0]}"{did_you_mean(unknown[0], entries)};'
            f" there are {', '.join(entries)}"
        )
    return [entries[code] for code in dict.fromkeys(wanted)]
