"""The fast path between two POSTs: settle a batch that Track took as a whole, claim the next.

Statements are texts for the driver. Each that writes must report a certain number of rows; with any
other number, and in any other case, the transaction is rolled back and `claims.py` takes the
careful path, which leaves the same ledger. On PostgreSQL they are sent in two pipelines: first
settlement and questions, then exclusions and the claim; all results are checked before the commit.
No row is waited for that a transform may hold: locked lines and envelopes count as missing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection

from track_dispatch.errors import LedgerError
from track_dispatch.ledger.batches import Batch, ClaimRequest, CommitUnknownError, commit_known
from track_dispatch.ledger.contact_policy import (
    barred_by_answers,
    contact_questions,
    freed_by,
    stood_back,
)
from track_dispatch.ledger.database import Ledger, interruption
from track_dispatch.ledger.envelopes import address_of, address_range, format_places
from track_dispatch.ledger.extractions import software_columns
from track_dispatch.ledger.request_budget import TAKE
from track_dispatch.ledger.schema import PLACES
from track_dispatch.ledger.settling import Settlement
from track_dispatch.ledger.sql import TURN, as_day, as_list, from_list, prepared
from track_dispatch.ledger.transitions import Transition
from track_dispatch.records import Actor
from track_dispatch.states import LineState, Reason

T = TypeVar("T")


class _Step(NamedTuple):
    """A statement, and the number of rows that it must change; None for a query."""

    text: str
    parameters: Mapping[str, Any]
    rows: int | None = None


_SETTLE_BATCH = """
update batches set state = 'settled', status = coalesce(:status, status),
  receipt = coalesce(:receipt, receipt), lease_until = null, changed_at = moment_in(0)
where id = :batch and claim = :claim and state = 'sending'"""
_ACCEPT_LINES = """
update lines set state = 'accepted', reason = null, question = null
where address between :low and :high and batch = :batch and state = 'sending'"""
_STANDING_STOP = "select id from stops where resumed_at is null limit 1"
#: The number of ready lines in the envelope, and those past their last day.
_READY_LINES = {
    "sqlite": """
select count(*), json_group_array(address) filter (where ask_until < :today) from lines
where address between :low and :high and state = 'ready'""",
    "postgresql": """
select count(*), array_agg(address) filter (where ask_until < :today)
from (select address, ask_until from lines
  where address between :low and :high and state = 'ready' for update skip locked) ready""",
}
_EXCLUDE_LINES = {
    "sqlite": """
update lines set state = 'excluded', reason = :reason, question = null
where address in (select value from json_each(:addresses)) and state = 'ready' and batch is null""",
    "postgresql": """
update lines set state = 'excluded', reason = :reason, question = null
where address = any(:addresses::bigint[]) and state = 'ready' and batch is null""",
}
_OPEN_BATCH = """
insert into batches (id, claim, survey, unit, envelope, state, lines, lease_until, validity_at,
  reminder_at, run_id, try_number, package_version, include_digest, created_at, changed_at)
values (:batch, :claim, :survey, :unit, :envelope, 'sending', :lines, moment_in(:lease),
  :validity_at, :reminder_at, :run_id, :try_number, :package_version, :include_digest,
  moment_in(0), moment_in(0))
on conflict do nothing"""
_CLAIM_LINES = """
update lines set state = 'sending', batch = :batch, reason = null, question = null
where address between :low and :high and state = 'ready'"""
#: An envelope that would keep waiting lines after the claim is left to the careful path.
_FRESH = """
update envelopes set payload = null, waiting = 0, version = version + :sealings
where id = (select e.id from envelopes e join extractions x on x.id = e.extraction
  where e.id = :envelope and e.unit = :unit and e.version = :version and e.rules = :rules
    and e.waiting = :ready
    and x.started_at >= moment_in(:oldest)"""
_EMPTY_ENVELOPE = {"sqlite": f"{_FRESH})", "postgresql": f"{_FRESH} for update of e skip locked)"}
_EVENT = """
insert into events (at, envelope, places, transition, state, reason, batch, actor, run_id,
  try_number)
values (moment_in(0), :envelope, :places, :transition, :state, :reason, :batch, :actor, :run_id,
  :try_number)"""


class _NotPlainError(Exception):
    """The case is not one of the fast path."""


def settle_at_once(ledger: Ledger, settlement: Settlement, *, actor: Actor) -> bool:
    """Settle a batch that Track took as a whole; return whether that is committed.

    Raises:
        CommitUnknownError: the database failed while it committed.
    """
    if not settlement.is_plain:
        return False
    return _at_once(ledger, lambda session: session.run(_settling(settlement, actor))) is not None


def settle_and_claim_at_once(
    ledger: Ledger, *, settlement: Settlement | None, request: ClaimRequest, actor: Actor
) -> Batch | None:
    """Settle a batch that Track took as a whole, and claim the next envelope's lines that may go.

    Returns:
        The batch, committed; None in any other case, with nothing written.

    Raises:
        CommitUnknownError: the database failed while it committed.
    """
    if settlement is not None and not settlement.is_plain:
        return None
    if not request.read.lines or request.read.keeps_others:
        return None
    settling = _settling(settlement, actor) if settlement is not None else []
    return _at_once(ledger, lambda session: _Shortcut(session, request, actor).take(settling))


def _at_once(ledger: Ledger, work: Callable[[_Session], T]) -> T | None:
    """Do work in one transaction; None if the case is another one, rolled back."""
    try:
        with commit_known(ledger) as connection:
            done = work(_Session(connection))
    except CommitUnknownError:
        raise
    except (_NotPlainError, LedgerError):  # a failure is met again on the careful way
        return None
    return done


class _Session:
    """A transaction over the driver's own connection."""

    def __init__(self, connection: Connection) -> None:
        self.dialect = connection.dialect.name
        self._connection = connection
        self._driver: Any = connection.connection.driver_connection
        self._has_turn = False

    def run(self, steps: Sequence[_Step]) -> list[list[tuple[Any, ...]]]:
        """Run statements; return the rows of the queries among them.

        Raises:
            _NotPlainError: one that writes reported another count than it must.
        """
        cursors = self._pipelined(steps) if self.dialect == "postgresql" else self._in_turn(steps)
        answers = []
        for cursor, step in zip(cursors, steps, strict=True):
            if step.rows is None:
                answers.append(cursor.fetchall())
            elif cursor.rowcount != step.rows:
                raise _NotPlainError
        return answers

    def _in_turn(self, steps: Sequence[_Step]) -> Iterator[Any]:
        """Run the statements one after the other, as far as the results are read."""
        for step in steps:
            yield self._driver.execute(prepared(step.text, "sqlite"), step.parameters)

    def _pipelined(self, steps: Sequence[_Step]) -> list[Any]:
        """Send all statements at once; the first of all takes the turn."""
        try:
            with self._driver.pipeline():
                if not self._has_turn:
                    self._driver.execute(f"select pg_advisory_xact_lock({TURN})")
                    self._has_turn = True
                return [
                    self._driver.execute(prepared(step.text, "postgresql"), step.parameters)
                    for step in steps
                ]
        except Exception as error:
            if (broke_in := interruption(error)) is not None:
                self._connection.invalidate()  # it is stuck in the pipeline, and rolls nothing back
                raise broke_in from None
            raise


class _Shortcut:
    """The claim of an envelope: first its queries, then its statements."""

    def __init__(self, session: _Session, request: ClaimRequest, actor: Actor) -> None:
        self._session = session
        self._request = request
        self._actor = actor
        self._envelope = request.read.envelope
        self._range = address_range(self._envelope.id)

    def take(self, settling: Sequence[_Step]) -> Batch:
        """Settle the batch before and claim the lines that may go; exclude the others.

        Raises:
            _NotPlainError: the case is another one.
        """
        reasons = self._ask(settling)
        left = [line for line in self._request.read.lines if line.place not in reasons]
        if not left:
            raise _NotPlainError
        batch = self._request.batch(left)
        found = self._session.run([*self._excluding(reasons), *self._claiming(batch, reasons)])
        if any(found):  # somebody stood back for a line that is excluded
            raise _NotPlainError
        return batch

    def _ask(self, settling: Sequence[_Step]) -> dict[int, Reason]:
        """Return the lines that may not go, by place, with the reason."""
        lines, terms, dialect = self._request.read.lines, self._request.terms, self._session.dialect
        today = {"today": as_day(terms.today, dialect)}
        questions = contact_questions(lines, self._request.unit.channel, terms.policy, dialect)
        stops, [(ready, expired)], opted_out, invited = self._session.run(
            [
                *settling,
                _Step(_STANDING_STOP, {}),
                _Step(_READY_LINES[dialect], self._range | today),
                *(_Step(*question) for question in questions),
            ]
        )
        if stops or ready != len(lines):
            raise _NotPlainError
        return barred_by_answers(
            lines,
            terms.policy,
            opted_out=[row[0] for row in opted_out],
            invited=[row[0] for row in invited],
            expired=[address % PLACES for address in from_list(expired)],
        )

    def _excluding(self, reasons: Mapping[int, Reason]) -> Iterator[_Step]:
        """Exclude lines, and ask whether others stood back for them."""
        terms, dialect = self._request.terms, self._session.dialect
        for reason in sorted(set(reasons.values())):
            lines = [
                ready for ready in self._request.read.lines if reasons.get(ready.place) is reason
            ]
            places = [line.place for line in lines]
            addresses = [address_of(self._envelope.id, place) for place in places]
            excluded = {"reason": str(reason), "addresses": as_list(addresses, dialect)}
            yield _Step(_EXCLUDE_LINES[dialect], excluded, len(places))
            transition = Transition.EXCLUDED_AT_CLAIM, LineState.EXCLUDED
            yield _event(*transition, self._envelope.id, places, self._actor, reason=str(reason))
            ids = [line.line for line in lines]
            yield _Step(*stood_back(ids, dialect, today=terms.today, over=freed_by(reason)))

    def _claiming(self, batch: Batch, reasons: Mapping[int, Reason]) -> list[_Step]:
        terms, envelope, dialect = self._request.terms, self._envelope, self._session.dialect
        opened = {
            "batch": batch.id,
            "claim": batch.claim,
            "survey": batch.survey,
            "unit": batch.unit_id,
            "envelope": envelope.id,
            "lines": len(batch.lines),
            "lease": terms.lease_seconds,
            "validity_at": batch.validity_at,
            "reminder_at": batch.reminder_at,
            "run_id": self._actor.run_id,
            "try_number": self._actor.try_number,
            **software_columns(self._actor),
        }
        emptied = {
            "envelope": envelope.id,
            "unit": batch.unit_id,
            "version": envelope.version,
            "rules": terms.rules,
            "ready": len(self._request.read.lines),
            "oldest": -3600.0 * terms.extraction_max_age_hours,
            "sealings": 1 + len(set(reasons.values())),  # as many as the careful way makes
        }
        claimed = self._range | {"batch": batch.id}
        moved = Transition.CLAIMED, LineState.SENDING
        return [
            _Step(_OPEN_BATCH, opened, 1),
            _Step(_CLAIM_LINES, claimed, len(batch.lines)),
            _Step(_EMPTY_ENVELOPE[dialect], emptied, 1),
            _Step(TAKE, {"limit": terms.requests_per_5_minutes}, 1),
            _event(*moved, envelope.id, batch.places, self._actor, batch=batch.id),
        ]


def _settling(settlement: Settlement, actor: Actor) -> list[_Step]:
    batch = settlement.batch
    settled = {
        "status": settlement.status,
        "receipt": settlement.receipt,
        "batch": batch.id,
        "claim": batch.claim,
    }
    accepted = address_range(batch.envelope) | {"batch": batch.id}
    moved = Transition.ANSWERED, LineState.ACCEPTED
    return [
        _Step(_SETTLE_BATCH, settled, 1),
        _Step(_ACCEPT_LINES, accepted, len(batch.lines)),
        _event(*moved, batch.envelope, batch.places, actor, batch=batch.id),
    ]


def _event(
    transition: Transition,
    to: LineState,
    envelope: int,
    places: Collection[int],
    actor: Actor,
    *,
    reason: str | None = None,
    batch: str | None = None,
) -> _Step:
    parameters = {
        "envelope": envelope,
        "places": format_places(sorted(places)),
        "transition": str(transition),
        "state": str(to),
        "reason": reason,
        "batch": batch,
        "actor": actor.name,
        "run_id": actor.run_id,
        "try_number": actor.try_number,
    }
    return _Step(_EVENT, parameters, 1)
