"""The transaction between two POSTs in its plain case: all accepted, and all of the next may go.

Each statement has one count that it must report; with any other the transaction is rolled back and
`claims.py` goes the careful way, which leaves the same ledger. On PostgreSQL all statements are
sent without waiting for the one before, and looked at before the commit. No row is waited for that
a transform may hold: lines and envelopes that are locked count as missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from track_dispatch.errors import LedgerError
from track_dispatch.ledger2.batches import CommitUnknownError, commit_known
from track_dispatch.ledger2.contact_policy import (
    INVITED_LATELY,
    OPTED_OUT,
    alike,
    invited_parameters,
    opt_out_parameters,
)
from track_dispatch.ledger2.places import format_places, span
from track_dispatch.ledger2.prepared import as_day, prepared
from track_dispatch.ledger2.request_budget import TAKE
from track_dispatch.ledger2.sql import TURN
from track_dispatch.ledger2.transitions import Transition
from track_dispatch.states import LineState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from track_dispatch.ledger2.batches import Batch
    from track_dispatch.ledger2.claims import Wanted
    from track_dispatch.ledger2.database import Ledger
    from track_dispatch.ledger2.settling import Settlement
    from track_dispatch.records import Actor


class _Step(NamedTuple):
    """A statement, and how many rows it must change; 0: must find."""

    text: str
    parameters: Mapping[str, Any]
    rows: int


_SETTLE_BATCH = """
update batches set state = 'settled', status = coalesce(:status, status),
  receipt = coalesce(:receipt, receipt), lease_until = null, changed_at = moment_in(0)
where id = :batch and claim = :claim and state = 'sending'"""
_ACCEPT_LINES = """
update lines set state = 'accepted', reason = null, question = null
where address between :low and :high and batch = :batch and state = 'sending'"""
_STANDING_STOP = "select id from stops where resumed_at is null limit 1"
_OPEN_BATCH = """
insert into batches (id, claim, survey, unit, envelope, state, lines, lease_until, validity_at,
  reminder_at, run_id, try_number, created_at, changed_at)
values (:batch, :claim, :survey, :unit, :envelope, 'sending', :lines, moment_in(:lease),
  :validity_at, :reminder_at, :run_id, :try_number, moment_in(0), moment_in(0))
on conflict do nothing"""
_CLAIM_LINES = {
    "sqlite": """
update lines set state = 'sending', batch = :batch, reason = null, question = null
where address between :low and :high and state = 'ready'
  and (ask_until is null or ask_until >= :today)""",
    "postgresql": """
update lines set state = 'sending', batch = :batch, reason = null, question = null
where address = any(array(select address from lines
  where address between :low and :high and state = 'ready'
    and (ask_until is null or ask_until >= :today)
  for update skip locked))""",
}
_FRESH = """
update envelopes set payload = null, waiting = 0, version = version + 1
where id = (select e.id from envelopes e join extractions x on x.id = e.extraction
  where e.id = :envelope and e.unit = :unit and e.version = :version and e.rules = :rules
    and x.started_at >= moment_in(:oldest)"""
_EMPTY_ENVELOPE = {"sqlite": f"{_FRESH})", "postgresql": f"{_FRESH} for update of e skip locked)"}
_EVENT = """
insert into events (at, envelope, places, transition, state, batch, actor, run_id, try_number)
values (moment_in(0), :envelope, :places, :transition, :state, :batch, :actor, :run_id,
  :try_number)"""


def settle_and_claim_at_once(
    ledger: Ledger, *, settlement: Settlement | None, wanted: Wanted | None, actor: Actor
) -> bool:
    """Settle and claim if everything about both is plain; return whether that is committed.

    Raises:
        CommitUnknownError: the database failed while it committed.
    """
    if not _is_plain(settlement, wanted):
        return False
    dialect = ledger.engine.dialect.name
    steps: list[_Step] = []
    if settlement is not None:
        steps += _settling(settlement, actor)
    if wanted is not None:
        steps += _claiming(wanted, actor, dialect)
    try:
        with commit_known(ledger) as connection:
            run = _run_in_pipeline if ledger.on_postgresql else _run_in_turn
            if run(connection, steps):
                return True
            connection.rollback()
    except CommitUnknownError:
        raise
    except LedgerError:  # met again on the careful way, and told there
        return False
    return False


def _is_plain(settlement: Settlement | None, wanted: Wanted | None) -> bool:
    if settlement is not None and not settlement.is_plain:
        return False
    if wanted is None:
        return settlement is not None
    read = wanted.read
    return bool(read.lines) and not read.keeps_others and not alike(read.lines, wanted.terms.policy)


def _settling(settlement: Settlement, actor: Actor) -> list[_Step]:
    batch = settlement.batch
    low, high = span(batch.envelope)
    return [
        _Step(
            _SETTLE_BATCH,
            {
                "status": settlement.status,
                "receipt": settlement.receipt,
                "batch": batch.id,
                "claim": batch.claim,
            },
            1,
        ),
        _Step(_ACCEPT_LINES, {"low": low, "high": high, "batch": batch.id}, len(batch.lines)),
        _event(Transition.ANSWERED, LineState.ACCEPTED, batch, actor),
    ]


def _claiming(wanted: Wanted, actor: Actor, dialect: str) -> list[_Step]:
    terms, lines, envelope = wanted.terms, wanted.read.lines, wanted.read.envelope
    batch = wanted.batch(lines)
    low, high = span(envelope.id)
    opened = {
        "batch": batch.id,
        "claim": batch.claim,
        "survey": batch.survey,
        "unit": batch.unit_id,
        "envelope": envelope.id,
        "lines": len(lines),
        "lease": terms.lease_seconds,
        "validity_at": batch.validity_at,
        "reminder_at": batch.reminder_at,
        "run_id": actor.run_id,
        "try_number": actor.try_number,
    }
    going = {"batch": batch.id, "low": low, "high": high, "today": as_day(terms.today, dialect)}
    emptied = {
        "envelope": envelope.id,
        "unit": batch.unit_id,
        "version": envelope.version,
        "rules": terms.rules,
        "oldest": -3600.0 * terms.extraction_max_age_hours,
    }
    opt_outs = opt_out_parameters(lines, batch.unit.channel, dialect)
    return [
        _Step(_STANDING_STOP, {}, 0),
        _Step(_OPEN_BATCH, opened, 1),
        _Step(_CLAIM_LINES[dialect], going, len(lines)),
        _Step(_EMPTY_ENVELOPE[dialect], emptied, 1),
        _Step(OPTED_OUT[dialect], opt_outs, 0),
        _Step(INVITED_LATELY[dialect], invited_parameters(lines, terms.policy, dialect), 0),
        _Step(TAKE, {"limit": terms.requests_per_5_minutes}, 1),
        _event(Transition.CLAIMED, LineState.SENDING, batch, actor),
    ]


def _event(transition: Transition, to: LineState, batch: Batch, actor: Actor) -> _Step:
    parameters = {
        "envelope": batch.envelope,
        "places": format_places(sorted(batch.places)),
        "transition": str(transition),
        "state": str(to),
        "batch": batch.id,
        "actor": actor.name,
        "run_id": actor.run_id,
        "try_number": actor.try_number,
    }
    return _Step(_EVENT, parameters, 1)


def _run_in_turn(connection: Connection, steps: Sequence[_Step]) -> bool:
    """Run the statements on SQLite, up to the first one that is not plain."""
    driver: Any = connection.connection.driver_connection
    return all(
        _is_expected(driver.execute(prepared(step.text, "sqlite"), step.parameters), step.rows)
        for step in steps
    )


def _run_in_pipeline(connection: Connection, steps: Sequence[_Step]) -> bool:
    """Send all statements to PostgreSQL at once, the turn first, and look at every answer."""
    driver: Any = connection.connection.driver_connection
    with driver.pipeline():
        driver.execute(f"select pg_advisory_xact_lock({TURN})")
        cursors = [
            driver.execute(prepared(step.text, "postgresql"), step.parameters) for step in steps
        ]
    return all(_is_expected(cursor, step.rows) for cursor, step in zip(cursors, steps, strict=True))


def _is_expected(cursor: Any, rows: int) -> bool:
    return cursor.fetchone() is None if rows == 0 else bool(cursor.rowcount == rows)
