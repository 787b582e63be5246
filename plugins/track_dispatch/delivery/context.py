"""The context of a dispatch: its collaborators, its counts, the checks before a batch.

Also its backlog, the envelopes in their order: each is read and encoded before it is claimed.
"""

from __future__ import annotations

import time as system_time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import TypeVar

from tenacity import Retrying, retry_if_exception_type, wait_fixed

from track_dispatch.config import Hospital
from track_dispatch.delivery.client import TrackClient, encode_distribution, validity_and_reminder
from track_dispatch.errors import (
    BudgetSpentError,
    LedgerError,
    NotDeliveredError,
    QuietHoursError,
    ServiceStoppedError,
)
from track_dispatch.ledger.batches import ClaimTerms
from track_dispatch.ledger.claims import exclude_unit
from track_dispatch.ledger.contact_policy import ContactPolicy
from track_dispatch.ledger.database import Ledger
from track_dispatch.ledger.envelopes import (
    ReadAhead,
    ReadyEnvelope,
    SealedAhead,
    read_ahead,
    ready_envelopes,
)
from track_dispatch.ledger.request_budget import limit_to_begin, requests_taken, take_request
from track_dispatch.ledger.stop_switch import require_running, stop_service
from track_dispatch.metric_table import Metric, Sample
from track_dispatch.records import Actor, Area, Unit
from track_dispatch.states import LineState, Reason

T = TypeVar("T")

#: Seconds between two attempts to reach the ledger about a claim of ours.
LEDGER_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Tally:
    """The counts of a dispatch's lines.

    Attributes:
        accepted: by Track.
        refused: by Track.
        in_doubt: lines that Track may have taken.
        uncertain: outcomes, not lines, that left lines in doubt.
        waiting_for_window: lines that stay ready for the next run, which begins before the window
            opens.
    """

    accepted: int = 0
    refused: int = 0
    in_doubt: int = 0
    uncertain: int = 0
    waiting_for_window: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def text(self) -> str:
        """Write the counts in Portuguese, for the task's log."""
        lines = {
            LineState.ACCEPTED: self.accepted,
            LineState.REFUSED: self.refused,
            LineState.IN_DOUBT: self.in_doubt,
        }
        told = [state.counted(count) for state, count in lines.items() if count]
        return ", ".join(told) or "nada a enviar"


@dataclass(frozen=True, slots=True)
class DispatchContext:
    """One hospital's dispatch: `now`, `clock` and `pause` are the only clocks it knows.

    Attributes:
        hospital: whose lines are sent.
        ledger: where they are.
        client: to Track; used by one thread at a time.
        track_host: the address that the client reaches.
        actor: who sends.
        series: of the tries among which a unit that failed for good is not tried again.
        rules: digest of what the hospital's lines are judged under today.
        now: tells the time, aware.
        clock: seconds that only ever grow, for waits of our own.
        pause: waits for so many seconds.
        stopped: tells that no further batch may be started.
        observe: takes a value of a metric, and never fails.
    """

    hospital: Hospital
    ledger: Ledger
    client: TrackClient
    track_host: str
    actor: Actor
    series: str
    rules: str
    now: Callable[[], datetime]
    clock: Callable[[], float] = system_time.monotonic
    pause: Callable[[float], None] = system_time.sleep
    stopped: Callable[[], bool] = field(default=lambda: False)
    observe: Callable[[Sample], None] = field(default=lambda _: None)

    @property
    def today(self) -> date:
        """The hospital's day."""
        return self.now().astimezone(self.hospital.zone).date()

    def terms(self, area: Area) -> ClaimTerms:
        """Return the terms of a claim of an area's lines at this moment."""
        hospital, today = self.hospital, self.today
        validity_at, reminder_at = validity_and_reminder(self.now(), hospital)
        return ClaimTerms(
            survey=str(hospital.survey(area)),
            validity_at=validity_at,
            reminder_at=reminder_at,
            lease_seconds=hospital.lease_seconds,
            today=today,
            policy=ContactPolicy(
                cap_days=hospital.contact_cap_days,
                day_began=datetime.combine(today, time(), hospital.zone),
            ),
            rules=self.rules,
            extraction_max_age_hours=hospital.extraction_max_age_hours,
            requests_per_5_minutes=hospital.requests_per_5_minutes,
        )


def retry_ledger(context: DispatchContext, access: Callable[[], T], *, ends: float) -> T:
    """Retry an access to the ledger until `ends`, by the context's clock.

    Raises:
        LedgerError: every try failed.
    """
    retrying = Retrying(
        retry=retry_if_exception_type(LedgerError),
        wait=wait_fixed(LEDGER_PAUSE),
        stop=lambda _: context.clock() >= ends,
        sleep=context.pause,
        reraise=True,
    )
    return retrying(access)


def require_open_hours(context: DispatchContext) -> None:
    """Refuse to send outside the hospital's window; ready lines stay ready.

    Raises:
        QuietHoursError: it is closed; the error says until when.
    """
    hospital, now = context.hospital, context.now()
    opens_at = hospital.window.opening(now)
    if opens_at > now:
        local = opens_at.astimezone(hospital.zone)
        message = (
            f"{hospital.code}: invitations leave within {hospital.send_window} only; the next at"
            f" {local:%Y-%m-%d %H:%M} ({hospital.timezone})"
        )
        raise QuietHoursError(message, opens_at=opens_at)


def require_not_stopped(context: DispatchContext) -> None:
    """Refuse to start a batch after the task was told to stop.

    Raises:
        NotDeliveredError: we were.
    """
    if context.stopped():
        message = f"{context.hospital.code}: stopped from outside; what was not posted is ready"
        raise NotDeliveredError(message)


def is_open(context: DispatchContext, terms: ClaimTerms) -> bool:
    """Tell whether a further batch may be started now: not under terms of a day that is over."""
    now = context.now()
    is_in_hours = context.hospital.window.opening(now) <= now
    return not context.stopped() and is_in_hours and terms.today == context.today


def next_run(hospital: Hospital, now: datetime) -> datetime:
    """Return when the hospital's next scheduled run begins, which sends what is ready by then."""
    today = now.astimezone(hospital.zone).date()
    begins = datetime.combine(today, hospital.begins_at, hospital.zone)
    if begins <= now:
        begins = datetime.combine(today + timedelta(days=1), begins.timetz())
    return begins


def probe(context: DispatchContext) -> None:
    """List one survey before any POST: an outage that it finds puts no line in doubt.

    Raises:
        NotDeliveredError: Track gave no proper answer.
        ServiceStoppedError: Track wants a person or another key, or did so before and nobody has
            resumed; all hospitals are stopped.
        BudgetSpentError: Track takes no further request now.
        ConfigError: the connection points to the wrong place.
        LedgerError: the ledger failed.
    """
    limit = context.hospital.requests_per_5_minutes
    with context.ledger.writing() as connection:
        seconds = take_request(connection, limit=limit_to_begin(limit))
        require_running(connection)
        taken = requests_taken(connection)
    context.observe(Metric.REQUESTS_TAKEN.sample(taken))
    if seconds:
        raise budget_spent(context, seconds)
    try:
        context.client.probe()
    except ServiceStoppedError as error:
        stop_all(context, str(error), error.status)
        raise


def budget_spent(context: DispatchContext, seconds: float) -> BudgetSpentError:
    """Return the error of a spent request budget."""
    message = (
        f"{context.hospital.code}: Track's {context.hospital.requests_per_5_minutes} requests in"
        f" 5 minutes are used up; the next is free in {seconds:.0f} s, and what is ready waits"
    )
    return BudgetSpentError(message, retry_after=seconds)


def stop_all(context: DispatchContext, why: str, status: int | None) -> None:
    """Stop sending for all hospitals until a person resumes it.

    Raises:
        LedgerError: the ledger failed.
    """
    stop_service(
        context.ledger, hospital=context.hospital.code, why=why, status=status, actor=context.actor
    )


# -- what may be sent --------------------------------------------------------------

#: Envelopes read in one transaction, which costs more than reading one.
_READ_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Prepared:
    """An envelope read, opened and encoded, but not claimed; patient data.

    Attributes:
        source: the envelope in the backlog.
        read: its lines.
        terms: that it may be claimed under.
        body: what would be posted of it as it was read.
    """

    source: ReadyEnvelope
    read: ReadAhead = field(repr=False)
    terms: ClaimTerms
    body: bytes = field(repr=False)


class Backlog:
    """The envelopes of a hospital that have ready lines, in the order of their dispatch."""

    def __init__(self, context: DispatchContext, envelopes: Iterable[ReadyEnvelope]) -> None:
        self._context = context
        self._queue = deque(envelopes)
        self._sealed: dict[int, SealedAhead] = {}  # read already, by id

    def take(self) -> Prepared | None:
        """Prepare the next envelope that still has something to send; nothing is claimed.

        Raises:
            ConfigError: none of the ledger's keys opens it.
            LedgerError: the ledger failed.
        """
        while self._queue:
            prepared = self._prepare(self._queue.popleft())
            if prepared is not None:
                return prepared
        return None

    def put_back(self, envelope: ReadyEnvelope) -> None:
        """Put an envelope back in front, to be prepared again: it may have ready lines."""
        self._queue.appendleft(envelope)

    def drop_unit(self, unit: Unit) -> None:
        """Remove the other envelopes of a unit."""
        self._queue = deque(waiting for waiting in self._queue if waiting.unit != unit)

    def _prepare(self, source: ReadyEnvelope) -> Prepared | None:
        context, unit = self._context, source.unit
        sealed = self._read(source)
        read = sealed.open(context.ledger.keys) if sealed is not None else None
        if read is None or not read.lines:
            return None
        terms = context.terms(unit.area)
        if read.envelope.rules != terms.rules:
            # no claim takes it, and perhaps no template serves its channel any more
            return Prepared(source, read, terms, b"")
        body = encode_distribution(
            read.lines,
            context.hospital,
            channel=unit.channel,
            survey=terms.survey,
            validity_at=terms.validity_at,
            reminder_at=terms.reminder_at,
        )
        return Prepared(source, read, terms, body)

    def _read(self, source: ReadyEnvelope) -> SealedAhead | None:
        """Return an envelope as it was read, at first or again, with some that come after it.

        None where it is gone. One that is sealed anew meanwhile is not claimed, but put back.
        """
        if source.envelope not in self._sealed:
            further = [waiting.envelope for waiting in islice(self._queue, _READ_AT_ONCE - 1)]
            with self._context.ledger.reading() as connection:
                found = read_ahead(connection, [source.envelope, *further])
            self._sealed = {ahead.envelope.id: ahead for ahead in found}
        return self._sealed.pop(source.envelope, None)


def find_backlog(context: DispatchContext, until: date) -> tuple[Backlog, list[Unit]]:
    """Find the ready envelopes of the hospital's days up to `until`.

    Units that the hospital does not ask at all are excluded.

    Returns:
        The backlog, and the units left out of it because they failed for good in an earlier try.

    Raises:
        LedgerError: the ledger failed.
    """
    hospital = context.hospital
    with context.ledger.reading() as connection:
        found = ready_envelopes(connection, hospital.code, until=until)
    unasked = {
        envelope.unit_id: reason
        for envelope in found
        if (reason := _unasked(hospital, envelope.unit)) is not None
    }
    for unit_id, reason in unasked.items():
        exclude_unit(
            context.ledger, unit_id, reason=reason, today=context.today, actor=context.actor
        )
    asked = [envelope for envelope in found if envelope.unit_id not in unasked]
    going = [envelope for envelope in asked if envelope.failed_series != context.series]
    failed = {envelope.unit: None for envelope in asked if envelope.failed_series == context.series}
    return Backlog(context, going), list(failed)


def _unasked(hospital: Hospital, unit: Unit) -> Reason | None:
    """Return the reason why the hospital's present file excludes a whole unit, if it does."""
    if hospital.survey(unit.area) is None:
        return Reason.NO_SURVEY
    if not hospital.is_live(unit.business_day):
        return Reason.BEFORE_GO_LIVE
    return None
