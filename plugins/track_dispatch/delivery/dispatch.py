"""Dispatch a hospital: claim, POST and settle until nothing is ready.

    POST n -> one transaction {settle n, claim n+1} -> POST n+1

The POST runs in a thread that does nothing else; meanwhile the next envelope is read, opened and
encoded, which claims nothing. Only a plain acceptance is settled together with the next claim.
After any other answer the batch is settled by itself, and what was read ahead is put back. Whatever
keeps the next batch from going - a stop, a busy survey, a spent budget, closed hours - never undoes
a settlement.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import date
from typing import NamedTuple, TypeGuard, TypeVar

from structlog.contextvars import bound_contextvars
from tenacity import Retrying, retry_if_result, wait_fixed

from track_dispatch.config import check_go_live, check_lease_margin
from track_dispatch.delivery.answer_table import TransportFailure
from track_dispatch.delivery.claim import Claim, is_plain
from track_dispatch.delivery.context import (
    Backlog,
    DispatchContext,
    Prepared,
    Tally,
    budget_spent,
    find_backlog,
    is_open,
    next_run,
    probe,
    require_not_stopped,
    require_open_hours,
    retry_ledger,
)
from track_dispatch.delivery.responses import Outcome, TrackResponse
from track_dispatch.errors import (
    ConfigError,
    DeliveryUncertainError,
    LedgerError,
    LinesInFlightError,
    NotDeliveredError,
    QuietHoursError,
    TrackDispatchError,
)
from track_dispatch.ledger.batches import (
    Batch,
    ClaimRequest,
    CommitUnknownError,
    claimed_after_all,
    lines_in_flight,
)
from track_dispatch.ledger.claims import Hindrance, NotClaimed, remember_failure, settle_and_claim
from track_dispatch.ledger.envelopes import ReadyEnvelope, ready_envelopes
from track_dispatch.ledger.in_doubt import expire_leases, in_doubt_batches
from track_dispatch.ledger.settling import Settlement, settle
from track_dispatch.ledger.stop_switch import require_running
from track_dispatch.process import frozen_imports
from track_dispatch.records import Unit
from track_dispatch.states import Count

T = TypeVar("T")

log = logging.getLogger(__name__)

#: The number of uncertain outcomes that ends a dispatch.
MAX_UNCERTAIN_POSTS = 2
#: Seconds between two looks at a survey that another dispatch is posting to.
BUSY_PAUSE = 0.2


def dispatch(context: DispatchContext, until: date) -> Tally:
    """Send the ready lines of a hospital's days up to `until`; return their counts.

    After a unit that failed the next one is sent, unless the reason holds for all units: a stop, an
    empty budget, closed hours, an outage, a second uncertain outcome.

    Raises:
        ConfigError: a setting keeps Track from taking the units it names; their lines are ready.
        NotDeliveredError: Track took nothing more, or lines became ready behind the dispatch.
        ServiceStoppedError: Track wants a person or another key, or did so before and nobody has
            resumed; the rest is ready.
        QuietHoursError: the window is closed, and opens before the next run; the rest is ready.
        BudgetSpentError: Track takes no further request now; the rest is ready.
        LinesInFlightError: another claim's lease still runs on lines or a survey of the hospital.
        DeliveryUncertainError: some lines are in doubt; the rest was sent, or is ready after a
            second uncertain outcome.
        LedgerError: the ledger failed before a claim.
    """
    hospital = context.hospital
    check_go_live(hospital, context.track_host)
    check_lease_margin(hospital, context.track_host)
    expire_leases(context.ledger, hospital=hospital.code, actor=context.actor)
    backlog, failed_before = find_backlog(context, until)
    with frozen_imports(), ThreadPoolExecutor(1, thread_name_prefix="track-post") as poster:
        work = _Dispatch(context, until, backlog, poster)
        try:
            work.send_all()
        finally:
            log.info("%s · até %s: %s", hospital.code, f"{until:%d/%m/%Y}", work.tally.text())
    work.conclude(failed_before)
    return work.tally


class _Posted(NamedTuple):
    """A claim that Track accepted as a whole, and its settlement, not yet recorded."""

    claim: Claim
    settlement: Settlement


class _Dispatch:
    """A dispatch under way: its backlog, its failed units and its counts."""

    def __init__(
        self,
        context: DispatchContext,
        until: date,
        backlog: Backlog,
        poster: ThreadPoolExecutor,
    ) -> None:
        self.tally = Tally()
        self._context = context
        self._until = until
        self._backlog = backlog
        self._poster = poster
        self._proven = False  # Track has answered since the last uncertain outcome
        self._failed: dict[Unit, str] = {}
        self._busy: dict[Unit, float] = {}  # seconds until its survey is free

    # -- the loop ------------------------------------------------------------------

    def send_all(self) -> None:
        """Send envelope after envelope, until none is left or an error holds for all units.

        Raises:
            TrackDispatchError: it binds them all; see `dispatch`.
        """
        context = self._context
        try:
            while (prepared := self._backlog.take()) is not None:
                claim = self._claim(prepared)
                while claim is not None:
                    claim = self._send(claim)
        except QuietHoursError as quiet:
            if quiet.opens_at <= next_run(context.hospital, context.now()):
                raise
            waiting = sum(
                envelope.lines
                for envelope in self._still_ready()
                if envelope.unit not in self._failed
            )
            self.tally += Tally(waiting_for_window=waiting)
            log.info(
                "%s: %s o horário de envio, até a próxima execução",
                context.hospital.code,
                f"{Count(waiting):linha espera|linhas esperam}",
            )

    def _send(self, claim: Claim) -> Claim | None:
        """Post a claim and settle it; return the next one, where it was made on the way."""
        claim.require_lease()
        posting: Future[TrackResponse | TransportFailure] = Future()
        prepared, kept = None, None
        try:
            self._poster.submit(_carry_out, posting, claim.post)
            prepared = self._backlog.take()
            wait([posting])
        except BaseException as error:  # noqa: BLE001 - raised again when the answer is settled
            kept = error
        if kept is not None and posting.cancel():  # it had not begun, and will not
            claim.release()
            raise kept
        outcome = claim.classify(posting.result())
        goes_on = kept is None and is_plain(outcome)
        if goes_on and prepared is not None and is_open(self._context, prepared.terms):
            return self._settle_and_claim(_Posted(claim, claim.acceptance(outcome)), prepared)
        if prepared is not None:
            self._backlog.put_back(prepared.source)
        try:
            self._resolve(claim, outcome, may_split=kept is None)
        except TrackDispatchError:
            if kept is not None and not isinstance(kept, Exception):
                raise kept from None  # the end of the task, not what it left behind
            raise
        if kept is not None:
            raise kept
        return None

    def _settle_and_claim(self, posted: _Posted, prepared: Prepared) -> Claim | None:
        """Settle a batch and claim the next envelope in one transaction."""
        claimed = self._try_claim(prepared, posted)
        posted.claim.count(posted.settlement)
        self.tally += posted.claim.tally
        if isinstance(claimed, Claim):
            return claimed
        if claimed.why not in _OVER:
            self._backlog.put_back(prepared.source)  # and met again by a claim of its own
        return None

    def _resolve(self, claim: Claim, outcome: Outcome, *, may_split: bool) -> None:
        """Settle a batch by itself, and part after part where Track refused it.

        Raises:
            TrackDispatchError: it binds all units.
        """
        try:
            claim.resolve(outcome, may_split=may_split)
        except ConfigError as error:
            self._fail(claim.source, error)
        else:
            if claim.has_released:
                self._backlog.put_back(claim.source)
        finally:
            self.tally += claim.tally
        if claim.tally.uncertain:
            self._proven = False
        if self.tally.uncertain >= MAX_UNCERTAIN_POSTS:
            raise self._in_doubt("; a second outcome is unknown, and the rest is ready")

    def _fail(self, source: ReadyEnvelope, error: ConfigError) -> None:
        """Leave the rest of a unit out, in this try and in its automatic retries."""
        with bound_contextvars(unit=str(source.unit)):
            log.warning(
                "ATENÇÃO: %s: o envio falhou em definitivo, o resto segue; mostre à engenharia de"
                " dados (%s)",
                source.unit,
                error,
            )
        self._failed[source.unit] = str(error)
        self._backlog.drop_unit(source.unit)
        remember_failure(self._context.ledger, source.unit_id, series=self._context.series)

    # -- claims --------------------------------------------------------------------

    def _claim(self, prepared: Prepared) -> Claim | None:
        """Claim an envelope; None where there is nothing to claim, or not now.

        Raises:
            TrackDispatchError: it binds all units.
        """
        self._require_open()
        if not self._proven:
            probe(self._context)
            self._proven = True
        claimed = self._when_survey_is_free(prepared)
        if isinstance(claimed, Claim):
            return claimed
        source = prepared.source
        match claimed.why:
            case Hindrance.STOPPED:
                with self._context.ledger.reading() as connection:
                    require_running(connection)
                self._backlog.put_back(source)  # resumed in between
            case Hindrance.BUDGET_SPENT:
                raise budget_spent(self._context, claimed.seconds)
            case Hindrance.SURVEY_BUSY:
                self._busy[source.unit] = claimed.seconds
                self._backlog.drop_unit(source.unit)
            case Hindrance.SEALED_ANEW:
                self._backlog.put_back(source)
            case (
                Hindrance.NOTHING_READY | Hindrance.LOCKED | Hindrance.OUTDATED
                | Hindrance.ALL_EXCLUDED | Hindrance.LEASE_OVER
            ):  # fmt: skip
                pass  # nothing of it waits here any more
        return None

    def _when_survey_is_free(self, prepared: Prepared) -> Claim | NotClaimed:
        """Claim an envelope, waiting up to a lease while its survey has a batch in flight."""
        context = self._context
        ends = context.clock() + context.hospital.lease_seconds

        def attempt() -> Claim | NotClaimed:
            self._require_open()
            if prepared.terms.today != context.today:
                return NotClaimed(Hindrance.SEALED_ANEW)  # so it is prepared again
            claimed = self._try_claim(prepared)
            if _is_busy(claimed) and claimed.seconds <= 0:
                expire_leases(context.ledger, hospital=context.hospital.code, actor=context.actor)
            return claimed

        retrying = Retrying(
            retry=retry_if_result(_is_busy),
            wait=wait_fixed(BUSY_PAUSE),
            stop=lambda _: context.clock() >= ends,
            sleep=context.pause,
            retry_error_callback=lambda state: state.outcome and state.outcome.result(),
        )
        return retrying(attempt)

    def _try_claim(self, prepared: Prepared, posted: _Posted | None = None) -> Claim | NotClaimed:
        """Claim an envelope in one transaction with the settlement of the batch before it."""
        context, source = self._context, prepared.source
        began, looked_up = context.clock(), False
        request = ClaimRequest(
            prepared.read,
            source.unit,
            source.unit_id,
            prepared.terms,
            batch_id=str(uuid.uuid4()),
            claim_id=str(uuid.uuid4()),
        )
        try:
            claimed = settle_and_claim(
                context.ledger,
                settlement=posted.settlement if posted else None,
                request=request,
                actor=context.actor,
            )
        except LedgerError as error:
            ends = began + context.hospital.lease_seconds
            claimed, looked_up = self._after_failure(error, request, posted, ends=ends), True
        if isinstance(claimed, NotClaimed):
            return claimed
        body = prepared.body if len(claimed.lines) == len(prepared.read.lines) else None
        claim = Claim(context, claimed, prepared.terms, source=source, began=began, body=body)
        if looked_up and not claim.may_go():  # it took as long as the ledger was away
            claim.release()
            return NotClaimed(Hindrance.SEALED_ANEW)
        return claim

    def _after_failure(
        self, error: LedgerError, request: ClaimRequest, posted: _Posted | None, *, ends: float
    ) -> Batch | NotClaimed:
        """Settle alone what a failed transaction should have settled; look its claim up.

        Raises:
            LedgerError: nothing was to be settled, and nothing is claimed.
            DeliveryUncertainError: the ledger failed until the lease was over.
        """
        context = self._context
        if posted is not None:
            posted.claim.retried(
                lambda: settle(context.ledger, posted.settlement, actor=context.actor)
            )
        if isinstance(error, CommitUnknownError):
            batch = request.batch(request.read.lines)
            found = retry_ledger(
                context, lambda: claimed_after_all(context.ledger, batch), ends=ends
            )
            if found is not None:
                return found
        if posted is None:
            raise error
        return NotClaimed(Hindrance.SEALED_ANEW)

    def _require_open(self) -> None:
        require_not_stopped(self._context)
        require_open_hours(self._context)

    # -- the end -------------------------------------------------------------------

    def conclude(self, failed_before: Iterable[Unit]) -> None:
        """Raise the error of an incomplete dispatch: first those that a retry may solve.

        Args:
            failed_before: units that failed for good in an earlier try.

        Raises:
            LinesInFlightError: another claim's lease runs on lines or a survey of the hospital.
            NotDeliveredError: lines became ready behind the dispatch.
            DeliveryUncertainError: some lines are in doubt.
            ConfigError: units failed for good.
        """
        self._log_doubts()
        failed = dict.fromkeys(failed_before, "failed in an earlier try") | self._failed
        also = f"; failed for good: {', '.join(map(str, failed))}" if failed else ""
        self._require_nothing_in_flight(also)
        left = [envelope for envelope in self._still_ready() if envelope.unit not in failed]
        if left and not self.tally.waiting_for_window:
            units = ", ".join(dict.fromkeys(str(envelope.unit) for envelope in left))
            lines = sum(envelope.lines for envelope in left)
            message = (
                f"{Count(lines):line|lines} became ready, or free, behind the dispatch:"
                f" {units}{also}"
            )
            raise NotDeliveredError(message)
        if self.tally.in_doubt:
            raise self._in_doubt(also)
        if failed:
            raise ConfigError("\n".join(f"{unit}: {why}" for unit, why in failed.items()))

    def _log_doubts(self) -> None:
        hospital = self._context.hospital.code
        with self._context.ledger.reading() as connection:
            lines = sum(batch.lines for batch in in_doubt_batches(connection, hospital=hospital))
        if lines:
            log.warning(
                "ATENÇÃO: %s: %s em dúvida: decida com track_decide",
                hospital,
                f"{Count(lines):linha continua|linhas continuam}",
            )

    def _require_nothing_in_flight(self, also: str) -> None:
        hospital = self._context.hospital.code
        with self._context.ledger.reading() as connection:
            lines = lines_in_flight(connection, hospital)
        leases = [*self._busy.values(), *([] if lines is None else [lines])]
        if leases:
            units = ", ".join(map(str, self._busy)) or f"lines of {hospital}"
            message = f"another claim's lease still runs: {units}{also}"
            raise LinesInFlightError(message, retry_after=max(leases))

    def _in_doubt(self, also: str) -> DeliveryUncertainError:
        return DeliveryUncertainError(
            f"{self._context.hospital.code}: {Count(self.tally.in_doubt):line|lines} may have"
            f" reached Track: a person must decide{also}"
        )

    def _still_ready(self) -> list[ReadyEnvelope]:
        context = self._context
        with context.ledger.reading() as connection:
            return ready_envelopes(connection, context.hospital.code, until=self._until)


def _carry_out(future: Future[T], work: Callable[[], T]) -> None:
    """Run a future's work in any thread, unless it is cancelled."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
        future.set_exception(error)


#: Hindrances that another try at the envelope would meet again now.
_OVER = frozenset(
    {Hindrance.NOTHING_READY, Hindrance.OUTDATED, Hindrance.ALL_EXCLUDED, Hindrance.LOCKED}
)


def _is_busy(claimed: Claim | NotClaimed) -> TypeGuard[NotClaimed]:
    return isinstance(claimed, NotClaimed) and claimed.why is Hindrance.SURVEY_BUSY
