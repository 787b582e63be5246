"""`doctor` and `surveys`: looking at a live installation without sending anything."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from track_dispatch.cli.options import Json, codes_that_begin, echo_json, echo_json_object
from track_dispatch.config import BrokenHospital, load_hospitals, working_hospitals
from track_dispatch.delivery.assumptions import ASSUMPTIONS
from track_dispatch.errors import ConfigError
from track_dispatch.suggestions import did_you_mean

if TYPE_CHECKING:
    from track_dispatch.config import Hospital
    from track_dispatch.doctor.check import Check
    from track_dispatch.doctor.track_checks import SurveyUse

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
    from track_dispatch.doctor.check import announcing  # noqa: PLC0415 - with the next
    from track_dispatch.doctor.run_checks import run_checks  # noqa: PLC0415 - imports Airflow

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
    """Show on a terminal what is looked at now, in place of what was shown before; or nothing."""
    if sys.stderr.isatty():
        shown = f"looking at {subject}: {name} ..." if name else ""
        typer.echo(f"\r\x1b[K{shown}", nl=False, err=True)


def _show_first_day(*, as_json: bool) -> None:
    """Show what Track answered first, and what was assumed of it."""
    from track_dispatch.doctor.ledger_checks import (  # noqa: PLC0415 - imports Airflow
        first_day_lines,
        read_first_answers,
    )

    answers = read_first_answers()
    if as_json:
        held = {
            "answers": [asdict(answer) for answer in answers],
            "assumptions": [one._asdict() for one in ASSUMPTIONS],
        }
        echo_json_object(held)
    else:
        for line in first_day_lines(answers):
            typer.echo(line)


def surveys(*, as_json: Json = False) -> None:
    """List Track's surveys, who uses them, and those of ours that Track lacks."""
    from track_dispatch.doctor.track_checks import survey_uses  # noqa: PLC0415 - with the next
    from track_dispatch.hooks.track import TrackHook  # noqa: PLC0415 - imports Airflow

    uses = survey_uses(TrackHook().list_surveys(), working_hospitals())
    if as_json:
        echo_json(uses)
    else:
        _print_surveys(uses)


def _print_surveys(uses: Sequence[SurveyUse]) -> None:
    widest = max((len(use.name) for use in uses), default=0)
    for use in uses:
        who = ", ".join(use.used_by) or "-"
        typer.echo(f"{use.name:<{widest}}  {use.uuid:<36}  {use.status:<8}  {who}")


def _chosen(codes: Collection[str]) -> list[Hospital | BrokenHospital]:
    """Return the hospitals with these codes, or all there are.

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
