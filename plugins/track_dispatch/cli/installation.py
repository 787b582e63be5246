"""The verbs that make an installation and keep it: setup, the ledger's, the files'."""

from __future__ import annotations

import typer

from track_dispatch.cli.exit_codes import ExitCode
from track_dispatch.cli.options import Json, echo_json_object
from track_dispatch.config import BrokenHospital, load_hospitals

ledger_app = typer.Typer(help="The ledger: who was asked, and what became of it.")
config_app = typer.Typer(help="The hospitals' files.")


def setup() -> None:
    """Create what tasks need: the ledger where there is none, a pool for each ERP.

    Repeat it whenever a hospital is added: a task whose pool is missing waits for ever.
    """
    from track_dispatch.hooks.pools import create_pools  # noqa: PLC0415 - imports Airflow

    ledger_init()
    for name in create_pools():
        typer.echo(f"pool {name}: one slot")
    for broken in _broken_hospitals():
        typer.echo(
            f"{broken.code}: has no pool yet, its file has errors (see `config check`);"
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


def _broken_hospitals() -> list[BrokenHospital]:
    return [entry for entry in load_hospitals() if isinstance(entry, BrokenHospital)]
