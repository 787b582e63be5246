"""What a dispatch may send, in order: each envelope is read and encoded before it is claimed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from itertools import islice

from track_dispatch.config import Hospital
from track_dispatch.delivery.context import DispatchContext
from track_dispatch.delivery.distribution import encode_distribution
from track_dispatch.ledger.claims import ClaimTerms, exclude_unit
from track_dispatch.ledger.envelopes import (
    ReadAhead,
    ReadyEnvelope,
    SealedAhead,
    read_ahead,
    ready_envelopes,
)
from track_dispatch.records import Unit
from track_dispatch.states import Reason

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
        """Let an envelope be prepared once more, before any other: some of it may be ready."""
        self._queue.appendleft(envelope)

    def drop_unit(self, unit: Unit) -> None:
        """Leave what is left of a unit as it is."""
        self._queue = deque(one for one in self._queue if one.unit != unit)

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
            further = [one.envelope for one in islice(self._queue, _READ_AT_ONCE - 1)]
            with self._context.ledger.reading() as connection:
                found = read_ahead(connection, [source.envelope, *further])
            self._sealed = {one.envelope.id: one for one in found}
        return self._sealed.pop(source.envelope, None)


def find_backlog(context: DispatchContext, until: date) -> tuple[Backlog, list[Unit]]:
    """Find what is ready of the hospital's days up to `until`.

    What the hospital does not ask at all is excluded on the way.

    Returns:
        The backlog, and the units left out of it because they failed for good in an earlier try.

    Raises:
        LedgerError: the ledger failed.
    """
    hospital = context.hospital
    with context.ledger.reading() as connection:
        found = ready_envelopes(connection, hospital.code, until=until)
    unasked = {
        one.unit_id: reason for one in found if (reason := _unasked(hospital, one.unit)) is not None
    }
    for unit_id, reason in unasked.items():
        exclude_unit(
            context.ledger, unit_id, reason=reason, today=context.today, actor=context.actor
        )
    asked = [one for one in found if one.unit_id not in unasked]
    going = [one for one in asked if one.failed_series != context.series]
    failed = {one.unit: None for one in asked if one.failed_series == context.series}
    return Backlog(context, going), list(failed)


def _unasked(hospital: Hospital, unit: Unit) -> Reason | None:
    """Return why the hospital's file, as it is now, lets nobody of a unit be asked."""
    if hospital.survey(unit.area) is None:
        return Reason.NO_SURVEY
    if not hospital.is_live(unit.business_day):
        return Reason.BEFORE_GO_LIVE
    return None
