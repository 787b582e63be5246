"""Claims: the one door through which lines leave. A claim commits before its POST.

Between two POSTs stands one transaction, {settle batch n, claim batch n+1}. The plain case goes
the short way (`between_posts.py`); whatever is not plain rolls that back and goes the careful way
here, the settlement first and by itself, so that no hindrance of the claim takes it down.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Connection, exists, func, select, update

from track_dispatch.errors import LedgerError
from track_dispatch.ledger import schema
from track_dispatch.ledger.batches import Batch, claim_transaction, open_batch, survey_busy
from track_dispatch.ledger.between_posts import settle_and_claim_at_once, settle_at_once
from track_dispatch.ledger.contact_policy import (
    EITHER,
    ContactPolicy,
    come_back,
    filter_contactable,
    freed_by,
)
from track_dispatch.ledger.database import Ledger
from track_dispatch.ledger.envelopes import Envelope, SealedLine, open_envelope, span
from track_dispatch.ledger.keys import KeyRing
from track_dispatch.ledger.request_budget import take_request
from track_dispatch.ledger.schema import (
    IS_OF_UNIT,
    LIES_IN,
    PLACES,
    addresses_in,
    in_units,
    placed,
    plan_without_compiling,
)
from track_dispatch.ledger.settling import Settlement, settle
from track_dispatch.ledger.sql import among, as_list, from_list, moment_in, prepared, take_turn
from track_dispatch.ledger.stop_switch import standing_stops
from track_dispatch.ledger.transitions import Transition, apply_transition
from track_dispatch.records import Actor, Area, Channel, Unit
from track_dispatch.states import LineState, Reason


@dataclass(frozen=True, slots=True)
class ClaimTerms:
    """What a claim is made under.

    Attributes:
        survey: Track's id of the survey.
        validity_at: unix seconds.
        reminder_at: unix seconds.
        lease_seconds: covers one whole POST and a margin.
        today: the hospital's day: whoever may be asked until yesterday is asked no more.
        policy: how long patients are left in peace.
        rules: digest of what lines must have been judged under.
        extraction_max_age_hours: from the beginning of the extraction.
        requests_per_5_minutes: of all hospitals.
    """

    survey: str
    validity_at: int
    reminder_at: int | None
    lease_seconds: float
    today: date
    policy: ContactPolicy
    rules: str
    extraction_max_age_hours: float
    requests_per_5_minutes: int


@dataclass(frozen=True, slots=True)
class ReadAhead:
    """An envelope opened before it is claimed; patient data.

    Attributes:
        envelope: as it was read: sealed anew since, it is not claimed.
        lines: those that are ready, by place.
        keeps_others: whether lines wait in it that may not go.
    """

    envelope: Envelope
    lines: tuple[SealedLine, ...] = field(repr=False)
    keeps_others: bool = False


class SealedAhead(NamedTuple):
    """An envelope read before it is claimed, still sealed.

    Attributes:
        envelope: as it was read.
        ready: the places of its ready lines.
    """

    envelope: Envelope
    ready: frozenset[int]

    def open(self, keys: KeyRing) -> ReadAhead:
        """Open it for a claim.

        Raises:
            ConfigError: no key opens it.
            LedgerError: it is another envelope's payload.
        """
        envelope = self.envelope
        if envelope.payload is None:
            return ReadAhead(envelope, ())
        sealed = open_envelope(keys, envelope.id, envelope.payload)
        going = tuple(line for line in sealed if line.place in self.ready)
        return ReadAhead(envelope, going, keeps_others=len(going) < len(sealed))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be claimed; the ids are made beforehand, so that a lost answer can be looked up.

    Attributes:
        read: the envelope, opened.
        unit: the envelope's.
        unit_id: in the ledger.
        terms: what the claim is made under.
        batch_id: of the batch to be.
        claim_id: of the claim to be.
    """

    read: ReadAhead
    unit: Unit
    unit_id: int
    terms: ClaimTerms
    batch_id: str
    claim_id: str

    def batch(self, lines: Collection[SealedLine]) -> Batch:
        """Return the batch that the claim of these lines makes."""
        return Batch(
            id=self.batch_id,
            claim=self.claim_id,
            survey=self.terms.survey,
            unit=self.unit,
            unit_id=self.unit_id,
            envelope=self.read.envelope.id,
            lines=tuple(lines),
            validity_at=self.terms.validity_at,
            reminder_at=self.terms.reminder_at,
        )


class Hindrance(StrEnum):
    """Why nothing was claimed."""

    NOTHING_READY = "nothing_ready"
    """No line of the envelope is ready, or nothing was wanted."""
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
    """Why nothing was claimed, and for how many seconds that lasts, where it is known."""

    why: Hindrance
    seconds: float = 0.0


_READ_AHEAD = {
    "sqlite": f"""
select e.id, e.unit, e.extraction, e.rules, e.version, e.payload,
  (select json_group_array(l.address - e.id * {PLACES}) from lines l
   where l.address between e.id * {PLACES} and e.id * {PLACES} + {PLACES - 1}
     and l.state = 'ready')
from json_each(:ids) w cross join envelopes e on e.id = w.value order by w.key""",  # noqa: S608
    "postgresql": f"""
select e.id, e.unit, e.extraction, e.rules, e.version, e.payload,
  array(select (l.address - e.id * {PLACES})::int from lines l
   where l.address between e.id * {PLACES} and e.id * {PLACES} + {PLACES - 1}
     and l.state = 'ready')
from unnest(:ids::bigint[]) with ordinality w (id, n)
cross join lateral (select * from envelopes e where e.id = w.id offset 0) e order by w.n""",  # noqa: S608
}


def read_ahead(connection: Connection, envelopes: Sequence[int]) -> list[SealedAhead]:
    """Read envelopes for their claims, in the order given; it claims nothing."""
    dialect = connection.dialect.name
    statement = prepared(_READ_AHEAD[dialect], dialect)
    found = connection.exec_driver_sql(statement, {"ids": as_list(envelopes, dialect)})
    return [SealedAhead(Envelope(*row), frozenset(from_list(ready))) for *row, ready in found]


def settle_and_claim(
    ledger: Ledger, *, settlement: Settlement | None, wanted: Wanted | None, actor: Actor
) -> Batch | NotClaimed:
    """Settle one batch and claim the next; return what was claimed, committed as `sending`.

    Whatever keeps the claim from being made, the settlement is in the ledger when this returns. It
    may be there when this raises, too: to settle again does no harm.

    Args:
        ledger: open.
        settlement: of the batch just answered.
        wanted: the next one.
        actor: the claim's owner.

    Raises:
        CommitUnknownError: nobody knows whether it was committed: look by the batches' ids.
        LedgerError: the database failed; nothing was claimed.
    """
    if wanted is not None:
        batch = settle_and_claim_at_once(ledger, settlement=settlement, wanted=wanted, actor=actor)
        if batch is not None:
            return batch
    if settlement is not None and settle_at_once(ledger, settlement, actor=actor):
        settlement = None
    return settle_and_claim_with_care(ledger, settlement=settlement, wanted=wanted, actor=actor)


def settle_and_claim_with_care(
    ledger: Ledger, *, settlement: Settlement | None, wanted: Wanted | None, actor: Actor
) -> Batch | NotClaimed:
    """Do what `settle_and_claim` does, one step after the other, whatever the case.

    Raises:
        CommitUnknownError: nobody knows whether the claim was committed.
        LedgerError: the database failed; nothing was claimed.
    """
    if settlement is not None:
        settle(ledger, settlement, actor=actor)
    if wanted is None or not wanted.read.lines:
        return NotClaimed(Hindrance.NOTHING_READY)
    with claim_transaction(ledger) as connection:
        return _Claim(connection, ledger.keys, wanted, actor).make()


def is_outdated(connection: Connection, envelope: int, terms: ClaimTerms) -> bool:
    """Tell whether an envelope's lines must be read again before they may go.

    Their extraction is too old or no longer known, or they were judged under other rules.
    """
    envelopes, extractions = schema.envelopes, schema.extractions
    fresh = exists().where(
        envelopes.c.id == envelope,
        envelopes.c.rules == terms.rules,
        extractions.c.id == envelopes.c.extraction,
        extractions.c.started_at >= moment_in(-3600.0 * terms.extraction_max_age_hours),
    )
    return not connection.scalar(select(fresh))


class _Claim:
    """A claim on its way, in its own transaction."""

    def __init__(self, connection: Connection, keys: KeyRing, wanted: Wanted, actor: Actor) -> None:
        self._connection = connection
        self._keys = keys
        self._wanted = wanted
        self._terms = wanted.terms
        self._actor = actor

    def make(self) -> Batch | NotClaimed:
        """Claim what may go of the envelope, and exclude or reopen what may not."""
        if (hindered := self._hindered()) is not None:
            return hindered
        left = self._exclude()
        if not left:
            return NotClaimed(Hindrance.ALL_EXCLUDED)
        seconds = take_request(self._connection, limit=self._terms.requests_per_5_minutes)
        if seconds:
            return NotClaimed(Hindrance.BUDGET_SPENT, seconds)
        return self._open(self._wanted.batch(left))

    def _hindered(self) -> NotClaimed | None:
        """Tell what keeps the envelope as a whole from going; outdated lines are reopened."""
        if standing_stops(self._connection):
            return NotClaimed(Hindrance.STOPPED)
        locked = self._lock_lines()
        if hindrance := self._changed(locked):
            return NotClaimed(hindrance)
        if is_outdated(self._connection, self._wanted.read.envelope.id, self._terms):
            self._move(Transition.OUTDATED, LineState.REOPENED, locked)
            self._let_come_back(locked)
            return NotClaimed(Hindrance.OUTDATED)
        busy = survey_busy(self._connection, self._terms.survey, claim=self._wanted.claim_id)
        return NotClaimed(Hindrance.SURVEY_BUSY, busy) if busy is not None else None

    def _lock_lines(self) -> set[int]:
        """Keep others from the envelope's ready lines; return their ids.

        Lines that a transform is working on are passed over.
        """
        lines = schema.lines
        low, high = span(self._wanted.read.envelope.id)
        rows = self._connection.scalars(
            select(lines.c.id)
            .where(lines.c.address.between(low, high), lines.c.state == LineState.READY)
            .with_for_update(skip_locked=True)
        )
        return set(rows)

    def _changed(self, locked: set[int]) -> Hindrance | None:
        """Tell whether the envelope is no longer as it was read, or in somebody else's hands."""
        envelopes, read = schema.envelopes, self._wanted.read
        of_envelope = envelopes.c.id == read.envelope.id
        version = self._connection.scalar(select(envelopes.c.version).where(of_envelope))
        if version != read.envelope.version or read.envelope.unit != self._wanted.unit_id:
            return Hindrance.SEALED_ANEW
        ours = select(envelopes.c.id).where(of_envelope).with_for_update(skip_locked=True)
        if self._connection.scalar(ours) is None or locked != {line.line for line in read.lines}:
            return Hindrance.LOCKED
        return None

    def _exclude(self) -> list[SealedLine]:
        """Exclude the lines that may not be asked now; return the others."""
        lines, channel = self._wanted.read.lines, self._wanted.unit.channel
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
        opened = open_batch(
            self._connection,
            batch,
            lease_seconds=self._terms.lease_seconds,
            actor=self._actor,
        )
        ids = [line.line for line in batch.lines]
        moved = self._move(Transition.CLAIMED, LineState.SENDING, ids, batch=batch.id)
        if not opened or moved != len(ids):
            # both were locked and looked at before: the ledger is not what we take it for
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
            among(schema.lines.c.id, "ids"),
            keys=self._keys,
            actor=self._actor,
            parameters={"ids": sorted(line_ids)},
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


# -- what is ready -----------------------------------------------------------------


_units, _envelopes, _lines = schema.units, schema.envelopes, schema.lines


@dataclass(frozen=True, slots=True)
class ReadyEnvelope:
    """An envelope that has ready lines.

    Attributes:
        unit: what its lines are of.
        unit_id: the unit's id in the ledger.
        envelope: its id.
        lines: how many of its lines are ready.
        failed_series: the tries of a dispatch among which its unit failed for good.
    """

    unit: Unit
    unit_id: int
    envelope: int
    lines: int
    failed_series: str | None


_READY = (
    select(func.count())
    .select_from(_lines)
    .where(LIES_IN, _lines.c.state == LineState.READY)
    .correlate(_envelopes)
    .scalar_subquery()
)
_CHANNELS = list(Channel)


def ready_envelopes(connection: Connection, hospital: str, *, until: date) -> list[ReadyEnvelope]:
    """Return the envelopes of a hospital that have ready lines, in the order of their dispatch.

    The oldest day comes first, then the area of the highest priority, then the channel.
    """
    plan_without_compiling(connection)
    rows = connection.execute(
        select(
            _units.c.business_day,
            _units.c.area,
            _units.c.channel,
            _units.c.id,
            _envelopes.c.id.label("envelope"),
            _READY.label("ready"),
            _units.c.failed_series,
        )
        .join(_envelopes, IS_OF_UNIT)
        .where(
            _units.c.hospital == hospital,
            _units.c.business_day <= until,
            _envelopes.c.waiting > 0,
        )
    )
    found = [
        ReadyEnvelope(
            Unit(hospital, row.business_day, Area(row.area), Channel(row.channel)),
            row.id,
            row.envelope,
            row.ready,
            row.failed_series,
        )
        for row in rows
        if row.ready
    ]
    return sorted(found, key=_turn)


def _turn(found: ReadyEnvelope) -> tuple[date, int, int, int]:
    unit = found.unit
    channel = _CHANNELS.index(unit.channel)
    return unit.business_day, unit.area.priority, channel, found.envelope


def exclude_unit(ledger: Ledger, unit_id: int, *, reason: Reason, today: date, actor: Actor) -> int:
    """Exclude the ready lines of a unit that the hospital does not ask; return how many.

    Args:
        ledger: open.
        unit_id: the unit's id in the ledger.
        reason: why.
        today: the hospital's day, for lines that come back for these.
        actor: who found out.

    Raises:
        LedgerError: the database failed; nothing is excluded.
    """
    with ledger.writing() as connection:
        take_turn(connection)
        of_unit = addresses_in(placed(connection, in_units([unit_id])))
        moved = apply_transition(
            connection,
            Transition.EXCLUDED_AT_CLAIM,
            LineState.EXCLUDED,
            among(_lines.c.address, "addresses"),
            parameters={"addresses": of_unit},
            keys=ledger.keys,
            actor=actor,
            reason=reason,
        )
        ids = [line.id for line in moved]
        come_back(connection, ledger.keys, ids, actor=actor, today=today)
    return len(moved)


def remember_failure(ledger: Ledger, unit_id: int, *, series: str) -> None:
    """Keep a unit that failed for good from the further tries of a dispatch.

    Args:
        ledger: open.
        unit_id: the unit's id in the ledger.
        series: names these tries.

    Raises:
        LedgerError: the database failed.
    """
    with ledger.writing() as connection:
        connection.execute(
            update(_units).where(_units.c.id == unit_id).values(failed_series=series)
        )
