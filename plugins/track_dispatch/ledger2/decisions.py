"""What people decide about lines and batches, each on record with who decided and why.

Every decision is one transaction with its record in it. A batch is decided once: its row is locked
first, and each UPDATE names the state that it leaves, so that of two people who decide at once the
second one is told. Nothing is decided before the batch's lease ends: its owner may still answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import update

from track_dispatch.errors import ConfigError
from track_dispatch.ledger2 import schema
from track_dispatch.ledger2.sql import insert_into, moment_in
from track_dispatch.records import Actor

if TYPE_CHECKING:
    from datetime import date, datetime

    from sqlalchemy import Connection

    from track_dispatch.states import Verb


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided, and why.

    Attributes:
        verb: what is done.
        decided_by: the person who answers for it.
        why: kept and shown; `pipeline/decide.py` refuses texts that look like patient data.
        run_id: the run of `track_decide` that carries it out, if one does.
    """

    verb: Verb
    decided_by: str
    why: str
    run_id: str | None = None

    @property
    def actor(self) -> Actor:
        """The person as whoever moves the lines."""
        return Actor(self.decided_by, run_id=self.run_id)


def record_decision(
    connection: Connection,
    decision: Decision,
    *,
    hospital: str | None = None,
    business_day: date | None = None,
    batch: str | None = None,
    as_of: datetime | None = None,
) -> int:
    """Write a decision down, in the transaction that carries it out; return its id.

    Raises:
        ConfigError: its run has been carried out before. A cleared run must not repeat what a
            person decided once.
    """
    decisions = schema.decisions
    written = connection.scalar(
        insert_into(connection, decisions)
        .values(
            at=moment_in(),
            verb=decision.verb,
            decided_by=decision.decided_by,
            why=decision.why,
            run_id=decision.run_id,
            hospital=hospital,
            business_day=business_day,
            batch=batch,
            as_of=as_of,
            lines=0,
        )
        .on_conflict_do_nothing(index_elements=["run_id"])
        .returning(decisions.c.id)
    )
    if written is None:
        raise ConfigError(
            "this run's decision was carried out before: a decision holds once; to decide again,"
            " trigger track_decide anew"
        )
    return int(written)


def count_lines(connection: Connection, decision: int, lines: int) -> None:
    """Note how many lines a decision moved."""
    decisions = schema.decisions
    connection.execute(update(decisions).where(decisions.c.id == decision).values(lines=lines))
