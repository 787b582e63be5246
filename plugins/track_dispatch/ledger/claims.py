"""Claims: lines are sent only in a batch whose claim was committed before its POST.

Between two POSTs there is one transaction, {settle batch n, claim batch n+1}. The plain case takes
the fast path (`between_posts.py`); any other case rolls that back and takes the careful path here:
first the settlement in a transaction of its own, so that a failed claim does not undo it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, exists, select, update

from track_dispatch.errors import LedgerError
from track_dispatch.ledger import schema
from track_dispatch.ledger.batches import (
    Batch,
    ClaimRequest,
    ClaimTerms,
    claim_transaction,
    record_batch,
    survey_busy,
)
from track_dispatch.ledger.between_posts import settle_and_claim_at_once, settle_at_once
from track_dispatch.ledger.contact_policy import (
    EITHER,
    come_back,
    filter_contactable,
    freed_by,
)
from track_dispatch.ledger.database import Ledger
from track_dispatch.ledger.envelopes import SealedLine, span
from track_dispatch.ledger.extractions import is_fresh
from track_dispatch.ledger.keys import KeyRing
from track_dispatch.ledger.request_budget import take_request
from track_dispatch.ledger.schema import addresses_in, in_units, placed
from track_dispatch.ledger.settling import Settlement, settle
from track_dispatch.ledger.sql import moment_in
from track_dispatch.ledger.stop_switch import standing_stops
from track_dispatch.ledger.transitions import Transition, apply_transition
from track_dispatch.records import Actor
from track_dispatch.states import LineState, Reason


class Hindrance(StrEnum):
    """Why nothing was claimed."""

    NOTHING_READY = "nothing_ready"
    """No line of the envelope is ready, or nothing was asked for."""
    SEALED_ANEW = "sealed_anew"
    """The envelope changed since it was read: it is read again."""
    LOCKED = "locked"
    """A transform is working on it."""
    SURVEY_BUSY = "survey_busy"
    """Another batch of the survey is in flight."""
    STOPPED = "stopped"
    """All hospitals are stopped: a person must say `resume`."""
    BUDGET_SPENT = "budget_spent"
    """The requests to Track of these five minutes are used up."""
    OUTDATED = "outdated"
    """Its extraction is too old, or was judged under other rules: its lines are reopened."""
    ALL_EXCLUDED = "all_excluded"
    """None of its lines may be asked; of a part: they are released."""
    LEASE_OVER = "lease_over"
    """The claim's lease is over: its lines are no longer ours."""


@dataclass(frozen=True, slots=True)
class NotClaimed:
    """Why nothing was claimed, and the seconds until that may change, if known."""

    why: Hindrance
    seconds: float = 0.0


def exclude_unit(ledger: Ledger, unit_id: int, *, reason: Reason, today: date, actor: Actor) -> int:
    """Exclude the ready lines of a unit that the hospital does not ask; return how many.

    Lines that stood back for these come back if they may still be asked `today`.

    Raises:
        LedgerError: the database failed; nothing is excluded.
    """
    with ledger.writing_in_turn() as connection:
        moved = apply_transition(
            connection,
            Transition.EXCLUDED_AT_CLAIM,
            LineState.EXCLUDED,
            addresses=addresses_in(placed(connection, in_units([unit_id]))),
            keys=ledger.keys,
            actor=actor,
            reason=reason,
        )
        ids = [line.id for line in moved]
        come_back(connection, ledger.keys, ids, actor=actor, today=today)
    return len(moved)


def remember_failure(ledger: Ledger, unit_id: int, *, series: str) -> None:
    """Record that a unit failed for good, so that further tries of `series` leave it out.

    Raises:
        LedgerError: the database failed.
    """
    failed = update(schema.units).where(schema.units.c.id == unit_id)
    with ledger.writing() as connection:
        connection.execute(failed.values(failed_series=series))


# -- the claim ---------------------------------------------------------------------


def settle_and_claim(
    ledger: Ledger, *, settlement: Settlement | None, request: ClaimRequest | None, actor: Actor
) -> Batch | NotClaimed:
    """Settle one batch and claim the next; return the claimed batch, committed as `sending`.

    When this returns, the settlement is recorded, whether or not a claim was made. It may be
    recorded when this raises, too: to settle again does no harm.

    Raises:
        CommitUnknownError: it is unknown whether it was committed: look up the batches' ids.
        LedgerError: the database failed; nothing was claimed.
    """
    if request is not None:
        batch = settle_and_claim_at_once(
            ledger, settlement=settlement, request=request, actor=actor
        )
        if batch is not None:
            return batch
    if settlement is not None and settle_at_once(ledger, settlement, actor=actor):
        settlement = None
    return settle_and_claim_with_care(ledger, settlement=settlement, request=request, actor=actor)


def settle_and_claim_with_care(
    ledger: Ledger, *, settlement: Settlement | None, request: ClaimRequest | None, actor: Actor
) -> Batch | NotClaimed:
    """Do what `settle_and_claim` does, one step after the other, whatever the case.

    Raises:
        CommitUnknownError: it is unknown whether the claim was committed.
        LedgerError: the database failed; nothing was claimed.
    """
    if settlement is not None:
        settle(ledger, settlement, actor=actor)
    if request is None or not request.read.lines:
        return NotClaimed(Hindrance.NOTHING_READY)
    with claim_transaction(ledger) as connection:
        return _Claim(connection, ledger.keys, request, actor).make()


def is_outdated(connection: Connection, envelope: int, terms: ClaimTerms) -> bool:
    """Tell whether an envelope's lines must be read again before they may go.

    Their extraction is too old or no longer known, or they were judged under other rules.
    """
    may_go = exists().where(
        schema.envelopes.c.id == envelope,
        schema.envelopes.c.rules == terms.rules,
        is_fresh(terms.extraction_max_age_hours),
    )
    return not connection.scalar(select(may_go))


class _Claim:
    """A claim in its own transaction."""

    def __init__(
        self, connection: Connection, keys: KeyRing, request: ClaimRequest, actor: Actor
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._request = request
        self._terms = request.terms
        self._actor = actor

    def make(self) -> Batch | NotClaimed:
        """Claim the envelope's lines that may go, and exclude or reopen the others."""
        if (hindered := self._hindered()) is not None:
            return hindered
        left = self._exclude()
        if not left:
            return NotClaimed(Hindrance.ALL_EXCLUDED)
        seconds = take_request(self._connection, limit=self._terms.requests_per_5_minutes)
        if seconds:
            return NotClaimed(Hindrance.BUDGET_SPENT, seconds)
        return self._open(self._request.batch(left))

    def _hindered(self) -> NotClaimed | None:
        """Return why the whole envelope may not go, if so; outdated lines are reopened."""
        if standing_stops(self._connection):
            return NotClaimed(Hindrance.STOPPED)
        locked = self._lock_lines()
        if hindrance := self._changed(locked):
            return NotClaimed(hindrance)
        if is_outdated(self._connection, self._request.read.envelope.id, self._terms):
            self._move(Transition.OUTDATED, LineState.REOPENED, locked)
            self._let_come_back(locked)
            return NotClaimed(Hindrance.OUTDATED)
        busy = survey_busy(self._connection, self._terms.survey, claim=self._request.claim_id)
        return NotClaimed(Hindrance.SURVEY_BUSY, busy) if busy is not None else None

    def _lock_lines(self) -> set[int]:
        """Lock the envelope's ready lines; return their ids.

        Lines that a transform has locked are skipped.
        """
        lines = schema.lines
        low, high = span(self._request.read.envelope.id)
        rows = self._connection.scalars(
            select(lines.c.id)
            .where(lines.c.address.between(low, high), lines.c.state == LineState.READY)
            .with_for_update(skip_locked=True)
        )
        return set(rows)

    def _changed(self, locked: set[int]) -> Hindrance | None:
        """Tell whether the envelope has changed since it was read, or is locked by another task."""
        envelopes, read = schema.envelopes, self._request.read
        of_envelope = envelopes.c.id == read.envelope.id
        version = self._connection.scalar(select(envelopes.c.version).where(of_envelope))
        if version != read.envelope.version or read.envelope.unit != self._request.unit_id:
            return Hindrance.SEALED_ANEW
        ours = select(envelopes.c.id).where(of_envelope).with_for_update(skip_locked=True)
        if self._connection.scalar(ours) is None or locked != {line.line for line in read.lines}:
            return Hindrance.LOCKED
        return None

    def _exclude(self) -> list[SealedLine]:
        """Exclude the lines that may not be asked now; return the others."""
        lines, channel = self._request.read.lines, self._request.unit.channel
        reasons = filter_contactable(
            self._connection,
            lines,
            channel=channel,
            policy=self._terms.policy,
            today=self._terms.today,
        )
        for reason in sorted(set(reasons.values())):
            ids = [line.line for line in lines if reasons.get(line.place) is reason]
            self._move(Transition.EXCLUDED_AT_CLAIM, LineState.EXCLUDED, ids, reason=reason)
            self._let_come_back(ids, reason)
        return [line for line in lines if line.place not in reasons]

    def _open(self, batch: Batch) -> Batch:
        until = moment_in(self._terms.lease_seconds)
        opened = record_batch(self._connection, batch, actor=self._actor, lease_until=until)
        ids = [line.line for line in batch.lines]
        moved = self._move(Transition.CLAIMED, LineState.SENDING, ids, batch=batch.id)
        if not opened or moved != len(ids):
            # both were locked and checked before: the ledger is inconsistent
            message = f"batch {batch.id} could not be claimed as it was looked at"
            raise LedgerError(message)
        return batch

    def _move(
        self, transition: Transition, to: LineState, line_ids: Collection[int], **values: Any
    ) -> int:
        moved = apply_transition(
            self._connection,
            transition,
            to,
            ids=line_ids,
            keys=self._keys,
            actor=self._actor,
            **values,
        )
        return len(moved)

    def _let_come_back(self, line_ids: Collection[int], reason: Reason | None = None) -> None:
        come_back(
            self._connection,
            self._keys,
            line_ids,
            actor=self._actor,
            today=self._terms.today,
            over=freed_by(reason) if reason else EITHER,
        )
