"""The verbs by which a person decides: the same functions as the DAG `track_decide`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from track_dispatch.cli.options import (
    By,
    Code,
    Day,
    Json,
    Why,
    day_of_this_age,
    echo_json,
)
from track_dispatch.errors import ConfigError
from track_dispatch.states import Count, Verb

if TYPE_CHECKING:
    from track_dispatch.ledger.decisions import DecidedLines
    from track_dispatch.ledger.in_doubt import InDoubtBatch
    from track_dispatch.pipeline.decide import Done

doubt_app = typer.Typer(help="Batches that Track may have received, or not.")
accepted_app = typer.Typer(help="Batches that Track said it accepted.")
refused_app = typer.Typer(help="Lines that Track refused.")

BatchId = Annotated[str, typer.Argument(metavar="BATCH", help="The batch's id.")]
#: Days of patients that the list of refusals goes back by default.
REFUSED_DAYS = 30


@doubt_app.command("list")
def doubt_list(*, as_json: Json = False) -> None:
    """List the batches in doubt: what they hold, since when, and whether it is time to decide."""
    from track_dispatch.hooks.ledger import open_ledger  # noqa: PLC0415 - imports Airflow
    from track_dispatch.ledger.in_doubt import expire_leases, in_doubt_batches  # noqa: PLC0415
    from track_dispatch.records import Actor  # noqa: PLC0415

    with open_ledger() as ledger:
        expire_leases(ledger, actor=Actor("doubt list"))
        with ledger.reading() as connection:
            found = in_doubt_batches(connection)
    if as_json:
        echo_json(found)
        return
    for doubt in found:
        typer.echo(_doubt_text(doubt))
    typer.echo(f"{Count(len(found)):batch|batches} in doubt")


@doubt_app.command("settle")
def doubt_settle(
    batch: BatchId,
    *,
    by: By,
    why: Why,
    sent: Annotated[bool, typer.Option("--sent", help="Track has it.")] = False,
    unsent: Annotated[
        bool,
        typer.Option(
            "--unsent", help="Track has it not: its patients are read and judged again, then sent."
        ),
    ] = False,
    abandon: Annotated[
        bool, typer.Option("--abandon", help="Nobody knows: better not asked than asked twice.")
    ] = False,
) -> None:
    """Decide about a batch in doubt, after its lease is over."""
    verbs = {Verb.SETTLE_SENT: sent, Verb.SETTLE_UNSENT: unsent, Verb.ABANDON: abandon}
    chosen = [verb for verb, wanted in verbs.items() if wanted]
    if len(chosen) != 1:
        message = "give one of --sent, --unsent, --abandon"
        raise typer.BadParameter(message)
    _echo_done(_decide(chosen[0], by=by, why=why, batch=batch))


@accepted_app.command("reopen")
def accepted_reopen(
    batch: BatchId,
    *,
    by: By,
    why: Why,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Say that Track never processed a batch that it accepted: its patients are asked again.

    Only after Track itself confirmed it: where it did process the batch, everybody in it is asked
    twice.
    """
    _require_known(batch)
    if not yes:
        typer.confirm(
            f"Everybody in batch {batch} will be asked. Has Track confirmed that it never"
            " processed it?",
            abort=True,
        )
    _echo_done(_decide(Verb.REOPEN_ACCEPTED, by=by, why=why, batch=batch, confirmed=True))


def resume(*, by: By, why: Why) -> None:
    """Let all hospitals go on, after Track wanted a person, or an ERP another password."""
    done = _decide(Verb.RESUME, by=by, why=why)
    ended = "all hospitals go on" if done.lines else "nothing was stopped"
    typer.echo(f"{ended}; clear dispatch, or extract, where it is red")


def release(code: Code, day: Day, *, by: By, why: Why) -> None:
    """Let a day's held lines go; those whose reading is too old are read again first."""
    _echo_done(_decide(Verb.RELEASE, by=by, why=why, code=code, day=day))


@refused_app.command("list")
def refused_list(
    *,
    since: Annotated[
        datetime | None,
        typer.Option(
            metavar="DAY",
            formats=["%Y-%m-%d"],
            callback=day_of_this_age,
            help=f"Of business days from this one on; by default the last {REFUSED_DAYS}.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Count the lines that stand refused, by what Track faulted."""
    from track_dispatch.hooks.ledger import open_ledger  # noqa: PLC0415 - imports Airflow
    from track_dispatch.ledger.history import refused_lines  # noqa: PLC0415

    first = since.date() if since else datetime.now(UTC).date() - timedelta(days=REFUSED_DAYS)
    with open_ledger() as ledger, ledger.reading() as connection:
        found = refused_lines(connection, since=first)
    if as_json:
        echo_json(found)
        return
    for group in found:
        typer.echo(
            f"{group.hospital}  {group.business_day}  {group.area or '-'}  {group.channel or '-'}"
            f"  {group.refusal}  {group.detail or 'no detail'}  {Count(group.lines):line|lines}"
        )
    typer.echo(f"{Count(sum(group.lines for group in found)):line|lines} refused since {first}")


@refused_app.command("retry")
def refused_retry(code: Code, day: Day, *, by: By, why: Why) -> None:
    """Let a day's refused lines be read and judged again, after what was wrong is mended."""
    _echo_done(_decide(Verb.RETRY_REFUSED, by=by, why=why, code=code, day=day))


def ledger_restored(
    *,
    as_of: Annotated[
        datetime,
        typer.Option(
            metavar="MOMENT",
            formats=["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z"],
            help="The backup's moment with its offset, e.g. 2026-11-20T03:00-03:00.",
        ),
    ],
    by: By,
    why: Why,
) -> None:
    """Say that a backup of the ledger was put back: what may have been sent since is in doubt.

    Pause the DAGs before you put a backup back, and say this before you unpause them. The same
    holds for a standby of PostgreSQL that took over.
    """
    done = _decide(Verb.RESTORED, by=by, why=why, as_of=as_of.astimezone(UTC))
    typer.echo(
        f"{Count(done.lines):line|lines} in doubt: `doubt list`, then settle each batch as sent,"
        " unsent or abandoned.\n"
        "What the next readings find of the days before now is put in doubt likewise."
    )


def _require_known(batch: str) -> None:
    """Refuse an unknown batch before a person is asked to confirm."""
    from track_dispatch.hooks.ledger import open_ledger  # noqa: PLC0415 - imports Airflow
    from track_dispatch.ledger.decisions import hospital_of_batch  # noqa: PLC0415

    with open_ledger() as ledger, ledger.reading() as connection:
        known = hospital_of_batch(connection, batch)
    if known is None:
        raise ConfigError(
            f"the ledger knows no batch {batch}: `explain HMS 1234567` names the batch of an"
            " attendance that was accepted in it"
        )


def _decide(
    verb: Verb,
    *,
    by: str,
    why: str,
    batch: str | None = None,
    code: str | None = None,
    day: datetime | None = None,
    as_of: datetime | None = None,
    confirmed: bool | None = None,
) -> Done:
    from track_dispatch.hooks.ledger import open_ledger  # noqa: PLC0415 - imports Airflow
    from track_dispatch.pipeline.decide import (  # noqa: PLC0415 - with the one before
        Order,
        carry_out,
        make_decision,
    )

    decision = make_decision(verb, decided_by=by, why=why)
    order = Order(
        batch=batch,
        hospital=code.upper() if code else None,
        business_day=day.date() if day else None,
        as_of=as_of,
        confirmed=confirmed,
    )
    with open_ledger(restored=verb is Verb.RESTORED) as ledger:
        return carry_out(order, decision, ledger=ledger, now=datetime.now(UTC))


def _echo_done(done: Done) -> None:
    """Print what a decision changed, and how its lines go out."""
    decided = done.decided
    if decided is None:
        return
    states = {"ready": decided.ready, "to be read again": decided.reopened}
    told = [f"{Count(lines):line|lines} {state}" for state, lines in states.items() if lines]
    if decided.ended:
        told.append(f"{Count(decided.ended):line|lines}, {done.verb}")
    typer.echo(f"{decided.day}: {', '.join(told)}")
    for step in _next_steps(decided):
        typer.echo(step)


def _next_steps(decided: DecidedLines) -> list[str]:
    dag, steps = f"track_{decided.day.hospital.lower()}", []
    if decided.ready:
        steps.append("the ready ones go with dispatch: clear it")
    if decided.reopened:
        steps.append(
            "what is read again goes with the next run; to send it now, trigger"
            f" {dag} with business_day={decided.day.business_day}"
        )
    if decided.too_late:
        steps.append(
            f"{decided.too_late} of them may no longer be asked and expire, unless that run has"
            " include_old"
        )
    return steps


def _doubt_text(doubt: InDoubtBatch) -> str:
    status = f"HTTP {doubt.status}" if doubt.status else "no answer"
    origin = "a backup was put back" if doubt.restored else status
    when = f"decide in {doubt.lease_seconds:.0f} s" if doubt.lease_seconds else "to decide"
    unit = f"{doubt.day} {doubt.area or '-'} · {doubt.channel or '-'}"
    return (
        f"{doubt.id}  {unit}  {Count(doubt.lines):line|lines}"
        f"  since {doubt.since:%Y-%m-%d %H:%M} UTC  {origin}  {when}"
    )
