"""The verbs by which a person decides: the same functions as the DAG `track_decide`."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from track_dispatch.cli.options import By, Code, Day, Why
from track_dispatch.records import Verb

if TYPE_CHECKING:
    from track_dispatch.pipeline.deciding import Done

doubt_app = typer.Typer(help="Batches that Track may have received, or not.")
refused_app = typer.Typer(help="Lines that Track refused.")

BatchId = Annotated[str, typer.Argument(metavar="BATCH", help="The batch's id.")]


@doubt_app.command("list")
def doubt_list() -> None:
    """List the batches in doubt: what they hold, since when, and whether it is time to decide."""
    from track_dispatch.hooks.ledger import open_configured  # noqa: PLC0415 - imports Airflow
    from track_dispatch.ledger.doubts import doubts  # noqa: PLC0415 - with the one before

    with closing(open_configured()) as ledger, ledger.reading() as connection:
        found = doubts(connection)
    for doubt in found:
        status = f"HTTP {doubt.status}" if doubt.status else "no answer"
        origin = "a backup was put back" if doubt.restored else status
        when = f"decide in {doubt.lease_seconds:.0f} s" if doubt.lease_seconds else "to decide"
        erased = ", too old to be sent" if doubt.erased else ""
        typer.echo(
            f"{doubt.id}  {doubt.unit}  {doubt.lines} lines  since {doubt.since:%Y-%m-%d %H:%M} UTC"
            f"  {origin}  {when}{erased}"
        )
    typer.echo(f"{len(found)} batches in doubt")


@doubt_app.command("settle")
def doubt_settle(
    batch_id: BatchId,
    *,
    by: By,
    why: Why,
    sent: Annotated[bool, typer.Option("--sent", help="Track has it.")] = False,
    send_again: Annotated[
        bool, typer.Option("--send-again", help="Track has it not: post the same batch once more.")
    ] = False,
    abandon: Annotated[
        bool, typer.Option("--abandon", help="Nobody knows: better not asked than asked twice.")
    ] = False,
) -> None:
    """Decide about a batch in doubt, after its lease is over."""
    verbs = {Verb.SETTLE_SENT: sent, Verb.SEND_AGAIN: send_again, Verb.ABANDON: abandon}
    chosen = [verb for verb, wanted in verbs.items() if wanted]
    if len(chosen) != 1:
        message = "give one of --sent, --send-again, --abandon"
        raise typer.BadParameter(message)
    done = _decide(chosen[0], by=by, why=why, batch_id=batch_id)
    typer.echo(f"{batch_id}: {done.lines} lines, {done.what}")


def resume(*, by: By, why: Why) -> None:
    """Let all hospitals send again, after Track wanted a person or another key."""
    done = _decide(Verb.RESUME, by=by, why=why)
    ended = "sending was not stopped" if not done.lines else "sending goes on for all hospitals"
    typer.echo(f"{ended}; clear dispatch where it is red")


def release(code: Code, day: Day, *, by: By, why: Why) -> None:
    """Make ready what is held of a day, or in doubt because a backup was put back."""
    done = _decide(Verb.RELEASE, by=by, why=why, code=code, day=day)
    typer.echo(f"{done.hospital} {done.business_day}: {done.lines} lines ready; clear dispatch")


@refused_app.command("list")
def refused_list() -> None:
    """Count the lines that stand refused, by what Track faulted."""
    from track_dispatch.hooks.ledger import open_configured  # noqa: PLC0415 - imports Airflow
    from track_dispatch.ledger.life import refusals  # noqa: PLC0415 - with the one before

    with closing(open_configured()) as ledger, ledger.reading() as connection:
        found = refusals(connection)
    for one in found:
        allowed = "  retry allowed" if one.retry_allowed else ""
        typer.echo(
            f"{one.hospital}  {one.business_day}  {one.area or '-'}  {one.kind}"
            f"  {one.detail or 'no detail'}  {one.lines} lines{allowed}"
        )
    typer.echo(f"{sum(one.lines for one in found)} lines refused")


@refused_app.command("retry")
def refused_retry(code: Code, day: Day, *, by: By, why: Why) -> None:
    """Allow a day's refused lines another try, after what was wrong is mended."""
    done = _decide(Verb.RETRY_REFUSED, by=by, why=why, code=code, day=day)
    typer.echo(
        f"{done.hospital} {done.business_day}: {done.lines} lines may be sent again; now clear"
        " `extract` of that day, with what follows it"
    )


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

    Pause the DAGs before you put a backup back, and say this before you unpause them.
    """
    done = _decide(Verb.RESTORED, by=by, why=why, as_of=as_of.astimezone(UTC))
    typer.echo(
        f"{done.lines} lines in doubt (`doubt list`): settle them as sent or abandoned, or `release"
        " HMS DAY`.\nDays up to yesterday that the ledger does not know are refused until `ledger"
        " allow-day HMS DAY`; what is new on a day that it knows will be in doubt until then."
    )


def ledger_allow_day(code: Code, day: Day, *, by: By, why: Why) -> None:
    """Say that a day was not sent after the backup, or may be extracted all the same."""
    done = _decide(Verb.ALLOW_DAY, by=by, why=why, code=code, day=day)
    typer.echo(f"{done.hospital} {done.business_day}: allowed; trigger or backfill it")


def _decide(
    what: Verb,
    *,
    by: str,
    why: str,
    batch_id: str | None = None,
    code: str | None = None,
    day: datetime | None = None,
    as_of: datetime | None = None,
) -> Done:
    from track_dispatch.hooks.desk import open_desk  # noqa: PLC0415 - imports Airflow
    from track_dispatch.hooks.ledger import open_configured  # noqa: PLC0415
    from track_dispatch.pipeline.deciding import (  # noqa: PLC0415
        Order,
        carry_out,
        decision,
    )

    decided = decision(what, person=by, why=why)
    order = Order(
        batch_id=batch_id,
        hospital=code.upper() if code else None,
        business_day=day.date() if day else None,
        as_of=as_of,
    )
    with closing(open_configured()) as ledger:
        return carry_out(order, decided, ledger=ledger, open_desk=open_desk)
