"""Decisions on record: each is written in the transaction that carries it out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from track_dispatch.errors import ConfigError
from track_dispatch.ledger import schema
from track_dispatch.ledger.schema import moment_in

if TYPE_CHECKING:
    from datetime import date, datetime

    from sqlalchemy import Connection

    from track_dispatch.records import Decision


def record_decision(
    connection: Connection,
    decision: Decision,
    *,
    hospital: str | None = None,
    business_day: date | None = None,
    batch_id: str | None = None,
    as_of: datetime | None = None,
) -> int:
    """Write down who decided what, and why; return the decision's id.

    Raises:
        ConfigError: the run has been carried out before. A cleared run must not repeat what a
            person decided once, least of all "send again".
    """
    decisions = schema.decisions
    if decision.run_id is not None:
        earlier = select(decisions.c.id).where(decisions.c.run_id == decision.run_id)
        if connection.scalar(earlier) is not None:
            message = (
                "this run's decision was carried out before: a decision holds once; to decide"
                " again, trigger track_decide anew"
            )
            raise ConfigError(message)
    values: dict[str, Any] = {
        "at": moment_in(),
        "what": decision.what,
        "person": decision.person,
        "why": decision.why,
        "run_id": decision.run_id,
        "hospital": hospital,
        "business_day": business_day,
        "batch_id": batch_id,
        "as_of": as_of,
        "lines": 0,
    }
    written = connection.execute(insert(decisions).values(values).returning(decisions.c.id))
    return int(written.scalar_one())


def count_lines(connection: Connection, decision_id: int, lines: int) -> None:
    """Note how many lines a decision moved."""
    decisions = schema.decisions
    connection.execute(update(decisions).where(decisions.c.id == decision_id).values(lines=lines))
