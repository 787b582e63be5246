"""`python -m track_dispatch <verb>`: the command line of an installation.

Airflow takes seconds to import: each verb imports what it needs, so that `--help` answers at once.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from track_dispatch import __version__
from track_dispatch.cli import decisions, inspection, installation, people
from track_dispatch.cli.options import ExitCode
from track_dispatch.errors import TrackDispatchError

PACKAGE = Path(__file__).resolve().parents[1]
#: Seconds until Airflow's own database must have let us in, and until it must have answered.
CONNECT_SECONDS = 10
ANSWER_SECONDS = 20

app = typer.Typer(
    help="Ask hospital patients how they were treated, at most once.",
    no_args_is_help=True,
    rich_markup_mode="markdown",  # it fills paragraphs
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"track_dispatch {__version__}")
        raise typer.Exit


@app.callback()
def _program(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Ask hospital patients how they were treated, at most once."""


app.command()(installation.setup)
app.command()(installation.doctor)
app.command()(installation.metrics)
app.command()(installation.surveys)
app.command()(inspection.sql)
app.command("dry-run")(inspection.dry_run)
app.command()(inspection.day)
app.command()(inspection.explain)
app.command()(decisions.resume)
app.command()(decisions.release)
app.command()(people.person)
installation.ledger_app.command("restored")(decisions.ledger_restored)
app.add_typer(installation.ledger_app, name="ledger", no_args_is_help=True)
app.add_typer(decisions.doubt_app, name="doubt", no_args_is_help=True)
app.add_typer(decisions.accepted_app, name="accepted", no_args_is_help=True)
app.add_typer(decisions.refused_app, name="refused", no_args_is_help=True)
app.add_typer(people.optout_app, name="optout", no_args_is_help=True)
app.add_typer(installation.config_app, name="config", no_args_is_help=True)


def main() -> None:
    """Run a verb; end with an `ExitCode`."""
    # Outside a task the SDK looks for connections in Airflow's database only when it is told that
    # this is no worker; a verb must find what a task finds.
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
    # Airflow logs to standard output, which is the verb's; what fails is told by our own errors.
    os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "CRITICAL"
    # Airflow's own database may accept a connection, or a question, and say nothing more, for ever.
    os.environ.setdefault("PGCONNECT_TIMEOUT", str(CONNECT_SECONDS))
    os.environ.setdefault("TRACK_AIRFLOW_SECONDS", str(ANSWER_SECONDS))
    try:
        app()
    except TrackDispatchError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(ExitCode.FAILED)
    except SystemExit as ended:  # typer has met Ctrl-C already, and says nothing
        if ended.code == ExitCode.STOPPED:
            typer.echo("stopped", err=True)
        raise
    except Exception as error:
        if os.environ.get("TRACK_TRACEBACK"):
            raise
        if unusable := _unusable(error):
            typer.echo(f"error: {unusable}", err=True)
            sys.exit(ExitCode.FAILED)
        typer.echo(f"error: {_bug(error)}", err=True)
        sys.exit(ExitCode.BUG)


def _unusable(error: Exception) -> str:
    """Say that a package could not be imported, as Airflow with a broken configuration; or ""."""
    frames = traceback.extract_tb(error.__traceback__)
    last = max((place for place, frame in enumerate(frames) if _is_ours(frame)), default=-1)
    imports = last + 1 < len(frames) and frames[last + 1].name == "<module>"
    if not imports:
        return ""
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
    return (
        f"Airflow, or what it needs, cannot be imported ({type(error).__name__} at {where}): look"
        " at its configuration (airflow.cfg in AIRFLOW_HOME, the variables AIRFLOW__*);"
        " `airflow version` says more"
    )


def _bug(error: Exception) -> str:
    """Describe an unexpected error by its type and place: its text may quote patient data."""
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_ours(frame)]
    where = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"
    return (
        f"{type(error).__name__} at {where}, a fault of track_dispatch {__version__}; report this"
        " line. TRACK_TRACEBACK=1 shows more, perhaps patients' data"
    )


def _is_ours(frame: traceback.FrameSummary) -> bool:
    return Path(frame.filename).is_relative_to(PACKAGE)
