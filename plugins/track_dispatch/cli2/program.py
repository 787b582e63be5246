"""The verbs of this half, gathered: the program takes them over with those that stay."""

from __future__ import annotations

import typer

from track_dispatch.cli2 import days, decisions, people

app = typer.Typer(
    help="Ask hospital patients how they were treated, at most once.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
ledger_app = typer.Typer(help="The ledger: who was asked, and what became of it.")


@ledger_app.callback()
def _ledger() -> None:
    """Keep `ledger` a group with one verb."""


app.command()(days.day)
app.command()(days.explain)
app.command()(decisions.resume)
app.command()(decisions.release)
app.command()(people.person)
ledger_app.command("restored")(decisions.ledger_restored)
app.add_typer(ledger_app, name="ledger", no_args_is_help=True)
app.add_typer(decisions.doubt_app, name="doubt", no_args_is_help=True)
app.add_typer(decisions.accepted_app, name="accepted", no_args_is_help=True)
app.add_typer(decisions.refused_app, name="refused", no_args_is_help=True)
app.add_typer(people.optout_app, name="optout", no_args_is_help=True)
