"""A claim from its POST to the last settlement: split where Track refuses it.

A refused batch is split until the offending lines stand alone, never after an uncertain outcome. A
line is refused only when Track took another line of its claim, or when it was claimed alone: a
wrong template must not refuse every patient for good.

Nothing here catches an error in order to release lines: only a settled answer, a lease that ran
out, or our own word before a connection was opened moves a line out of `sending`.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn, TypeVar

from structlog.contextvars import bound_contextvars

from track_dispatch.delivery.answer_table import OutcomeKind, TransportFailure
from track_dispatch.delivery.client import encode_distribution
from track_dispatch.delivery.context import DispatchContext, Tally, is_open, retry_ledger, stop_all
from track_dispatch.delivery.responses import (
    BatchTexts,
    Division,
    Leftover,
    Outcome,
    Part,
    Suspects,
    TrackResponse,
    bisect,
    classify_response,
    faults_by_place,
    isolate,
    leftovers,
)
from track_dispatch.errors import (
    ConfigError,
    DeliveryUncertainError,
    LedgerError,
    NotDeliveredError,
    ServiceStoppedError,
    TrackDispatchError,
)
from track_dispatch.ledger.batches import Batch, ClaimTerms, CommitUnknownError, claimed_after_all
from track_dispatch.ledger.claims import Hindrance, NotClaimed
from track_dispatch.ledger.envelopes import ReadyEnvelope
from track_dispatch.ledger.parts import start_part
from track_dispatch.ledger.settling import Settlement, settle
from track_dispatch.ledger.stop_switch import standing_stops
from track_dispatch.metric_table import Metric
from track_dispatch.states import BatchState, Count, LineState, Refusal

T = TypeVar("T")

log = logging.getLogger(__name__)


class Claim:
    """A claim from its commit to the settlement of its last line.

    Attributes:
        source: where its lines come from.
        batch: in flight now: the claim's lines, or a part of them.
        tally: the counts of its lines.
        has_released: whether some of its lines are ready again.

    Args:
        context: of the dispatch.
        batch: as it was claimed.
        terms: that it was claimed under.
        source: where its lines come from.
        began: the context's clock before the claim, from which its lease is counted.
        body: the batch as it is posted, where it is encoded already.
    """

    def __init__(
        self,
        context: DispatchContext,
        batch: Batch,
        terms: ClaimTerms,
        *,
        source: ReadyEnvelope,
        began: float,
        body: bytes | None = None,
    ) -> None:
        self.source = source
        self.batch = batch
        self.tally = Tally()
        self.has_released = False
        self._context = context
        self._claimed = batch
        self._terms = terms
        self._body = body if body is not None else self._encode()
        self._lease_ends = began + terms.lease_seconds
        self._post_seconds = 0.0  # that the last POST took
        self._parts: list[Part] = []  # the next one last
        self._suspects: list[Suspects] = []

    # -- the way out and back ------------------------------------------------------

    def require_lease(self) -> None:
        """Refuse to post when the lease no longer covers a whole POST.

        Raises:
            NotDeliveredError: it does not; the claim's lines are released.
            DeliveryUncertainError: the ledger failed until the lease was over.
        """
        if self.seconds_left() < self._context.hospital.post_deadline_seconds:
            message = "the claim grew too old before it could be posted"
            self._give_up(NotDeliveredError(message, batch_id=self.batch.id))

    def may_go(self) -> bool:
        """Tell whether the batch may still be posted, however long ago it was committed.

        Raises:
            DeliveryUncertainError: the ledger failed until the lease was over.
        """

        def is_stopped() -> bool:
            with self._context.ledger.reading() as connection:
                return bool(standing_stops(connection))

        return not self.retried(is_stopped) and is_open(self._context, self._terms)

    def post(self) -> TrackResponse | TransportFailure:
        """Post the batch, once; uses nothing but the client, so that any thread may call it."""
        key, began = self.batch.id, self._context.clock()
        try:
            return self._context.client.post_distribution(self._body, idempotency_key=key)
        finally:
            self._post_seconds = self._context.clock() - began

    def classify(self, answer: TrackResponse | TransportFailure) -> Outcome:
        """Return the outcome that an answer means for the batch, and log it."""
        batch = self.batch
        outcome = classify_response(
            answer,
            [line.attendance_id for line in batch.lines],
            now=self._context.now(),
            acceptance=self._context.hospital.acceptance,
            values=BatchTexts(self._body),
        )
        with bound_contextvars(unit=str(batch.unit), batch=batch.id, verdict=str(outcome.verdict)):
            log.info(
                "%s: lote de %s %s · batch_id=%s verdict=%s status=%s: %s",
                batch.unit, f"{Count(len(batch.lines)):linha|linhas}", outcome.verdict.label,
                batch.id, outcome.verdict, outcome.status, outcome.detail,
            )  # fmt: skip
        self._observe(Metric.POST_DURATION, self._post_seconds, outcome.verdict)
        return outcome

    # -- the ledger ----------------------------------------------------------------

    def seconds_left(self) -> float:
        """Return what is left of the lease, in seconds, counted from before it was claimed."""
        return self._lease_ends - self._context.clock()

    def acceptance(self, outcome: Outcome) -> Settlement:
        """Return the settlement of an acceptance; lines that it names are refused for good."""
        refused = faults_by_place(self.batch, outcome)
        return self._settlement(
            self.batch,
            accepted=self.batch.places - refused.keys(),
            refused=refused,
            refusal=Refusal.IN_ACCEPTANCE,
            status=outcome.status,
            receipt=outcome.receipt,
        )

    def settle(self, settlement: Settlement) -> None:
        """Record a settlement, and count it.

        Raises:
            DeliveryUncertainError: the ledger failed until the lease was over.
        """
        self.retried(lambda: settle(self._context.ledger, settlement, actor=self._context.actor))
        self.count(settlement)

    def release(self, status: int | None = None) -> None:
        """Record that the batch was certainly not delivered.

        Raises:
            DeliveryUncertainError: the ledger failed until the lease was over.
        """
        self.settle(
            self._settlement(
                self.batch,
                released=self.batch.places,
                status=status,
                batch_state=BatchState.NOT_DELIVERED,
            )
        )

    def count(self, settlement: Settlement) -> None:
        """Count a recorded settlement."""
        lines = {
            LineState.ACCEPTED: len(settlement.accepted),
            LineState.REFUSED: len(settlement.refused),
            LineState.IN_DOUBT: len(settlement.in_doubt),
        }
        self.tally += Tally(**lines)
        for state, count in lines.items():
            if count:
                self._observe(Metric.LINES_SETTLED, count, state)
        self.has_released |= bool(settlement.released)

    def _observe(self, metric: Metric, value: float, label: str) -> None:
        self._context.observe(metric.sample(value, self._context.hospital.code, label))

    def retried(self, access: Callable[[], T]) -> T:
        """Retry an access to the ledger about this claim until its lease ends.

        Raises:
            DeliveryUncertainError: every try failed; the lease puts the lines in doubt.
        """
        try:
            return retry_ledger(self._context, access, ends=self._lease_ends)
        except LedgerError as error:
            message = (
                f"the ledger failed until a claim's lease was over, which puts it in doubt: {error}"
            )
            raise DeliveryUncertainError(message, batch_id=self.batch.id) from None

    # -- what the outcome says -----------------------------------------------------

    def resolve(self, outcome: Outcome, *, may_split: bool = True) -> None:
        """Settle the batch just posted and, where Track refused it, part after part of it.

        Args:
            outcome: of the batch.
            may_split: whether there is time for further POSTs.

        Raises:
            ConfigError: Track takes nothing because of a setting; what is not settled is ready.
            NotDeliveredError: certainly not delivered; as above.
            ServiceStoppedError: Track wants a person or another key; as above.
            DeliveryUncertainError: an answer could not be recorded.
        """
        self._act(outcome)
        while may_split and self._start_next_part():
            self.require_lease()
            self._act(self.classify(self.post()))
        if self._parts:
            self._end_early()
        self._judge_suspects()

    def _act(self, outcome: Outcome) -> None:
        """Settle the batch just posted by its outcome."""
        batch, status = self.batch, outcome.status
        match outcome.verdict:
            case OutcomeKind.ACCEPTED:
                self.settle(self.acceptance(outcome))
            case OutcomeKind.UNCERTAIN:
                self._mark_in_doubt(outcome)
            case OutcomeKind.REFUSED:
                self._divide(isolate(batch, outcome))
            case OutcomeKind.TOO_LARGE if len(batch.lines) > 1:
                self._divide(bisect(batch, outcome))
            case OutcomeKind.TOO_LARGE:
                faults = {batch.lines[0].place: "too_large"}
                self.settle(self._settlement(batch, refused=faults, status=status))
            case OutcomeKind.STOPPED:
                self.retried(lambda: stop_all(self._context, outcome.detail, status))
                error = ServiceStoppedError(outcome.detail, batch_id=batch.id, status=status)
                self._give_up(error, status)
            case OutcomeKind.MISCONFIGURED:
                where = f" (HTTP {status})" if status else ""
                self._give_up(ConfigError(f"{outcome.detail}{where}"), status)
            case OutcomeKind.NOT_DELIVERED:
                wait = outcome.retry_after
                self._give_up(
                    NotDeliveredError(
                        outcome.detail, batch_id=batch.id, status=status, retry_after=wait
                    ),
                    status,
                )

    def _mark_in_doubt(self, outcome: Outcome) -> None:
        """Put the batch in doubt, and release the rest of its claim."""
        self.settle(
            self._settlement(
                self.batch,
                in_doubt=self.batch.places,
                status=outcome.status,
                receipt=outcome.receipt,
                batch_state=BatchState.IN_DOUBT,
            )
        )
        self.tally += Tally(uncertain=1)
        self._end_early()

    def _give_up(self, error: TrackDispatchError, status: int | None = None) -> NoReturn:
        """Release the batch and the unsettled rest of its claim, and raise an error."""
        self.release(status)
        self._end_early()
        raise error

    # -- splitting -----------------------------------------------------------------

    def _divide(self, division: Division) -> None:
        if division.suspects is not None:
            self._suspects.append(division.suspects)
        self._parts += reversed(division.parts)

    def _start_next_part(self) -> bool:
        """Put the next part in flight as a batch of its own; return whether one went.

        What keeps it from going is for the next claim of its lines to judge, which waits,
        excludes, or says why nothing goes out.
        """
        while self._parts:
            part = self._parts[-1]
            started = self._split_off(part)
            if isinstance(started, NotClaimed) and started.why is Hindrance.ALL_EXCLUDED:
                self._parts.pop()
                self.has_released = True  # all of it is ready again
                continue
            if started is None or isinstance(started, NotClaimed):
                break
            self._parts.pop()
            self.has_released |= len(started.lines) < len(part.lines)
            self.batch = started
            self._body = self._encode()
            if self.may_go():
                return True
            self.release()
            self._end_early()
        return False

    def _split_off(self, part: Part) -> Batch | NotClaimed | None:
        """Put a part in flight, however often the ledger fails, and once; it renews the lease.

        None where meanwhile no further batch may be started.
        """
        origin, ledger = part.origin, self._context.ledger
        wanted = replace(origin, id=str(uuid.uuid4()), lines=part.lines, parent=origin.id)
        is_unknown, began = False, self._context.clock()

        def attempt() -> Batch | NotClaimed | None:
            nonlocal is_unknown, began
            if is_unknown and (found := claimed_after_all(ledger, wanted)) is not None:
                return found
            if not is_open(self._context, self._terms):
                return None
            began = self._context.clock()
            try:
                return start_part(
                    ledger,
                    origin,
                    part.lines,
                    terms=self._terms,
                    status=part.status,
                    batch_id=wanted.id,
                    actor=self._context.actor,
                )
            except CommitUnknownError:
                is_unknown = True
                raise

        started = self.retried(attempt)
        if started is not None and not isinstance(started, NotClaimed):
            self._lease_ends = began + self._terms.lease_seconds
        return started

    def _judge_suspects(self) -> None:
        """Refuse the suspected lines, unless Track took no line of the claim.

        Raises:
            ConfigError: Track refuses every line of a claim of two or more: a setting is to blame.
        """
        if not self._suspects:
            return
        to_blame = bool(self.tally.accepted) or len(self._claimed.lines) == 1
        self._leave(refuse=to_blame)
        if not to_blame:
            raise ConfigError(
                f"Track refuses every line of this unit ({self._claimed.unit}): check its"
                " templates, its survey and the fields of the import lines; the lines are ready"
                " again"
            )

    def _end_early(self) -> None:
        """End a claim early: the rest of its lines was certainly refused."""
        self._leave(refuse=bool(self.tally.accepted))

    def _leave(self, *, refuse: bool) -> None:
        for left in leftovers(self._parts, self._suspects, refuse=refuse):
            self.settle(
                self._settlement(
                    left.batch,
                    refused=left.refused,
                    released=left.released,
                    status=left.status,
                    batch_state=_end_of(left),
                )
            )
        self._parts, self._suspects = [], []

    def _settlement(self, batch: Batch, **fate: Any) -> Settlement:
        return Settlement(batch, today=self._terms.today, **fate)

    def _encode(self) -> bytes:
        batch = self.batch
        return encode_distribution(
            batch.lines,
            self._context.hospital,
            channel=batch.unit.channel,
            survey=batch.survey,
            validity_at=batch.validity_at,
            reminder_at=batch.reminder_at,
        )


def is_plain(outcome: Outcome) -> bool:
    """Tell whether Track took every line of a batch."""
    return outcome.verdict is OutcomeKind.ACCEPTED and not outcome.faults


def _end_of(left: Leftover) -> BatchState:
    """Return the final state of a refused batch whose lines are not posted any more."""
    if left.batch.places == left.released:
        return BatchState.NOT_DELIVERED
    return BatchState.SETTLED if left.batch.places == left.refused.keys() else BatchState.SPLIT
